//! The ports of commands and functions written in the document, and the filling of a command's templates.

use crate::document::{self, Piece};
use crate::interface::{Interface, Port, Problem};
use crate::value::{Type, Value};

/// The ports of a command or a function, as the document declares them.
#[derive(Debug)]
pub struct CommandSignature {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl CommandSignature {
    /// The signature of a node with a command.
    pub(super) fn new(node: &document::Node) -> CommandSignature {
        CommandSignature::with(&node.inputs, &node.outputs, |input| input.mandatory)
    }

    /// The signature of a node that calls a function, to which nothing (`None`) may be given.
    pub(super) fn of_function(inputs: &[document::Input], outputs: &[document::Output]) -> CommandSignature {
        CommandSignature::with(inputs, outputs, |input| input.mandatory && input.value.is_none())
    }

    fn with(
        inputs: &[document::Input],
        outputs: &[document::Output],
        mandatory: fn(&document::Input) -> bool,
    ) -> CommandSignature {
        let input = |input: &document::Input| Port {
            name: input.name.text.clone(),
            kind: input.kind.clone().unwrap_or(Type::Any),
            mandatory: mandatory(input),
        };
        let output = |output: &document::Output| Port {
            name: output.name.text.clone(),
            kind: output.kind.clone(),
            mandatory: !output.optional,
        };
        CommandSignature { inputs: inputs.iter().map(input).collect(), outputs: outputs.iter().map(output).collect() }
    }
}

impl Interface for CommandSignature {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn accepts_any_input(&self) -> bool {
        true
    }

    fn check(&self, given: &[(&str, Option<&Value>)]) -> Vec<Problem> {
        let missing = |port: &&Port| port.mandatory && !given.iter().any(|(name, _)| *name == port.name);
        let problem = |port: &Port| Problem {
            input: Some(port.name.clone()),
            message: format!("the input `{}` must be given; add `from:` or `value:`, or `optional: true`", port.name),
        };
        self.inputs.iter().filter(missing).map(problem).collect()
    }
}

/// Fills the placeholders of a template; `value` gives the text of each, `None` for an input that is absent.
///
/// Gives `None` when the template is nothing but an absent placeholder.
pub fn fill(pieces: &[Piece], value: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    if let [Piece::Placeholder(name)] = pieces {
        return value(name);
    }
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Placeholder(name) => text.push_str(&value(name).unwrap_or_default()),
        }
    }
    Some(text)
}
