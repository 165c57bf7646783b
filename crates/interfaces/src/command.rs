//! Reads a command or sub-command of a descriptor: template, inputs, groups, outputs; knows no given value.

use pial_core::interface::Port;
use pial_core::value::Type;
use serde_json::Value as Json;

use crate::output::{OUTPUT_KEYS, Output};
use crate::parameter::{INPUT_KEYS, Parameter};
use crate::problem::{Sink, hint};
use crate::reader::Object;
use crate::template::{self, Word};

/// A command, or a piece of one that an input stands for.
#[derive(Debug, Clone)]
pub struct Command {
    /// What selects it among alternatives; empty for a whole tool.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What it does, or empty.
    pub description: String,
    /// Its inputs, in declaration order.
    pub parameters: Vec<Parameter>,
    /// Its rules over several inputs.
    pub groups: Vec<Group>,
    pub(crate) words: Vec<Word>,
    pub(crate) outputs: Vec<Output>,
    /// Value-keys nobody declares, of a sub-command. They matter only to those who choose it: published
    /// descriptors have such faults in alternatives that are hardly ever used.
    pub(crate) faults: Vec<String>,
}

/// A rule over several inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What rules refer to it by.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The ids of its inputs.
    pub members: Vec<String>,
    /// At most one may be given.
    pub exclusive: bool,
    /// At least one must be given.
    pub required: bool,
    /// All must be given, or none.
    pub together: bool,
}

const NESTED_KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "command-line",
    "inputs",
    "groups",
    "output-files",
    "stdout-output",
    "stderr-output",
    "type",
    "value-key",
    "author",
    "url",
    "schema-version",
    "tool-version",
];
const GROUP_KEYS: &[&str] =
    &["id", "name", "description", "members", "mutually-exclusive", "one-is-required", "all-or-none"];

impl Command {
    /// Reads a sub-command; `outer` are the value-keys of the commands around it.
    pub(crate) fn read_nested(json: &Json, place: String, outer: &[String], sink: &Sink) -> Option<Command> {
        let object = Object::new(json, place, NESTED_KEYS, sink)?;
        object.required_text("id");
        let template = object.text("command-line");
        if template.is_none() && !object.has("command-line") {
            sink.add(&object.place, "\"command-line\" is missing");
        }
        let mut command = Command::read(&object, outer, template);
        let keys = command.keys(outer);
        command.faults = command.words.iter().flat_map(|word| template::undeclared(&word.pieces, &keys)).collect();
        Some(command)
    }

    /// Reads a command; no words when `template` is `None`.
    pub(crate) fn read(object: &Object<'_>, outer: &[String], template: Option<&str>) -> Command {
        let inputs = object.objects("inputs", INPUT_KEYS);
        let outputs = object.objects("output-files", OUTPUT_KEYS);
        let keys = value_keys(&inputs, &outputs, outer);
        let mut command = Command {
            id: object.text("id").unwrap_or_default().to_owned(),
            name: object.text("name").unwrap_or_default().to_owned(),
            description: object.text("description").unwrap_or_default().to_owned(),
            parameters: inputs.iter().map(|input| Parameter::read(input, &keys)).collect(),
            groups: object.objects("groups", GROUP_KEYS).iter().map(Group::read).collect(),
            words: template.map(|template| words(object, template, &keys)).unwrap_or_default(),
            outputs: Vec::new(),
            faults: Vec::new(),
        };
        command.outputs = outputs.iter().map(|output| Output::read(output, &keys, &command.ids())).collect();
        command.name_groups();
        command.report_duplicates(object);
        command.report_unknown_references(object);
        command
    }

    /// The input with this id.
    pub fn parameter(&self, id: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.id == id)
    }

    /// The value-keys of its inputs and outputs, then those around it.
    pub(crate) fn keys(&self, outer: &[String]) -> Vec<String> {
        let inputs = self.parameters.iter().map(|parameter| &parameter.value_key);
        let own = inputs.chain(self.outputs.iter().map(|output| &output.value_key)).flatten();
        own.chain(outer).cloned().collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.parameters.iter().map(|parameter| parameter.id.clone()).collect()
    }

    pub(crate) fn input_ports(&self) -> Vec<Port> {
        let port = |p: &Parameter| Port { name: p.id.clone(), kind: p.kind.clone(), mandatory: p.mandatory() };
        self.parameters.iter().map(port).collect()
    }

    /// The outputs of this command, then those of its sub-commands as `input.output`.
    ///
    /// An output of a repeated sub-command is a list; one that not every choice of inputs yields is not mandatory.
    /// `outer` are the commands around it, outermost first: their value-keys may appear in its paths.
    pub(crate) fn output_ports(&self, outer: &[&Command]) -> Vec<Port> {
        let around = [outer, &[self]].concat();
        let mut ports: Vec<Port> = self.outputs.iter().map(|output| output.port(&around)).collect();
        for parameter in &self.parameters {
            let mut nested: Vec<(usize, Port)> = Vec::new();
            for port in parameter.alternatives.iter().flat_map(|command| command.output_ports(&around)) {
                match nested.iter_mut().find(|(_, known)| known.name == port.name) {
                    Some((seen, known)) => {
                        *seen += 1;
                        known.mandatory &= port.mandatory;
                    }
                    None => nested.push((1, port)),
                }
            }
            ports.extend(nested.into_iter().map(|(seen, port)| Port {
                name: format!("{}.{}", parameter.id, port.name),
                kind: if parameter.list.is_some() { Type::List(Box::new(port.kind)) } else { port.kind },
                mandatory: port.mandatory && parameter.mandatory() && seen == parameter.alternatives.len(),
            }));
        }
        ports
    }

    fn name_groups(&mut self) {
        for group in &self.groups {
            for parameter in self.parameters.iter_mut().filter(|p| group.members.contains(&p.id)) {
                parameter.groups.push(group.name.clone());
            }
        }
    }

    fn report_duplicates(&self, object: &Object<'_>) {
        let inputs = self.parameters.iter().map(|p| &p.id).collect::<Vec<_>>();
        let outputs = self.outputs.iter().map(|o| &o.id).collect::<Vec<_>>();
        for (key, ids) in [("inputs", inputs), ("output-files", outputs)] {
            for (index, id) in ids.iter().enumerate().filter(|(index, id)| ids[..*index].contains(id)) {
                object.problem(key, format!("item {index}: the id {id:?} is taken"));
            }
        }
    }

    fn report_unknown_references(&self, object: &Object<'_>) {
        let groups = self.groups.iter().map(|group| group.id.as_str());
        let known: Vec<&str> = self.parameters.iter().map(|p| p.id.as_str()).chain(groups).collect();
        let check = |key: String, id: &str| {
            if !known.contains(&id) {
                let hint = hint(id, known.iter().copied());
                object.sink.add(&format!("{}/{key}", object.place), format!("no input has the id {id:?}{hint}"));
            }
        };
        for (index, group) in self.groups.iter().enumerate() {
            group.members.iter().for_each(|id| check(format!("groups/{index}/members"), id));
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            parameter.requires.iter().for_each(|id| check(format!("inputs/{index}/requires-inputs"), id));
            parameter.disables.iter().for_each(|id| check(format!("inputs/{index}/disables-inputs"), id));
            for (rule, entries) in
                [("value-requires", &parameter.value_requires), ("value-disables", &parameter.value_disables)]
            {
                entries.iter().flat_map(|(_, ids)| ids).for_each(|id| check(format!("inputs/{index}/{rule}"), id));
            }
        }
    }
}

impl Group {
    fn read(object: &Object<'_>) -> Group {
        let id = object.required_text("id").to_owned();
        Group {
            name: object.some_text("name").unwrap_or(&id).to_owned(),
            members: object.texts("members"),
            exclusive: object.truth("mutually-exclusive").unwrap_or(false),
            required: object.truth("one-is-required").unwrap_or(false),
            together: object.truth("all-or-none").unwrap_or(false),
            id,
        }
    }
}

fn value_keys(inputs: &[Object<'_>], outputs: &[Object<'_>], outer: &[String]) -> Vec<String> {
    let own = inputs.iter().chain(outputs).filter_map(|object| object.get("value-key").and_then(Json::as_str));
    own.filter(|key| !key.is_empty()).map(str::to_owned).chain(outer.iter().cloned()).collect()
}

fn words(object: &Object<'_>, text: &str, keys: &[String]) -> Vec<Word> {
    template::words(text, keys).unwrap_or_else(|messages| {
        messages.into_iter().for_each(|message| object.problem("command-line", message));
        Vec::new()
    })
}
