//! The scheduler: a state machine fed with events, giving actions; knows no process and no clock of its own.
//!
//! [`Scheduler::on`] is the only way in. Times are seconds on any clock that does not go back.

use std::collections::HashMap;

use crate::arena::{Id, NodeId, TemplateId};
use crate::plan::Plan;

mod budget;
mod memory;
mod order;
mod queue;
mod tries;

pub use budget::{Budget, BudgetProblem, DEFAULT_MEMORY_BYTES};
pub use memory::{Grant, Source, TOO_LITTLE_FACTOR, rounded};
use order::Order;
use queue::{Entry, Queue, Running};
use tries::Tries;

/// One run of a node, or of one item of a map node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// The node.
    pub node: NodeId,
    /// The item, for a map node that was expanded.
    pub item: Option<u32>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// The run begins.
    Begin,
    /// A started step, or what was gathered of a map node's items, turned out to be done already.
    Hit(Step),
    /// A started map node has this many items.
    Expanded(NodeId, u32),
    /// A step, or the gathering of a map node's outputs, ended.
    Ended(Step, Ending),
    /// A started step for which nobody asked for memory needs this many bytes, by what was learned. More than it was granted
    /// ([`rounded`]): it was not launched, and waits again until there is room. Less: it goes on.
    Needs(Step, u64),
    /// Memory is short, and what runs leaves so many bytes: only a step that asks for no more starts beside others. `None` when
    /// it is short no more.
    Pressure(Option<u64>),
    /// Time passed.
    Tick,
    /// The user wants the run to end; the second time at once.
    Interrupted,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its outputs are published.
    Succeeded,
    /// It failed in a way that may pass.
    Failed,
    /// It failed and would fail again.
    FailedForGood,
    /// It was ended for want of memory: it is tried again with more, if there is more. What the document asked for counts
    /// as one of the node's retries; what was learned or assumed was a wrong guess, and does not.
    OutOfMemory {
        /// The most it was seen to use, in bytes.
        used_bytes: u64,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Look the step up in the cache, and launch it if it is not there, with this memory. The attempt counts from 1.
    Start(Step, u32, Grant),
    /// Put the outputs of a map node's items together.
    Collate(NodeId),
    /// End a running step.
    Stop(Step, Force, Reason),
    /// A node will not run because another failed.
    Skipped(NodeId, NodeId),
    /// Nothing is left to do.
    Finished,
}

/// How a step is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It may clean up.
    Terminate,
    /// At once.
    Kill,
}

/// Why a step is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It ran longer than its `time`.
    TimedOut,
    /// The run is being ended.
    Cancelled,
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Some nodes it depends on have not succeeded yet.
    Waiting,
    /// It can start when there is room.
    Ready,
    /// It is being looked up or runs.
    Started,
    /// Its items are running.
    Mapping,
    /// It ran and succeeded.
    Done,
    /// It was done before.
    Cached,
    /// It failed.
    Failed,
    /// It will not run.
    Skipped,
}

/// How many nodes are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All nodes.
    pub total: u32,
    /// Succeeded in this run.
    pub done: u32,
    /// Done before.
    pub cached: u32,
    /// Failed.
    pub failed: u32,
    /// Will not run.
    pub skipped: u32,
}

impl Counts {
    /// How many nodes have no result yet.
    pub fn left(&self) -> u32 {
        self.total.saturating_sub(self.done + self.cached + self.failed + self.skipped)
    }
}

/// How a run is to be scheduled.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the run may use.
    pub budget: Budget,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// Seconds between asking a step to end and killing it.
    pub grace_s: f64,
    /// Seconds each template took in earlier runs.
    pub estimates: Vec<Option<f32>>,
    /// Bytes that the smallest step of each template needs, by what was learned; nothing for a template that asks
    /// itself, but for one that was ended for memory with what a resource file asks for.
    /// May be shorter than there are templates.
    pub memory: Vec<Option<u64>>,
}

/// The state of a run.
#[derive(Debug)]
pub struct Scheduler<'p> {
    plan: &'p Plan,
    settings: Settings,
    order: Order,
    states: Vec<State>,
    waiting_for: Vec<u32>,
    queue: Queue,
    maps: HashMap<NodeId, Mapping>,
    tries: HashMap<Step, Tries>,
    /// The least that a step of a template was said to need in this run, in bytes.
    needs: HashMap<TemplateId, u64>,
    counts: Counts,
    interrupts: u32,
    ending: bool,
    any_failed: bool,
    finished: bool,
}

#[derive(Debug, Clone, Copy)]
struct Mapping {
    items: u32,
    left: u32,
    /// Whether each item waits for the one before it.
    serial: bool,
    failed: bool,
    all_cached: bool,
}

impl<'p> Scheduler<'p> {
    /// A scheduler for a plan; nothing starts before [`Event::Begin`].
    pub fn new(plan: &'p Plan, settings: Settings) -> Scheduler<'p> {
        let order = Order::of(plan, &settings.estimates);
        Scheduler {
            plan,
            queue: Queue::new(plan, settings.budget.clone()),
            order,
            settings,
            states: vec![State::Waiting; plan.len()],
            waiting_for: plan.in_degrees(),
            maps: HashMap::new(),
            tries: HashMap::new(),
            needs: HashMap::new(),
            counts: Counts { total: plan.len() as u32, ..Counts::default() },
            interrupts: 0,
            ending: false,
            any_failed: false,
            finished: false,
        }
    }

    /// Takes in an event at the time `now` (seconds) and adds what is to be done to `actions`.
    pub fn on(&mut self, event: Event, now: f64, actions: &mut Vec<Action>) {
        match event {
            Event::Begin => self.begin(),
            Event::Hit(step) => self.hit(step, actions),
            Event::Expanded(node, items) => self.expanded(node, items, actions),
            Event::Ended(step, ending) => self.ended(step, ending, actions),
            Event::Needs(step, bytes) => self.needs(step, bytes, actions),
            Event::Pressure(room) => self.queue.press(room),
            Event::Tick => {}
            Event::Interrupted => self.interrupted(now, actions),
        }
        if self.settings.fail_fast && self.any_failed && !self.ending {
            self.end_run(Force::Terminate, now, actions);
        }
        self.enforce_deadlines(now, actions);
        if self.ending && self.queue.running.is_empty() {
            self.skip_the_rest();
        }
        if !self.ending {
            self.start_what_fits(now, actions);
        }
        if self.counts.left() == 0 && self.queue.running.is_empty() && !self.finished {
            self.finished = true;
            actions.push(Action::Finished);
        }
    }

    /// How many nodes are in which state.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What became of a node so far.
    pub fn state(&self, node: NodeId) -> State {
        self.states[node.index()]
    }

    /// When [`Event::Tick`] is next needed, on the clock of `on`.
    pub fn next_deadline(&self) -> Option<f64> {
        self.queue.running.values().filter_map(Running::deadline).min_by(f64::total_cmp)
    }

    /// Seconds left by the times of earlier runs: all work spread over the processors, or the longest chain that runs,
    /// whichever is longer. `None` when nothing is known.
    pub fn estimated_seconds_left(&self) -> Option<f64> {
        let spread = self.order.work_left / self.settings.budget.cpus.max(1.0);
        let paths = self.queue.running.keys().map(|step| f64::from(self.order.path(template_of(self.plan, *step))));
        self.order.informed.then(|| paths.fold(spread, f64::max).max(0.0))
    }

    fn begin(&mut self) {
        for index in 0..self.plan.len() {
            if self.waiting_for[index] == 0 {
                self.make_ready(NodeId::from_index(index));
            }
        }
    }

    fn make_ready(&mut self, node: NodeId) {
        self.states[node.index()] = State::Ready;
        self.enqueue(Step { node, item: None });
    }

    fn enqueue(&mut self, step: Step) {
        let template = self.plan.template_of(step.node);
        let entry = Entry { rank: self.order.rank(self.plan, template, step.node), step };
        let request = self.request(step, template);
        self.queue.push(request, entry, self.order.path(template));
    }

    fn hit(&mut self, step: Step, actions: &mut Vec<Action>) {
        self.queue.withdraw(step);
        self.tries.remove(&step);
        match step.item {
            // The run ended while this was on its way.
            None if self.states[step.node.index()].is_final() => {}
            None => {
                let ran = self.maps.remove(&step.node).is_some_and(|map| !map.all_cached);
                self.succeed(step.node, if ran { State::Done } else { State::Cached });
            }
            Some(_) => self.item_ended(step.node, false, true, actions),
        }
    }

    fn expanded(&mut self, node: NodeId, items: u32, actions: &mut Vec<Action>) {
        self.queue.withdraw(Step { node, item: None });
        self.states[node.index()] = State::Mapping;
        if self.ending {
            self.fail(node, State::Skipped, actions);
            return;
        }
        let serial = self.plan.locate(node).0.map.as_ref().is_some_and(|map| map.serial);
        self.maps.insert(node, Mapping { items, left: items, serial, failed: false, all_cached: true });
        if items == 0 {
            actions.push(Action::Collate(node));
        }
        for item in 0..if serial { items.min(1) } else { items } {
            self.enqueue(Step { node, item: Some(item) });
        }
    }

    fn ended(&mut self, step: Step, ending: Ending, actions: &mut Vec<Action>) {
        let again = self.next_try(step, ending);
        let stopped = self
            .queue
            .release(step)
            .is_some_and(|running| running.stopping.is_some_and(|s| s.reason == Reason::Cancelled));
        if let Some(tries) = again {
            return self.try_again(step, tries);
        }
        self.tries.remove(&step);
        self.any_failed |= ending != Ending::Succeeded && !stopped;
        match (step.item, ending) {
            // The run ended while this was on its way.
            (None, _) if self.states[step.node.index()].is_final() => {}
            (None, Ending::Succeeded) => {
                self.maps.remove(&step.node);
                self.succeed(step.node, State::Done);
            }
            (Some(_), Ending::Succeeded) => self.item_ended(step.node, false, false, actions),
            (Some(_), _) if !stopped => self.item_ended(step.node, true, false, actions),
            _ => {
                self.maps.remove(&step.node);
                if !self.states[step.node.index()].is_final() {
                    self.fail(step.node, if stopped { State::Skipped } else { State::Failed }, actions);
                }
            }
        }
    }

    fn item_ended(&mut self, node: NodeId, failed: bool, cached: bool, actions: &mut Vec<Action>) {
        let Some(map) = self.maps.get_mut(&node) else { return };
        map.left -= 1;
        map.failed |= failed;
        map.all_cached &= cached;
        let next = map.items - map.left;
        if map.left > 0 {
            if map.serial && !self.ending {
                self.enqueue(Step { node, item: Some(next) });
            }
            return;
        }
        if map.failed {
            self.maps.remove(&node);
            self.fail(node, State::Failed, actions);
        } else {
            actions.push(Action::Collate(node));
        }
    }

    fn succeed(&mut self, node: NodeId, state: State) {
        self.finish(node, state);
        let mut ready = Vec::new();
        let waiting_for = &mut self.waiting_for;
        self.plan.for_each_successor(node, |successor| {
            let waiting = &mut waiting_for[successor.index()];
            *waiting -= 1;
            if *waiting == 0 {
                ready.push(successor);
            }
        });
        for successor in ready {
            if self.states[successor.index()] == State::Waiting {
                self.make_ready(successor);
            }
        }
    }

    /// Marks a node that gave no result, and all that depend on it.
    fn fail(&mut self, node: NodeId, state: State, actions: &mut Vec<Action>) {
        self.finish(node, state);
        let mut reached = vec![node];
        while let Some(at) = reached.pop() {
            let mut after = Vec::new();
            self.plan.for_each_successor(at, |successor| after.push(successor));
            for successor in after {
                if self.states[successor.index()] == State::Waiting {
                    self.finish(successor, State::Skipped);
                    actions.push(Action::Skipped(successor, node));
                    reached.push(successor);
                }
            }
        }
    }

    fn finish(&mut self, node: NodeId, state: State) {
        self.states[node.index()] = state;
        self.order.finished(self.plan, self.plan.template_of(node));
        match state {
            State::Done => self.counts.done += 1,
            State::Cached => self.counts.cached += 1,
            State::Failed => self.counts.failed += 1,
            State::Skipped => self.counts.skipped += 1,
            State::Waiting | State::Ready | State::Started | State::Mapping => {}
        }
    }

    fn interrupted(&mut self, now: f64, actions: &mut Vec<Action>) {
        self.interrupts += 1;
        self.end_run(if self.interrupts > 1 { Force::Kill } else { Force::Terminate }, now, actions);
    }

    /// Ends what runs and skips what does not.
    fn end_run(&mut self, force: Force, now: f64, actions: &mut Vec<Action>) {
        self.ending = true;
        let grace = self.settings.grace_s;
        for running in self.queue.running.values_mut() {
            running.stop(force, Reason::Cancelled, now, grace, actions);
        }
        self.queue.clear();
        let busy: Vec<NodeId> = self.queue.running.keys().map(|step| step.node).collect();
        for index in 0..self.states.len() {
            let node = NodeId::from_index(index);
            let idle = matches!(self.states[index], State::Waiting | State::Ready | State::Mapping);
            if idle && !busy.contains(&node) {
                self.maps.remove(&node);
                self.finish(node, State::Skipped);
            }
        }
    }

    /// Nothing runs any more in a run that is being ended: what is left will not run.
    fn skip_the_rest(&mut self) {
        self.maps.clear();
        for index in 0..self.states.len() {
            if !self.states[index].is_final() {
                self.finish(NodeId::from_index(index), State::Skipped);
            }
        }
    }

    fn enforce_deadlines(&mut self, now: f64, actions: &mut Vec<Action>) {
        let grace = self.settings.grace_s;
        for running in self.queue.running.values_mut() {
            if running.deadline().is_some_and(|deadline| deadline <= now) {
                match running.stopping {
                    None => running.stop(Force::Terminate, Reason::TimedOut, now, grace, actions),
                    Some(stopping) => running.stop(Force::Kill, stopping.reason, now, grace, actions),
                }
            }
        }
    }

    fn start_what_fits(&mut self, now: f64, actions: &mut Vec<Action>) {
        while let Some((step, grant)) = self.queue.next(self.plan, &self.order, now) {
            if step.item.is_none() {
                self.states[step.node.index()] = State::Started;
            }
            let attempt = self.tries.get(&step).copied().unwrap_or_default().attempt;
            actions.push(Action::Start(step, attempt, grant));
        }
    }
}

impl State {
    /// Whether nothing more happens to the node.
    pub fn is_final(self) -> bool {
        matches!(self, State::Done | State::Cached | State::Failed | State::Skipped)
    }
}

/// The template of a step.
fn template_of(plan: &Plan, step: Step) -> TemplateId {
    plan.template_of(step.node)
}
