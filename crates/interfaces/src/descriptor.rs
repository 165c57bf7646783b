//! One tool as a Boutiques descriptor tells it: reading the text, and the tool's own facts.

use pial_core::interface::{Interface, Port, Problem};
use pial_core::value::{Type, Value};
use serde_json::Value as Json;

use crate::command::{Command, Group};
use crate::facts::{self, Container, Suggested};
use crate::parameter::Parameter;
use crate::problem::{DescriptorProblem, Sink};
use crate::reader::Object;
use crate::template::Piece;
use crate::{CommandLine, ExpectedOutput, OutputSource, arguments, check, given, paths, scope, shell, template};

/// One parsed tool.
#[derive(Debug, Clone)]
pub struct Descriptor {
    command: Command,
    tool_version: String,
    executable: String,
    container: Option<Container>,
    suggested: Suggested,
    environment: Vec<(String, String)>,
    shell: Option<(String, Vec<Piece>)>,
    streams: Vec<(String, OutputSource)>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

const TOOL_KEYS: &[&str] = &[
    "name",
    "tool-version",
    "description",
    "deprecated-by-doi",
    "author",
    "url",
    "descriptor-url",
    "doi",
    "shell",
    "tool-doi",
    "command-line",
    "container-image",
    "schema-version",
    "environment-variables",
    "groups",
    "inputs",
    "tests",
    "online-platform-urls",
    "output-files",
    "invocation-schema",
    "suggested-resources",
    "tags",
    "error-codes",
    "custom",
    "stdout-output",
    "stderr-output",
    "id",
];
impl Descriptor {
    /// Reads a Boutiques 0.5 descriptor, plain or `0.5+styx`.
    ///
    /// # Errors
    /// All problems at once, each with its place.
    pub fn parse(text: &str) -> Result<Descriptor, Vec<DescriptorProblem>> {
        let json: Json = serde_json::from_str(text).map_err(|error| vec![syntax_problem(&error)])?;
        let sink = Sink::default();
        let descriptor = read(&json, &sink);
        let problems = sink.into_problems();
        match descriptor {
            Some(descriptor) if problems.is_empty() => Ok(descriptor),
            _ => Err(problems),
        }
    }

    /// The tool's name.
    pub fn name(&self) -> &str {
        &self.command.name
    }

    /// The version of the tool the descriptor was written for, or empty.
    pub fn tool_version(&self) -> &str {
        &self.tool_version
    }

    /// What the tool does, or empty.
    pub fn description(&self) -> &str {
        &self.command.description
    }

    /// The first word of the command line, as written: the program.
    pub fn executable(&self) -> &str {
        &self.executable
    }

    /// Where the tool is installed, if the descriptor says.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_ref()
    }

    /// What the tool needs, as far as the descriptor says.
    pub fn suggested(&self) -> Suggested {
        self.suggested
    }

    /// The inputs in full, in declaration order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.command.parameters
    }

    /// The rules over several inputs.
    pub fn groups(&self) -> &[Group] {
        &self.command.groups
    }

    /// The value with the types its input gives it: in sub-commands, the text of a file input becomes a path, so
    /// that its content can be part of a key. A value that fits nowhere is returned as it is.
    pub fn typed(&self, input: &str, value: Value) -> Value {
        match self.command.parameter(input) {
            Some(parameter) => typed(parameter, value),
            None => value,
        }
    }

    /// The command line for these values, with the outputs to expect of it. Defaults fill in for absent inputs;
    /// names that are no input are ignored.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn command_line(&self, given: &[(String, Value)]) -> Result<CommandLine, Vec<Problem>> {
        let given: Vec<(&str, Option<&Value>)> =
            given.iter().map(|(name, value)| (name.as_str(), Some(value))).collect();
        let problems = check::problems(&self.command, &given, true);
        if !problems.is_empty() {
            return Err(problems);
        }
        let scope = scope::Scope::new(&self.command, &given, None);
        let streams = self.streams.iter().map(|(name, source)| ExpectedOutput {
            name: name.clone(),
            kind: Type::File,
            optional: false,
            source: source.clone(),
        });
        Ok(CommandLine {
            argv: self.argv(&scope),
            environment: self.environment.clone(),
            files: paths::files(&scope),
            outputs: paths::expected(&scope).into_iter().chain(streams).collect(),
        })
    }

    fn argv(&self, scope: &scope::Scope<'_>) -> Vec<String> {
        let Some((shell, pieces)) = &self.shell else { return arguments::words(scope) };
        let text = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Key(key) => {
                let words = arguments::key_words(scope, key);
                words.iter().map(|word| shell::quote(word)).collect::<Vec<_>>().join(" ")
            }
        });
        vec![shell.clone(), "-c".to_owned(), text.collect()]
    }
}

impl Interface for Descriptor {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn check(&self, given: &[(&str, Option<&Value>)]) -> Vec<Problem> {
        check::problems(&self.command, given, false)
    }
}

fn syntax_problem(error: &serde_json::Error) -> DescriptorProblem {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    DescriptorProblem {
        place: format!("line {}, column {}", error.line(), error.column()),
        message: format!("not JSON: {message}"),
    }
}

fn read(json: &Json, sink: &Sink) -> Option<Descriptor> {
    let object = Object::new(json, String::new(), TOOL_KEYS, sink)?;
    object.required_text("name");
    match object.required_text("schema-version") {
        "" | "0.5" | "0.5+styx" => {}
        other => object.problem("schema-version", format!("{other:?} is not known; pial reads 0.5 and 0.5+styx")),
    }
    let text = object.required_text("command-line");
    let shell = object.some_text("shell");
    let command = Command::read(&object, &[], shell.is_none().then_some(text));
    report_words(&object, &command);
    let outputs = command.output_ports(&[]);
    let streams = streams(&object, &outputs);
    let stream_ports = streams.iter().map(|(name, _)| Port { name: name.clone(), kind: Type::File, mandatory: true });
    Some(Descriptor {
        tool_version: object.text("tool-version").unwrap_or_default().to_owned(),
        executable: match command.words.first() {
            Some(word) => word.text(),
            None => text.split_whitespace().next().unwrap_or_default().to_owned(),
        },
        container: facts::container(&object),
        suggested: facts::suggested(&object),
        environment: facts::environment(&object),
        shell: shell.map(|shell| (shell.to_owned(), shell_pieces(&object, text, &command))),
        inputs: command.input_ports(),
        outputs: outputs.iter().cloned().chain(stream_ports).collect(),
        streams,
        command,
    })
}

/// Every key must be declared; the first word must be a program, and always there.
fn report_words(object: &Object<'_>, command: &Command) {
    let undeclared = command.words.iter().flat_map(|word| template::undeclared(&word.pieces, &command.keys(&[])));
    undeclared.for_each(|message| object.problem("command-line", message));
    let Some(word) = command.words.first() else { return };
    let text = word.text();
    let variable = text
        .split_once('=')
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()));
    if let Some(name) = variable {
        object.problem("command-line", format!("{text:?} is shell syntax; list {name} in \"environment-variables\""));
    }
    if let Some(key) = word.sole_key() {
        let mut carriers = command.parameters.iter().filter(|p| p.value_key.as_deref() == Some(key));
        if !carriers.any(|parameter| parameter.mandatory() || parameter.default.is_some()) {
            object.problem("command-line", format!("{key} is the program, and may be absent"));
        }
    }
}

fn shell_pieces(object: &Object<'_>, text: &str, command: &Command) -> Vec<Piece> {
    shell::pieces(text, &command.keys(&[])).unwrap_or_else(|messages| {
        messages.into_iter().for_each(|message| object.problem("command-line", message));
        Vec::new()
    })
}

fn streams(object: &Object<'_>, outputs: &[Port]) -> Vec<(String, OutputSource)> {
    let mut streams: Vec<(String, OutputSource)> = Vec::new();
    for (key, source) in [("stdout-output", OutputSource::Stdout), ("stderr-output", OutputSource::Stderr)] {
        let Some(stream) = object.object(key, &["id", "name", "description"]) else { continue };
        let id = stream.required_text("id");
        if outputs.iter().any(|port| port.name == id) || streams.iter().any(|(name, _)| name == id) {
            stream.problem("id", format!("the id {id:?} is taken"));
        }
        streams.push((id.to_owned(), source));
    }
    streams
}

fn typed(parameter: &Parameter, value: Value) -> Value {
    if parameter.alternatives.is_empty() {
        return parameter.kind.coerce(value.clone()).unwrap_or(value);
    }
    match value {
        Value::List(items) if parameter.list.is_some() => {
            Value::List(items.into_iter().map(|item| typed_item(parameter, item)).collect())
        }
        other => typed_item(parameter, other),
    }
}

fn typed_item(parameter: &Parameter, item: Value) -> Value {
    let Ok(chosen) = given::choose(parameter, &item) else { return item };
    let Value::Map(entries) = &item else { return item };
    let entry = |(name, value): &(String, Value)| {
        let value = match chosen.command.parameter(name) {
            Some(inner) => typed(inner, value.clone()),
            None => value.clone(),
        };
        (name.clone(), value)
    };
    // `{"affine": {..}}` holds its inputs one level down.
    match entries.as_slice() {
        [(id, Value::Map(inner))] if chosen.command.parameter(id).is_none() => {
            Value::Map(vec![(id.clone(), Value::Map(inner.iter().map(entry).collect()))])
        }
        entries => Value::Map(entries.iter().map(entry).collect()),
    }
}
