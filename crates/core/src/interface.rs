//! What the plan must know of an interface: its ports and its static rules; not how its command line is built.

use crate::value::{Type, Value};

/// One named input or output.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// As written in documents.
    pub name: String,
    /// What it carries.
    pub kind: Type,
    /// Inputs: must be given. Outputs: always there after success.
    pub mandatory: bool,
}

/// A broken rule of an interface, found without running anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The input it is about, if it is about one.
    pub input: Option<String>,
    /// What is wrong and what would mend it.
    pub message: String,
}

/// An interface as the plan sees it.
pub trait Interface: std::fmt::Debug {
    /// The inputs, in declaration order.
    fn inputs(&self) -> &[Port];

    /// The outputs, in declaration order.
    fn outputs(&self) -> &[Port];

    /// Whether inputs beyond [`Interface::inputs`] may be given.
    fn accepts_any_input(&self) -> bool {
        false
    }

    /// Checks what can be known before a run: which inputs are given, and the values of the literal ones
    /// (`None` for a value that only exists at run time).
    fn check(&self, given: &[(&str, Option<&Value>)]) -> Vec<Problem>;
}
