//! Which ready step is best: the one whose subject began first, unless a long chain would end last.

use crate::arena::{Id, NodeId, TemplateId};
use crate::plan::Plan;

/// Seconds a step counts for when no earlier run tells.
const UNKNOWN_SECONDS: f32 = 1.0;

/// The order of a plan's nodes.
#[derive(Debug)]
pub(super) struct Order {
    /// Seconds of work of all nodes that are not final.
    pub work_left: f64,
    /// Whether any estimate comes from an earlier run.
    pub informed: bool,
    seconds: Vec<f32>,
    known: Vec<bool>,
    paths: Vec<f32>,
    depth_first: Vec<u32>,
}

/// Where a node stands: the coordinates of its subject first, then its place in the depth-first order. Less is sooner.
pub(super) type Rank = [u32; 3];

impl Order {
    pub fn of(plan: &Plan, estimates: &[Option<f32>]) -> Order {
        let estimate = |id: TemplateId| estimates.get(id.index()).copied().flatten();
        let known: Vec<bool> = plan.templates.ids().map(|id| estimate(id).is_some()).collect();
        let seconds: Vec<f32> = plan.templates.ids().map(|id| estimate(id).unwrap_or(UNKNOWN_SECONDS)).collect();
        let mut paths = seconds.clone();
        for id in plan.order.iter().rev() {
            let (after, _) = plan.neighbours(*id);
            let longest = after.iter().map(|next| paths[next.index()]).fold(0.0, f32::max);
            paths[id.index()] += longest;
        }
        let work = |id: TemplateId| f64::from(seconds[id.index()]) * f64::from(plan.points(id)) * cpus(plan, id);
        Order {
            work_left: plan.templates.ids().map(work).sum(),
            informed: known.iter().any(|known| *known),
            depth_first: depth_first(plan),
            known,
            paths,
            seconds,
        }
    }

    /// Seconds from the start of a node of the template to the end of all that depends on it.
    pub fn path(&self, template: TemplateId) -> f32 {
        self.paths[template.index()]
    }

    /// Seconds a step takes; `None` when no earlier run tells.
    pub fn seconds(&self, template: TemplateId) -> Option<f64> {
        self.known[template.index()].then(|| f64::from(self.seconds[template.index()]))
    }

    pub fn rank(&self, plan: &Plan, template: TemplateId, node: NodeId) -> Rank {
        let space = plan.templates[template].space;
        let point = node.0 - plan.templates[template].first.0;
        let mut axes = plan.spaces.spaces[space].axes.iter();
        let mut next = || axes.next().and_then(|axis| plan.spaces.coordinate(space, point, *axis)).map_or(0, |c| c + 1);
        [next(), next(), self.depth_first[template.index()]]
    }

    pub fn finished(&mut self, plan: &Plan, template: TemplateId) {
        self.work_left -= f64::from(self.seconds[template.index()]) * cpus(plan, template);
    }
}

fn cpus(plan: &Plan, template: TemplateId) -> f64 {
    plan.requests[plan.templates[template].request].cpus.max(1.0)
}

/// Numbers the templates so that all one result needs comes before what only the next result needs.
fn depth_first(plan: &Plan) -> Vec<u32> {
    let mut numbers = vec![u32::MAX; plan.templates.len()];
    let mut entered = vec![false; plan.templates.len()];
    let mut next = 0;
    let ends = plan.templates.ids().filter(|id| plan.neighbours(*id).0.is_empty());
    let mut stack: Vec<(TemplateId, bool)> = ends.map(|id| (id, false)).collect();
    stack.reverse();
    while let Some((id, all_before_numbered)) = stack.pop() {
        if all_before_numbered {
            numbers[id.index()] = next;
            next += 1;
        } else if !std::mem::replace(&mut entered[id.index()], true) {
            stack.push((id, true));
            stack.extend(plan.neighbours(id).1.into_iter().rev().map(|before| (before, false)));
        }
    }
    numbers
}
