//! The end of a step: how it ended, what it left, what is recorded.

use std::path::Path;

use pial_core::arena::NodeId;
use pial_core::schedule::{Ending, Event, Reason, Step};
use pial_core::value::Value;

use super::failing::bad_ending;
use super::out_of_memory::{OutOfMemory, peak};
use super::{Active, Engine, EngineError, Phase};
use crate::collect::collect;
use crate::crash::{Crash, TAIL};
use crate::launch::Capture;
use crate::observe::Report;
use crate::record::Used;
use crate::store::{Read, StoreError, read_by_errand};
use crate::sys::Ended;
use crate::task::Task;
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
            Some(out) => Some(out.message(self.memory_key(step.node), self.options.budget.memory_bytes)),
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
}

/// Seconds to the resolution that means something.
fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
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
