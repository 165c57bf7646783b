//! Steps that are nodes of nipype's. Python is visited for each of them once or several times: it says what command is to
//! run, how many items there are, or what the outputs are. While the command runs there is no Python.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use pial_core::arena::NodeId;
use pial_core::plan::Items;
use pial_core::schedule::{Ending, Event, Step};
use serde_json::{Value as Json, json};

use super::ending::Usage;
use super::python::{Ask, Visit, values};
use super::{Engine, EngineError, MapRun, Phase};
use crate::clock::seconds_since_1970;
use crate::crash::{Crash, TAIL};
use crate::launch::{Capture, Launch};
use crate::python::{Command, Returned};
use crate::record::Used;
use crate::store::Read;
use crate::sys::Ended;
use crate::task::{self, Prepared, Task};

/// A command that a visit asked for, and that waits for memory.
pub(super) struct Planned {
    task: Box<Task>,
    ask: Ask,
    command: Command,
    state: Json,
}

/// A command that a visit asked for, while it runs.
pub(super) struct Running {
    pub task: Box<Task>,
    pub ask: Ask,
    state: Json,
    started: f64,
}

impl Engine<'_> {
    /// What a visit said.
    pub(super) fn visited(
        &mut self,
        (step, attempt): (Step, u32),
        task: Box<Task>,
        id: u64,
        mut ask: Ask,
        printed: (String, String),
        (status, bad, usage): (ExitStatus, Option<String>, Usage),
    ) -> Result<(), EngineError> {
        let text = self.take_result(id);
        if let Some(command) = ask.command.take() {
            self.captures.discard(command).map_err(EngineError::io("empty a file for output"))?;
        }
        let usage = Usage { used: together(ask.used, usage.used), ..usage };
        let returned = text.as_deref().map(serde_json::from_str::<Returned<'_>>);
        let (message, crash) = match (returned, bad) {
            (Some(Ok(Returned { error: Some(error), crash, .. })), _) => (error, crash),
            (_, Some(bad)) => (bad, None),
            (None, None) => ("its process ended before it returned; did it call os._exit?".to_owned(), None),
            (Some(Err(error)), None) => (format!("what it returned cannot be read: {error}"), None),
            (Some(Ok(Returned { expand: Some(count), .. })), None) => {
                self.expand_nipype(step.node, &task, count);
                return Ok(());
            }
            (Some(Ok(Returned { run: Some(command), state, .. })), None) => {
                ask.used = usage.used;
                let planned = Planned { task, ask, command, state: state.unwrap_or_default() };
                return self.command_known(step, attempt, planned);
            }
            (Some(Ok(Returned { outputs, cached, .. })), None) => {
                return self.nipype_done(
                    step,
                    attempt,
                    task,
                    values(outputs.unwrap_or_default()),
                    Usage { found: cached, ..usage },
                );
            }
        };
        self.nipype_failed(step, attempt, &task, message, crash, printed, (status, usage))
    }

    fn nipype_done(
        &mut self,
        step: Step,
        attempt: u32,
        task: Box<Task>,
        mut values: std::collections::HashMap<String, pial_core::value::Value>,
        usage: Usage,
    ) -> Result<(), EngineError> {
        let outputs = task.call.iter().flat_map(|call| &call.outputs);
        let outputs = outputs.filter_map(|output| values.remove_entry(&output.name.text)).collect();
        self.record(step, attempt, task, outputs, usage, &Read::new())
    }

    fn expand_nipype(&mut self, node: NodeId, task: &Task, count: u32) {
        let (inputs, digests) = (task.inputs.clone(), task.digests.clone());
        let items = Items::counted(count as usize);
        self.maps.insert(node, MapRun { inputs, digests, items, places: vec![Default::default(); count as usize] });
        self.events.push_back(Event::Expanded(node, count));
    }

    /// Has nipype put the results of all items together.
    pub(super) fn collate_nipype(&mut self, node: NodeId) -> Result<(), EngineError> {
        let step = Step { node, item: None };
        let Some(map) = self.maps.remove(&node) else { return Ok(()) };
        let inputs = map.inputs.into_iter().filter(|(name, _)| !name.starts_with('(')).collect();
        match task::prepare(&mut self.store, step, inputs, map.digests)? {
            Prepared::Task(mut task) => {
                if let Err(message) = task.settle(&self.store, step) {
                    return self.fail_unstarted(step, 1, message);
                }
                self.launch_function(step, 1, task, Ask::new(Vec::new(), Some(Visit::new(Visit::COLLATE))))
            }
            Prepared::Wrong(message) => self.fail_unstarted(step, 1, message),
            Prepared::Unread(_) => {
                self.fail_unstarted(step, 1, "its inputs changed while it ran; run again".to_owned())
            }
        }
    }

    /// Runs the command of a visit, or has it wait for memory: now the size of its inputs is known.
    fn command_known(&mut self, step: Step, attempt: u32, mut planned: Planned) -> Result<(), EngineError> {
        planned.task.nipype_input_bytes = planned.command.input_bytes;
        // A step that waits gives everything back, and its devices are in the command's environment already.
        let has_devices = self.plan.requests[self.plan.locate(step.node).0.request].gpus > 0;
        if !has_devices && self.waits_for_memory(step, &planned.task) {
            self.planned.insert(step, planned);
            return Ok(());
        }
        self.run_command(step, attempt, planned)
    }

    /// Runs the command of a visit as the step's process.
    pub(super) fn run_command(
        &mut self,
        step: Step,
        attempt: u32,
        Planned { task, ask, command, state }: Planned,
    ) -> Result<(), EngineError> {
        let Some((program, arguments)) = command.words.split_first() else {
            return self.fail_unstarted(step, attempt, "it asked for a command without words".to_owned());
        };
        let inherited = command.environment.is_none();
        let environment: Vec<(String, String)> = match &command.environment {
            Some(whole) => whole.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            None => ask.environment.clone(),
        };
        let launch = Launch {
            program: Path::new(program),
            arguments,
            directory: &PathBuf::from(&command.directory),
            environment: &environment,
            whole_environment: !inherited,
            input: None,
            mark: &self.mark.clone(),
            step: &task.name,
        };
        self.guardian()?;
        let capture = self.captures.take().map_err(EngineError::io("open a file for output"))?;
        let watch = self.watch_in_group(step);
        match self.within(&watch, |engine| engine.captures.spawn(&launch, &capture)) {
            Ok(pid) => {
                let running = Running { task, ask, state, started: seconds_since_1970() };
                self.began_watched(pid, (step, attempt), capture, Phase::Ran(Box::new(running)), watch)
            }
            Err(error) => {
                watch.group.into_iter().for_each(|group| self.memory.remove(group));
                self.captures.discard(capture).map_err(EngineError::io("empty a file for output"))?;
                let message = format!("cannot start {program}: {error}");
                self.fail(step, attempt, &task, message, None, Ending::FailedForGood)
            }
        }
    }

    /// The command of a visit ended, however it did: Python is asked what that means.
    pub(super) fn command_ended(
        &mut self,
        (step, attempt): (Step, u32),
        running: Running,
        ended: &Ended,
        capture: Capture,
        bad: Option<String>,
        usage: Usage,
    ) -> Result<(), EngineError> {
        use std::os::unix::process::ExitStatusExt;
        let Running { task, mut ask, state, started } = running;
        ask.used = together(ask.used, usage.used);
        if let Some(message) = bad {
            let printed = self.captures.tail(capture, TAIL).map_err(EngineError::io("read what a step printed"))?;
            return self.nipype_failed(
                step,
                attempt,
                &task,
                message,
                None,
                printed,
                (ended.status, Usage { used: ask.used, ..usage }),
            );
        }
        let (stdout, stderr) = capture.paths();
        let ran = json!({
            "returncode": ended.status.code(),
            "signal": ended.status.signal(),
            "started": started,
            "ended": seconds_since_1970(),
            "user_s": ended.user_s,
            "system_s": ended.system_s,
            "max_rss_bytes": ended.max_rss_bytes,
            "stdout": stdout,
            "stderr": stderr,
            "state": state,
        });
        ask.command = Some(capture);
        ask.visit = Some(Visit { phase: Visit::COLLECT, ran: Some(ran) });
        self.launch_function(step, attempt, task, ask)
    }

    #[expect(clippy::too_many_arguments, reason = "a failure is told with all that is known of it")]
    fn nipype_failed(
        &mut self,
        step: Step,
        attempt: u32,
        task: &Task,
        message: String,
        crash: Option<String>,
        (stdout, stderr): (String, String),
        (status, usage): (ExitStatus, Usage),
    ) -> Result<(), EngineError> {
        use std::os::unix::process::ExitStatusExt;
        let own = Crash {
            exit_code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
            ..self.crash(step, attempt, task, message, usage.used)
        };
        self.write_failure(step, task, usage.told(own), usage.ending(), crash)
    }
}

/// What several processes of a step used, one after the other.
fn together(earlier: Option<Used>, later: Option<Used>) -> Option<Used> {
    match (earlier, later) {
        (Some(a), Some(b)) => Some(Used {
            wall_s: a.wall_s + b.wall_s,
            user_s: a.user_s + b.user_s,
            system_s: a.system_s + b.system_s,
            ..if b.peak_rss_bytes >= a.peak_rss_bytes { b } else { a }
        }),
        (a, b) => a.or(b),
    }
}
