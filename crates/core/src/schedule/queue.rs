//! Steps that are ready or running, and the choice of the next that fits.

use std::collections::{BTreeSet, HashMap};

use super::memory::{Grant, Source};
use super::order::{Order, Rank};
use super::{Action, Budget, Force, Reason, Step, template_of};
use crate::arena::{Arena, Id, RequestId};
use crate::plan::{Plan, Request};

/// How many steps of unknown length may pass a step that waits for room.
const MOST_PASSES: u32 = 16;

/// Steps that ask for nothing (`cpus: 0`) still need a process each.
const MOST_RUNNING: usize = 1000;

/// A step that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub rank: Rank,
    pub step: Step,
}

/// A step that was started and has not ended.
#[derive(Debug)]
pub(super) struct Running {
    pub stopping: Option<Stopping>,
    step: Step,
    request: RequestId,
    expected_end: Option<f64>,
    limit: Option<f64>,
}

/// A step that was told to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    pub reason: Reason,
    force: Force,
    kill_at: f64,
}

/// Ready steps by request, and what is left of the budget.
#[derive(Debug)]
pub(super) struct Queue {
    pub running: HashMap<Step, Running>,
    whole: Budget,
    left: Budget,
    /// Bytes that there are for steps to start, while memory is short.
    room: Option<u64>,
    classes: Vec<Class>,
    /// Those of the plan, then those that differ from one of them in memory.
    requests: Arena<RequestId, Request>,
    sources: Vec<Source>,
    variants: HashMap<(RequestId, Grant), RequestId>,
    passes: u32,
}

/// The ready steps of one request, in two orders. Paths are seconds as bits, which order as the numbers do,
/// taken from the largest number so that the longest comes first.
#[derive(Debug, Default)]
struct Class {
    by_rank: BTreeSet<(Entry, u32)>,
    by_path: BTreeSet<(u32, Entry)>,
}

impl Queue {
    pub fn new(plan: &Plan, budget: Budget) -> Queue {
        let requests: Arena<RequestId, Request> = plan.requests.values().iter().map(|r| budget.clamp(r)).collect();
        let classes = requests.ids().map(|_| Class::default()).collect();
        let source = |request: &Request| request.memory_bytes.map_or(Source::Default, |_| Source::Asked);
        Queue {
            running: HashMap::new(),
            whole: budget.clone(),
            left: budget,
            room: None,
            classes,
            requests,
            sources: plan.requests.values().iter().map(source).collect(),
            variants: HashMap::new(),
            passes: 0,
        }
    }

    /// A request of the plan with other memory than it says.
    pub fn variant(&mut self, request: RequestId, grant: Grant) -> RequestId {
        let grant = Grant { bytes: grant.bytes.min(self.whole.memory_bytes), ..grant };
        if let Some(known) = self.variants.get(&(request, grant)) {
            return *known;
        }
        let variant = self.requests.push(Request { memory_bytes: Some(grant.bytes), ..self.requests[request].clone() });
        self.classes.push(Class::default());
        self.sources.push(grant.source);
        self.variants.insert((request, grant), variant);
        variant
    }

    /// What a running step was granted.
    pub fn grant(&self, step: Step) -> Option<Grant> {
        Some(self.grant_of(self.running.get(&step)?.request))
    }

    fn grant_of(&self, request: RequestId) -> Grant {
        Grant { bytes: self.requests[request].memory(), source: self.sources[request.index()] }
    }

    /// Sets how many bytes there are for steps to start, beside what is granted to those that run; `None` for no such limit.
    pub fn press(&mut self, room: Option<u64>) {
        self.room = room;
    }

    /// Whether memory is not so short that a step with this request must wait. What runs alone need not.
    fn has_room(&self, request: RequestId) -> bool {
        self.running.is_empty() || self.room.is_none_or(|room| self.requests[request].memory() <= room)
    }

    fn take(&mut self, request: RequestId) {
        self.left.take(&self.requests[request]);
        self.room = self.room.map(|room| room.saturating_sub(self.requests[request].memory()));
    }

    /// Lets a running step go on with another request, of no more than it was granted.
    pub fn regrant(&mut self, step: Step, request: RequestId) {
        let Some(running) = self.running.get_mut(&step) else { return };
        let before = std::mem::replace(&mut running.request, request);
        self.left.give_back(&self.requests[before]);
        self.room = self.room.map(|room| room.saturating_add(self.requests[before].memory()));
        self.take(request);
    }

    pub fn push(&mut self, request: RequestId, entry: Entry, path: f32) {
        let class = &mut self.classes[request.0 as usize];
        let path = u32::MAX - path.max(0.0).to_bits();
        class.by_rank.insert((entry, path));
        class.by_path.insert((path, entry));
    }

    pub fn clear(&mut self) {
        self.classes.iter_mut().for_each(|class| *class = Class::default());
    }

    /// Takes back a step that was started and used nothing.
    pub fn withdraw(&mut self, step: Step) {
        if let Some(running) = self.release(step) {
            self.room = self.room.map(|room| room.saturating_add(self.requests[running.request].memory()));
        }
    }

    /// Takes back a step that ended. While memory is short it must be seen that what it used is there again.
    pub fn release(&mut self, step: Step) -> Option<Running> {
        let running = self.running.remove(&step)?;
        self.left.give_back(&self.requests[running.request]);
        if self.running.is_empty() {
            // Rounding in the sums of fractions must not add up over a run.
            self.left = self.whole.clone();
        }
        Some(running)
    }

    /// Takes the best step that fits, and its share of the budget.
    pub fn next(&mut self, plan: &Plan, order: &Order, now: f64) -> Option<(Step, Grant)> {
        if self.running.len() >= MOST_RUNNING {
            return None;
        }
        let urgent = (order.work_left / self.left_and_running_cpus().max(1.0)) as f32;
        let mut best: Option<(bool, Entry, RequestId)> = None;
        let mut blocked: Option<(bool, Entry, RequestId)> = None;
        for id in self.requests.ids() {
            let Some((is_urgent, entry)) = self.classes[id.0 as usize].best(urgent) else { continue };
            let slot = if self.left.covers(&self.requests[id]) && self.has_room(id) { &mut best } else { &mut blocked };
            if slot.is_none_or(|(u, e, _)| (!is_urgent, entry) < (!u, e)) {
                *slot = Some((is_urgent, entry, id));
            }
        }
        let (is_urgent, entry, id) = best?;
        if let Some((blocked_urgent, blocked_entry, blocked_id)) = blocked
            && (!blocked_urgent, blocked_entry) < (!is_urgent, entry)
            && !self.may_pass(plan, order, entry.step, id, blocked_id, now)
        {
            return None;
        }
        self.classes[id.0 as usize].take(is_urgent);
        self.take(id);
        let template = template_of(plan, entry.step);
        let running = Running {
            step: entry.step,
            request: id,
            expected_end: order.seconds(template).map(|s| now + s),
            limit: plan.templates[template].time_s.map(|limit| now + limit),
            stopping: None,
        };
        self.running.insert(entry.step, running);
        Some((entry.step, self.grant_of(id)))
    }

    fn left_and_running_cpus(&self) -> f64 {
        self.left.cpus + self.running.values().map(|r| self.requests[r.request].cpus).sum::<f64>()
    }

    /// Whether a step may start before a better one that waits for room: only if that one is not made to wait longer.
    fn may_pass(&mut self, plan: &Plan, order: &Order, step: Step, id: RequestId, waits: RequestId, now: f64) -> bool {
        let (Some(room_at), Some(seconds)) = (self.room_at(waits), order.seconds(template_of(plan, step))) else {
            self.passes += 1;
            return self.passes <= MOST_PASSES;
        };
        let mut after = room_at.left;
        after.take(&self.requests[waits]);
        now + seconds <= room_at.time || after.covers(&self.requests[id])
    }

    /// When there will be room for a request, and what will be left then, by the times of earlier runs.
    fn room_at(&self, request: RequestId) -> Option<Room> {
        let mut ends: Vec<(f64, RequestId)> =
            self.running.values().map(|r| Some((r.expected_end?, r.request))).collect::<Option<_>>()?;
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut left = self.left.clone();
        for (time, ended) in ends {
            left.give_back(&self.requests[ended]);
            if left.covers(&self.requests[request]) {
                return Some(Room { time, left });
            }
        }
        None
    }
}

struct Room {
    time: f64,
    left: Budget,
}

impl Class {
    /// The step with the longest path if that path is as long as all work left, else the first by rank.
    fn best(&self, urgent: f32) -> Option<(bool, Entry)> {
        let (path, longest) = self.by_path.first()?;
        if f32::from_bits(u32::MAX - path) >= urgent {
            return Some((true, *longest));
        }
        self.by_rank.first().map(|(entry, _)| (false, *entry))
    }

    /// Removes what [`Class::best`] gave.
    fn take(&mut self, urgent: bool) {
        let taken = if urgent { self.by_path.first().copied() } else { self.by_rank.first().map(|(e, p)| (*p, *e)) };
        if let Some((path, entry)) = taken {
            self.by_rank.remove(&(entry, path));
            self.by_path.remove(&(path, entry));
        }
    }
}

impl Running {
    /// When something must be done about it.
    pub fn deadline(&self) -> Option<f64> {
        match &self.stopping {
            None => self.limit,
            Some(stopping) if stopping.force == Force::Terminate => Some(stopping.kill_at),
            Some(_) => None,
        }
    }

    pub fn stop(&mut self, force: Force, reason: Reason, now: f64, grace_s: f64, actions: &mut Vec<Action>) {
        if self.stopping.is_some_and(|s| s.force == Force::Kill || s.force == force) {
            return;
        }
        let reason = self.stopping.map_or(reason, |s| s.reason);
        self.stopping = Some(Stopping { reason, force, kill_at: now + grace_s });
        actions.push(Action::Stop(self.step, force, reason));
    }
}
