//! Which inputs of a command are given, defaulted or unknown, and which sub-command a value selects; builds no words.

use pial_core::value::Value;

use crate::command::Command;
use crate::parameter::Parameter;
use crate::problem::hint;

/// What is known of one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Given<'a> {
    Absent,
    /// Given, but its value exists only at run time.
    Later,
    Value(&'a Value),
}

/// The inputs of a command, each with what is known of it.
pub(crate) struct Inputs<'a> {
    pub(crate) command: &'a Command,
    pub(crate) given: Vec<Given<'a>>,
}

impl<'a> Inputs<'a> {
    /// Pairs the parameters with values; names that are no parameter are left to the caller.
    pub(crate) fn new(command: &'a Command, given: &[(&str, Option<&'a Value>)]) -> Inputs<'a> {
        let find = |parameter: &Parameter| match given.iter().rev().find(|(name, _)| *name == parameter.id) {
            None | Some((_, Some(Value::Null))) => Given::Absent,
            Some((_, None)) => Given::Later,
            Some((_, Some(value))) => Given::Value(value),
        };
        Inputs { command, given: command.parameters.iter().map(find).collect() }
    }

    pub(crate) fn index(&self, id: &str) -> Option<usize> {
        self.command.parameters.iter().position(|parameter| parameter.id == id)
    }

    /// Given and switched on, for sure. A flag whose value comes later may be off.
    pub(crate) fn surely_on(&self, index: usize) -> bool {
        match self.given[index] {
            Given::Absent | Given::Value(Value::Bool(false)) => false,
            Given::Later => !self.command.parameters[index].is_flag(),
            Given::Value(_) => true,
        }
    }

    /// Given and perhaps switched on, or on by default.
    pub(crate) fn maybe_on(&self, index: usize) -> bool {
        match self.given[index] {
            Given::Absent => self.default(index).is_some_and(|value| *value != Value::Bool(false)),
            Given::Later => true,
            Given::Value(value) => *value != Value::Bool(false),
        }
    }

    /// The value, or the default in its place.
    pub(crate) fn value(&self, index: usize) -> Option<&'a Value> {
        match self.given[index] {
            Given::Absent => self.default(index),
            Given::Later => None,
            Given::Value(value) => Some(value),
        }
    }

    /// The default of an input that is not given. It yields to an input that was given and excludes it:
    /// otherwise a default would make the others of an exclusive group unusable.
    fn default(&self, index: usize) -> Option<&'a Value> {
        let parameter = &self.command.parameters[index];
        let default = parameter.default.as_ref()?;
        let given = |other: &usize| *other != index && self.surely_on(*other);
        let displaced = (0..self.given.len()).filter(given).any(|other| self.excludes(other, &parameter.id));
        (!displaced).then_some(default)
    }

    fn excludes(&self, by: usize, id: &str) -> bool {
        let by_id = &self.command.parameters[by].id;
        let grouped =
            self.command.groups.iter().any(|g| g.exclusive && g.members.contains(by_id) && has(&g.members, id));
        let parameter = &self.command.parameters[by];
        grouped || has(&parameter.disables, id) || has(&self.chosen(by, &parameter.value_disables), id)
    }

    /// The ids that the value of an input brings into play through a `value-requires` or `value-disables` table.
    pub(crate) fn chosen(&self, index: usize, table: &[(String, Vec<String>)]) -> Vec<String> {
        let texts: Vec<String> = match self.given[index] {
            Given::Value(Value::List(items)) => items.iter().map(Value::to_string).collect(),
            Given::Value(value) => vec![value.to_string()],
            Given::Absent if !table.is_empty() => self.default(index).map(Value::to_string).into_iter().collect(),
            Given::Absent | Given::Later => Vec::new(),
        };
        table.iter().filter(|(choice, _)| texts.contains(choice)).flat_map(|(_, ids)| ids.iter().cloned()).collect()
    }
}

fn has(ids: &[String], id: &str) -> bool {
    ids.iter().any(|known| known == id)
}

/// The items of a value: of a list each, of anything else itself.
pub(crate) fn items<'v>(parameter: &Parameter, value: &'v Value) -> &'v [Value] {
    match value {
        Value::List(items) if parameter.list.is_some() => items,
        other => std::slice::from_ref(other),
    }
}

/// A sub-command and the values for its inputs.
pub(crate) struct Chosen<'a> {
    pub(crate) command: &'a Command,
    pub(crate) given: Vec<(&'a str, Option<&'a Value>)>,
}

/// Finds which alternative of a sub-command input one item means.
///
/// `{"@type": "affine", "step": 0.1}`, the same with `"id"`, `{"affine": {"step": 0.1}}`, or just `affine`
/// when there is nothing to give. Where there is only one alternative, `{"step": 0.1}` is enough.
pub(crate) fn choose<'a>(parameter: &'a Parameter, item: &'a Value) -> Result<Chosen<'a>, String> {
    let entries = match item {
        Value::Map(entries) => entries,
        Value::String(id) => return Ok(Chosen { command: named(parameter, id)?, given: Vec::new() }),
        other => return Err(format!("expected a map of its inputs, got {}", other.excerpt())),
    };
    if let Some((key, id)) = entries.iter().find_map(|(key, value)| selector(parameter, key, value)) {
        let rest = entries.iter().filter(|(name, _)| name != key);
        return Ok(Chosen { command: named(parameter, id)?, given: pairs(rest) });
    }
    match (parameter.alternatives.as_slice(), entries.as_slice()) {
        ([only], [(id, Value::Map(inner))]) if only.id == *id && only.parameter(id).is_none() => {
            Ok(Chosen { command: only, given: pairs(inner.iter()) })
        }
        ([only], _) => Ok(Chosen { command: only, given: pairs(entries.iter()) }),
        (_, [(id, Value::Map(inner))]) => Ok(Chosen { command: named(parameter, id)?, given: pairs(inner.iter()) }),
        _ => Err(format!("say with \"@type\" which one it is: {}", ids(parameter).join(", "))),
    }
}

fn selector<'a>(parameter: &Parameter, key: &'a str, value: &'a Value) -> Option<(&'a str, &'a str)> {
    let own_input = parameter.alternatives.iter().any(|command| command.parameter(key).is_some());
    match value {
        Value::String(id) if key == "@type" || (key == "id" && !own_input) => Some((key, id)),
        _ => None,
    }
}

fn named<'a>(parameter: &'a Parameter, id: &str) -> Result<&'a Command, String> {
    // niwrap writes `package/tool/alternative`.
    let last = id.rsplit('/').next().unwrap_or(id);
    let found = parameter.alternatives.iter().find(|command| command.id == id || command.id == last);
    found.ok_or_else(|| {
        let hint = hint(last, ids(parameter));
        format!("{id:?} is none of {}{hint}", ids(parameter).join(", "))
    })
}

fn ids(parameter: &Parameter) -> Vec<&str> {
    parameter.alternatives.iter().map(|command| command.id.as_str()).collect()
}

fn pairs<'a>(entries: impl Iterator<Item = &'a (String, Value)>) -> Vec<(&'a str, Option<&'a Value>)> {
    entries.map(|(name, value)| (name.as_str(), Some(value))).collect()
}
