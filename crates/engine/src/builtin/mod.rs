//! The nodes that run inside the engine, with nipype's names and meaning; knows no plan, cache or process.

mod error;
mod glob;
mod grabber;
mod inputs;
mod json;
mod lists;
mod natural;
mod place;
mod regexp;
mod rename;
mod selector;
mod signature;
mod sink;
mod template;

use std::path::Path;

use pial_core::interface::Problem;
use pial_core::value::Value;

pub use error::{BuiltinError, Missing};
use inputs::Inputs;
pub use natural::natural_order;
pub use signature::Signature;

/// What a document gives to a node: each input's name, with its value where it is literal.
pub type Given<'a> = [(&'a str, Option<&'a Value>)];

/// A built-in node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// Hands its inputs on.
    Identity,
    /// Several values or lists become one list.
    Merge,
    /// One list becomes several of given lengths.
    Split,
    /// Some items of a list.
    Select,
    /// A file under another name.
    Rename,
    /// Files found with `%s` templates.
    DataGrabber,
    /// Files found with `{name}` templates.
    SelectFiles,
    /// Results into a directory of the user's.
    DataSink,
    /// Values out of a JSON file.
    JsonRead,
    /// Values into a JSON file.
    JsonWrite,
}

/// What a built-in hands back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// One value per output, in the order of the signature; `Null` where there is nothing.
    pub outputs: Vec<(String, Value)>,
    /// Absolute paths that now hold results outside the node's directory (datasink).
    pub sinks: Vec<String>,
}

impl Outcome {
    fn one(name: &str, value: Value) -> Outcome {
        Outcome { outputs: vec![(name.to_owned(), value)], sinks: Vec::new() }
    }
}

impl Builtin {
    /// Every built-in's name in documents.
    pub const NAMES: &[&str] = &[
        "identity",
        "merge",
        "split",
        "select",
        "rename",
        "datagrabber",
        "selectfiles",
        "datasink",
        "json_read",
        "json_write",
    ];

    const ALL: [Builtin; Builtin::NAMES.len()] = [
        Builtin::Identity,
        Builtin::Merge,
        Builtin::Split,
        Builtin::Select,
        Builtin::Rename,
        Builtin::DataGrabber,
        Builtin::SelectFiles,
        Builtin::DataSink,
        Builtin::JsonRead,
        Builtin::JsonWrite,
    ];

    /// The built-in a document names.
    pub fn from_name(name: &str) -> Option<Builtin> {
        let index = Builtin::NAMES.iter().position(|known| *known == name)?;
        Some(Builtin::ALL[index])
    }

    /// The name in documents.
    pub fn name(self) -> &'static str {
        Builtin::NAMES[self as usize]
    }

    /// The ports of one node, some of which follow from what its document gives.
    pub fn signature(&self, given: &Given<'_>) -> Signature {
        match self {
            Builtin::Identity => lists::identity_signature(given),
            Builtin::Merge => lists::merge_signature(given),
            Builtin::Split => lists::split_signature(given),
            Builtin::Select => lists::select_signature(),
            Builtin::Rename => rename::signature(given),
            Builtin::DataGrabber => grabber::signature(given),
            Builtin::SelectFiles => selector::signature(given),
            Builtin::DataSink => sink::signature(given),
            Builtin::JsonRead => json::read_signature(given),
            Builtin::JsonWrite => json::write_signature(given),
        }
    }

    /// The static rules that ports alone cannot say.
    fn check(self, given: &Given<'_>) -> Vec<Problem> {
        match self {
            Builtin::Merge | Builtin::Identity | Builtin::Select | Builtin::JsonWrite => Vec::new(),
            Builtin::Split => lists::split_check(given),
            Builtin::Rename => rename::check(given),
            Builtin::DataGrabber => grabber::check(given),
            Builtin::SelectFiles => selector::check(given),
            Builtin::DataSink => sink::check(given),
            Builtin::JsonRead => json::read_check(given),
        }
    }

    /// Whether it gives on values as they are, also those that only Python can read.
    pub fn hands_on(self) -> bool {
        matches!(self, Builtin::Identity | Builtin::Merge | Builtin::Split | Builtin::Select)
    }

    /// Whether its result depends on what no input says (what a directory holds now), so that a cached result
    /// may be out of date. nipype runs these every time.
    pub fn looks_outside(&self) -> bool {
        matches!(self, Builtin::DataGrabber | Builtin::SelectFiles | Builtin::DataSink)
    }

    /// Runs it. `inputs` are in document order; `directory` is the node's own, absolute, made here if needed.
    ///
    /// # Errors
    /// [`BuiltinError`], which names the input or path and what to do about it.
    pub fn run(&self, inputs: &[(String, Value)], directory: &Path) -> Result<Outcome, BuiltinError> {
        let inputs = Inputs(inputs);
        match self {
            Builtin::Identity => Ok(lists::identity(inputs)),
            Builtin::Merge => lists::merge(inputs),
            Builtin::Split => lists::split(inputs),
            Builtin::Select => lists::select(inputs),
            Builtin::Rename => rename::run(inputs, directory),
            Builtin::DataGrabber => grabber::run(inputs),
            Builtin::SelectFiles => selector::run(inputs),
            Builtin::DataSink => sink::run(inputs, directory),
            Builtin::JsonRead => json::read(inputs),
            Builtin::JsonWrite => json::write(inputs, directory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pial_core::interface::Interface;

    #[test]
    fn every_name_is_a_builtin_and_back() {
        for name in Builtin::NAMES {
            assert_eq!(Builtin::from_name(name).map(Builtin::name), Some(*name));
        }
        assert_eq!(Builtin::from_name("Identity"), None);
    }

    #[test]
    fn a_signature_of_nothing_given_is_sound() {
        for builtin in Builtin::ALL {
            let signature = builtin.signature(&[]);
            let mut names: Vec<_> = signature.inputs().iter().map(|port| &port.name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), signature.inputs().len(), "{}: an input twice", builtin.name());
            signature.check(&[]);
        }
    }

    #[test]
    fn outputs_of_a_run_are_those_of_the_signature() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("a.json"), r#"{"x": 1, "y": [2]}"#).unwrap();
        let text = |text: &str| Value::String(text.to_owned());
        let base = text(&scratch.path().to_string_lossy());
        let file = Value::Path(scratch.path().join("a.json").to_string_lossy().into_owned());
        let list = |items: &[i64]| Value::List(items.iter().map(|i| Value::Int(*i)).collect());
        let templates = Value::Map(vec![("t".to_owned(), text("{stem}.json"))]);
        let cases: Vec<(Builtin, Vec<(&str, Value)>)> = vec![
            (Builtin::Identity, vec![("b", list(&[1])), ("a", Value::Null)]),
            (Builtin::Merge, vec![("in1", list(&[1]))]),
            (Builtin::Split, vec![("inlist", list(&[1, 2, 3])), ("splits", list(&[1, 2]))]),
            (Builtin::Select, vec![("inlist", list(&[1, 2, 3])), ("index", Value::Int(1))]),
            (Builtin::Rename, vec![("in_file", file.clone()), ("format_string", text("b.json"))]),
            (Builtin::DataGrabber, vec![("base_directory", base.clone()), ("template", text("*.json"))]),
            (
                Builtin::SelectFiles,
                vec![("base_directory", base.clone()), ("templates", templates), ("stem", text("a"))],
            ),
            (Builtin::DataSink, vec![("base_directory", base), ("a.@b", file.clone())]),
            (Builtin::JsonRead, vec![("in_file", file), ("fields", Value::List(vec![text("y"), text("x")]))]),
            (Builtin::JsonWrite, vec![("x", Value::Int(1))]),
        ];
        for (builtin, inputs) in cases {
            let given: Vec<_> = inputs.iter().map(|(name, value)| (*name, Some(value))).collect();
            let signature = builtin.signature(&given);
            assert_eq!(signature.check(&given), [], "{}", builtin.name());
            for (name, _) in &given {
                assert!(signature.inputs().iter().any(|port| port.name == *name), "{}: {name}", builtin.name());
            }
            let inputs: Vec<_> = inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let outcome = builtin.run(&inputs, &scratch.path().join("node")).unwrap();
            let declared: Vec<_> = signature.outputs().iter().map(|port| &port.name).collect();
            let returned: Vec<_> = outcome.outputs.iter().map(|(name, _)| name).collect();
            assert_eq!(returned, declared, "{}", builtin.name());
        }
    }
}
