//! The start of a step: inputs, key, cache, launch.

use pial_core::arena::NodeId;
use pial_core::plan::{Items, Map, Plan, Template, Unavailable, Work};
use pial_core::schedule::{Ending, Event, Step};
use pial_core::value::Value;

use super::python::{Ask, Visit};
use super::watch::Watch;
use super::{Active, Engine, EngineError, MapRun, Phase, devices};
use crate::builtin::Builtin;
use crate::digest::Digests;
use crate::launch::Launch;
use crate::log::Place;
use crate::observe::Report;
use crate::store::{StoreError, paths_of};
use crate::task::{self, Prepared, Task, step_name};
use crate::work::make_scratch;

impl Engine<'_> {
    pub(super) fn start(&mut self, step: Step, attempt: u32) -> Result<(), EngineError> {
        if let Some(planned) = self.planned.remove(&step) {
            return self.run_command(step, attempt, planned);
        }
        let found = match self.inputs(step)? {
            Ok(found) => found,
            Err(message) => return self.fail_unstarted(step, attempt, message),
        };
        if let (None, Some(rule)) = (step.item, &self.plan.locate(step.node).0.map) {
            match self.expand(step.node, rule, found) {
                Ok(count) => self.events.push_back(Event::Expanded(step.node, count)),
                Err(message) => return self.fail_unstarted(step, attempt, message),
            }
            return Ok(());
        }
        match task::prepare(&mut self.store, step, found.0, found.1)? {
            Prepared::Unread(paths) => self.read_inputs(step, attempt, &paths),
            Prepared::Wrong(message) => self.fail_unstarted(step, attempt, message),
            Prepared::Task(task) => match self.look_up(step, &task)? {
                Some(place) => self.found(step, attempt, &task, place),
                None if self.waits_for_memory(step, &task) => Ok(()),
                None => self.launch(step, attempt, task),
            },
        }
    }

    /// The place of an earlier result that still stands.
    fn look_up(&mut self, step: Step, task: &Task) -> Result<Option<Place>, EngineError> {
        if !task.can_be_looked_up() || self.plan.locate(step.node).0.overwrite {
            return Ok(None);
        }
        Ok(self.store.look_up(&task.name, &task.key, task.leaves_files())?)
    }

    fn found(&mut self, step: Step, attempt: u32, task: &Task, place: Place) -> Result<(), EngineError> {
        if task.builtin == Some(Builtin::DataSink) {
            let sinks = self.store.files_at(place)?;
            if let Some(message) = self.claim(&sinks, &task.name) {
                return self.fail(step, attempt, task, message, None, Ending::FailedForGood);
            }
        }
        self.hit(step, &task.name, place);
        Ok(())
    }

    pub(super) fn hit(&mut self, step: Step, name: &str, place: Place) {
        self.set_place(step, place);
        self.observer.report(&Report::NodeCached { node: name });
        self.events.push_back(Event::Hit(step));
    }

    pub(super) fn set_place(&mut self, step: Step, place: Place) {
        match (step.item, self.maps.get_mut(&step.node)) {
            (Some(item), Some(map)) => map.places[item as usize] = place,
            _ => self.store.set_place(step.node, place),
        }
    }

    /// The inputs of a step and the digests of the files among them that nodes made.
    fn inputs(&mut self, step: Step) -> Result<Result<StepInputs, String>, EngineError> {
        if let Some(item) = step.item {
            let template = self.plan.locate(step.node).0;
            let found = match (&template.map, self.maps.get(&step.node)) {
                (None, Some(map)) if template.nipype.is_some() => Ok((map.inputs.clone(), map.digests.clone())),
                (Some(rule), Some(map)) => Ok(map.item(self.plan, step.node, rule, item as usize)),
                _ => Err("its map node is not running".to_owned()),
            };
            return Ok(found);
        }
        let mut digests = Digests::new();
        match self.store.inputs(step.node, &mut digests) {
            Ok(inputs) => Ok(Ok((inputs, digests))),
            Err(Unavailable::Output(StoreError::Log(error))) => Err(error.into()),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn expand(&mut self, node: NodeId, rule: &Map, (inputs, digests): StepInputs) -> Result<u32, String> {
        let names = mapped_names(self.plan.locate(node).0);
        let items = Items::find(rule, &names, &inputs).map_err(|error| error.to_string())?;
        let count = items.len();
        self.maps.insert(node, MapRun { inputs, digests, places: vec![Place::NONE; count], items });
        Ok(count as u32)
    }

    fn launch(&mut self, step: Step, attempt: u32, mut task: Box<Task>) -> Result<(), EngineError> {
        if let Err(message) = task.settle(&self.store, step) {
            return self.fail(step, attempt, &task, message, None, Ending::FailedForGood);
        }
        if task.call.is_some() {
            let environment = self.added_environment(step, &self.plan.locate(step.node).0.environment);
            let phase = if step.item.is_some() { Visit::ITEM } else { Visit::RUN };
            let visit = task.is_nipype.then(|| Visit::new(phase));
            return self.launch_function(step, attempt, task, Ask::new(environment, visit));
        }
        let Some(job) = task.job.take() else { return self.start_builtin(step, attempt, task) };
        let made = make_scratch(&task.scratch);
        made.map_err(EngineError::io(format!("make the directory {}", task.scratch.display())))?;
        for (path, content) in &job.files {
            let path = task.scratch.join(path);
            let written =
                path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
            written.map_err(EngineError::io(format!("write {}", path.display())))?;
        }
        let environment = self.added_environment(step, &job.environment);
        let launch = Launch {
            program: &job.program,
            arguments: &job.arguments,
            directory: &task.scratch,
            environment: &environment,
            whole_environment: false,
            input: None,
            mark: &self.mark.clone(),
            step: &task.name,
        };
        self.guardian()?;
        let capture = self.captures.take().map_err(EngineError::io("open a file for output"))?;
        let watch = self.watch_in_group(step);
        match self.within(&watch, |engine| engine.captures.spawn(&launch, &capture)) {
            Ok(pid) => {
                task.job = Some(job);
                self.began_watched(pid, (step, attempt), capture, Phase::Command(task), watch)
            }
            Err(error) => {
                watch.group.into_iter().for_each(|group| self.memory.remove(group));
                self.devices.give_back(step);
                self.captures.settle(capture, &task.scratch).map_err(EngineError::io("keep output"))?;
                let message = format!("cannot start {}: {error}", job.program.display());
                task.job = Some(job);
                self.fail(step, attempt, &task, message, None, Ending::FailedForGood)
            }
        }
    }

    /// What is added to the environment of a step: limits of threads, its devices, its own variables.
    fn added_environment(&mut self, step: Step, own: &[(String, String)]) -> Vec<(String, String)> {
        let request = &self.plan.requests[self.plan.locate(step.node).0.request];
        let of_function = matches!(self.plan.locate(step.node).0.work, Work::Function(_));
        let mut environment = thread_limits(request.cpus, of_function);
        environment
            .extend(self.devices.take(step, request.gpus).map(|devices| (devices::VARIABLE.to_owned(), devices)));
        environment.extend(own.iter().cloned());
        environment
    }

    pub(super) fn began(
        &mut self,
        pid: u32,
        step: Step,
        attempt: u32,
        capture: crate::launch::Capture,
        phase: Phase,
    ) -> Result<(), EngineError> {
        self.began_watched(pid, (step, attempt), capture, phase, Watch::default())
    }

    pub(super) fn began_watched(
        &mut self,
        pid: u32,
        (step, attempt): (Step, u32),
        capture: crate::launch::Capture,
        phase: Phase,
        mut watch: Watch,
    ) -> Result<(), EngineError> {
        if let Some(guardian) = &mut self.guardian {
            guardian.began(pid);
        }
        self.begin_watch(&mut watch);
        let name = step_name(&self.store, step);
        if matches!(phase, Phase::Command(_) | Phase::Builtin(_)) {
            self.note_start(&name, pid, attempt)?;
        }
        let (began, memory) = (self.now(), watch);
        let active = Active { step, attempt, name, began, capture, phase, stopped: None, stays: false, memory };
        self.active.insert(pid, active);
        Ok(())
    }

    fn start_builtin(&mut self, step: Step, attempt: u32, task: Box<Task>) -> Result<(), EngineError> {
        let Some(builtin) = task.builtin else {
            return self.fail(step, attempt, &task, "there is nothing to run".to_owned(), None, Ending::FailedForGood);
        };
        if builtin == Builtin::DataSink {
            return self.launch_builtin(step, attempt, task);
        }
        match builtin.run(&task.inputs, &task.scratch) {
            Ok(outcome) => self.builtin_done(step, attempt, task, outcome.outputs, &outcome.sinks, None),
            Err(error) => self.fail(step, attempt, &task, error.to_string(), None, Ending::FailedForGood),
        }
    }
}

impl MapRun {
    fn item(&self, plan: &Plan, node: NodeId, rule: &Map, item: usize) -> StepInputs {
        let template = plan.locate(node).0;
        let inputs = item_of(template, &self.items, rule, &self.inputs, item);
        let known = |path: String| self.digests.get(&path).cloned().map(|digest| (path, digest));
        let digests = paths_of(&inputs).into_iter().filter_map(known).collect();
        (inputs, digests)
    }
}

/// The inputs of an item; one that is nothing is left out, but for functions.
pub(crate) fn item_of(
    template: &Template,
    items: &Items,
    rule: &Map,
    inputs: &[(String, Value)],
    item: usize,
) -> Vec<(String, Value)> {
    let mut inputs = items.inputs(rule, &mapped_names(template), inputs, item);
    let takes_nothing = matches!(template.work, Work::Function(_));
    inputs.retain(|(_, value)| takes_nothing || *value != Value::Null);
    inputs
}

/// Inputs, and the digests of the files among them that nodes made.
type StepInputs = (Vec<(String, Value)>, Digests);

/// The names of the inputs that a map node runs over.
pub(crate) fn mapped_names(template: &Template) -> Vec<&str> {
    let fields = template.map.iter().flat_map(|map| &map.fields);
    fields.map(|at| template.inputs[*at].name.as_str()).collect()
}

/// Libraries that would take every processor of the machine are told what the step asked for, unless the user's
/// environment already tells them. OpenMP, ITK and MRtrix3 manuals name these variables.
fn thread_limits(cpus: f64, of_function: bool) -> Vec<(String, String)> {
    const VARIABLES: [&str; 3] = ["OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "MRTRIX_NTHREADS"];
    let count = (cpus.floor() as u64).max(1).to_string();
    let limit = |variable: &str| match std::env::var(variable) {
        Err(_) => Some((variable.to_owned(), count.clone())),
        // A function's interpreter has another number in its environment, lest it start threads.
        Ok(users) if of_function => Some((variable.to_owned(), users)),
        Ok(_) => None,
    };
    VARIABLES.into_iter().filter_map(limit).collect()
}
