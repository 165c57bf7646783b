//! Looks up the names in expressions: parameters, nodes and their outputs, outputs of nested workflows.

use super::state::{Bound, Entry, State};
use super::{Binding, Input, Map};
use crate::arena::{Arena, AxisId, Id, TemplateId};
use crate::document::{self, Expression, ExpressionKind, Join, Name, Piece, suggest};
use crate::tree::{Mark, Problem};
use crate::value::{Type, Value};

/// A reference that leads through more than this many names leads in a circle.
const LONGEST_CHAIN: usize = 100;

/// What binding finds.
pub(super) struct Bindings {
    pub nodes: Arena<TemplateId, BoundNode>,
    pub outputs: Vec<(Name, Binding, Option<Type>)>,
}

/// The inputs of a node with their names looked up.
pub(super) struct BoundNode {
    pub inputs: Vec<Input>,
    pub map: Option<Map>,
    pub join: Option<BoundJoin>,
    /// Inputs that are given but wrong, and reported.
    pub broken: Vec<String>,
    /// Whether inputs may be given that could not be read.
    pub open: bool,
}

/// What is known of the inputs given to a node.
struct Known<'a> {
    inputs: &'a [Input],
    broken: &'a [String],
    open: bool,
}

/// The axes that end at a node, and the inputs that become lists.
pub(super) struct BoundJoin {
    pub axes: Vec<AxisId>,
    /// Positions of the inputs; all that vary when empty.
    pub fields: Vec<usize>,
    /// Whether what it names is wrong, and reported.
    pub broken: bool,
    pub unique: bool,
}

pub(super) struct Binder<'a> {
    state: &'a mut State,
    chain: usize,
    /// Built-ins with an input that could not be read.
    broken_builtins: Vec<TemplateId>,
}

impl Binder<'_> {
    pub fn bind(state: &mut State) -> Bindings {
        let broken = |input: &document::Input| input.value.as_ref().is_some_and(Expression::is_broken);
        let any = |pending: &super::state::Pending| pending.node.inputs.iter().any(broken);
        let broken_builtins = state.pending.iter().filter(|(_, pending)| any(pending)).map(|(id, _)| id).collect();
        let mut binder = Binder { state, chain: 0, broken_builtins };
        let mut nodes = Arena::default();
        for at in 0..binder.state.pending.len() {
            let node = binder.node(TemplateId::from_index(at));
            nodes.push(node);
        }
        binder.look_up_unused();
        let written = std::mem::take(&mut binder.state.scopes[0].outputs);
        let mut outputs = Vec::new();
        for output in &written {
            if let Some(binding) = binder.expression(0, &output.value, false) {
                outputs.push((output.name.clone(), binding, output.kind.clone()));
            }
        }
        Bindings { nodes, outputs }
    }

    /// Looks up names in what feeds nothing, for their mistakes.
    fn look_up_unused(&mut self) {
        for loose in std::mem::take(&mut self.state.loose) {
            self.expression(loose.scope, &loose.expression, loose.lenient);
        }
        for scope in 1..self.state.scopes.len() {
            for output in self.state.scopes[scope].outputs.clone() {
                self.expression(scope, &output.value, false);
            }
            let bound: Vec<Bound> = self.state.scopes[scope].parameters.values().cloned().collect();
            for bound in bound {
                let mark = if let Bound::Outer(expression, _) = &bound { expression.mark } else { Mark::default() };
                self.bound(scope, bound, mark);
            }
        }
    }

    fn node(&mut self, id: TemplateId) -> BoundNode {
        let pending = &mut self.state.pending[id];
        let scope = pending.scope;
        let given = std::mem::take(&mut pending.node.inputs);
        let (map, join) = (pending.node.map.take(), pending.node.join.take());
        let signature = std::rc::Rc::clone(&pending.signature);
        let lenient = matches!(pending.work, super::Work::Builtin(_));
        let own_axes = pending.axes.clone();
        let implicit = self.implicit_inputs(id, &given);
        let mut broken = self.state.pending[id].broken.clone();
        let mut inputs: Vec<Input> = Vec::with_capacity(given.len() + own_axes.len());
        for (name, value) in
            given.iter().filter_map(|i| Some((&i.name, i.value.as_ref()?))).chain(implicit.iter().map(|(n, e)| (n, e)))
        {
            let port = signature.inputs().iter().find(|port| port.name == name.text);
            if port.is_none() && !signature.accepts_any_input() {
                let hint = suggest(&name.text, signature.inputs().iter().map(|p| p.name.as_str()));
                self.report(
                    scope,
                    name.mark,
                    format!("`{}` has no input `{}`{hint}", self.state.pending[id].node.name.text, name.text),
                );
                continue;
            }
            let kind = port.map_or(Type::Any, |port| port.kind.clone());
            let Some(binding) = self.expression(scope, value, lenient) else {
                broken.push(name.text.clone());
                continue;
            };
            inputs.push(Input { name: name.text.clone(), kind, binding, mark: value.mark, joined: None });
        }
        for (name, axis, field) in own_axes {
            let kind = signature.inputs().iter().find(|p| p.name == name).map_or(Type::Any, |p| p.kind.clone());
            let mark = self.state.pending[id].node.name.mark;
            inputs.push(Input { name, kind, binding: Binding::Field { axis, field }, mark, joined: None });
        }
        let open = self.state.pending[id].node.unread.holds("inputs");
        let known = Known { inputs: &inputs, broken: &broken, open };
        let map = map.map(|map| self.map(scope, map, &known));
        let join = join.map(|join| self.join(scope, join, &known));
        BoundNode { inputs, map, join, broken, open }
    }

    /// Inputs that nobody gives and a parameter of the same name is.
    fn implicit_inputs(&mut self, id: TemplateId, given: &[document::Input]) -> Vec<(Name, Expression)> {
        match &self.state.pending[id].work {
            super::Work::Command(command) => self.implicit_of_command(id, &std::rc::Rc::clone(command), given),
            super::Work::Builtin(_) => self.implicit_of_builtin(id, given),
            super::Work::Interface(_) | super::Work::Function(_) => Vec::new(),
        }
    }

    /// What a built-in needs, such as the names in the templates of selectfiles.
    fn implicit_of_builtin(&self, id: TemplateId, given: &[document::Input]) -> Vec<(Name, Expression)> {
        let pending = &self.state.pending[id];
        let parameters = &self.state.scopes[pending.scope].parameters;
        let missing = |name: &str| {
            !given.iter().any(|input| input.name.text == name) && !pending.axes.iter().any(|(axis, ..)| axis == name)
        };
        let ports = pending.signature.inputs().iter().filter(|port| port.mandatory && missing(&port.name));
        let of_parameters = ports.filter(|port| parameters.contains_key(&port.name));
        of_parameters.map(|port| implicit(&port.name, pending.node.name.mark)).collect()
    }

    /// Parameters that the words and outputs of a command name directly.
    fn implicit_of_command(
        &mut self,
        id: TemplateId,
        command: &super::Command,
        given: &[document::Input],
    ) -> Vec<(Name, Expression)> {
        let pending = &self.state.pending[id];
        let (scope, mark) = (pending.scope, pending.node.name.mark);
        let templates = command.outputs.iter().filter_map(|output| match &output.source {
            document::OutputSource::Path(pieces) | document::OutputSource::Glob(pieces) => Some(pieces),
            _ => None,
        });
        let mut found: Vec<(Name, Expression)> = Vec::new();
        for piece in command.words.iter().chain(templates).flatten() {
            let Piece::Placeholder(name) = piece else { continue };
            let output = command.outputs.iter().find(|output| output.name.text == *name);
            let known = given.iter().any(|input| input.name.text == *name)
                || output.is_some_and(|output| matches!(output.source, document::OutputSource::Path(_)))
                || found.iter().any(|(known, _)| known.text == *name);
            if known {
                continue;
            }
            if self.state.scopes[scope].parameters.contains_key(name) {
                // Also where inputs could not be read: one of this name may be the parameter.
                found.push(implicit(name, mark));
            } else if self.may_be_unread(id, name) {
                continue;
            } else if output.is_some() {
                let message = format!("the command names `{{{name}}}`, an output without a `path` to put there");
                self.report(scope, mark, message);
            } else {
                let parameters = self.state.scopes[scope].parameters.keys().map(String::as_str);
                let outputs = command.outputs.iter().map(|o| o.name.text.as_str());
                let names = given.iter().map(|i| i.name.text.as_str()).chain(outputs).chain(parameters);
                let message = format!(
                    "the command names `{{{name}}}`, which is no input, output or parameter{}",
                    suggest(name, names)
                );
                self.report(scope, mark, message);
            }
        }
        found
    }

    /// Whether a name that the command uses may stand in what could not be read.
    fn may_be_unread(&self, id: TemplateId, name: &str) -> bool {
        let pending = &self.state.pending[id];
        let unread = &pending.node.unread;
        let iterated = pending.broken.iter().any(|broken| broken == name);
        let node = unread.holds("inputs") || unread.holds("outputs") || unread.holds("iterables");
        iterated || node || self.state.scopes[pending.scope].unread.holds("parameters")
    }

    /// One that names a wrong input names none.
    fn map(&mut self, scope: usize, map: document::Map, known: &Known<'_>) -> Map {
        let fields: Vec<_> = map.fields.iter().map(|name| self.position(scope, name, known, "map")).collect();
        let fields = fields.into_iter().collect::<Option<_>>().unwrap_or_default();
        Map { fields, nested: map.nested, single: map.single, serial: map.serial }
    }

    fn join(&mut self, scope: usize, join: Join, known: &Known<'_>) -> BoundJoin {
        let axes: Vec<_> = join.source.iter().map(|name| self.axes_of(scope, name)).collect();
        let fields: Vec<_> = join.fields.iter().map(|name| self.position(scope, name, known, "join")).collect();
        let broken = axes.is_empty() || axes.iter().any(Vec::is_empty) || fields.iter().any(Option::is_none);
        let fields = fields.into_iter().collect::<Option<_>>().unwrap_or_default();
        BoundJoin { axes: axes.concat(), fields, unique: join.unique, broken }
    }

    fn position(&mut self, scope: usize, name: &Name, known: &Known<'_>, key: &str) -> Option<usize> {
        let inputs = known.inputs;
        let at = inputs.iter().position(|input| input.name == name.text);
        if at.is_none() && !known.open && !known.broken.contains(&name.text) {
            let hint = suggest(&name.text, inputs.iter().map(|i| i.name.as_str()));
            self.report(
                scope,
                name.mark,
                format!("`{key}` names `{}`, which is no input given to this node{hint}", name.text),
            );
        }
        at
    }

    /// The axes of an iterated parameter, or of a node with iterables; none when something is wrong, and reported.
    fn axes_of(&mut self, scope: usize, name: &Name) -> Vec<AxisId> {
        let parameter = self.state.scopes[scope].parameters.get(&name.text).cloned();
        let mut axes = Vec::new();
        if let Some(bound) = parameter {
            let Some(binding) = self.bound(scope, bound, name.mark) else { return axes };
            binding.for_each_leaf(&mut |leaf| {
                if let Binding::Field { axis, .. } = leaf {
                    axes.push(*axis);
                }
            });
        } else {
            match self.descend(scope, &name.text) {
                Some(Entry::Node(id)) => {
                    let pending = &self.state.pending[id];
                    axes.extend(pending.axes.iter().map(|(_, axis, _)| *axis));
                    if !pending.broken.is_empty() || pending.node.unread.holds("iterables") {
                        return axes;
                    }
                }
                Some(Entry::Broken) => return axes,
                Some(Entry::Workflow(_)) => {}
                None if self.state.scopes[scope].unread.holds("parameters") => return axes,
                None => {}
            }
        }
        if axes.is_empty() {
            let hint = suggest(&name.text, self.iterated_names(scope));
            self.report(scope, name.mark, format!("`join` names `{}`, which is not iterated over{hint}", name.text));
        }
        axes
    }

    fn iterated_names(&self, scope: usize) -> Vec<&str> {
        let scope = &self.state.scopes[scope];
        let parameters = scope.parameters.iter().filter(|(_, b)| matches!(b, Bound::Binding(Binding::Field { .. })));
        let iterating = |entry: &Entry| matches!(entry, Entry::Node(id) if !self.state.pending[*id].axes.is_empty());
        let nodes = scope.names.iter().filter(|(_, entry)| iterating(entry));
        parameters.map(|(name, _)| name.as_str()).chain(nodes.map(|(name, _)| name.as_str())).collect()
    }

    /// What a dotted name leads to.
    fn descend(&self, scope: usize, path: &str) -> Option<Entry> {
        let entry = |name: &str| match self.state.scopes[scope].names.get(name).copied() {
            None if self.state.scopes[scope].unread.holds("nodes") => Some(Entry::Broken),
            entry => entry,
        };
        match path.split_once('.') {
            None => entry(path),
            Some((first, rest)) => match entry(first) {
                Some(Entry::Workflow(inner)) => self.descend(inner, rest),
                Some(Entry::Broken) => Some(Entry::Broken),
                _ => None,
            },
        }
    }

    /// The binding of an expression; `None` when a problem was reported.
    fn expression(&mut self, scope: usize, expression: &Expression, lenient: bool) -> Option<Binding> {
        let mark = expression.mark;
        match &expression.kind {
            ExpressionKind::Value(value) => Some(Binding::Value(value.clone())),
            ExpressionKind::Text(pieces) => self.text(scope, pieces, mark, lenient),
            ExpressionKind::From(reference) => self.reference(scope, reference, mark),
            ExpressionKind::Broken => None,
            ExpressionKind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.expression(scope, item, lenient)).collect();
                items.into_iter().collect::<Option<_>>().map(Binding::List)
            }
            ExpressionKind::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, item)| Some((key.clone(), self.expression(scope, item, lenient)?)))
                    .collect();
                entries.into_iter().collect::<Option<_>>().map(Binding::Map)
            }
        }
    }

    fn text(&mut self, scope: usize, pieces: &[Piece], mark: Mark, lenient: bool) -> Option<Binding> {
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(match piece {
                Piece::Literal(text) => Some(Binding::Value(Value::String(text.clone()))),
                Piece::Placeholder(name) => match self.state.scopes[scope].parameters.get(name).cloned() {
                    Some(bound) => self.bound(scope, bound, mark),
                    None if self.state.scopes[scope].unread.holds("parameters") => None,
                    None if lenient => Some(Binding::Value(Value::String(format!("{{{name}}}")))),
                    None => {
                        let names = self.state.scopes[scope].parameters.keys().map(String::as_str);
                        let hint = suggest(name, names);
                        self.report(
                            scope,
                            mark,
                            format!("there is no parameter `{name}`{hint}; for plain braces write {{{{{name}}}}}"),
                        );
                        None
                    }
                },
            });
        }
        let mut parts: Vec<Binding> = parts.into_iter().collect::<Option<_>>()?;
        if parts.len() == 1 {
            return parts.pop();
        }
        if parts.iter().all(|part| matches!(part, Binding::Value(_))) {
            let text =
                parts.iter().map(|part| if let Binding::Value(v) = part { v.to_string() } else { String::new() });
            return Some(Binding::Value(Value::String(text.collect())));
        }
        Some(Binding::Text(parts))
    }

    fn bound(&mut self, scope: usize, bound: Bound, mark: Mark) -> Option<Binding> {
        match bound {
            Bound::Binding(binding) => Some(binding),
            Bound::Broken => None,
            Bound::Outer(expression, kind) => {
                let outer = self.state.scopes[scope].site.outer?;
                let binding = self.linked(outer, mark, |binder| binder.expression(outer, &expression, false))?;
                let Binding::Value(value) = binding else { return Some(binding) };
                match kind.coerce(value) {
                    Ok(value) => {
                        let base = &self.state.scopes[outer].site.base;
                        Some(Binding::Value(super::evaluate::absolute(value, base)))
                    }
                    Err(mismatch) => {
                        self.report(outer, expression.mark, mismatch.to_string());
                        None
                    }
                }
            }
        }
    }

    fn linked<T>(&mut self, scope: usize, mark: Mark, follow: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.chain > LONGEST_CHAIN {
            self.report(scope, mark, "this reference leads in a circle".to_owned());
            return None;
        }
        self.chain += 1;
        let found = follow(self);
        self.chain -= 1;
        found
    }

    /// `node.output`, `workflow.output` or `workflow.node.output`.
    fn reference(&mut self, scope: usize, text: &str, mark: Mark) -> Option<Binding> {
        let Some((first, rest)) = text.split_once('.') else {
            let message = format!("`{text}` must name an output, as in `{text}.out`");
            self.report(scope, mark, message);
            return None;
        };
        match self.state.scopes[scope].names.get(first).copied() {
            Some(Entry::Node(source)) => self.output(scope, source, rest, mark),
            Some(Entry::Workflow(inner)) => self.output_of_workflow(scope, inner, first, rest, mark),
            Some(Entry::Broken) => None,
            None if self.state.scopes[scope].unread.holds("nodes") => None,
            None => {
                let names = self.state.scopes[scope].names.keys().map(String::as_str);
                let hint = suggest(first, names);
                self.report(scope, mark, format!("there is no node `{first}`{hint}"));
                None
            }
        }
    }

    fn output(&mut self, scope: usize, source: TemplateId, port: &str, mark: Mark) -> Option<Binding> {
        let outputs = self.state.pending[source].signature.outputs();
        if let Some(port) = outputs.iter().position(|p| p.name == port) {
            return Some(Binding::Output { source, port });
        }
        let pending = &self.state.pending[source];
        // The outputs of a built-in follow from its inputs.
        let inputs = matches!(pending.work, super::Work::Builtin(_)) && self.inputs_unread(source);
        if pending.node.unread.holds("outputs") || inputs {
            return None;
        }
        let hint = suggest(port, outputs.iter().map(|p| p.name.as_str()));
        let names: Vec<&str> = outputs.iter().map(|p| p.name.as_str()).collect();
        let has = if names.is_empty() { "no outputs".to_owned() } else { names.join(", ") };
        let message =
            format!("`{}` has no output `{port}`{hint} (it has {has})", self.state.pending[source].node.name.text);
        self.report(scope, mark, message);
        None
    }

    fn output_of_workflow(
        &mut self,
        scope: usize,
        inner: usize,
        name: &str,
        port: &str,
        mark: Mark,
    ) -> Option<Binding> {
        if let Some(output) = self.state.scopes[inner].outputs.iter().find(|o| o.name.text == port).cloned() {
            return self.linked(inner, mark, |binder| binder.expression(inner, &output.value, false));
        }
        let node = port.split('.').next().unwrap_or(port);
        let unread = &self.state.scopes[inner].unread;
        if unread.holds("outputs") || port.contains('.') && unread.holds("nodes") {
            return None;
        }
        if port.contains('.') && self.state.scopes[inner].names.contains_key(node) {
            return self.reference(inner, port, mark);
        }
        let hint = suggest(port, self.state.scopes[inner].outputs.iter().map(|o| o.name.text.as_str()));
        self.report(scope, mark, format!("the workflow `{name}` has no output `{port}`{hint}"));
        None
    }

    /// Whether inputs of a node could not be read, or what they name.
    fn inputs_unread(&self, id: TemplateId) -> bool {
        let pending = &self.state.pending[id];
        let unread = &pending.node.unread;
        unread.holds("inputs") || unread.holds("iterables") || self.broken_builtins.contains(&id)
    }

    fn report(&mut self, scope: usize, mark: Mark, message: String) {
        let file = self.state.scopes[scope].site.file.clone();
        self.state.problems.push(Problem { file, mark, message });
    }
}

/// An input that is the parameter of its name.
fn implicit(name: &str, mark: Mark) -> (Name, Expression) {
    let kind = ExpressionKind::Text(vec![Piece::Placeholder(name.to_owned())]);
    (Name { text: name.to_owned(), mark }, Expression { mark, kind })
}
