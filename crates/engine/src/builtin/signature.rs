//! The ports of one built-in node, as the plan sees them.

use pial_core::interface::{Interface, Port, Problem};
use pial_core::value::{Type, Value};

use super::{Builtin, Given};

/// The ports of one built-in node.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Which built-in.
    pub builtin: Builtin,
    /// Whether it takes inputs of any name, besides those in [`Interface::inputs`].
    pub open_inputs: bool,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Interface for Signature {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Only the rules that the ports do not say: unknown names, missing inputs and types are the plan's to find.
    fn check(&self, given: &Given<'_>) -> Vec<Problem> {
        self.builtin.check(given)
    }
}

impl Signature {
    pub(super) fn new(builtin: Builtin) -> Signature {
        Signature { builtin, open_inputs: false, inputs: Vec::new(), outputs: Vec::new() }
    }

    pub(super) fn required(mut self, name: &str, kind: Type) -> Signature {
        self.inputs.push(Port { name: name.to_owned(), kind, mandatory: true });
        self
    }

    pub(super) fn optional(mut self, name: &str, kind: Type) -> Signature {
        self.inputs.push(Port { name: name.to_owned(), kind, mandatory: false });
        self
    }

    /// Takes any other name, and lists those given so far as ports of type `any`.
    pub(super) fn open(mut self, given: &Given<'_>) -> Signature {
        for (name, _) in given {
            if !self.inputs.iter().any(|port| port.name == *name) {
                self = self.optional(name, Type::Any);
            }
        }
        self.open_inputs = true;
        self
    }

    /// An output that is never null after success.
    pub(super) fn output(mut self, name: &str, kind: Type) -> Signature {
        self.outputs.push(Port { name: name.to_owned(), kind, mandatory: true });
        self
    }

    /// An output that may be null.
    pub(super) fn maybe_output(mut self, name: &str, kind: Type) -> Signature {
        self.outputs.push(Port { name: name.to_owned(), kind, mandatory: false });
        self
    }
}

/// A list type.
pub(super) fn list(item: Type) -> Type {
    Type::List(Box::new(item))
}

/// Whether the document gives this input at all, literally or from another node.
pub(super) fn is_given(given: &Given<'_>, name: &str) -> bool {
    given.iter().any(|(known, value)| *known == name && *value != Some(&Value::Null))
}

/// The literal value of an input, if it has one.
pub(super) fn literal<'a>(given: &Given<'a>, name: &str) -> Option<&'a Value> {
    given.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value).filter(|v| **v != Value::Null)
}

/// The texts of a literal list; nothing for any other value.
pub(super) fn literal_texts<'a>(given: &Given<'a>, name: &str) -> Option<Vec<&'a str>> {
    match literal(given, name)? {
        Value::List(items) => items.iter().map(text).collect(),
        single => Some(vec![text(single)?]),
    }
}

/// The names in a literal map, in order.
pub(super) fn literal_names<'a>(given: &Given<'a>, name: &str) -> Vec<&'a str> {
    match literal(given, name) {
        Some(Value::Map(entries)) => entries.iter().map(|(name, _)| name.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// The text of a text or path.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) | Value::Path(text) => Some(text),
        _ => None,
    }
}

/// A broken rule about one input.
pub(super) fn problem(input: &str, message: impl Into<String>) -> Problem {
    Problem { input: Some(input.to_owned()), message: message.into() }
}

/// For an input that shapes the ports and so cannot come from another node.
pub(super) fn must_be_literal(given: &Given<'_>, name: &str) -> Option<Problem> {
    (is_given(given, name) && literal(given, name).is_none())
        .then(|| problem(name, "it decides the ports of this node, so write its value here instead of connecting it"))
}
