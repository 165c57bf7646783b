//! `pial interface show`: inputs and outputs of an interface, and how a document uses it.

use std::process::ExitCode;

use clap::Args;
use pial_core::interface::{Interface, Port};
use pial_core::value::Type;
use pial_engine::catalogue::Found;
use pial_interfaces::{Bound, Descriptor, Group, Parameter};
use serde_json::{Value as Json, json};

use super::find;
use crate::failure::Failure;
use crate::progress::print;
use crate::text::{one_line, table};

/// Show the inputs and outputs of an interface, and an example
#[derive(Debug, Args)]
pub struct Arguments {
    /// Its name, or the path of a descriptor
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let found = find(&arguments.name)?;
    if arguments.json {
        print(&format!("{:#}\n", as_json(&found)));
    } else {
        print(&as_text(&found));
    }
    Ok(ExitCode::SUCCESS)
}

/// The readable form.
pub fn as_text(found: &Found) -> String {
    let descriptor = &found.descriptor;
    let mut text = format!("{}\n", found.name);
    if !descriptor.description().is_empty() {
        text += &format!("{}\n", descriptor.description().trim());
    }
    text += "\n";
    let mut facts = vec![vec!["program".to_owned(), descriptor.executable().to_owned()]];
    if !descriptor.tool_version().is_empty() {
        facts.push(vec!["version".to_owned(), descriptor.tool_version().to_owned()]);
    }
    if let Some(container) = descriptor.container() {
        facts.push(vec!["container".to_owned(), container.image.clone()]);
    }
    text += &table(&facts);
    text += &inputs(descriptor);
    let groups: Vec<String> = descriptor.groups().iter().filter_map(rule).collect();
    if !groups.is_empty() {
        text += &format!("\nrules\n{}", groups.iter().map(|rule| format!("  {rule}\n")).collect::<String>());
    }
    text += &outputs(descriptor);
    text + &format!("\nexample\n{}", example(found))
}

fn inputs(descriptor: &Descriptor) -> String {
    let mut rows = vec![["  input", "type", "flag", "must", "default", "what it is"].map(str::to_owned).to_vec()];
    for parameter in descriptor.parameters() {
        rows.push(vec![
            format!("  {}", parameter.id),
            kind(parameter),
            parameter.flag.clone().unwrap_or_default(),
            if parameter.mandatory() { "yes".to_owned() } else { String::new() },
            parameter.default.as_ref().map_or_else(String::new, |default| one_line(&default.to_string())),
            about(parameter),
        ]);
    }
    format!("\ninputs\n{}", table(&rows))
}

/// The type; choices are told beside the description, where there is room.
fn kind(parameter: &Parameter) -> String {
    fn plain(kind: &Type) -> String {
        match kind {
            Type::Enum(_) => "enum".to_owned(),
            Type::List(item) => format!("list[{}]", plain(item)),
            kind => kind.to_string(),
        }
    }
    if parameter.alternatives.is_empty() { plain(&parameter.kind) } else { "sub-command".to_owned() }
}

fn about(parameter: &Parameter) -> String {
    let what = if parameter.description.is_empty() { &parameter.name } else { &parameter.description };
    let mut parts = vec![one_line(what.trim())];
    let choices: Vec<String> = match (parameter.item_kind(), parameter.choices.as_slice()) {
        (Type::Enum(choices), _) => choices.clone(),
        (_, choices) => choices.iter().map(ToString::to_string).collect(),
    };
    if !choices.is_empty() {
        parts.push(format!("[one of {}]", choices.join(", ")));
    }
    if let Some(range) = range(parameter) {
        parts.push(format!("[{range}]"));
    }
    let commands: Vec<&str> = parameter.alternatives.iter().map(|command| command.id.as_str()).collect();
    if !commands.is_empty() {
        parts.push(format!("[{}]", commands.join(" | ")));
    }
    for (label, names) in [("needs", &parameter.requires), ("not with", &parameter.disables)] {
        if !names.is_empty() {
            parts.push(format!("[{label} {}]", names.join(", ")));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn range(parameter: &Parameter) -> Option<String> {
    let end = |bound: Option<Bound>, closed: &str, open: &str| {
        bound.map(|bound| format!("{}{}", if bound.exclusive { open } else { closed }, bound.value))
    };
    let ends = [end(parameter.minimum, ">= ", "> "), end(parameter.maximum, "<= ", "< ")];
    let ends: Vec<String> = ends.into_iter().flatten().collect();
    (!ends.is_empty()).then(|| ends.join(", "))
}

fn rule(group: &Group) -> Option<String> {
    let rules = [
        (group.exclusive && group.required, "exactly one of"),
        (group.exclusive && !group.required, "at most one of"),
        (group.required && !group.exclusive, "at least one of"),
        (group.together, "all or none of"),
    ];
    let rules: Vec<&str> = rules.into_iter().filter(|(is, _)| *is).map(|(_, rule)| rule).collect();
    (!rules.is_empty()).then(|| format!("{}: {}", rules.join(", "), group.members.join(", ")))
}

fn outputs(descriptor: &Descriptor) -> String {
    let ports = descriptor.outputs();
    if ports.is_empty() {
        return "\noutputs\n  none\n".to_owned();
    }
    let row = |port: &Port| {
        let always = if port.mandatory { "always" } else { "with some inputs" };
        vec![format!("  {}", port.name), port.kind.to_string(), always.to_owned()]
    };
    format!("\noutputs\n{}", table(&ports.iter().map(row).collect::<Vec<_>>()))
}

/// A node with the inputs that must be given.
fn example(found: &Found) -> String {
    let name = found.name.trim_end_matches(".json").rsplit('/').next().unwrap_or(&found.name);
    let node: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let mut text = format!("  {node}:\n    interface: {}\n", found.name);
    let needed: Vec<&Parameter> = found.descriptor.parameters().iter().filter(|p| p.mandatory()).collect();
    if !needed.is_empty() {
        text += "    inputs:\n";
    }
    for parameter in needed {
        let value = match parameter.choices.first() {
            Some(choice) => choice.to_string(),
            None => sample(&parameter.kind, &parameter.id),
        };
        text += &format!("      {}: {value}\n", parameter.id);
    }
    text
}

fn sample(kind: &Type, name: &str) -> String {
    match kind {
        Type::Bool => "true".to_owned(),
        Type::Int => "1".to_owned(),
        Type::Float => "0.5".to_owned(),
        Type::Enum(choices) => choices.first().cloned().unwrap_or_default(),
        Type::List(item) => format!("[{}]", sample(item, name)),
        Type::File => format!("data/{name}.nii.gz"),
        Type::Directory => format!("data/{name}"),
        Type::String | Type::Any => name.to_owned(),
    }
}

fn as_json(found: &Found) -> Json {
    let descriptor = &found.descriptor;
    let input = |p: &Parameter| {
        json!({
            "name": p.id, "type": p.kind.to_string(), "flag": p.flag, "mandatory": p.mandatory(),
            "default": p.default.as_ref().map(|v| v.to_json()),
            "choices": p.choices.iter().map(|v| v.to_json()).collect::<Json>(),
            "minimum": p.minimum.map(|b| b.value), "maximum": p.maximum.map(|b| b.value),
            "requires": p.requires, "disables": p.disables, "description": p.description,
            "alternatives": p.alternatives.iter().map(|c| &c.id).collect::<Vec<_>>(),
        })
    };
    let output = |p: &Port| json!({"name": p.name, "type": p.kind.to_string(), "mandatory": p.mandatory});
    json!({
        "name": found.name, "description": descriptor.description(), "program": descriptor.executable(),
        "version": descriptor.tool_version(), "container": descriptor.container().map(|c| &c.image),
        "inputs": descriptor.parameters().iter().map(input).collect::<Json>(),
        "outputs": descriptor.outputs().iter().map(output).collect::<Json>(),
        "rules": descriptor.groups().iter().filter_map(rule).collect::<Vec<_>>(),
    })
}
