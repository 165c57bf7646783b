//! The failure of a step: what is told, kept and recorded of it, and what is learned from it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use pial_core::schedule::{Ending, Event, Reason, Step};

use super::ending::Usage;
use super::{Active, Engine, EngineError};
use crate::clock::{seconds_since_1970, utc};
use crate::crash::Crash;
use crate::observe::Report;
use crate::python::Described;
use crate::record::{Failed, Logged, OutOfMemory, Record, Used};
use crate::sys;
use crate::task::{Task, step_name};
use crate::work::publish;

impl Engine<'_> {
    /// A child that ended without the engine being told how.
    pub(super) fn vanished(&mut self, active: &Active) -> Result<(), EngineError> {
        let message = "it vanished: the system says there is no such child, and not how it ended".to_owned();
        self.fail_unstarted(active.step, active.attempt, message)
    }

    /// The failure of one step, unless it is the disk's, which no step can do without.
    pub(super) fn fail_unless_disk(
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
        if ending == Ending::Failed
            && let Some(lack) = sys::lack_of_room(&self.work.path)
        {
            crash.message += &format!("; the file system of the working directory has {lack} left: make room there");
        }
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
        let out_of_memory = match ending {
            Ending::OutOfMemory { used_bytes } => Some(OutOfMemory {
                more_than_bytes: used_bytes,
                limit_bytes: crash.memory_limit_bytes,
                ended_by: crash.ended_by.as_deref().map(Into::into),
            }),
            _ => None,
        };
        let used_bytes = crash.used.map_or(0, |used| used.memory_bytes());
        self.learn_failure(step, task, used_bytes, out_of_memory.as_ref().map(|out| out.more_than_bytes));
        let retry = !self.interrupted && self.scheduler.will_try_again(step, ending);
        // Told before it is logged: on a full disk the user must still hear of it.
        self.observer.report(&Report::NodeFailed { node: &task.name, message: &crash.message, crash: &file, retry });
        self.store.log.append(&Record::Failed(Box::new(Failed {
            node: task.name.as_str().into(),
            message: crash.message.as_str().into(),
            dir: task.directory.as_str().into(),
            crash: file.as_str().into(),
            used: crash.used,
            input_bytes: crash.used.map(|_| self.store.input_bytes(task)),
            out_of_memory,
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

/// What is bad about an ending; `None` when nothing is.
pub(super) fn bad_ending(status: ExitStatus, stopped: Option<Reason>, limit: Option<f64>) -> Option<String> {
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
