//! What can be known to be wrong before anything runs: types, missing inputs, rules of interfaces.

use super::bind::{Bindings, BoundNode};
use super::state::State;
use super::{Binding, Input, Work, known};
use crate::arena::{Id, TemplateId};
use crate::document::Name;
use crate::interface::Port;
use crate::space::Spaces;
use crate::tree::{Mark, Problem};
use crate::value::{Type, Value};

/// Checks every node and output; literal values are converted to the types of their inputs.
pub(super) fn check(state: &mut State, bindings: &mut Bindings) {
    for at in 0..bindings.nodes.len() {
        let id = TemplateId::from_index(at);
        let mut inputs = std::mem::take(&mut bindings.nodes[id].inputs);
        for (at, input) in inputs.iter_mut().enumerate() {
            if let Err(message) = check_input(state, bindings, &bindings.nodes[id], at, input, id) {
                report(state, id, input.mark, format!("input `{}`: {message}", input.name));
                bindings.nodes[id].broken.push(input.name.clone());
            }
        }
        if !bindings.nodes[id].open {
            check_rules(state, id, &inputs, &bindings.nodes[id].broken);
        }
        bindings.nodes[id].inputs = inputs;
    }
    for (name, binding, wanted) in &bindings.outputs {
        if let Some(wanted) = wanted
            && let Err(message) = feeds(state, bindings, binding, wanted)
        {
            let message = format!("output `{}`: {message}", name.text);
            state.problems.push(Problem::at(name.mark, message));
        }
    }
}

fn check_input(
    state: &State,
    bindings: &Bindings,
    node: &BoundNode,
    at: usize,
    input: &mut Input,
    id: TemplateId,
) -> Result<(), String> {
    let scope = &state.scopes[state.pending[id].scope];
    let kind = &input.kind;
    // What a wrong `map` or `join` would have made of it nobody knows.
    let unsure = node.map.as_ref().is_some_and(|map| map.fields.is_empty())
        || node.join.as_ref().is_some_and(|join| join.broken);
    if unsure {
        return Ok(());
    }
    let mapped = node.map.as_ref().is_some_and(|map| map.fields.contains(&at));
    if let Binding::Value(value) = &mut input.binding {
        let taken = std::mem::replace(value, Value::Null);
        let coerced = match (mapped, taken) {
            (true, Value::List(items)) => coerce_leaves(kind, Value::List(items)),
            (true, Value::Null) => Ok(Value::Null),
            (true, other) if node.map.as_ref().is_some_and(|map| map.single) => {
                coerce_leaves(kind, Value::List(vec![other]))
            }
            (true, other) => return Err(format!("it is mapped over and must be a list, got {}", other.excerpt())),
            (false, value) => kind.coerce(value),
        };
        *value = super::evaluate::absolute(coerced.map_err(|e| e.to_string())?, &scope.site.base);
        return Ok(());
    }
    if input.joined.is_some() {
        return match kind {
            Type::Any => Ok(()),
            Type::List(item) => feeds(state, bindings, &input.binding, item),
            kind if mapped => feeds(state, bindings, &input.binding, kind),
            kind => Err(format!("`join` makes it a list, but it takes {kind}")),
        };
    }
    if mapped && node.map.as_ref().is_some_and(|map| map.single) {
        return Ok(());
    }
    let wanted = if mapped { Type::List(Box::new(Type::Any)) } else { kind.clone() };
    feeds(state, bindings, &input.binding, &wanted)
}

fn coerce_leaves(kind: &Type, value: Value) -> Result<Value, crate::value::Mismatch> {
    match value {
        Value::List(items) => {
            Ok(Value::List(items.into_iter().map(|v| coerce_leaves(kind, v)).collect::<Result<_, _>>()?))
        }
        item => kind.coerce(item),
    }
}

fn feeds(state: &State, bindings: &Bindings, binding: &Binding, wanted: &Type) -> Result<(), String> {
    match binding {
        Binding::Value(value) => wanted.coerce(value.clone()).map(drop).map_err(|e| e.to_string()),
        Binding::Text(_) => fits(&Type::String, wanted),
        Binding::Output { source, port } => {
            let from = output_type(state, bindings, *source, *port);
            fits(&from, wanted).map_err(|message| {
                let pending = &state.pending[*source];
                format!("{message} from `{}.{}`", pending.node.name.text, pending.signature.outputs()[*port].name)
            })
        }
        Binding::Field { axis, field } => field_fits(&state.spaces, *axis, *field, wanted),
        Binding::List(items) => match wanted {
            Type::List(item) => items.iter().try_for_each(|part| feeds(state, bindings, part, item)),
            Type::Any => Ok(()),
            _ => fits(&Type::List(Box::new(Type::Any)), wanted),
        },
        Binding::Map(_) => match wanted {
            Type::Any => Ok(()),
            _ => Err(format!("expected {wanted}, got a mapping")),
        },
    }
}

fn output_type(state: &State, bindings: &Bindings, source: TemplateId, port: usize) -> Type {
    let kind = state.pending[source].signature.outputs()[port].kind.clone();
    match &bindings.nodes[source].map {
        None => kind,
        Some(map) if map.nested => Type::List(Box::new(Type::Any)),
        Some(_) => Type::List(Box::new(kind)),
    }
}

fn fits(from: &Type, wanted: &Type) -> Result<(), String> {
    if from.feeds(wanted) {
        return Ok(());
    }
    let hint = match (from, wanted) {
        (Type::List(item), wanted) if item.feeds(wanted) => "; to run once per item add `map` with this input",
        (from, Type::List(item)) if from.feeds(item) => "; to make a list write [{from: ...}]",
        _ => "",
    };
    Err(format!("expected {wanted}, got {from}{hint}"))
}

fn field_fits(spaces: &Spaces, axis: crate::arena::AxisId, field: usize, wanted: &Type) -> Result<(), String> {
    let values = &spaces.axes[axis].fields[field].values;
    values.iter().try_for_each(|value| wanted.coerce(value.clone()).map(drop).map_err(|e| e.to_string()))
}

fn check_rules(state: &mut State, id: TemplateId, inputs: &[Input], broken: &[String]) {
    let builtin = matches!(state.pending[id].work, Work::Builtin(_));
    let literal = |input: &Input| match &input.binding {
        Binding::Value(value) => Some(value.clone()),
        binding if builtin => known::binding(binding),
        _ => None,
    };
    let values: Vec<(&str, Option<Value>)> = inputs.iter().map(|input| (input.name.as_str(), literal(input))).collect();
    let given: Vec<(&str, Option<&Value>)> = values
        .iter()
        .filter(|(_, value)| *value != Some(Value::Null))
        .map(|(name, value)| (*name, value.as_ref()))
        .chain(broken.iter().map(|name| (name.as_str(), None)))
        .collect();
    let Name { mark, text } = state.pending[id].node.name.clone();
    let signature = std::rc::Rc::clone(&state.pending[id].signature);
    if builtin {
        let missing = |port: &&Port| port.mandatory && !given.iter().any(|(name, _)| *name == port.name);
        for port in signature.inputs().iter().filter(missing) {
            report(state, id, mark, format!("`{text}`: the input `{}` must be given", port.name));
        }
    }
    for problem in signature.check(&given) {
        let at = problem.input.as_ref().and_then(|name| inputs.iter().find(|input| input.name == *name));
        let message = match &problem.input {
            Some(input) => about(input, &problem.message),
            None => problem.message,
        };
        report(state, id, at.map_or(mark, |input| input.mark), format!("`{text}`: {message}"));
    }
}

/// The message with the name of its input, if it does not say it itself.
fn about(input: &str, message: &str) -> String {
    if message.contains(&format!("`{input}`")) {
        return message.to_owned();
    }
    match message.strip_prefix("is ") {
        Some(rest) => format!("input `{input}` is {rest}"),
        None => format!("input `{input}`: {message}"),
    }
}

fn report(state: &mut State, id: TemplateId, mark: Mark, message: String) {
    let file = state.scopes[state.pending[id].scope].site.file.clone();
    state.problems.push(Problem { file, mark, message });
}
