//! The final values of a command and the commands around it, found by value-key; checks nothing, writes no words.

use pial_core::value::Value;

use crate::command::Command;
use crate::given::{Inputs, choose, items};
use crate::output::Output;
use crate::parameter::Parameter;

/// A command with its values, inside the scope of the command it is part of.
pub(crate) struct Scope<'a> {
    pub(crate) command: &'a Command,
    /// One per parameter: given or by default, of the port's type; `None` when absent.
    values: Vec<Option<Value>>,
    parent: Option<&'a Scope<'a>>,
}

/// What carries a value-key.
#[derive(Clone, Copy)]
pub(crate) enum Carrier<'a> {
    /// An input that has a value.
    Input(&'a Parameter, &'a Value),
    /// An output, whose path is the value.
    Output(&'a Output),
}

impl<'a> Scope<'a> {
    /// Values that do not fit their port count as absent: they are for the checks to report.
    pub(crate) fn new(
        command: &'a Command,
        given: &[(&str, Option<&Value>)],
        parent: Option<&'a Scope<'a>>,
    ) -> Scope<'a> {
        let inputs = Inputs::new(command, given);
        let value = |(index, parameter): (usize, &Parameter)| {
            let value = parameter.kind.coerce(inputs.value(index)?.clone()).ok()?;
            is_present(parameter, &value).then_some(value)
        };
        Scope { command, values: command.parameters.iter().enumerate().map(value).collect(), parent }
    }

    /// The inputs with a value, and their values.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&'a Parameter, &Value)> {
        self.command
            .parameters
            .iter()
            .zip(&self.values)
            .filter_map(|(parameter, value)| Some((parameter, value.as_ref()?)))
    }

    /// The scopes of the sub-commands of one input, one per item.
    pub(crate) fn nested<'s>(&'s self, parameter: &'s Parameter, value: &'s Value) -> Vec<Scope<'s>> {
        let chosen = items(parameter, value).iter().filter_map(|item| choose(parameter, item).ok());
        chosen.map(|chosen| Scope::new(chosen.command, &chosen.given, Some(self))).collect()
    }

    /// What carries the key in the innermost command that declares it, in declaration order, with that command's scope.
    pub(crate) fn carriers(&self, key: &str) -> (&Scope<'a>, Vec<Carrier<'_>>) {
        match self.parent {
            Some(parent) if !self.declares(key) => parent.carriers(key),
            _ => (self, self.own_carriers(key)),
        }
    }

    /// The value of an input named by id or by value-key; a flag that is off is `false`, not absent.
    pub(crate) fn named(&self, name: &str) -> Option<Value> {
        let is_named = |p: &Parameter| p.id == name || p.value_key.as_deref() == Some(name);
        let index = self.command.parameters.iter().position(is_named);
        match (index, self.parent) {
            (Some(index), _) if self.command.parameters[index].is_flag() => {
                Some(Value::Bool(self.values[index].is_some()))
            }
            (Some(index), _) => self.values[index].clone(),
            (None, Some(parent)) => parent.named(name),
            (None, None) => None,
        }
    }

    fn declares(&self, key: &str) -> bool {
        let inputs = self.command.parameters.iter().map(|parameter| &parameter.value_key);
        let outputs = self.command.outputs.iter().map(|output| &output.value_key);
        inputs.chain(outputs).any(|candidate| candidate.as_deref() == Some(key))
    }

    fn own_carriers(&self, key: &str) -> Vec<Carrier<'_>> {
        let inputs = self.present().filter(|(parameter, _)| parameter.value_key.as_deref() == Some(key));
        let outputs = self.command.outputs.iter().filter(|output| output.value_key.as_deref() == Some(key));
        inputs.map(|(p, v)| Carrier::Input(p, v)).chain(outputs.map(Carrier::Output)).collect()
    }
}

/// A flag that is off and an empty list write nothing: they count as absent.
fn is_present(parameter: &Parameter, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::List(items) => parameter.list.is_none() || !items.is_empty(),
        _ => true,
    }
}
