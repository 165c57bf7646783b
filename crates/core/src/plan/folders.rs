//! Which folders tell the points of a template apart: named and ordered as nipype does, and never two points in one.
//!
//! nipype gives each node with iterables one folder, `_field_value_field_value`, and orders the folders of a node by how
//! far it is from the nodes with the iterables (`_merge_graphs` and `generate_expanded_graph` in its engine/utils.py).

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::python::{clean, digest, is_clean, repr_of, str_of};
use super::{Binding, Plan};
use crate::arena::{Arena, AxisId, Id, TemplateId};
use crate::space::{Axis, Spaces};
use crate::value::Value;

/// A folder name of more characters is replaced by its digest, as in nipype.
const LONGEST: usize = 252;
/// File systems take no name of more bytes.
const LONGEST_BYTES: usize = 255;
/// So many labels are compared; more are taken to hold two that are the same.
const MOST_COMPARED: usize = 1_000_000;

/// Axes whose labels stand together in the name of one folder: those of a node with iterables, or one of parameters.
pub(super) type Group = Vec<AxisId>;

/// Folders that are as far from a node.
#[derive(Debug)]
pub(super) struct Layer {
    pub groups: Vec<Group>,
    /// Whether they are ordered by their names, as in nipype; else two points might come to share folders.
    pub by_text: bool,
}

/// The folders of every template. Templates that have the same share them.
#[derive(Debug, Default)]
pub(super) struct Folders {
    layouts: Vec<Vec<Layer>>,
    layout_of: Vec<u32>,
    /// For each axis the coordinates, in order, whose label needs a digest to be like no other.
    marked: Vec<Vec<u32>>,
}

impl Folders {
    /// Finds them; `owners` has for each axis the node whose iterables it is, and nothing for parameters.
    pub fn of_plan(plan: &Plan, owners: &[Option<TemplateId>]) -> Folders {
        let groups = groups(&plan.spaces, owners);
        let mut folders = Folders { marked: marked(&plan.spaces, groups.values()), ..Folders::default() };
        let mut distances: Vec<Vec<(TemplateId, u32)>> = vec![Vec::new(); plan.templates.len()];
        let mut layouts: HashMap<Vec<Vec<Group>>, u32> = HashMap::new();
        folders.layout_of = vec![0; plan.templates.len()];
        for id in &plan.order {
            distances[id.index()] = distances_of(plan, owners, *id, &distances);
            let layout = layout(plan, owners, &groups, *id, &distances[id.index()]);
            let next = layouts.len() as u32;
            let known = *layouts.entry(layout).or_insert(next);
            folders.layout_of[id.index()] = known;
        }
        let mut layouts: Vec<(Vec<Vec<Group>>, u32)> = layouts.into_iter().collect();
        layouts.sort_unstable_by_key(|(_, number)| *number);
        let layer = |groups: Vec<Group>| Layer { by_text: folders.can_be_sorted(&plan.spaces, &groups), groups };
        folders.layouts = layouts.into_iter().map(|(layers, _)| layers.into_iter().map(layer).collect()).collect();
        folders
    }

    /// The folders of a template, outermost first.
    pub fn of(&self, template: TemplateId) -> &[Layer] {
        let layout = self.layout_of.get(template.index()).and_then(|layout| self.layouts.get(*layout as usize));
        layout.map_or(&[], Vec::as_slice)
    }

    /// `_subject_sub-01`, with a digest where another value would give the same.
    pub fn label(&self, spaces: &Spaces, axis: AxisId, coordinate: u32) -> String {
        let mut label = label(&spaces.axes[axis], coordinate);
        if self.marked.get(axis.index()).is_some_and(|marked| marked.binary_search(&coordinate).is_ok()) {
            let values: Vec<String> = present(&spaces.axes[axis], coordinate).map(|(_, v)| repr_of(v)).collect();
            label.push('-');
            label.push_str(&digest(&values.join("\0")));
        }
        label
    }

    /// Whether no two points have the same labels in another order, so that the order may follow the labels. For that,
    /// two groups would have to share two labels, or three groups one each in a circle.
    fn can_be_sorted(&self, spaces: &Spaces, groups: &[Group]) -> bool {
        let pairs = groups.iter().enumerate().flat_map(|(at, a)| groups[at + 1..].iter().map(move |b| (a, b)));
        let shared: Vec<usize> = pairs.map(|(a, b)| self.shared_labels(spaces, a, b)).filter(|n| *n > 0).collect();
        groups.len() > 1 && shared.len() < 3 && shared.iter().all(|number| *number < 2)
    }

    /// How many labels two groups share; very many when they have too many to be compared.
    fn shared_labels(&self, spaces: &Spaces, a: &Group, b: &Group) -> usize {
        let heads = |group: &Group| {
            let fields = group.iter().flat_map(|axis| &spaces.axes[*axis].fields);
            fields.map(|field| format!("_{}_", clean(&field.name))).collect::<Vec<_>>()
        };
        let (heads_a, heads_b) = (heads(a), heads(b));
        let mut pairs = heads_a.iter().flat_map(|a| heads_b.iter().map(move |b| (a, b)));
        if !pairs.any(|(a, b)| a.starts_with(b) || b.starts_with(a)) {
            return 0;
        }
        match (self.labels(spaces, a), self.labels(spaces, b)) {
            (Some(a), Some(b)) => a.intersection(&b).count(),
            _ => usize::MAX,
        }
    }

    /// All labels of a group; `None` when they are too many.
    fn labels(&self, spaces: &Spaces, group: &Group) -> Option<HashSet<String>> {
        let mut labels = vec![String::new()];
        for axis in group {
            let own: Vec<String> = (0..spaces.axes[*axis].len()).map(|at| self.label(spaces, *axis, at)).collect();
            if labels.len().saturating_mul(own.len()) > MOST_COMPARED {
                return None;
            }
            labels = labels.iter().flat_map(|label| own.iter().map(move |own| format!("{label}{own}"))).collect();
        }
        Some(labels.into_iter().collect())
    }
}

/// The name of a folder, short enough for nipype and for the file system.
pub(super) fn shortened(label: String) -> String {
    let fits = label.len() <= LONGEST || label.len() <= LONGEST_BYTES && label.chars().count() <= LONGEST;
    if fits { label } else { sha1_smol::Sha1::from(&label).hexdigest() }
}

/// The axes of each node with iterables, in the order of the names of their fields.
fn groups(spaces: &Spaces, owners: &[Option<TemplateId>]) -> HashMap<TemplateId, Group> {
    let mut groups: HashMap<TemplateId, Group> = HashMap::new();
    for (axis, owner) in spaces.axes.ids().zip(owners) {
        if let Some(owner) = owner {
            groups.entry(*owner).or_default().push(axis);
        }
    }
    let name = |axis: &AxisId| spaces.axes[*axis].fields.first().map(|field| field.name.as_str());
    groups.values_mut().for_each(|group| group.sort_by(|a, b| name(a).cmp(&name(b))));
    groups
}

/// How far a template is from each node with iterables that it varies over: the longest way. Identities are no part of
/// it, as nothing refers to them any more ([`super::splice`]).
fn distances_of(
    plan: &Plan,
    owners: &[Option<TemplateId>],
    id: TemplateId,
    known: &[Vec<(TemplateId, u32)>],
) -> Vec<(TemplateId, u32)> {
    let template = &plan.templates[id];
    let mut distances: Vec<(TemplateId, u32)> = Vec::new();
    for axis in &plan.spaces.spaces[template.space].axes {
        if let Some(owner) = owners[axis.index()]
            && !distances.iter().any(|(known, _)| *known == owner)
        {
            distances.push((owner, u32::from(owner != id)));
        }
    }
    if distances.is_empty() {
        return distances;
    }
    for input in &template.inputs {
        input.binding.for_each_leaf(&mut |leaf| {
            let Binding::Output { source, .. } = leaf else { return };
            for (owner, distance) in &known[source.index()] {
                if let Some((_, longest)) = distances.iter_mut().find(|(known, _)| known == owner) {
                    *longest = (*longest).max(distance + 1);
                }
            }
        });
    }
    distances
}

/// The groups of a template in layers: parameters in their order, then nodes with iterables, the farthest first.
fn layout(
    plan: &Plan,
    owners: &[Option<TemplateId>],
    groups: &HashMap<TemplateId, Group>,
    id: TemplateId,
    distances: &[(TemplateId, u32)],
) -> Vec<Vec<Group>> {
    let space = &plan.spaces.spaces[plan.templates[id].space];
    let parameters = space.axes.iter().filter(|axis| owners[axis.index()].is_none());
    let mut layers: Vec<Vec<Group>> = parameters.map(|axis| vec![vec![*axis]]).collect();
    let mut lengths: Vec<u32> = distances.iter().map(|(_, length)| *length).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths.dedup();
    for length in lengths {
        let here = distances.iter().filter(|(_, other)| *other == length);
        let has = |axis: &AxisId| space.axes.contains(axis);
        let group = |owner| groups.get(owner).into_iter().flatten().copied().filter(has).collect::<Group>();
        layers.push(here.map(|(owner, _)| group(owner)).collect());
    }
    layers
}

/// The fields that have a value at a coordinate, by name.
fn present(axis: &Axis, coordinate: u32) -> impl Iterator<Item = (&str, &Value)> {
    let value = |field: &'_ crate::space::AxisField| field.values.get(coordinate as usize).is_some();
    let mut fields: Vec<_> = axis.fields.iter().filter(|field| value(field)).collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields.into_iter().map(move |field| (field.name.as_str(), &field.values[coordinate as usize]))
}

fn label(axis: &Axis, coordinate: u32) -> String {
    let mut label = String::new();
    for (name, value) in present(axis, coordinate) {
        label.push('_');
        label.push_str(&clean(name));
        label.push('_');
        label.push_str(&clean(&str_of(value)));
    }
    label
}

/// The coordinates of each axis whose labels another one has, or would seem to have behind the label of the axis next to
/// it. Most axes have none, and most are seen to have none without a look at all labels together.
fn marked<'g>(spaces: &Spaces, groups: impl Iterator<Item = &'g Group>) -> Vec<Vec<u32>> {
    let mut marked: Vec<Vec<u32>> = spaces.axes.values().iter().map(alike).collect();
    for group in groups {
        for pair in group.windows(2) {
            let next = spaces.axes[pair[1]].fields.first().map_or("", |field| &field.name);
            marked[pair[0].index()].extend(ambiguous(&spaces.axes[pair[0]], &format!("_{}_", clean(next))));
        }
    }
    for coordinates in &mut marked {
        coordinates.sort_unstable();
        coordinates.dedup();
        coordinates.shrink_to_fit();
    }
    marked
}

/// Coordinates with equal labels. Where values depend on others, only those of one group can meet.
fn alike(axis: &Axis) -> Vec<u32> {
    let keeps = |value: &Value| match value {
        Value::Int(_) => true,
        Value::String(text) | Value::Path(text) => is_clean(text),
        _ => false,
    };
    if let [field] = axis.fields.as_slice()
        && field.values.iter().all(keeps)
    {
        return Vec::new();
    }
    let ranges = match &axis.depends {
        None => vec![(0, axis.len())],
        Some(depends) => depends.table.values().copied().collect(),
    };
    let mut alike = Vec::new();
    for (first, number) in ranges {
        let mut hashes: Vec<(u64, u32)> = (first..first + number).map(|at| (hash(&label(axis, at)), at)).collect();
        hashes.sort_unstable();
        for equal in hashes.chunk_by(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1) {
            alike.extend(equal.iter().map(|(_, at)| *at));
        }
    }
    alike
}

fn hash(label: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    label.hash(&mut hasher);
    hasher.finish()
}

/// Coordinates whose value reads like a shorter value of the same field and the label of the field behind it, which
/// begins with `head`: `_a_1_b_2` is `1_b_2` or `1` and `2`.
fn ambiguous(axis: &Axis, head: &str) -> Vec<u32> {
    let Some(field) = axis.fields.first() else { return Vec::new() };
    let texts = || field.values.iter().map(|value| clean(&str_of(value)));
    let cuts = |text: &str| {
        let whole = format!("{text}{head}");
        let is_cut = |at: &usize| whole[*at..].starts_with(head);
        text.char_indices().map(|(at, _)| at).filter(is_cut).collect::<Vec<usize>>()
    };
    let could: Vec<(usize, String, Vec<usize>)> = texts()
        .enumerate()
        .map(|(at, text)| (at, cuts(&text), text))
        .filter(|(_, cuts, _)| !cuts.is_empty())
        .map(|(at, cuts, text)| (at, text, cuts))
        .collect();
    if could.is_empty() {
        return Vec::new();
    }
    let known: HashSet<String> = texts().collect();
    let is = |(_, text, cuts): &&(usize, String, Vec<usize>)| cuts.iter().any(|cut| known.contains(&text[..*cut]));
    could.iter().filter(is).map(|(at, ..)| *at as u32).collect()
}

/// For each axis the node whose iterables it is.
pub(super) fn owners(axes: usize, pending: &Arena<TemplateId, super::state::Pending>) -> Vec<Option<TemplateId>> {
    let mut owners = vec![None; axes];
    for (id, node) in pending.iter() {
        for (_, axis, _) in &node.axes {
            owners[axis.index()] = Some(id);
        }
    }
    owners
}
