//! Axes from iterated parameters and from the iterables of nodes.

use std::collections::{HashMap, HashSet};

use super::evaluate::absolute;
use super::state::{Bound, Entry, Site, State};
use super::{Binding, Setting};
use crate::arena::AxisId;
use crate::document::{Default, Iterate, Name, Node, Parameter};
use crate::space::{Axis, AxisField, Dependence};
use crate::tree::{Kind, Mark, Problem, Tree};
use crate::value::{Type, Value};

/// Declares the parameters of a workflow: fixed ones are values, iterated ones are fields of axes.
pub(super) fn parameters(
    state: &mut State,
    scope: usize,
    parameters: Vec<Parameter>,
    synchronize: &[Vec<Name>],
    bound: &mut HashMap<String, Bound>,
) {
    let mut iterated = Vec::new();
    for Parameter { name, kind, default } in parameters {
        match default {
            Default::Missing => {
                report_missing(state, scope, &name);
                bound.insert(name.text, Bound::Broken);
            }
            Default::Value(tree) => {
                let mark = tree.mark;
                let value = typed(state, scope, &kind, tree.to_value(), mark);
                bound.insert(name.text, value.map_or(Bound::Broken, |value| Bound::Binding(Binding::Value(value))));
            }
            Default::Broken | Default::Iterate(Iterate::Broken) => {
                bound.insert(name.text, Bound::Broken);
            }
            Default::Iterate(iterate) => iterated.push(Source { name, kind, iterate }),
        }
    }
    let mut groups = synchronized(state, scope, iterated, synchronize, bound);
    while !groups.is_empty() {
        let ready = |group: &Vec<Source>| {
            let by = group.iter().flat_map(|source| source.by());
            by.into_iter().all(|name| bound.contains_key(&name.text))
        };
        let Some(at) = groups.iter().position(ready) else {
            report_dependence(state, scope, &groups, bound);
            bound.extend(groups.into_iter().flatten().map(|source| (source.name.text, Bound::Broken)));
            return;
        };
        let group = groups.remove(at);
        let names: Vec<String> = group.iter().map(|s| s.name.text.clone()).collect();
        let axis = axis(state, scope, group, &|name| match bound.get(name) {
            Some(Bound::Binding(Binding::Field { axis, field })) => Found::Field(*axis, *field),
            Some(Bound::Broken) => Found::Broken,
            _ => Found::Nothing,
        });
        for (field, name) in names.into_iter().enumerate() {
            bound.insert(name, axis.map_or(Bound::Broken, |axis| Bound::Binding(Binding::Field { axis, field })));
        }
    }
}

fn report_missing(state: &mut State, scope: usize, name: &Name) {
    let Site { outer, caller, .. } = state.scopes[scope].site.clone();
    match (outer, caller) {
        (Some(outer), Some((node, readable))) => {
            let message = format!("`{}`: the nested workflow must be given `{}`", node.text, name.text);
            if readable {
                report(state, outer, node.mark, message);
            }
        }
        _ => {
            let message = format!("the parameter `{0}` has no value; give one with --set {0}=...", name.text);
            report(state, scope, name.mark, message);
        }
    }
}

/// Names the parameters that depend on what is not there; else they depend on each other, and all are named.
fn report_dependence(state: &mut State, scope: usize, groups: &[Vec<Source>], bound: &HashMap<String, Bound>) {
    let sources = || groups.iter().flatten();
    let waits = |name: &Name| sources().any(|source| source.name.text == name.text);
    let absent = |source: &&Source| source.by().iter().any(|by| !bound.contains_key(&by.text) && !waits(by));
    let to_blame: Vec<&Source> = match sources().filter(absent).collect::<Vec<_>>() {
        absent if absent.is_empty() => sources().collect(),
        _ if state.scopes[scope].unread.holds("parameters") => Vec::new(),
        absent => absent,
    };
    for source in to_blame {
        let message = format!("`{}` depends on a parameter that does not exist or depends on it", source.name.text);
        report(state, scope, source.name.mark, message);
    }
}

/// Declares the iterables of a node; gives the input, axis and field of each, and the inputs whose values are wrong.
pub(super) fn node(state: &mut State, scope: usize, node: &Node) -> (Vec<(String, AxisId, usize)>, Vec<String>) {
    let source =
        |(name, iterate): &(Name, Iterate)| Source { name: name.clone(), kind: Type::Any, iterate: iterate.clone() };
    let (bad, good): (Vec<_>, Vec<_>) = node.iterables.iter().partition(|(_, i)| matches!(i, Iterate::Broken));
    let mut broken: Vec<String> = bad.into_iter().map(|(name, _)| name.text.clone()).collect();
    let sources: Vec<Source> = good.into_iter().map(source).collect();
    let groups: Vec<Vec<Source>> = match node.synchronize {
        true if !sources.is_empty() => vec![sources],
        _ => sources.into_iter().map(|source| vec![source]).collect(),
    };
    let mut known: Vec<(String, AxisId, usize)> = Vec::new();
    let mut unknown = false;
    let iterates = !node.iterables.is_empty();
    if let Some(name) = node.itersource.as_ref().filter(|_| iterates) {
        match state.scopes[scope].names.get(&name.text) {
            Some(Entry::Node(id)) => {
                known = state.pending[*id].axes.clone();
                unknown = !state.pending[*id].broken.is_empty() || state.pending[*id].node.unread.holds("iterables");
            }
            Some(Entry::Broken) => unknown = true,
            _ => {
                unknown = true;
                let message = format!("`itersource` names `{}`, which is no node above this one", name.text);
                report(state, scope, name.mark, message);
            }
        }
    }
    let mut axes = Vec::new();
    for group in groups {
        let names: Vec<String> = group.iter().map(|s| s.name.text.clone()).collect();
        let find = |name: &str| match known.iter().find(|(field, ..)| field == name) {
            Some((_, axis, field)) => Found::Field(*axis, *field),
            None if unknown => Found::Broken,
            None => Found::Nothing,
        };
        match axis(state, scope, group, &find) {
            Some(axis) => axes.extend(names.into_iter().enumerate().map(|(field, name)| (name, axis, field))),
            None => broken.extend(names),
        }
    }
    (axes, broken)
}

/// Sets a parameter from outside; an iterated one is iterated over what is given.
pub(super) fn set(parameter: &mut Parameter, setting: &Setting, base: &str) -> Result<(), String> {
    let iterated = matches!(parameter.default, Default::Iterate(_));
    let kind = if iterated { Type::List(Box::new(parameter.kind.clone())) } else { parameter.kind.clone() };
    let value = match setting {
        Setting::Text(text) if iterated && text.is_empty() => return Err("give [] for no values".to_owned()),
        Setting::Value(value) if iterated && !matches!(value, Value::List(_)) => {
            kind.coerce(Value::List(vec![value.clone()])).map_err(|e| e.to_string())?
        }
        setting => setting.read(&kind)?,
    };
    let tree = tree_of(absolute(value, base));
    parameter.default = match tree.kind {
        Kind::List(values) if iterated => Default::Iterate(Iterate::Values(values)),
        kind => Default::Value(Tree { kind, mark: parameter.name.mark }),
    };
    Ok(())
}

/// What values that depend on a name depend on.
enum Found {
    Field(AxisId, usize),
    /// Something that is wrong, and reported.
    Broken,
    Nothing,
}

struct Source {
    name: Name,
    kind: Type,
    iterate: Iterate,
}

impl Source {
    fn by(&self) -> Vec<&Name> {
        match &self.iterate {
            Iterate::Values(_) | Iterate::Broken => Vec::new(),
            Iterate::By { by, .. } => by.iter().collect(),
        }
    }
}

/// Iterated parameters in groups that advance together, each where its first one is declared.
fn synchronized(
    state: &mut State,
    scope: usize,
    mut sources: Vec<Source>,
    groups: &[Vec<Name>],
    bound: &HashMap<String, Bound>,
) -> Vec<Vec<Source>> {
    let order: HashMap<String, usize> = sources.iter().enumerate().map(|(at, s)| (s.name.text.clone(), at)).collect();
    let mut together = Vec::new();
    for names in groups {
        let mut group = Vec::new();
        for name in names {
            match sources.iter().position(|source| source.name.text == name.text) {
                Some(at) => group.push(sources.remove(at)),
                None if matches!(bound.get(&name.text), Some(Bound::Broken)) => {}
                None if state.scopes[scope].unread.holds("parameters") => {}
                None => {
                    let message = format!("`synchronize` names `{}`, which is no iterated parameter", name.text);
                    report(state, scope, name.mark, message);
                }
            }
        }
        together.push(group);
    }
    let alone = sources.into_iter().map(|source| vec![source]);
    let mut groups: Vec<Vec<Source>> = alone.chain(together).filter(|group| !group.is_empty()).collect();
    groups.sort_by_key(|group| group.iter().filter_map(|source| order.get(&source.name.text)).min().copied());
    groups
}

/// Makes one axis of a group; `find` gives the axis of a name its values depend on.
fn axis(state: &mut State, scope: usize, mut group: Vec<Source>, find: &dyn Fn(&str) -> Found) -> Option<AxisId> {
    let before = state.problems.len();
    let axis = if group.len() == 1 && matches!(group[0].iterate, Iterate::By { .. }) {
        let Source { name, kind, iterate } = group.remove(0);
        let Iterate::By { by, table } = iterate else { return None };
        dependent(state, scope, &name, &kind, &by, table, find)?
    } else {
        independent(state, scope, group)
    };
    (state.problems.len() == before).then(|| state.spaces.axes.push(axis))
}

fn independent(state: &mut State, scope: usize, group: Vec<Source>) -> Axis {
    let mut fields = Vec::new();
    let mut marks = Vec::new();
    for Source { name, kind, iterate } in group {
        let Iterate::Values(trees) = iterate else {
            let message = format!("`{}` depends on other values and cannot be synchronized", name.text);
            report(state, scope, name.mark, message);
            continue;
        };
        if trees.len() > marks.len() {
            marks = trees.iter().map(|tree| tree.mark).collect();
        }
        let value = |tree: &Tree| typed(state, scope, &kind, tree.to_value(), tree.mark);
        let values: Option<Vec<Value>> = trees.iter().map(value).collect::<Vec<_>>().into_iter().collect();
        let Some(values) = values else { continue };
        fields.push(AxisField { name: name.text, values });
    }
    let axis = Axis { fields, depends: None };
    if !axis.fields.is_empty() {
        refuse_repeats(state, scope, &axis, 0..axis.len(), &marks);
    }
    axis
}

fn dependent(
    state: &mut State,
    scope: usize,
    name: &Name,
    kind: &Type,
    by: &[Name],
    rows: Vec<(Vec<Tree>, Vec<Tree>)>,
    find: &dyn Fn(&str) -> Found,
) -> Option<Axis> {
    let (mut on, mut lost) = (Vec::new(), false);
    for name in by {
        match find(&name.text) {
            Found::Field(axis, field) => on.push((axis, field)),
            Found::Broken => lost = true,
            Found::Nothing => report(state, scope, name.mark, format!("`{}` is not iterated over", name.text)),
        }
    }
    let before = state.problems.len();
    let (mut values, mut table, mut marks) = (Vec::new(), HashMap::new(), Vec::new());
    for (key, items) in rows {
        let first = values.len() as u32;
        marks.extend(items.iter().map(|tree| tree.mark));
        let value = |tree: &Tree| typed(state, scope, kind, tree.to_value(), tree.mark).unwrap_or(Value::Null);
        values.extend(items.iter().map(value));
        let key = key.iter().map(|tree| tree.to_value().to_string()).collect();
        table.insert(key, (first, items.len() as u32));
    }
    let ranges: Vec<(u32, u32)> = table.values().copied().collect();
    let fields = vec![AxisField { name: name.text.clone(), values }];
    let axis = Axis { fields, depends: Some(Dependence { on, table }) };
    for (first, number) in if state.problems.len() > before { Vec::new() } else { ranges } {
        refuse_repeats(state, scope, &axis, first..first + number, &marks);
    }
    (!lost).then_some(axis)
}

/// A value that stands twice would be two nodes of one name.
fn refuse_repeats(state: &mut State, scope: usize, axis: &Axis, range: std::ops::Range<u32>, marks: &[Mark]) {
    let mut seen = HashSet::with_capacity(range.len());
    for at in range {
        let texts: Vec<String> =
            axis.fields.iter().map(|f| f.values.get(at as usize).map_or_else(String::new, name_of)).collect();
        let text = texts.join(", ");
        if !seen.insert(texts) {
            let mark = marks.get(at as usize).copied().unwrap_or_default();
            report(state, scope, mark, format!("`{text}` stands twice among the values of `{}`", axis.fields[0].name));
        }
    }
}

/// The text of a value in the name of a node.
fn name_of(value: &Value) -> String {
    let mut name = String::new();
    super::python::write_name(value, &mut name);
    name
}

/// The value as one of the type; `None` when it is none, which is reported.
fn typed(state: &mut State, scope: usize, kind: &Type, value: Value, mark: Mark) -> Option<Value> {
    match kind.coerce(value) {
        Ok(value) => Some(absolute(value, &state.scopes[scope].site.base)),
        Err(mismatch) => {
            report(state, scope, mark, mismatch.to_string());
            None
        }
    }
}

fn report(state: &mut State, scope: usize, mark: Mark, message: String) {
    let file = state.scopes[scope].site.file.clone();
    state.problems.push(Problem { file, mark, message });
}

fn tree_of(value: Value) -> Tree {
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(b) => Kind::Bool(b),
        Value::Int(i) => Kind::Int(i),
        Value::Float(x) => Kind::Float(x),
        Value::String(s) | Value::Path(s) => Kind::Text(s),
        Value::List(items) => Kind::List(items.into_iter().map(tree_of).collect()),
        Value::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .map(|(key, value)| crate::tree::Entry { mark: Mark::default(), key, value: tree_of(value) })
                .collect(),
        ),
    };
    Tree { mark: Mark::default(), kind }
}
