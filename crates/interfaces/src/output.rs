//! Reads one output of a descriptor: its path templates and whether it is always there; knows no given value.

use pial_core::interface::Port;
use pial_core::value::Type;

use crate::command::Command;
use crate::condition::Condition;
use crate::parameter::{FlagText, path_kind};
use crate::reader::Object;
use crate::template::{self, Piece};

/// One output file (or list of files) of a command.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) id: String,
    /// The first whose condition holds (or that has none) names the file.
    pub(crate) paths: Vec<(Option<Condition>, Vec<Piece>)>,
    pub(crate) kind: Type,
    pub(crate) optional: bool,
    /// Extensions taken off the ends of input values.
    pub(crate) stripped: Vec<String>,
    /// Set for a file written before the run: its lines.
    pub(crate) lines: Option<Vec<Vec<Piece>>>,
    pub(crate) value_key: Option<String>,
    pub(crate) option: FlagText,
}

pub(crate) const OUTPUT_KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "value-key",
    "path-template",
    "conditional-path-template",
    "path-template-stripped-extensions",
    "list",
    "optional",
    "command-line-flag",
    "command-line-flag-separator",
    "uses-absolute-path",
    "file-template",
    "pial-type",
];

impl Output {
    pub(crate) fn read(object: &Object<'_>, keys: &[String], ids: &[String]) -> Output {
        let item = path_kind(object);
        let list = object.truth("list").unwrap_or(false);
        let lines = object.has("file-template").then(|| lines(object, keys));
        if lines.is_some() && list {
            object.problem("list", "an output with a \"file-template\" is one file");
        }
        Output {
            id: object.required_text("id").to_owned(),
            paths: paths(object, keys, ids),
            kind: if list { Type::List(Box::new(item)) } else { item },
            optional: object.truth("optional").unwrap_or(false),
            stripped: object.texts("path-template-stripped-extensions"),
            lines,
            value_key: object.some_text("value-key").map(str::to_owned),
            option: FlagText::read(object),
        }
    }

    /// The port of this output of the last of `around`.
    ///
    /// An output whose path depends on an input that may be absent cannot be promised.
    pub(crate) fn port(&self, around: &[&Command]) -> Port {
        let always_named = self.paths.last().is_some_and(|(condition, _)| condition.is_none());
        let always_complete =
            self.paths.iter().all(|(_, pieces)| pieces.iter().all(|piece| always_there(piece, around)));
        let mandatory = !self.optional && always_named && always_complete;
        Port { name: self.id.clone(), kind: self.kind.clone(), mandatory }
    }
}

fn always_there(piece: &Piece, around: &[&Command]) -> bool {
    let Piece::Key(key) = piece else { return true };
    let carries = |candidate: &Option<String>| candidate.as_deref() == Some(key);
    let declared = around.iter().rev().find_map(|command| {
        let inputs: Vec<_> = command.parameters.iter().filter(|p| carries(&p.value_key)).collect();
        let outputs: Vec<_> = command.outputs.iter().filter(|o| carries(&o.value_key)).collect();
        let any = inputs.iter().any(|p| p.mandatory() || p.default.is_some()) || outputs.iter().any(|o| !o.optional);
        (!inputs.is_empty() || !outputs.is_empty()).then_some(any)
    });
    declared.unwrap_or(true)
}

fn paths(object: &Object<'_>, keys: &[String], ids: &[String]) -> Vec<(Option<Condition>, Vec<Piece>)> {
    let conditional = object.has("conditional-path-template");
    match (object.some_text("path-template"), conditional) {
        (Some(template), false) => vec![(None, path(object, "path-template", template, keys))],
        (None, true) => conditional_paths(object, keys, ids),
        (Some(_), true) => {
            object.problem("path-template", "give this or \"conditional-path-template\", not both");
            Vec::new()
        }
        (None, false) => {
            object.sink.add(&object.place, "\"path-template\" is missing: nothing says where the output is");
            Vec::new()
        }
    }
}

fn conditional_paths(object: &Object<'_>, keys: &[String], ids: &[String]) -> Vec<(Option<Condition>, Vec<Piece>)> {
    let mut paths = Vec::new();
    for entry in object.objects("conditional-path-template", &[]) {
        let mut conditions = entry.keys();
        let (Some(text), None) = (conditions.next(), conditions.next()) else {
            object.sink.add(&entry.place, "expected one condition with its path: {\"[A] > 1\": \"path\"}");
            continue;
        };
        let pieces = path(&entry, text, entry.text(text).unwrap_or_default(), keys);
        match (text != "default").then(|| Condition::parse(text, keys, ids)).transpose() {
            Ok(condition) => paths.push((condition, pieces)),
            Err(message) => object.sink.add(&entry.place, format!("the condition {text:?}: {message}")),
        }
    }
    let reachable = paths.iter().position(|(condition, _)| condition.is_none()).map_or(paths.len(), |i| i + 1);
    if reachable < paths.len() {
        object.problem("conditional-path-template", "nothing after \"default\" is ever reached");
    }
    paths
}

fn path(object: &Object<'_>, key: &str, text: &str, keys: &[String]) -> Vec<Piece> {
    let pieces = template::pieces(text, keys);
    template::undeclared(&pieces, keys).into_iter().for_each(|message| object.problem(key, message));
    pieces
}

fn lines(object: &Object<'_>, keys: &[String]) -> Vec<Vec<Piece>> {
    object.texts("file-template").iter().map(|line| template::pieces(line, keys)).collect()
}
