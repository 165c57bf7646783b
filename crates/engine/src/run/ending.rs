//! The end of a step: how it ended, what it left, what is recorded.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use pial_core::arena::NodeId;
use pial_core::schedule::{Ending, Event, Reason, Step};
use pial_core::value::Value;

use super::out_of_memory::{OutOfMemory, peak};
use super::{Active, Engine, EngineError, Phase};
use crate::clock::{seconds_since_1970, utc};
use crate::collect::collect;
use crate::crash::{Crash, TAIL};
use crate::launch::Capture;
use crate::observe::Report;
use crate::python::Described;
use crate::record::{Failed, Logged, Record, Used};
use crate::store::{Read, StoreError, read_by_errand};
use crate::sys::Ended;
use crate::task::{Task, step_name};
use crate::work::publish;

/// What a step used, and how many processes it left behind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub used: Option<Used>,
    pub strays: u32,
    /// Whether nipype found it done before.
    pub found: bool,
    /// Whether it was ended for its memory, and by whom.
    pub out_of_memory: Option<OutOfMemory>,
}

impl Usage {
    /// How the failure of a step with this usage counts.
    pub fn ending(&self) -> Ending {
        self.out_of_memory.map_or(Ending::Failed, |out| Ending::OutOfMemory { used_bytes: out.used })
    }

    /// A crash with what is known of the memory.
    pub fn told(&self, crash: Crash) -> Crash {
        let Some(out) = self.out_of_memory else { return crash };
        Crash { memory_limit_bytes: out.limit, ended_by: Some(out.by.tell().to_owned()), ..crash }
    }
}

impl Engine<'_> {
    pub(super) fn ended(&mut self, ended: &Ended, active: Active) -> Result<(), EngineError> {
        let group = (!active.stays).then_some(ended.pid);
        let strays = self.end_strays(Some((group, &active.name)));
        if let Some(guardian) = &mut self.guardian {
            guardian.ended(ended.pid);
        }
        let Active { step, attempt, capture, phase, stopped, began, memory, .. } = active;
        let (peak_rss_bytes, method, charged_bytes) = peak(&memory, ended.max_rss_bytes);
        let used = Used {
            wall_s: microseconds(self.now() - began),
            user_s: microseconds(ended.user_s),
            system_s: microseconds(ended.system_s),
            peak_rss_bytes,
            method,
            charged_bytes,
            asked_bytes: memory.asked,
        };
        let out_of_memory = self.out_of_memory(&memory, ended.status, stopped, peak_rss_bytes);
        memory.group.into_iter().for_each(|group| self.memory.remove(group));
        let usage = Usage { used: Some(used), strays, found: false, out_of_memory };
        self.devices.give_back(step);
        let bad = match out_of_memory {
            Some(out) => Some(out.message(self.memory_key(step.node))),
            None => bad_ending(ended.status, stopped, self.plan.locate(step.node).0.time_s),
        };
        if stopped == Some(Reason::Cancelled) {
            return self.cancelled(step, capture, &phase);
        }
        match phase {
            Phase::Command(task) => match (self.captures.settle(capture, &task.scratch), bad) {
                (Err(error), _) => {
                    let message =
                        format!("its output cannot be kept ({error}); did it remove or fill its own directory?");
                    self.fail_unless_disk(step, attempt, &task, message, &error, usage.used)
                }
                (Ok(()), None) => self.succeeded(step, attempt, task, usage),
                (Ok(()), Some(message)) => self.failed(step, attempt, &task, message, ended.status, usage),
            },
            Phase::Function(task, id, ask) if task.is_nipype => {
                let printed = self.captures.tail(capture, TAIL).map_err(EngineError::io("read what a step printed"))?;
                self.visited((step, attempt), task, id, *ask, printed, (ended.status, bad, usage))
            }
            Phase::Function(task, id, _) => match self.captures.settle(capture, &task.scratch) {
                Err(error) => {
                    let message =
                        format!("its output cannot be kept ({error}); did it remove or fill its own directory?");
                    self.fail_unless_disk(step, attempt, &task, message, &error, usage.used)
                }
                Ok(()) => {
                    let outcome = match (stopped.is_some() || out_of_memory.is_some(), bad) {
                        (true, Some(bad)) => Err(bad),
                        (_, bad) => self.outcome(&task, id, ended, bad),
                    };
                    match outcome {
                        Ok(outputs) => self.publish_outputs(step, attempt, task, outputs, usage),
                        Err(message) => self.failed(step, attempt, &task, message, ended.status, usage),
                    }
                }
            },
            Phase::Ran(running) => {
                let bad = bad.filter(|_| stopped.is_some() || out_of_memory.is_some());
                self.command_ended((step, attempt), *running, ended, capture, bad, usage)
            }
            Phase::Builtin(task) => self.builtin_ended(step, attempt, task, capture, bad, usage),
            Phase::ReadingInputs => {
                let (digests, message) = self.captures.read(capture).map_err(EngineError::io("read digests"))?;
                if bad.is_some() {
                    return self.fail_unstarted(step, attempt, format!("cannot read its inputs: {}", message.trim()));
                }
                self.store.learn(&digests);
                self.start(step, attempt)
            }
            Phase::ReadingOutputs(task, outputs, usage) => {
                let (digests, message) = self.captures.read(capture).map_err(EngineError::io("read digests"))?;
                if bad.is_some() {
                    let message = format!("cannot read its outputs: {}", message.trim());
                    return self.fail(step, attempt, &task, message, usage.used, Ending::Failed);
                }
                self.record(step, attempt, task, outputs, usage, &read_by_errand(&digests))
            }
        }
    }

    /// A child that ended without the engine being told how.
    pub(super) fn vanished(&mut self, active: &Active) -> Result<(), EngineError> {
        let message = "it vanished: the system says there is no such child, and not how it ended".to_owned();
        self.fail_unstarted(active.step, active.attempt, message)
    }

    /// A process that the user ended: there is nothing to tell and nothing to keep.
    pub(super) fn cancelled(&mut self, step: Step, capture: Capture, phase: &Phase) -> Result<(), EngineError> {
        self.captures.discard(capture).map_err(EngineError::io("empty a file for output"))?;
        match phase {
            // What nipype began it sees to itself.
            Phase::Function(task, ..) if task.is_nipype => {}
            Phase::Command(task) | Phase::Builtin(task) | Phase::Function(task, ..) => {
                let _ = crate::work::remove(&task.scratch);
            }
            Phase::Ran(_) | Phase::ReadingInputs | Phase::ReadingOutputs(..) => {}
        }
        self.event(step, Ending::FailedForGood);
        Ok(())
    }

    /// The failure of one step, unless it is the disk's, which no step can do without.
    fn fail_unless_disk(
        &mut self,
        step: Step,
        attempt: u32,
        task: &Task,
        message: String,
        error: &io::Error,
        used: Option<Used>,
    ) -> Result<(), EngineError> {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem) {
            return Err(EngineError::Io { what: format!("keep what {} left", task.name), source: error.kind().into() });
        }
        self.fail(step, attempt, task, message, used, Ending::Failed)
    }

    pub(super) fn failed(
        &mut self,
        step: Step,
        attempt: u32,
        task: &Task,
        message: String,
        status: ExitStatus,
        usage: Usage,
    ) -> Result<(), EngineError> {
        let crash = Crash {
            exit_code: status.code(),
            signal: status.signal(),
            ..self.crash(step, attempt, task, message, usage.used)
        };
        self.write_failure(step, task, usage.told(crash), usage.ending(), None)
    }

    /// A step that ended well: its outputs are found, published and recorded.
    fn succeeded(&mut self, step: Step, attempt: u32, task: Box<Task>, usage: Usage) -> Result<(), EngineError> {
        let expected = task.job.as_ref().map_or(&[][..], |job| &job.outputs);
        let outputs = match collect(expected, &task.scratch) {
            Ok(outputs) => outputs,
            Err(message) => return self.fail(step, attempt, &task, message, usage.used, Ending::Failed),
        };
        self.publish_outputs(step, attempt, task, outputs, usage)
    }

    /// Outputs that were found: published and recorded, unless an input changed meanwhile.
    pub(super) fn publish_outputs(
        &mut self,
        step: Step,
        attempt: u32,
        task: Box<Task>,
        outputs: Vec<(String, Value)>,
        usage: Usage,
    ) -> Result<(), EngineError> {
        if let Some(changed) = task.changed_source(&self.store) {
            let message =
                format!("the input {changed} changed while it ran, so its result belongs to no known input; run again");
            return self.fail(step, attempt, &task, message, usage.used, Ending::Failed);
        }
        if let Some(changed) = task.changed_result() {
            let message = format!(
                "its input {changed}, which another node made, was changed by this step or one beside it; \
                 a step that edits a file must edit a copy"
            );
            return self.fail(step, attempt, &task, message, usage.used, Ending::FailedForGood);
        }
        let directory = self.absolute(&task.directory);
        if let Err(error) = publish(&task.scratch, &directory) {
            let message = format!("its directory cannot be published ({error}); did it move or remove it?");
            return self.fail_unless_disk(step, attempt, &task, message, &error, usage.used);
        }
        let outputs = outputs.into_iter().map(|(name, value)| (name, placed(value, &directory))).collect();
        self.record(step, attempt, task, outputs, usage, &Read::new())
    }

    /// Records published outputs, once the digest of each file among them is known.
    pub(super) fn record(
        &mut self,
        step: Step,
        attempt: u32,
        task: Box<Task>,
        outputs: Vec<(String, Value)>,
        usage: Usage,
        read: &Read,
    ) -> Result<(), EngineError> {
        let files = match self.store.output_files(&outputs, &task.digests, read) {
            Ok(Ok(files)) => files,
            Ok(Err(large)) => return self.read_outputs(step, attempt, task, outputs, usage, &large),
            Err(message) => return self.fail(step, attempt, &task, message, usage.used, Ending::Failed),
        };
        if !usage.found
            && let Some(used) = &usage.used
        {
            self.learn(step, &task, used);
        }
        let place = self.store.record(&task, &outputs, files, usage.used)?;
        self.set_place(step, place);
        if usage.strays > 0 {
            let (count, s, were) = (
                usage.strays,
                if usage.strays == 1 { "" } else { "es" },
                if usage.strays == 1 { "was" } else { "were" },
            );
            let message = format!("{} left {count} process{s} running, which {were} ended", task.name);
            self.observer.report(&Report::Warning(&message));
        }
        if usage.found {
            self.observer.report(&Report::NodeCached { node: &task.name });
            self.events.push_back(Event::Hit(step));
            return Ok(());
        }
        self.observer.report(&Report::NodeDone { node: &task.name, used: usage.used, directory: &task.directory });
        self.event(step, Ending::Succeeded);
        Ok(())
    }

    /// What a built-in hands back: it may have made files, or have found what an earlier run found.
    pub(super) fn builtin_done(
        &mut self,
        step: Step,
        attempt: u32,
        mut task: Box<Task>,
        outputs: Vec<(String, Value)>,
        sinks: &[String],
        used: Option<Used>,
    ) -> Result<(), EngineError> {
        let directory = self.absolute(&task.directory);
        if task.scratch.exists() {
            publish(&task.scratch, &directory).map_err(EngineError::io(format!("publish {}", directory.display())))?;
        }
        if let Some(message) = self.claim(sinks, &task.name) {
            return self.fail(step, attempt, &task, message, used, Ending::FailedForGood);
        }
        let (from, to) = (task.scratch.to_string_lossy().into_owned(), directory.to_string_lossy().into_owned());
        let outputs: Vec<(String, Value)> =
            outputs.into_iter().map(|(name, value)| (name, moved(value, &from, &to))).collect();
        if !task.can_be_looked_up() {
            match self.store.key_by_outputs(&mut task, &outputs) {
                Ok(Ok(())) => {}
                // Once they are read the step starts again and finds the same.
                Ok(Err(large)) => return self.read_inputs(step, attempt, &large),
                Err(StoreError::Log(error)) => return Err(error.into()),
                Err(error) => return self.fail(step, attempt, &task, error.to_string(), used, Ending::Failed),
            }
            let known = if self.plan.locate(step.node).0.overwrite {
                None
            } else {
                self.store.look_up(&task.name, &task.key, false)?
            };
            if let Some(place) = known {
                self.hit(step, &task.name, place);
                return Ok(());
            }
        }
        self.record(step, attempt, task, outputs, Usage { used, ..Usage::default() }, &Read::new())
    }

    /// Notes that a node has written files outside the working directory; what is wrong when another has, too.
    pub(super) fn claim(&mut self, sinks: &[String], node: &str) -> Option<String> {
        for path in sinks {
            if let Some(other) = self.sinks.insert(path.clone(), node.to_owned()).filter(|other| other != node) {
                return Some(format!(
                    "{path} was written by {other} as well; keep them apart with `container`, `parameterization: true` \
                     or `substitutions`"
                ));
            }
        }
        None
    }

    pub(super) fn collate(&mut self, node: NodeId) -> Result<(), EngineError> {
        let step = Step { node, item: None };
        if self.plan.locate(node).0.nipype.is_some() {
            return self.collate_nipype(node);
        }
        let Some(map) = self.maps.remove(&node) else {
            self.event(step, Ending::FailedForGood);
            return Ok(());
        };
        let template = self.plan.locate(node).0;
        let ports: Vec<String> = template.signature.outputs().iter().map(|port| port.name.clone()).collect();
        let (name, directory) = (self.plan.node_name(node), self.plan.node_directory(node));
        let mut task = Task::unprepared(name.clone(), directory.clone());
        if let Ok(what) = self.store.what(template) {
            task.what = what;
        }
        let (place, is_new) = self.store.collate(task, &ports, &map.items, &map.places)?;
        self.set_place(step, place);
        if is_new {
            self.observer.report(&Report::NodeDone { node: &name, used: None, directory: &directory });
            self.event(step, Ending::Succeeded);
        } else {
            self.hit(step, &name, place);
        }
        Ok(())
    }

    /// A failure before there is a task to tell of.
    pub(super) fn fail_unstarted(&mut self, step: Step, attempt: u32, message: String) -> Result<(), EngineError> {
        let task = Task::unprepared(step_name(&self.store, step), self.plan.node_directory(step.node));
        self.fail(step, attempt, &task, message, None, Ending::FailedForGood)
    }

    pub(super) fn fail(
        &mut self,
        step: Step,
        attempt: u32,
        task: &Task,
        message: String,
        used: Option<Used>,
        ending: Ending,
    ) -> Result<(), EngineError> {
        let crash = self.crash(step, attempt, task, message, used);
        self.write_failure(step, task, crash, ending, None)
    }

    pub(super) fn crash(&self, step: Step, attempt: u32, task: &Task, message: String, used: Option<Used>) -> Crash {
        let job = task.job.as_ref();
        let program = job.map(|job| job.program.to_string_lossy().into_owned());
        Crash {
            pial_crash: 0,
            node: task.name.clone(),
            message,
            time: utc(seconds_since_1970()),
            attempt,
            command: program.into_iter().chain(job.iter().flat_map(|job| job.arguments.clone())).collect(),
            directory: self.absolute(&task.directory).to_string_lossy().into_owned(),
            environment: job.map_or_else(Vec::new, |job| job.environment.clone()),
            exit_code: None,
            signal: None,
            used,
            time_limit_s: self.plan.locate(step.node).0.time_s,
            memory_limit_bytes: None,
            ended_by: None,
            reproduce: String::new(),
            function: task.call.as_ref().map(|call| json(&Described::of(&call.function))),
            inputs: task.call.as_ref().map(|_| {
                let inputs = task.inputs.iter();
                json(&inputs.map(|(name, value)| (name.as_str(), Logged::of(value, "//"))).collect::<Vec<_>>())
            }),
            outputs: task.call.as_ref().map(|call| json(&super::python::expected(call))),
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    /// Keeps what the step left where a person looks for it, and tells of the failure, with the crash file that it left
    /// itself if there is one.
    pub(super) fn write_failure(
        &mut self,
        step: Step,
        task: &Task,
        crash: Crash,
        ending: Ending,
        other: Option<String>,
    ) -> Result<(), EngineError> {
        let directory = self.absolute(&task.directory);
        if task.scratch.is_dir() {
            // What cannot be kept is not worth ending the run for.
            let _ = publish(&task.scratch, &directory);
        }
        let mut crash = crash.complete(&directory).with_last_words();
        let asked = crash.used.and_then(|used| used.asked_bytes).is_some();
        let ending = match ending {
            // What was not asked for was not limited, so that more of it helps no more than another try.
            Ending::Failed if crash.name_refusal() && asked => {
                Ending::OutOfMemory { used_bytes: crash.used.map_or(0, |used| used.peak_rss_bytes) }
            }
            ending => ending,
        };
        let elsewhere = self.options.crash_directory.as_deref();
        let file = match crash.write(&self.absolute(elsewhere.unwrap_or("crash"))) {
            Ok(file) => format!("{}/{file}", elsewhere.unwrap_or("crash").trim_end_matches('/')),
            Err(error) => {
                let message = format!("the crash file of {} cannot be written: {error}", task.name);
                self.observer.report(&Report::Warning(&message));
                String::new()
            }
        };
        let file = other.unwrap_or(file);
        if let Ending::OutOfMemory { used_bytes } = ending {
            self.learn_bytes(step, task, used_bytes);
        }
        let retry = !self.interrupted && self.scheduler.will_try_again(step, ending);
        // Told before it is logged: on a full disk the user must still hear of it.
        self.observer.report(&Report::NodeFailed { node: &task.name, message: &crash.message, crash: &file, retry });
        self.store.log.append(&Record::Failed(Box::new(Failed {
            node: task.name.as_str().into(),
            message: crash.message.as_str().into(),
            dir: task.directory.as_str().into(),
            crash: file.as_str().into(),
            used: crash.used,
            retry,
            time: seconds_since_1970(),
        })))?;
        self.events.push_back(Event::Ended(step, ending));
        Ok(())
    }
}

/// A part of a crash file.
fn json(part: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(part).unwrap_or_default()
}

/// Seconds to the resolution that means something.
fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// What is bad about an ending; `None` when nothing is.
fn bad_ending(status: ExitStatus, stopped: Option<Reason>, limit: Option<f64>) -> Option<String> {
    if stopped == Some(Reason::TimedOut) {
        return Some(format!("it ran longer than its limit of {} s and was ended", limit.unwrap_or_default()));
    }
    match (status.code(), status.signal()) {
        (Some(0), _) if stopped.is_none() => None,
        (Some(0), _) => Some("it was ended with the run".to_owned()),
        (Some(code), _) => Some(format!("it exited with code {code}")),
        (None, Some(signal)) => Some(format!("it was killed by signal {signal}{}", signal_name(signal))),
        (None, None) => Some("it ended in a way the system does not name".to_owned()),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGKILL => " (SIGKILL: by someone, or by the kernel for want of memory)",
        libc::SIGSEGV => " (SIGSEGV: it touched memory that is not its own)",
        libc::SIGABRT => " (SIGABRT: it gave up)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGILL => " (SIGILL: it was built for another processor)",
        libc::SIGTERM => " (SIGTERM: someone asked it to end)",
        libc::SIGXCPU => " (SIGXCPU: its limit of processor time)",
        libc::SIGXFSZ => " (SIGXFSZ: its limit of file size)",
        libc::SIGPIPE => " (SIGPIPE)",
        _ => "",
    }
}

/// Paths relative to a directory made absolute.
fn placed(value: Value, directory: &Path) -> Value {
    match value {
        Value::Path(path) => Value::Path(directory.join(path).to_string_lossy().into_owned()),
        Value::List(items) => Value::List(items.into_iter().map(|v| placed(v, directory)).collect()),
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(k, v)| (k, placed(v, directory))).collect()),
        value => value,
    }
}

/// Paths below one directory moved below another.
fn moved(value: Value, from: &str, to: &str) -> Value {
    match value {
        Value::Path(path) => Value::Path(match path.strip_prefix(from) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{to}{rest}"),
            _ => path,
        }),
        Value::List(items) => Value::List(items.into_iter().map(|v| moved(v, from, to)).collect()),
        Value::Map(entries) => Value::Map(entries.into_iter().map(|(k, v)| (k, moved(v, from, to))).collect()),
        value => value,
    }
}
