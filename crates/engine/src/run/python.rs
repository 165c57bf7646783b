//! Steps that are Python functions: asked of the warm interpreter, which is started when the first one is wanted and again
//! when it dies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::rc::Rc;

use pial_core::document::{Function, Output};
use pial_core::plan::Call;
use pial_core::schedule::{Reason, Step};
use pial_core::value::{Type, Value};

use super::{Active, Engine, EngineError, Phase};
use crate::launch::Capture;
use crate::observe::Report;
use crate::python::{self, ERRORS, Interpreter, News, PROTOCOL, Returned, Start, Visited};
use crate::record::{Logged, Used};
use crate::sys::{self, Ended};
use crate::task::Task;
use crate::work::make_scratch;

/// An interpreter that dies so often without having begun a step will not begin one.
const MOST_DEATHS: u32 = 3;

/// A disk with less than this is full for the result of a function, in bytes.
const LEAST_FREE: u64 = 64 * 1024;

/// The warm interpreter of a run, and what was asked of it.
#[derive(Default)]
pub(super) struct Python {
    interpreter: Option<Interpreter>,
    /// How the interpreter ended, while some of its steps may not have told yet that they began.
    ended: Option<ExitStatus>,
    /// Numbers of functions.
    numbers: HashMap<Rc<Function>, u32>,
    /// Steps that were asked for and have not told that they began, in order.
    pub(super) asked: BTreeMap<u64, Active>,
    last: u64,
    /// Modules that must not be imported before a step wants them.
    skip: Vec<String>,
    bare: bool,
    /// Whether the interpreter ends of itself, to be started again.
    restarts: bool,
    /// How often it died since a step began.
    deaths: u32,
    /// Processes that wait for another step, the last one warmest.
    idle: Vec<u32>,
    /// Which of those asked for are held back until a process is free.
    pub(super) held: BTreeSet<u64>,
}

/// What is asked of Python for a step.
#[derive(Default)]
pub(super) struct Ask {
    /// Variables added to the environment.
    pub environment: Vec<(String, String)>,
    /// Why Python is visited, for a node of nipype's.
    pub visit: Option<Visit>,
    /// What its processes before this one used.
    pub used: Option<Used>,
    /// What its command printed, as long as Python may read it.
    pub command: Option<Capture>,
}

/// Why Python is visited for a node of nipype's.
#[derive(Debug)]
pub(super) struct Visit {
    pub phase: &'static str,
    /// How its command ended.
    pub ran: Option<serde_json::Value>,
}

impl Ask {
    /// The first thing asked.
    pub fn new(environment: Vec<(String, String)>, visit: Option<Visit>) -> Ask {
        Ask { environment, visit, ..Ask::default() }
    }
}

impl Visit {
    /// To run, or to say what is to run.
    pub const RUN: &str = "run";
    /// The same for an item of a map node.
    pub const ITEM: &str = "item";
    /// To say what a command that ran left.
    pub const COLLECT: &str = "collect";
    /// To put the results of all items together.
    pub const COLLATE: &str = "collate";

    /// A visit before any command ran.
    pub fn new(phase: &'static str) -> Visit {
        Visit { phase, ran: None }
    }
}

impl Python {
    /// What to wait for besides signals.
    pub fn descriptor(&self) -> Option<(RawFd, bool)> {
        self.interpreter.as_ref().map(Interpreter::descriptor)
    }

    /// The interpreter's process.
    pub fn pid(&self) -> Option<u32> {
        self.interpreter.as_ref().and_then(|interpreter| interpreter.pid)
    }

    /// Whether steps were asked for that have not begun.
    pub fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    fn number(&mut self, function: &Rc<Function>) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(Rc::clone(function)).or_insert(next)
    }
}

impl Active {
    fn call(&self) -> Option<Rc<Call>> {
        match &self.phase {
            Phase::Function(task, ..) => task.call.clone(),
            _ => None,
        }
    }
}

impl Engine<'_> {
    /// Has a step run by the interpreter. It works in its final directory, as Python code keeps absolute paths.
    pub(super) fn launch_function(
        &mut self,
        step: Step,
        attempt: u32,
        task: Box<Task>,
        ask: Ask,
    ) -> Result<(), EngineError> {
        if !task.is_nipype {
            let made = make_scratch(&task.scratch);
            made.map_err(EngineError::io(format!("make the directory {}", task.scratch.display())))?;
        }
        let capture = self.captures.take().map_err(EngineError::io("open a file for output"))?;
        self.python.last += 1;
        let id = self.python.last;
        let phase = Phase::Function(task, id, Box::new(ask));
        let name = crate::task::step_name(&self.store, step);
        let (began, memory) = (self.now(), self.watch_fork(step));
        let active = Active { step, attempt, name, began, capture, phase, stopped: None, stays: false, memory };
        let visit = active.is_visit();
        self.python.asked.insert(id, active);
        if visit {
            self.python.held.insert(id);
            return self.release_held();
        }
        self.ask(id)
    }

    /// Asks the interpreter for a step, starting it if there is none.
    pub(super) fn ask(&mut self, id: u64) -> Result<(), EngineError> {
        if self.python.ended.is_some() {
            // The next interpreter is asked.
            return Ok(());
        }
        if self.python.interpreter.is_none()
            && let Err(message) = self.start_interpreter()
        {
            return self.give_up_python(&message);
        }
        let result = self.result_file(id);
        let Some(call) = self.python.asked.get(&id).and_then(Active::call) else { return Ok(()) };
        let number = self.python.number(&call.function);
        let Some(Active { phase: Phase::Function(task, _, ask), step, name, capture, .. }) = self.python.asked.get(&id)
        else {
            return Ok(());
        };
        let template = self.plan.locate(step.node).0;
        let cpus = self.plan.requests[template.request].cpus;
        let (stdout, stderr) = capture.paths();
        let scratch = task.scratch.to_string_lossy();
        let request = python::Call {
            node: name,
            // nipype goes to the directories of its nodes itself.
            directory: if task.is_nipype { &self.options.directory } else { &scratch },
            inputs: task.inputs.iter().map(|(name, value)| (name.as_str(), Logged::of(value, "//"))).collect(),
            outputs: expected(&call),
            environment: &ask.environment,
            nipype: template.nipype.as_deref().zip(ask.visit.as_ref()).map(|(nipype, visit)| Visited {
                spool: &nipype.spool,
                at: nipype.at,
                phase: visit.phase,
                item: step.item,
                ran: visit.ran.as_ref(),
            }),
            cpus: (cpus.floor() as u64).max(1),
            stdout,
            stderr,
            result: &result,
            // nipype's own workers run many nodes in a process, too; functions are promised one of their own.
            stay: task.is_nipype,
            process: if task.is_nipype { self.python.idle.pop() } else { None },
        };
        if let Some(interpreter) = &mut self.python.interpreter {
            interpreter.request(id, number, &call.function, &request);
        }
        Ok(())
    }

    fn start_interpreter(&mut self) -> Result<(), String> {
        self.guardian().map_err(|error| error.to_string())?;
        let program = python::program().map_err(|name| format!("there is no Python interpreter `{name}`"))?;
        let start = Start {
            program: &program,
            skip: &self.python.skip,
            bare: self.python.bare,
            directory: &self.work.path.join(".pial/capture"),
            mark: &self.mark,
        };
        let started = Interpreter::start(&start);
        let interpreter = started.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        if let (Some(guardian), Some(pid)) = (&mut self.guardian, interpreter.pid) {
            guardian.began(pid);
        }
        self.python.interpreter = Some(interpreter);
        Ok(())
    }

    /// Takes in what the interpreter and its steps tell.
    pub(super) fn hear_python(&mut self) -> Result<(), EngineError> {
        let Some(interpreter) = &mut self.python.interpreter else { return Ok(()) };
        for news in interpreter.exchange() {
            match news {
                News::Ready { protocol } if protocol != PROTOCOL => {
                    let message = format!(
                        "the Python package pial of this interpreter speaks version {protocol} of what this pial speaks as \
                         {PROTOCOL}; install both from the same version"
                    );
                    self.give_up_python(&message)?;
                }
                News::Ready { .. } => {}
                News::Started { id, pid, rss_bytes } => self.function_began(id, pid, rss_bytes)?,
                News::Ended { id, pid, status, user_s, system_s, max_rss_bytes, stays } => {
                    let ended = Ended { pid, status: ExitStatus::from_raw(status), user_s, system_s, max_rss_bytes };
                    self.function_ended(id, &ended, stays)?;
                }
                News::Warning { message } => self.observer.report(&Report::Warning(&message)),
                News::Restart { skip } => {
                    self.python.skip.extend(skip);
                    self.python.restarts = true;
                }
            }
        }
        self.restart_python()
    }

    fn function_began(&mut self, id: u64, pid: u32, rss_bytes: u64) -> Result<(), EngineError> {
        let Some(mut active) = self.python.asked.remove(&id) else { return Ok(()) };
        self.python.deaths = 0;
        // The interpreter gives a step to a process that waits also when another or none was named.
        self.python.idle.retain(|idle| *idle != pid);
        active.began = self.now();
        if let Some(guardian) = &mut self.guardian {
            guardian.began(pid);
        }
        self.note_start(&active.name, pid, active.attempt)?;
        active.memory.inherited = rss_bytes;
        self.begin_watch(&mut active.memory);
        self.active.insert(pid, active);
        Ok(())
    }

    /// One that never told that it began did nothing but end.
    fn function_ended(&mut self, id: u64, ended: &Ended, stays: bool) -> Result<(), EngineError> {
        let is_it = |active: &Active| matches!(active.phase, Phase::Function(_, own, _) if own == id);
        let active = match self.active.get(&ended.pid) {
            Some(active) if is_it(active) => self.active.remove(&ended.pid),
            _ => self.python.asked.remove(&id),
        };
        if stays {
            self.python.idle.push(ended.pid);
        }
        active.map_or(Ok(()), |active| self.ended(ended, Active { stays, ..active }))
    }

    /// Notes that the interpreter's process ended; what it left is seen to when its socket is at its end.
    pub(super) fn interpreter_ended(&mut self, ended: &Ended) -> Result<(), EngineError> {
        if let Some(guardian) = &mut self.guardian {
            guardian.ended(ended.pid);
        }
        self.python.ended = Some(ended.status);
        self.hear_python()
    }

    /// When the interpreter is gone: steps that began go on as the engine's own children, the others are asked of a new
    /// interpreter.
    fn restart_python(&mut self) -> Result<(), EngineError> {
        let at_end = self.python.interpreter.as_ref().is_some_and(Interpreter::is_at_end);
        if !at_end {
            return Ok(());
        }
        let own = self.python.pid();
        if let (None, Some(pid)) = (self.python.ended, own) {
            // It hears nothing any more, whatever it still does.
            sys::kill(pid);
            return Ok(());
        }
        // How another's child ended is not told.
        let status = self.python.ended.unwrap_or_default();
        self.python.interpreter = None;
        self.python.ended = None;
        self.python.idle.clear();
        self.end_lost_functions(own.is_some())?;
        if !std::mem::take(&mut self.python.restarts) {
            self.python.deaths += 1;
            self.python.bare |= self.python.deaths > 1;
            let message = self.interpreter_message(status);
            if self.python.deaths >= MOST_DEATHS {
                return self.give_up_python(&message);
            }
            if self.python.is_asked() || !self.interrupted {
                self.observer.report(&Report::Warning(&format!("{message}; it is started again when it is needed")));
            }
        }
        let stopped = |(id, active): (&u64, &Active)| active.stopped.map(|_| *id);
        for id in self.python.asked.iter().filter_map(stopped).collect::<Vec<_>>() {
            self.end_unbegun(id, "it was ended before it began")?;
        }
        let held = |id: &&u64| !self.python.held.contains(id);
        for id in self.python.asked.keys().filter(held).copied().collect::<Vec<_>>() {
            self.ask(id)?;
        }
        Ok(())
    }

    /// Steps whose end the interpreter saw and did not live to tell; all its steps when they do not become the engine's
    /// children (`adopted`), as their end would never be known.
    fn end_lost_functions(&mut self, adopted: bool) -> Result<(), EngineError> {
        let lost = |(pid, active): (&u32, &Active)| match active.phase {
            Phase::Function(_, id, _) if !(adopted && sys::exists(*pid)) => Some((*pid, id)),
            _ => None,
        };
        for (pid, id) in self.active.iter().filter_map(lost).collect::<Vec<_>>() {
            sys::signal_group(pid, true);
            let text = fs::read_to_string(self.result_file(id)).unwrap_or_default();
            // What it left tells how it ended.
            let status = match serde_json::from_str::<Returned<'_>>(&text) {
                Ok(Returned { error: None, .. }) => ExitStatus::from_raw(0),
                Ok(_) => ExitStatus::from_raw(1 << 8),
                Err(_) => ExitStatus::from_raw(libc::SIGKILL),
            };
            let ended = Ended { pid, status, user_s: 0.0, system_s: 0.0, max_rss_bytes: 0 };
            self.function_ended(id, &ended, false)?;
        }
        Ok(())
    }

    fn interpreter_message(&self, status: ExitStatus) -> String {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with code {code}"),
            (None, signal) => format!("was killed by signal {}", signal.unwrap_or_default()),
        };
        let printed = fs::read(self.work.path.join(".pial/capture").join(ERRORS)).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed);
        let last = printed.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let remedy = match last.contains("No module named") && last.contains("pial") {
            true => format!("; install pial's Python package there, or name another interpreter in {}", python::PYTHON),
            false => String::new(),
        };
        let program = python::program().map_or_else(|name| name, |path| path.display().to_string());
        let colon = if last.is_empty() { "" } else { ": " };
        format!("the Python interpreter {program} {how}{colon}{last}{remedy}")
    }

    /// Fails every step that was asked for: there will be no interpreter.
    fn give_up_python(&mut self, message: &str) -> Result<(), EngineError> {
        for id in self.python.asked.keys().copied().collect::<Vec<_>>() {
            self.end_unbegun(id, message)?;
        }
        Ok(())
    }

    pub(super) fn end_unbegun(&mut self, id: u64, message: &str) -> Result<(), EngineError> {
        self.python.held.remove(&id);
        let Some(active) = self.python.asked.remove(&id) else { return Ok(()) };
        let Active { step, attempt, capture, phase, stopped, .. } = active;
        self.devices.give_back(step);
        if stopped == Some(Reason::Cancelled) {
            return self.cancelled(step, capture, &phase);
        }
        self.captures.discard(capture).map_err(EngineError::io("empty a file for output"))?;
        let message = match (stopped, self.plan.locate(step.node).0.time_s) {
            (Some(Reason::TimedOut), Some(limit)) => {
                format!("its limit of {limit} s was over before the Python interpreter began it")
            }
            _ => message.to_owned(),
        };
        self.fail_unstarted(step, attempt, message)
    }

    /// Ends a step that was asked for and has not begun: the interpreter is busy with something that may never end.
    pub(super) fn stop_unbegun(&mut self, step: Step, reason: Reason) {
        let mut found = false;
        for active in self.python.asked.values_mut().filter(|active| active.step == step) {
            active.stopped = Some(reason);
            found = true;
        }
        let held = |(id, active): (&u64, &Active)| active.step == step && self.python.held.contains(id);
        if found
            && !self.python.asked.iter().any(held)
            && let Some(pid) = self.python.pid()
        {
            // There is no softer way, as the interpreter hears nothing while it imports.
            self.python.bare = true;
            sys::signal_group(pid, true);
            sys::kill(pid);
        }
    }

    /// Ends the interpreter, which has nothing left to do.
    pub(super) fn end_python(&mut self) {
        if let Some(interpreter) = self.python.interpreter.take() {
            // Another's child ends when its socket does.
            if let Some(pid) = interpreter.pid {
                sys::signal_group(pid, true);
                sys::kill(pid);
                sys::wait_for(pid);
            }
        }
    }

    fn result_file(&self, id: u64) -> PathBuf {
        self.work.path.join(format!(".pial/capture/{id}.result"))
    }

    /// What a process left in its result file, which is of no further use.
    pub(super) fn take_result(&self, id: u64) -> Option<String> {
        let file = self.result_file(id);
        let text = fs::read_to_string(&file);
        let _ = fs::remove_file(&file);
        text.ok()
    }

    /// What a function returned whose process ended, or why that is nothing. `bad` is what is bad about the end.
    pub(super) fn outcome(
        &self,
        task: &Task,
        id: u64,
        ended: &Ended,
        bad: Option<String>,
    ) -> Result<Vec<(String, Value)>, String> {
        let returned = self.take_result(id).map(|text| match serde_json::from_str::<Returned<'_>>(&text) {
            Ok(Returned { error: Some(error), .. }) => Err(error),
            Ok(Returned { outputs, .. }) => Ok(values(outputs.unwrap_or_default())),
            Err(error) => Err(format!("what it returned cannot be read: {error}")),
        });
        match (returned, bad) {
            // What Python says of an exit tells more than its code; of a signal it can say nothing.
            (Some(Err(error)), bad) if bad.is_none() || ended.status.code() == Some(1) => Err(error),
            (None, Some(bad)) if sys::free_bytes(&self.work.path).is_some_and(|free| free < LEAST_FREE) => {
                // Python could not even write what went wrong.
                Err(format!("{bad}, with no space left on the disk of {}", self.work.path.display()))
            }
            (_, Some(bad)) => Err(bad),
            (Some(values), None) => typed(task, values?),
            (None, None) => Err("its process ended before it returned; did it call os._exit?".to_owned()),
        }
    }
}

/// Outputs by name.
pub(super) fn values(outputs: Vec<(String, Logged<'_>)>) -> HashMap<String, Value> {
    outputs.into_iter().map(|(name, value)| (name, value.to_value("//"))).collect()
}

/// What was returned as the outputs that were promised.
fn typed(task: &Task, mut values: HashMap<String, Value>) -> Result<Vec<(String, Value)>, String> {
    let output = |output: &Output| {
        let name = &output.name.text;
        let value = values.remove(name).unwrap_or(Value::Null);
        if value == Value::Null && !output.optional && output.kind != Type::Any {
            return Err(format!("it returned nothing for the output `{name}`, which is {}", output.kind));
        }
        let plain = output.kind.coerce(value.clone()).map_err(|error| format!("the output `{name}`: {error}"))?;
        // A path stays what Python made of it.
        Ok((name.clone(), if output.kind.is_path() { value } else { plain }))
    };
    task.call.iter().flat_map(|call| &call.outputs).map(output).collect()
}

/// What a function is to return, as Python is told.
pub(super) fn expected(call: &Call) -> Vec<(&str, String, bool)> {
    let outputs = call.outputs.iter();
    outputs.map(|output| (output.name.text.as_str(), output.kind.to_string(), output.optional)).collect()
}
