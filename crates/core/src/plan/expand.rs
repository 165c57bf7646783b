//! Orders the templates, finds the space of each, and links them.

use super::bind::{Bindings, BoundNode};
use super::flatten::environment;
use super::state::{Pending, State};
use super::{Binding, Edge, Plan, PlanOutput, Request, Template, check, folders, splice};
use crate::arena::{Arena, AxisId, Id, NodeId, RequestId, SpaceId, TemplateId};
use crate::space::SpaceError;
use crate::tree::{Mark, Problem};

/// Expands bound nodes into a plan.
pub(super) fn expand(name: String, mut state: State, mut bindings: Bindings) -> (Option<Plan>, Vec<Problem>) {
    let order = order(&mut state, &bindings);
    splice::splice(&state, &mut bindings, &order);
    let spaces = find_spaces(&mut state, &mut bindings, &order);
    check::check(&mut state, &mut bindings);
    let mut problems = std::mem::take(&mut state.problems);
    let (Some(spaces), true) = (spaces, order.len() == bindings.nodes.len()) else { return (None, problems) };
    let plan = assemble(name, state, bindings, spaces, order).and_then(|mut plan| {
        link(&mut plan).map_err(|e| vec![Problem::at(Mark::default(), e.to_string())])?;
        Ok(plan)
    });
    match plan {
        Ok(plan) => (Some(plan), problems),
        Err(more) => {
            problems.extend(more);
            (None, problems)
        }
    }
}

/// The templates in an order in which each comes after all it needs; a circle is reported.
fn order(state: &mut State, bindings: &Bindings) -> Vec<TemplateId> {
    let count = bindings.nodes.len();
    let mut waiting = vec![0_u32; count];
    let mut feeds: Vec<Vec<TemplateId>> = vec![Vec::new(); count];
    for (id, node) in bindings.nodes.iter() {
        for source in sources(node) {
            waiting[id.index()] += 1;
            feeds[source.index()].push(id);
        }
    }
    let mut order: Vec<TemplateId> = bindings.nodes.ids().filter(|id| waiting[id.index()] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for fed in &feeds[order[next].index()] {
            waiting[fed.index()] -= 1;
            if waiting[fed.index()] == 0 {
                order.push(*fed);
            }
        }
        next += 1;
    }
    if order.len() < count {
        report_circle(state, bindings, &waiting);
    }
    order
}

fn report_circle(state: &mut State, bindings: &Bindings, waiting: &[u32]) {
    let Some(mut at) = bindings.nodes.ids().find(|id| waiting[id.index()] > 0) else { return };
    let mut path: Vec<TemplateId> = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        match sources(&bindings.nodes[at]).into_iter().find(|s| waiting[s.index()] > 0) {
            Some(source) => at = source,
            None => return,
        }
    }
    path.drain(..path.iter().position(|id| *id == at).unwrap_or(0));
    path.push(at);
    path.reverse();
    let names: Vec<String> = path.iter().map(|id| format!("`{}`", name_of(state, *id))).collect();
    let pending = &state.pending[at];
    let file = state.scopes[pending.scope].site.file.clone();
    let message = format!("these nodes wait for each other: {}", names.join(" -> "));
    let problem = Problem { file, mark: pending.node.name.mark, message };
    state.problems.push(problem);
}

fn name_of(state: &State, id: TemplateId) -> String {
    let pending = &state.pending[id];
    format!("{}{}", state.scopes[pending.scope].site.prefix, pending.node.name.text)
}

fn sources(node: &BoundNode) -> Vec<TemplateId> {
    let mut sources = Vec::new();
    for input in &node.inputs {
        input.binding.for_each_leaf(&mut |leaf| {
            if let Binding::Output { source, .. } = leaf {
                sources.push(*source);
            }
        });
    }
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// The space of each template: the axes of all it depends on, less those it joins; `None` when one has none, which is
/// reported.
fn find_spaces(state: &mut State, bindings: &mut Bindings, order: &[TemplateId]) -> Option<Vec<SpaceId>> {
    // A node whose space is not found counts as one that varies over nothing, which is space 0.
    over(state, &[]).ok()?;
    let mut found = true;
    let mut spaces = vec![SpaceId(0); bindings.nodes.len()];
    for id in order {
        match find_space(state, &mut bindings.nodes[*id], &spaces) {
            Ok(space) => spaces[id.index()] = space,
            Err(message) => {
                found = false;
                let pending = &state.pending[*id];
                let file = state.scopes[pending.scope].site.file.clone();
                let mark = pending.node.name.mark;
                let message = format!("`{}`: {message}", pending.node.name.text);
                state.problems.push(Problem { file, mark, message });
            }
        }
    }
    found.then_some(spaces)
}

fn find_space(state: &mut State, node: &mut BoundNode, known: &[SpaceId]) -> Result<SpaceId, String> {
    let ended = node.join.as_ref().map_or_else(Vec::new, |join| state.spaces.ended_with(&join.axes));
    let mut axes: Vec<AxisId> = Vec::new();
    let (mut joined, mut gathered) = (Vec::new(), Vec::new());
    for (at, input) in node.inputs.iter().enumerate() {
        let own = axes_of(state, &input.binding, known);
        if own.iter().any(|axis| ended.contains(axis)) {
            let named = node.join.as_ref().is_none_or(|join| join.fields.is_empty() || join.fields.contains(&at));
            if !named {
                return Err(format!("`{}` varies over what `join` ends; add it to the fields of `join`", input.name));
            }
            joined.push(at);
            gathered.extend(&own);
        }
        axes.extend(own.into_iter().filter(|axis| !ended.contains(axis)));
    }
    // All that is gathered is gathered over the same points, so that the lists belong together item by item.
    for at in joined {
        node.inputs[at].joined = Some(over(state, &gathered)?);
    }
    over(state, &axes)
}

fn over(state: &mut State, axes: &[AxisId]) -> Result<SpaceId, String> {
    state.spaces.over(axes).map_err(|error: SpaceError| error.to_string())
}

fn axes_of(state: &State, binding: &Binding, known: &[SpaceId]) -> Vec<AxisId> {
    let mut axes = Vec::new();
    binding.for_each_leaf(&mut |leaf| match leaf {
        Binding::Field { axis, .. } => axes.push(*axis),
        Binding::Output { source, .. } => axes.extend(&state.spaces.spaces[known[source.index()]].axes),
        _ => {}
    });
    axes.sort_unstable();
    axes.dedup();
    axes
}

fn assemble(
    name: String,
    mut state: State,
    bindings: Bindings,
    spaces: Vec<SpaceId>,
    order: Vec<TemplateId>,
) -> Result<Plan, Vec<Problem>> {
    let mut plan = Plan {
        name,
        templates: Arena::default(),
        spaces: std::mem::take(&mut state.spaces),
        requests: Arena::default(),
        outputs: Vec::new(),
        order,
        warnings: std::mem::take(&mut state.warnings),
        folders: folders::Folders::default(),
        edges: Vec::new(),
        outgoing: Vec::new(),
        incoming: Vec::new(),
        incoming_offsets: Vec::new(),
        nodes: 0,
    };
    plan.spaces.over(&[]).ok();
    let State { scopes, pending, .. } = state;
    let owners = folders::owners(plan.spaces.axes.len(), &pending);
    for (node, pending) in bindings.nodes.into_iter().zip(pending) {
        let space = spaces[plan.templates.len()];
        let template = template(&mut plan, &scopes[pending.scope], pending, node, space);
        plan.nodes = match plan.nodes.checked_add(plan.spaces.spaces[space].points) {
            Some(nodes) if nodes < u32::MAX / 2 => nodes,
            _ => return Err(vec![Problem::at(template.mark, SpaceError::TooLarge.to_string())]),
        };
        plan.templates.push(template);
    }
    for (name, binding, _) in bindings.outputs {
        let mut axes = Vec::new();
        binding.for_each_leaf(&mut |leaf| match leaf {
            Binding::Field { axis, .. } => axes.push(*axis),
            Binding::Output { source, .. } => axes.extend(&plan.spaces.spaces[spaces[source.index()]].axes),
            _ => {}
        });
        let space = plan.spaces.over(&axes).map_err(|e| vec![Problem::at(name.mark, e.to_string())])?;
        plan.outputs.push(PlanOutput { name: name.text, binding, space });
    }
    plan.folders = folders::Folders::of_plan(&plan, &owners);
    Ok(plan)
}

fn template(
    plan: &mut Plan,
    scope: &super::state::Scope,
    pending: Pending,
    bound: BoundNode,
    space: SpaceId,
) -> Template {
    let Pending { mut node, work, signature, .. } = pending;
    let resources = std::mem::take(&mut node.resources).over(&scope.resources);
    let time_s = resources.time_s;
    let request = Request {
        cpus: resources.cpus.unwrap_or(1.0),
        memory_bytes: resources.memory_bytes,
        gpus: resources.gpus.unwrap_or(0),
        named: resources.named,
    };
    Template {
        name: match &node.nipype {
            Some(nipype) => nipype.title.clone(),
            None => format!("{}{}", scope.site.prefix, node.name.text),
        },
        mark: node.name.mark,
        file: scope.site.file.clone(),
        work,
        signature,
        inputs: bound.inputs,
        space,
        map: bound.map,
        unique: bound.join.as_ref().is_some_and(|join| join.unique),
        request: request_id(plan, request),
        memory_from: resources.memory_from,
        time_s,
        retries: node.retries.unwrap_or(0),
        overwrite: node.overwrite,
        environment: environment(scope, &mut node),
        base: std::rc::Rc::clone(&scope.site.base),
        connection: node.connection,
        nipype: node.nipype.take(),
        first: NodeId(plan.nodes),
    }
}

fn request_id(plan: &mut Plan, request: Request) -> RequestId {
    match plan.requests.values().iter().position(|known| *known == request) {
        Some(at) => RequestId::from_index(at),
        None => plan.requests.push(request),
    }
}

/// Finds the dependencies between templates and every projection that evaluation will need.
fn link(plan: &mut Plan) -> Result<(), SpaceError> {
    let mut pairs: Vec<(TemplateId, TemplateId)> = Vec::new();
    let mut needed: Vec<(SpaceId, SpaceId)> = Vec::new();
    for (id, template) in plan.templates.iter() {
        for input in &template.inputs {
            let space = input.joined.unwrap_or(template.space);
            if input.joined.is_some() {
                needed.push((space, template.space));
            }
            note_sources(&input.binding, |source| {
                pairs.push((source, id));
                needed.push((space, plan.templates[source].space));
            });
        }
    }
    for output in &plan.outputs {
        note_sources(&output.binding, |source| needed.push((output.space, plan.templates[source].space)));
    }
    needed.sort_unstable();
    needed.dedup();
    for (from, to) in needed {
        let shared = plan.spaces.shared(from, to)?;
        plan.spaces.project(from, shared);
        plan.spaces.project(to, shared);
    }
    pairs.sort_unstable();
    pairs.dedup();
    for (from, to) in pairs {
        let (from_space, to_space) = (plan.templates[from].space, plan.templates[to].space);
        let shared = plan.spaces.shared(from_space, to_space)?;
        let from_shared = plan.spaces.project(from_space, shared);
        let to_shared = plan.spaces.project(to_space, shared);
        plan.edges.push(Edge { from, to, from_shared, to_shared });
    }
    index_edges(plan);
    Ok(())
}

fn note_sources(binding: &Binding, mut note: impl FnMut(TemplateId)) {
    binding.for_each_leaf(&mut |leaf| {
        if let Binding::Output { source, .. } = leaf {
            note(*source);
        }
    });
}

/// Edges are sorted by where they start; those into a template are found through an index.
fn index_edges(plan: &mut Plan) {
    let templates = plan.templates.len();
    let count = |key: fn(&Edge) -> TemplateId| {
        let mut offsets = vec![0_u32; templates + 1];
        for edge in &plan.edges {
            offsets[key(edge).index() + 1] += 1;
        }
        for at in 1..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        offsets
    };
    plan.outgoing = count(|edge| edge.from);
    plan.incoming_offsets = count(|edge| edge.to);
    let mut incoming: Vec<u32> = (0..plan.edges.len() as u32).collect();
    incoming.sort_by_key(|edge| plan.edges[*edge as usize].to);
    plan.incoming = incoming;
}
