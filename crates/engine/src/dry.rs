//! A dry run: which nodes have a result that stands, which would run and why; starts nothing and writes nothing.

use std::path::Path;

use pial_core::arena::{Id, NodeId};
use pial_core::plan::{Items, Map, Plan, Template, Unavailable};
use pial_core::schedule::Step;
use pial_core::value::Value;

use crate::digest::{self, Digests, Owner};
use crate::history::History;
use crate::log::{LogError, Place};
use crate::record::Content;
use crate::run::start::{item_of, mapped_names};
use crate::store::{Store, StoreError, paths_of};
use crate::task::{self, Prepared, Task};
use crate::why::{self, Aspect, Change, Facts};

/// What would become of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Its result stands.
    Cached,
    /// It would run.
    Runs(Box<Reason>),
    /// This node before it would run; it would run too, unless that gives the same as before.
    After(NodeId),
    /// It cannot run; why.
    Wrong(Box<str>),
}

/// Why a node would run.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// It has no result.
    New,
    /// It has no result, and failed when it was last tried.
    FailedBefore,
    /// It has a result for other inputs, tools or code.
    Changed(Vec<Change>),
    /// It has no result, and waits for this node, which failed when it was last tried.
    BehindFailed(Box<str>),
    /// This file of its result is gone or holds something else.
    Output(String),
    /// It is a map node and items would run.
    Items {
        /// How many there are.
        count: u32,
        /// How many there were in its last result, when that is another number.
        before: Option<u32>,
        /// How many of them would run.
        runs: u32,
        /// The first of those that would run, and why.
        first: (u32, Box<Reason>),
    },
    /// The document says that it runs every time (`overwrite`).
    Overwrite,
    /// The items of a map node are there and only have to be put together.
    Gathering,
}

/// A dry run.
#[derive(Debug)]
pub struct Dry<'s, 'r> {
    store: &'s mut Store<'r>,
    history: &'s History,
    plan: &'r Plan,
    verdicts: Vec<Option<Verdict>>,
    places: Vec<Place>,
}

/// Inputs, and the digests of the files among them that nodes made.
type Inputs = (Vec<(String, Value)>, Digests);

/// A step as far as a dry run knows it.
enum Judged {
    Stands(Place),
    Runs(Reason),
    Wrong(String),
}

impl<'s, 'r> Dry<'s, 'r> {
    /// A dry run that has looked at nothing yet; `store` is open to read.
    pub fn new(store: &'s mut Store<'r>, history: &'s History) -> Dry<'s, 'r> {
        let plan = store.plan;
        Dry { store, history, plan, verdicts: vec![None; plan.len()], places: Vec::new() }
    }

    /// Judges every node.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn everything(&mut self) -> Result<(), LogError> {
        for template in &self.plan.order {
            for point in 0..self.plan.points(*template) {
                self.judge(self.plan.node(*template, point))?;
            }
        }
        Ok(())
    }

    /// Judges a node and all that it depends on.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn up_to(&mut self, node: NodeId) -> Result<&Verdict, LogError> {
        let mut open = vec![node];
        while let Some(next) = open.last().copied() {
            let before = open.len();
            if self.verdicts[next.index()].is_none() {
                self.plan.for_each_predecessor(next, |above| {
                    if self.verdicts[above.index()].is_none() {
                        open.push(above);
                    }
                });
            }
            if open.len() == before {
                open.pop();
                self.judge(next)?;
            }
        }
        Ok(self.verdict(node))
    }

    /// The verdict on a node that was judged.
    pub fn verdict(&self, node: NodeId) -> &Verdict {
        const UNJUDGED: &Verdict = &Verdict::Cached;
        self.verdicts[node.index()].as_ref().unwrap_or(UNJUDGED)
    }

    /// Where the log has the results that stand, of the nodes judged so far.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether a node, or the first item of it that would run, failed when it was last tried.
    pub fn failed_last(&self, node: NodeId) -> bool {
        self.history.failed_last(&self.plan.node_name(node))
            || matches!(self.verdict(node), Verdict::Runs(reason) if reason.is_failed())
    }

    /// The node that a node waits for in the end, with the verdict on it.
    pub fn root_of(&self, node: NodeId) -> (NodeId, &Verdict) {
        let mut at = node;
        while let Verdict::After(above) = self.verdict(at) {
            at = *above;
        }
        (at, self.verdict(at))
    }

    /// The step of a judged node, ready to be shown: its command line, inputs and key.
    ///
    /// # Errors
    /// In the outer one [`LogError`]; in the inner one why the step cannot be known yet.
    pub fn task(&mut self, step: Step) -> Result<Result<Box<Task>, String>, LogError> {
        if let Verdict::After(above) = self.verdict(step.node) {
            return Ok(Err(format!("its inputs are known when {} is done", self.plan.node_name(*above))));
        }
        match (&self.plan.locate(step.node).0.map, step.item) {
            (Some(_), None) => Ok(Err("it is a map node: its items have the commands".to_owned())),
            _ => match self.step_inputs(step)? {
                Ok(inputs) => self.settled(step, inputs),
                Err(message) => Ok(Err(message)),
            },
        }
    }

    /// The bytes of all files among the inputs of a step; `None` while they are not known.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn input_bytes(&mut self, step: Step) -> Result<Option<u64>, LogError> {
        if matches!(self.verdict(step.node), Verdict::After(_)) {
            return Ok(None);
        }
        let Ok(inputs) = self.step_inputs(step)? else { return Ok(None) };
        Ok(self.prepare(step, inputs)?.ok().map(|task| self.store.input_bytes(&task)))
    }

    fn settled(&mut self, step: Step, inputs: Inputs) -> Result<Result<Box<Task>, String>, LogError> {
        let task = self.prepare(step, inputs)?;
        Ok(task.and_then(|mut task| task.settle(self.store, step).map(|()| task)))
    }

    /// The verdict on an item of a judged map node; that on the node when its items are not known yet.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn item(&mut self, step: Step) -> Result<Verdict, LogError> {
        if matches!(self.verdict(step.node), Verdict::After(_)) {
            return Ok(self.verdict(step.node).clone());
        }
        match self.step_inputs(step)? {
            Ok(inputs) => Ok(match self.judge_step(step, inputs)? {
                Judged::Stands(_) => Verdict::Cached,
                Judged::Runs(reason) => runs(reason),
                Judged::Wrong(message) => Verdict::Wrong(message.into()),
            }),
            Err(_) if matches!(self.verdict(step.node), Verdict::Runs(_)) => Ok(self.verdict(step.node).clone()),
            Err(message) => Ok(Verdict::Wrong(message.into())),
        }
    }

    /// Inputs of a step: of a node, or of an item of a map node.
    fn step_inputs(&mut self, step: Step) -> Result<Result<Inputs, String>, LogError> {
        let template = self.plan.locate(step.node).0;
        let inputs = match self.inputs(step.node)? {
            Ok(inputs) => inputs,
            Err(message) => return Ok(Err(message)),
        };
        let (Some(rule), Some(item)) = (&template.map, step.item) else { return Ok(Ok(inputs)) };
        let names = mapped_names(template);
        Ok(match Items::find(rule, &names, &inputs.0) {
            Ok(items) if (item as usize) < items.len() => Ok(item_inputs(template, &items, rule, &inputs, item)),
            Ok(items) => Err(format!("it has {} items, counted from #0", items.len())),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Inputs of a node before it is split into items.
    ///
    /// # Errors
    /// In the outer one [`LogError`]; in the inner one why they cannot be had.
    pub fn inputs(&mut self, node: NodeId) -> Result<Result<Inputs, String>, LogError> {
        let mut digests = Digests::new();
        match self.store.inputs(node, &mut digests) {
            Ok(inputs) => Ok(Ok((inputs, digests))),
            Err(Unavailable::Output(StoreError::Log(error))) => Err(error),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn judge(&mut self, node: NodeId) -> Result<(), LogError> {
        if self.verdicts[node.index()].is_some() {
            return Ok(());
        }
        let mut above = None;
        self.plan.for_each_predecessor(node, |before| {
            if above.is_none() && *self.verdict(before) != Verdict::Cached {
                above = Some(before);
            }
        });
        let judged = match above {
            // What never had a result runs whatever the nodes before it give.
            Some(above) => Err(self.behind(node, above)),
            None => Ok(self.judge_node(node)?),
        };
        self.verdicts[node.index()] = Some(match judged {
            Err(verdict) => verdict,
            Ok(Judged::Runs(reason)) => runs(reason),
            Ok(Judged::Wrong(message)) => Verdict::Wrong(message.into()),
            Ok(Judged::Stands(place)) => {
                self.store.set_place(node, place);
                self.places.push(place);
                Verdict::Cached
            }
        });
        Ok(())
    }

    /// The verdict on a node that waits for another.
    fn behind(&self, node: NodeId, above: NodeId) -> Verdict {
        match self.without_result(&self.plan.node_name(node)) {
            None => Verdict::After(above),
            Some(reason @ Reason::FailedBefore) => runs(reason),
            Some(reason) => match self.verdict(above) {
                Verdict::Runs(above) if matches!(**above, Reason::BehindFailed(_)) => Verdict::Runs(above.clone()),
                _ => {
                    let (root, _) = self.root_of(above);
                    let failed = self.failed_last(root);
                    runs(if failed { Reason::BehindFailed(self.plan.node_name(root).into()) } else { reason })
                }
            },
        }
    }

    fn judge_node(&mut self, node: NodeId) -> Result<Judged, LogError> {
        let inputs = match self.inputs(node)? {
            Ok(inputs) => inputs,
            Err(message) => return Ok(Judged::Wrong(message)),
        };
        match &self.plan.locate(node).0.map {
            Some(rule) => self.judge_map(node, rule, inputs),
            None => self.judge_step(Step { node, item: None }, inputs),
        }
    }

    fn judge_map(&mut self, node: NodeId, rule: &Map, inputs: Inputs) -> Result<Judged, LogError> {
        let template = self.plan.locate(node).0;
        let names = mapped_names(template);
        let items = match Items::find(rule, &names, &inputs.0) {
            Ok(items) => items,
            Err(error) => return Ok(Judged::Wrong(error.to_string())),
        };
        let (mut places, mut runs, mut first) = (Vec::with_capacity(items.len()), 0, None);
        for item in 0..items.len() as u32 {
            let one = item_inputs(template, &items, rule, &inputs, item);
            match self.judge_step(Step { node, item: Some(item) }, one)? {
                Judged::Stands(place) => places.push(place),
                Judged::Wrong(message) => return Ok(Judged::Wrong(format!("item {item}: {message}"))),
                Judged::Runs(reason) => {
                    runs += 1;
                    first.get_or_insert((item, Box::new(reason)));
                }
            }
        }
        if let Some(first) = first {
            let count = items.len() as u32;
            let before = if rule.nested { None } else { self.items_before(node)? };
            let before = before.filter(|before| *before != count);
            return Ok(Judged::Runs(Reason::Items { count, before, runs, first }));
        }
        let ports: Vec<String> = template.signature.outputs().iter().map(|port| port.name.clone()).collect();
        let mut task = Task::unprepared(self.plan.node_name(node), self.plan.node_directory(node));
        if let Ok(what) = self.store.what(template) {
            task.what = what;
        }
        // In a log that is only read, what is not there cannot be recorded and gets no place.
        Ok(match self.store.collate(task, &ports, &items, &places)?.0 {
            Place::NONE => Judged::Runs(Reason::Gathering),
            place => Judged::Stands(place),
        })
    }

    /// How many items the last result of a map node had.
    fn items_before(&self, node: NodeId) -> Result<Option<u32>, LogError> {
        let Some(past) = self.history.steps.get(self.plan.node_name(node).as_str()) else { return Ok(None) };
        Ok(self.history.with_result(past.result, |done| why::length(&done.out).map(|count| count as u32))?.flatten())
    }

    fn judge_step(&mut self, step: Step, inputs: Inputs) -> Result<Judged, LogError> {
        let name = task::step_name(self.store, step);
        let history = self.history;
        if let Some(reason) = self.without_result(&name) {
            return Ok(Judged::Runs(reason));
        }
        let mut task = match self.prepare(step, inputs)? {
            Ok(task) => task,
            Err(message) => return Ok(Judged::Wrong(message)),
        };
        if self.plan.locate(step.node).0.overwrite {
            return Ok(Judged::Runs(Reason::Overwrite));
        }
        let mut found = Vec::new();
        if !task.can_be_looked_up() {
            match self.look_outside(&mut task)? {
                Ok(outputs) => found = outputs,
                Err(message) => return Ok(Judged::Wrong(message)),
            }
        }
        let verify = task.can_be_looked_up() && task.leaves_files();
        if let Some(place) = self.store.look_up(&task.name, &task.key, verify)? {
            return Ok(Judged::Stands(place));
        }
        if let Err(message) = task.settle(self.store, step) {
            return Ok(Judged::Wrong(message));
        }
        if let Some(path) = self.store.what_fell(&task.name, &task.key)? {
            return Ok(Judged::Runs(Reason::Output(path)));
        }
        let root = self.store.root().to_owned();
        let place = history.steps.get(name.as_str()).map_or(Place::NONE, |past| past.result);
        let old = history.with_result(place, |done| Facts::of_result(done, &root, history))?.transpose()?;
        let mut changes = why::changes(&old.unwrap_or_default(), &Facts::of_task(&task));
        if changes.is_empty() && !found.is_empty() {
            let old = history.with_result(place, |done| Facts::of_outputs(done, &root))?;
            changes = why::output_changes(
                &old.unwrap_or_default(),
                &Facts::of_values(&found, |path| task.digests.get(path).map(|seen| seen.digest.clone())),
            );
        }
        Ok(Judged::Runs(Reason::Changed(changes)))
    }

    /// Why a step without any result runs; `None` when there is a result.
    fn without_result(&self, name: &str) -> Option<Reason> {
        if self.history.steps.get(name).is_some_and(|past| past.results > 0) {
            return None;
        }
        Some(if self.history.failed_last(name) { Reason::FailedBefore } else { Reason::New })
    }

    /// Prepares a step; inputs that are large are read here, as a dry run may take its time.
    fn prepare(&mut self, step: Step, inputs: Inputs) -> Result<Result<Box<Task>, String>, LogError> {
        let (inputs, digests) = inputs;
        loop {
            match task::prepare(self.store, step, inputs.clone(), digests.clone())? {
                Prepared::Task(task) => return Ok(Ok(task)),
                Prepared::Wrong(message) => return Ok(Err(message)),
                Prepared::Unread(paths) => {
                    for path in paths {
                        if let Err(error) = self.read(&path) {
                            return Ok(Err(format!("cannot read the input {path}: {error}")));
                        }
                    }
                }
            }
        }
    }

    fn read(&mut self, path: &str) -> std::io::Result<()> {
        let identity = digest::identify(Path::new(path), Owner::User)?;
        let digest = digest::digest(Path::new(path))?;
        let content = Content(path.into(), identity.size, identity.stamp, digest.into());
        self.store.learn(&serde_json::to_string(&content)?);
        Ok(())
    }

    /// A built-in that only hands on or finds has its key from what it gives, so it is carried out; it only reads.
    fn look_outside(&mut self, task: &mut Task) -> Result<Result<Vec<(String, Value)>, String>, LogError> {
        let Some(builtin) = task.builtin.filter(|_| !task.can_be_looked_up()) else { return Ok(Ok(Vec::new())) };
        let outputs = match builtin.run(&task.inputs, &task.scratch) {
            Ok(outcome) => outcome.outputs,
            Err(error) => return Ok(Err(error.to_string())),
        };
        loop {
            match self.store.key_by_outputs(task, &outputs) {
                Ok(Ok(())) => return Ok(Ok(outputs)),
                Ok(Err(large)) => {
                    for path in large {
                        if let Err(error) = self.read(&path) {
                            return Ok(Err(format!("cannot read {path}: {error}")));
                        }
                    }
                }
                Err(StoreError::Log(error)) => return Err(error),
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
    }
}

impl Reason {
    fn is_failed(&self) -> bool {
        match self {
            Reason::FailedBefore => true,
            Reason::Items { first: (_, reason), .. } => reason.is_failed(),
            _ => false,
        }
    }

    /// In a few words, the same for every node with the same kind of reason.
    pub fn kind(&self) -> String {
        match self {
            Reason::New => "new".to_owned(),
            Reason::FailedBefore => "failed last time".to_owned(),
            Reason::Changed(changes) => match changes.as_slice() {
                [] => "what it found has changed".to_owned(),
                changes if changes.iter().all(|change| change.aspect == Aspect::Output) => {
                    "what it found has changed".to_owned()
                }
                [one] => format!("{} changed", one.subject()),
                [one, ..] => format!("{} and {} more changed", one.subject(), changes.len() - 1),
            },
            Reason::BehindFailed(_) => "waits for what failed last time".to_owned(),
            Reason::Output(_) => "output missing or changed".to_owned(),
            Reason::Items { first: (_, reason), .. } => reason.kind(),
            Reason::Overwrite => "`overwrite: true`".to_owned(),
            Reason::Gathering => "its items were not put together".to_owned(),
        }
    }

    /// In a line, with names.
    pub fn tell(&self) -> String {
        match self {
            Reason::Output(path) => format!("output missing or changed: {path}"),
            Reason::BehindFailed(node) => format!("waits for {node}, which failed last time"),
            Reason::Items { count, before, runs, first: (item, reason) } => {
                let length = before.map_or_else(String::new, |n| format!("the list of items was {n}, is {count}; "));
                format!("{length}{runs} of {count} items would run, the first #{item}: {}", reason.tell())
            }
            reason => reason.kind(),
        }
    }
}

fn runs(reason: Reason) -> Verdict {
    Verdict::Runs(Box::new(reason))
}

fn item_inputs(template: &Template, items: &Items, rule: &Map, inputs: &Inputs, item: u32) -> Inputs {
    let one = item_of(template, items, rule, &inputs.0, item as usize);
    let known = |path: String| inputs.1.get(&path).cloned().map(|digest| (path, digest));
    let digests = paths_of(&one).into_iter().filter_map(known).collect();
    (one, digests)
}
