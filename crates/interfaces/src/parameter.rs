//! Reads one input of a descriptor: its type, its flag, its rules; knows no given value.

use pial_core::value::{Type, Value};
use serde_json::Value as Json;

use crate::command::Command;
use crate::problem::hint;
use crate::reader::{Object, kind};
use crate::template;

/// One input of a command.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The name in workflow documents.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What it is for, or empty.
    pub description: String,
    /// The type of its port.
    pub kind: Type,
    /// Whether the descriptor lets it be left out.
    pub optional: bool,
    /// Taken when nothing is given.
    pub default: Option<Value>,
    /// The option written before the value, or for a flag the option itself.
    pub flag: Option<String>,
    /// The only values allowed; of each item, for a list.
    pub choices: Vec<Value>,
    /// The smallest value allowed.
    pub minimum: Option<Bound>,
    /// The largest value allowed.
    pub maximum: Option<Bound>,
    /// Set when it takes a list.
    pub list: Option<ListRule>,
    /// The names of the groups it is in.
    pub groups: Vec<String>,
    /// Inputs or groups that must be given with it.
    pub requires: Vec<String>,
    /// Inputs that may not be given with it.
    pub disables: Vec<String>,
    /// The same for one of its choices: choice, inputs.
    pub value_requires: Vec<(String, Vec<String>)>,
    /// The same for one of its choices: choice, inputs.
    pub value_disables: Vec<(String, Vec<String>)>,
    /// Whether a path must be given absolute.
    pub absolute: bool,
    /// The commands it may hold; empty unless it is a sub-command.
    pub alternatives: Vec<Command>,
    pub(crate) value_key: Option<String>,
    pub(crate) option: FlagText,
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// Where the range ends.
    pub value: f64,
    /// Whether the end itself is not allowed.
    pub exclusive: bool,
}

/// How a list is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRule {
    /// Joins the items into one word; without it every item is its own word.
    pub separator: Option<String>,
    /// The fewest items.
    pub minimum: Option<usize>,
    /// The most items.
    pub maximum: Option<usize>,
}

/// A command-line flag as words, and what stands between it and its value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FlagText {
    pub(crate) words: Vec<String>,
    /// `None`: the value is its own word.
    pub(crate) separator: Option<String>,
}

pub(crate) const INPUT_KEYS: &[&str] = &[
    "id",
    "name",
    "type",
    "description",
    "value-key",
    "list",
    "list-separator",
    "optional",
    "command-line-flag",
    "requires-inputs",
    "disables-inputs",
    "command-line-flag-separator",
    "default-value",
    "value-choices",
    "value-requires",
    "value-disables",
    "integer",
    "minimum",
    "maximum",
    "exclusive-minimum",
    "exclusive-maximum",
    "min-list-entries",
    "max-list-entries",
    "uses-absolute-path",
    "pial-type",
    "resolve-parent",
    "mutable",
];

impl Parameter {
    /// Whether it is a switch without a value.
    pub fn is_flag(&self) -> bool {
        self.kind == Type::Bool
    }

    /// Whether a value must be given.
    pub fn mandatory(&self) -> bool {
        !self.optional && self.default.is_none()
    }

    /// The type of one item: the port's type, unless it is a list.
    pub fn item_kind(&self) -> &Type {
        match &self.kind {
            Type::List(item) => item,
            kind => kind,
        }
    }

    /// Reads an input; `keys` are the value-keys its sub-commands may use in path templates.
    pub(crate) fn read(object: &Object<'_>, keys: &[String]) -> Parameter {
        report_misplaced(object);
        let alternatives = alternatives(object, keys);
        let item = item_kind(object);
        let list = object.truth("list").unwrap_or(false).then(|| list_rule(object));
        let mut parameter = Parameter {
            id: object.required_text("id").to_owned(),
            name: object.text("name").unwrap_or_default().to_owned(),
            description: object.text("description").unwrap_or_default().to_owned(),
            optional: item == Type::Bool || object.truth("optional").unwrap_or(false),
            default: None,
            flag: object.some_text("command-line-flag").map(str::to_owned),
            choices: choices(object, &item),
            minimum: bound(object, "minimum", "exclusive-minimum"),
            maximum: bound(object, "maximum", "exclusive-maximum"),
            kind: if list.is_some() { Type::List(Box::new(item)) } else { item },
            list,
            groups: Vec::new(),
            requires: object.texts("requires-inputs"),
            disables: object.texts("disables-inputs"),
            value_requires: by_choice(object, "value-requires"),
            value_disables: by_choice(object, "value-disables"),
            absolute: object.truth("uses-absolute-path").unwrap_or(false),
            alternatives,
            value_key: object.some_text("value-key").map(str::to_owned),
            option: FlagText::read(object),
        };
        parameter.default = default_value(object, &parameter);
        parameter.report_contradictions(object);
        parameter
    }

    fn report_contradictions(&self, object: &Object<'_>) {
        if self.is_flag() && self.flag.is_none() {
            object.problem("type", "an input of type Flag needs a \"command-line-flag\"");
        }
        if self.list.is_some() && *self.item_kind() == Type::Bool {
            object.problem("list", "an input of type Flag cannot be a list");
        }
        if let (Some(minimum), Some(maximum)) = (self.minimum, self.maximum)
            && minimum.value > maximum.value
        {
            object.problem("minimum", format!("{} is above the maximum, {}", minimum.value, maximum.value));
        }
        if let Some(ListRule { minimum: Some(minimum), maximum: Some(maximum), .. }) = self.list
            && minimum > maximum
        {
            object.problem("min-list-entries", format!("{minimum} is above \"max-list-entries\", {maximum}"));
        }
        for (rule, entries) in [("value-requires", &self.value_requires), ("value-disables", &self.value_disables)] {
            let choices: Vec<String> = self.choices.iter().map(Value::to_string).collect();
            for (choice, _) in entries.iter().filter(|(choice, _)| !choices.contains(choice)) {
                let hint = hint(choice, choices.iter().map(String::as_str));
                object.problem(rule, format!("{choice:?} is none of the \"value-choices\"{hint}"));
            }
        }
        if let Some(default) = &self.default {
            for message in crate::check::value_messages(self, default) {
                object.problem("default-value", message);
            }
        }
    }
}

impl FlagText {
    /// Of an input or an output. White space between flag and value, the usual case, makes two words.
    pub(crate) fn read(object: &Object<'_>) -> FlagText {
        let words = match template::words(object.text("command-line-flag").unwrap_or_default(), &[]) {
            Ok(words) => words.iter().map(template::Word::text).collect(),
            Err(messages) => {
                messages.into_iter().for_each(|message| object.problem("command-line-flag", message));
                Vec::new()
            }
        };
        FlagText { words, separator: joining(object.text("command-line-flag-separator")) }
    }
}

/// A separator that joins, unlike white space, which makes separate words (as the shell of Boutiques does).
fn joining(separator: Option<&str>) -> Option<String> {
    separator.filter(|text| text.is_empty() || !text.trim().is_empty()).map(str::to_owned)
}

/// Keys that need another to mean anything (the schema's own dependencies).
fn report_misplaced(object: &Object<'_>) {
    let kind = object.get("type").and_then(Json::as_str).unwrap_or_default();
    for (key, needed) in [
        ("list-separator", "list"),
        ("min-list-entries", "list"),
        ("max-list-entries", "list"),
        ("exclusive-minimum", "minimum"),
        ("exclusive-maximum", "maximum"),
        ("value-requires", "value-choices"),
        ("value-disables", "value-choices"),
        ("command-line-flag-separator", "command-line-flag"),
    ] {
        if object.has(key) && !object.has(needed) {
            object.problem(key, format!("{key:?} means nothing without {needed:?}"));
        }
    }
    for (key, kinds) in [
        ("minimum", &["Number"][..]),
        ("maximum", &["Number"]),
        ("integer", &["Number"]),
        ("uses-absolute-path", &["File"]),
        ("pial-type", &["File"]),
        ("value-choices", &["String", "Number", "File"]),
    ] {
        if object.has(key) && !kinds.contains(&kind) {
            object.problem(key, format!("{key:?} is for type {}", kinds.join(", ")));
        }
    }
}

fn alternatives(object: &Object<'_>, keys: &[String]) -> Vec<Command> {
    let place = object.at("type");
    match object.get("type") {
        Some(json @ Json::Object(_)) => Command::read_nested(json, place, keys, object.sink).into_iter().collect(),
        Some(Json::Array(items)) => {
            if items.is_empty() {
                object.problem("type", "a list of alternatives needs at least one");
            }
            let each = items.iter().enumerate();
            each.filter_map(|(i, json)| Command::read_nested(json, format!("{place}/{i}"), keys, object.sink)).collect()
        }
        _ => Vec::new(),
    }
}

fn item_kind(object: &Object<'_>) -> Type {
    match object.get("type") {
        Some(Json::String(name)) => match name.as_str() {
            "Number" if object.truth("integer").unwrap_or(false) => Type::Int,
            "Number" => Type::Float,
            "Flag" => Type::Bool,
            "File" => path_kind(object),
            "String" => text_choices(object).map_or(Type::String, Type::Enum),
            other => {
                let hint = hint(other, ["String", "Number", "Flag", "File"]);
                object.problem("type", format!("{other:?} is none of String, Number, Flag, File{hint}"));
                Type::Any
            }
        },
        Some(Json::Object(_) | Json::Array(_)) => Type::Any,
        Some(other) => {
            object.problem("type", format!("expected a type or a sub-command, got {}", kind(other)));
            Type::Any
        }
        None => {
            object.sink.add(&object.place, "\"type\" is missing");
            Type::Any
        }
    }
}

/// `File`, or a directory where the descriptor says `"pial-type": "directory"`.
pub(crate) fn path_kind(object: &Object<'_>) -> Type {
    match object.text("pial-type") {
        None | Some("file") => Type::File,
        Some("directory") => Type::Directory,
        Some(other) => {
            object.problem("pial-type", format!("{other:?} is neither \"file\" nor \"directory\""));
            Type::File
        }
    }
}

fn text_choices(object: &Object<'_>) -> Option<Vec<String>> {
    let choices = object.has("value-choices").then(|| object.items("value-choices"))?;
    Some(choices.iter().map(|json| Value::from(json.clone()).to_string()).collect())
}

fn choices(object: &Object<'_>, item: &Type) -> Vec<Value> {
    let mut choices = Vec::new();
    for json in object.items("value-choices") {
        match item.coerce(Value::from(json.clone())) {
            Ok(choice) => choices.push(choice),
            Err(mismatch) => object.problem("value-choices", mismatch.to_string()),
        }
    }
    choices
}

fn bound(object: &Object<'_>, key: &str, exclusive: &str) -> Option<Bound> {
    Some(Bound { value: object.number(key)?, exclusive: object.truth(exclusive).unwrap_or(false) })
}

fn list_rule(object: &Object<'_>) -> ListRule {
    ListRule {
        separator: joining(object.text("list-separator")),
        minimum: object.count("min-list-entries"),
        maximum: object.count("max-list-entries"),
    }
}

fn by_choice(object: &Object<'_>, key: &str) -> Vec<(String, Vec<String>)> {
    let Some(rules) = object.object(key, &[]) else { return Vec::new() };
    rules.keys().map(|choice| (choice.to_owned(), rules.texts(choice))).collect()
}

/// An empty object is what converters write for "no default" and is taken as such; one value is a list of one.
fn default_value(object: &Object<'_>, parameter: &Parameter) -> Option<Value> {
    let json = object.get("default-value")?;
    if parameter.alternatives.is_empty() && json.as_object().is_some_and(serde_json::Map::is_empty) {
        return None;
    }
    let value = match (Value::from(json.clone()), &parameter.kind) {
        (Value::List(items), kind) => kind.coerce(Value::List(items)),
        (item, kind @ Type::List(_)) => kind.coerce(Value::List(vec![item])),
        (Value::String(text), Type::Int | Type::Float | Type::Bool) => parameter.kind.parse_value(&text),
        (value, kind) => kind.coerce(value),
    };
    value.map_err(|mismatch| object.problem("default-value", mismatch.to_string())).ok()
}
