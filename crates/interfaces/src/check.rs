//! Checks given values against the rules of a command; builds no words.

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};

use crate::command::{Command, Group};
use crate::given::{Given, Inputs, choose, items};
use crate::parameter::{Bound, Parameter};
use crate::problem::hint;

/// All broken rules. `launching`: the values are final, so paths that must be absolute are.
pub(crate) fn problems(command: &Command, given: &[(&str, Option<&Value>)], launching: bool) -> Vec<Problem> {
    let mut checker = Checker { launching, problems: Vec::new() };
    checker.command(command, given, &Trail::default());
    checker.problems
}

/// What is wrong with one value by itself, sub-commands aside.
pub(crate) fn value_messages(parameter: &Parameter, value: &Value) -> Vec<String> {
    let value = match parameter.kind.coerce(value.clone()) {
        Ok(value) => value,
        Err(mismatch) => return vec![mismatch.to_string()],
    };
    let mut messages = Vec::new();
    if let (Some(rule), Value::List(items)) = (&parameter.list, &value) {
        if rule.minimum.is_some_and(|minimum| items.len() < minimum) {
            messages.push(format!("needs {} items or more, got {}", rule.minimum.unwrap_or_default(), items.len()));
        }
        if rule.maximum.is_some_and(|maximum| items.len() > maximum) {
            messages.push(format!("takes {} items at most, got {}", rule.maximum.unwrap_or_default(), items.len()));
        }
    }
    for (index, item) in items(parameter, &value).iter().enumerate() {
        let place = if parameter.list.is_some() { format!("item {index}: ") } else { String::new() };
        messages.extend(item_messages(parameter, item).into_iter().map(|message| format!("{place}{message}")));
    }
    messages
}

fn item_messages(parameter: &Parameter, item: &Value) -> Vec<String> {
    let mut messages = Vec::new();
    let choices = &parameter.choices;
    // Choices are of the port's type; for text the type itself has refused a wrong one.
    if !choices.is_empty() && !matches!(parameter.item_kind(), Type::Enum(_)) && !choices.contains(item) {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        messages.push(format!("{} is none of {}", item.excerpt(), choices.join(", ")));
    }
    if let Some(number) = number(item) {
        messages.extend(range_message(number, parameter.minimum, parameter.maximum));
    }
    if let Value::String(text) | Value::Path(text) = item
        && text.contains('\0')
    {
        messages.push("no command line can hold a NUL character".to_owned());
    }
    messages
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => Some(*i as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

fn range_message(number: f64, minimum: Option<Bound>, maximum: Option<Bound>) -> Option<String> {
    let below = minimum.filter(|b| !(number > b.value || (!b.exclusive && number == b.value)));
    let above = maximum.filter(|b| !(number < b.value || (!b.exclusive && number == b.value)));
    let wanted = match (below, above) {
        (Some(Bound { value, exclusive: true }), _) => format!("greater than {value}"),
        (Some(Bound { value, exclusive: false }), _) => format!("at least {value}"),
        (None, Some(Bound { value, exclusive: true })) => format!("less than {value}"),
        (None, Some(Bound { value, exclusive: false })) => format!("at most {value}"),
        (None, None) => return None,
    };
    Some(format!("must be {wanted}, got {number}"))
}

/// Where in nested values the checker is: nothing, or `stages[0].transform` within the input `stages`.
#[derive(Default)]
struct Trail {
    input: Option<String>,
    path: String,
}

impl Trail {
    fn problem(&self, id: &str, message: String) -> Problem {
        match &self.input {
            None => Problem { input: Some(id.to_owned()), message },
            Some(input) => Problem { input: Some(input.clone()), message: format!("{}.{id}: {message}", self.path) },
        }
    }

    fn into(&self, parameter: &Parameter, index: usize) -> Trail {
        let dot = if self.path.is_empty() { "" } else { "." };
        let index = if parameter.list.is_some() { format!("[{index}]") } else { String::new() };
        Trail {
            input: Some(self.input.clone().unwrap_or_else(|| parameter.id.clone())),
            path: format!("{}{dot}{}{index}", self.path, parameter.id),
        }
    }
}

struct Checker {
    launching: bool,
    problems: Vec<Problem>,
}

impl Checker {
    fn command(&mut self, command: &Command, given: &[(&str, Option<&Value>)], trail: &Trail) {
        let inputs = Inputs::new(command, given);
        for index in 0..command.parameters.len() {
            self.parameter(&inputs, index, trail);
            self.dependencies(&inputs, index, trail);
        }
        for group in &command.groups {
            let message = group_message(&inputs, group);
            let place = if trail.path.is_empty() { String::new() } else { format!("{}: ", trail.path) };
            let members = group.members.join(", ");
            let problem =
                |message| Problem { input: trail.input.clone(), message: format!("{place}{message} {members}") };
            self.problems.extend(message.map(problem));
        }
    }

    fn parameter(&mut self, inputs: &Inputs<'_>, index: usize, trail: &Trail) {
        let parameter = &inputs.command.parameters[index];
        let value = match inputs.given[index] {
            Given::Absent if parameter.mandatory() => {
                return self.problems.push(trail.problem(&parameter.id, "is mandatory, and not given".to_owned()));
            }
            Given::Absent | Given::Later => return,
            Given::Value(value) => value,
        };
        let mut messages = value_messages(parameter, value);
        if self.launching && parameter.absolute {
            parameter.kind.coerce(value.clone()).unwrap_or(Value::Null).for_each_path(&mut |path| {
                if !path.starts_with('/') {
                    messages.push(format!("must be an absolute path, got {path:?}"));
                }
            });
        }
        self.problems.extend(messages.into_iter().map(|message| trail.problem(&parameter.id, message)));
        if !parameter.alternatives.is_empty() {
            self.nested(parameter, value, trail);
        }
    }

    fn nested(&mut self, parameter: &Parameter, value: &Value, trail: &Trail) {
        for (index, item) in items(parameter, value).iter().enumerate() {
            let inner = trail.into(parameter, index);
            let chosen = match choose(parameter, item) {
                Ok(chosen) => chosen,
                Err(message) => {
                    let message = format!("{}: {message}", inner.path);
                    self.problems.push(Problem { input: inner.input, message });
                    continue;
                }
            };
            let ids = chosen.command.ids();
            for (name, _) in chosen.given.iter().filter(|(name, _)| !ids.iter().any(|id| id == name)) {
                let hint = hint(name, ids.iter().map(String::as_str));
                self.problems.push(inner.problem(name, format!("there is no such input{hint}")));
            }
            for fault in &chosen.command.faults {
                let message = format!("{}: the descriptor is faulty here: {fault}", inner.path);
                self.problems.push(Problem { input: inner.input.clone(), message });
            }
            self.command(chosen.command, &chosen.given, &inner);
        }
    }

    fn dependencies(&mut self, inputs: &Inputs<'_>, index: usize, trail: &Trail) {
        let parameter = &inputs.command.parameters[index];
        if inputs.surely_on(index) || (inputs.given[index] == Given::Absent && inputs.maybe_on(index)) {
            let by_value = inputs.chosen(index, &parameter.value_requires);
            for id in parameter.requires.iter().chain(&by_value).filter(|id| !is_met(inputs, id)) {
                self.problems.push(trail.problem(&parameter.id, format!("needs {id:?}, which is not given")));
            }
        }
        if inputs.surely_on(index) {
            let by_value = inputs.chosen(index, &parameter.value_disables);
            let on = |id: &&String| inputs.index(id).is_some_and(|other| other != index && inputs.surely_on(other));
            for id in parameter.disables.iter().chain(&by_value).filter(on) {
                self.problems.push(trail.problem(&parameter.id, format!("cannot be combined with {id:?}; give one")));
            }
        }
    }
}

/// Of a group that only needs one member (or allows only one), one is enough; of any other, all must be on.
fn is_met(inputs: &Inputs<'_>, id: &str) -> bool {
    let on = |id: &String| inputs.index(id).is_some_and(|index| inputs.maybe_on(index));
    match inputs.command.groups.iter().find(|group| group.id == id) {
        Some(group) if inputs.index(id).is_none() => {
            let any_is_enough = group.exclusive || group.required;
            if any_is_enough { group.members.iter().any(on) } else { group.members.iter().all(on) }
        }
        _ => on(&id.to_owned()),
    }
}

fn group_message(inputs: &Inputs<'_>, group: &Group) -> Option<&'static str> {
    let members: Vec<usize> = group.members.iter().filter_map(|id| inputs.index(id)).collect();
    let surely = members.iter().filter(|index| inputs.surely_on(**index)).count();
    let maybe = members.iter().filter(|index| inputs.maybe_on(**index)).count();
    if group.exclusive && surely > 1 {
        Some("only one may be given of")
    } else if group.required && maybe == 0 {
        Some("one must be given of")
    } else if group.together && surely > 0 && maybe < members.len() {
        Some("all or none must be given of")
    } else {
        None
    }
}
