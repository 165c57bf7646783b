//! A catalogue for tests and shortcuts from text to plan.

use std::rc::Rc;

use pial_core::document::{Piece, parse_text};
use pial_core::interface::{Interface, Port, Problem};
use pial_core::plan::{Catalogue, Options, Plan, Setting};
use pial_core::value::{Type, Value};

/// The ports of a tool, which checks nothing else.
#[derive(Debug)]
struct Ports {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    open: bool,
}

impl Ports {
    fn new(open: bool, inputs: Vec<String>, outputs: Vec<String>) -> Rc<Ports> {
        let ports = |names: Vec<String>| {
            names.into_iter().map(|name| Port { name, kind: Type::Any, mandatory: true }).collect::<Vec<_>>()
        };
        Rc::new(Ports { inputs: ports(inputs), outputs: ports(outputs), open })
    }
}

impl Interface for Ports {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }
    fn outputs(&self) -> &[Port] {
        &self.outputs
    }
    fn accepts_any_input(&self) -> bool {
        self.open
    }
    fn check(&self, _: &[(&str, Option<&Value>)]) -> Vec<Problem> {
        Vec::new()
    }
}

/// The names of the catalogue's ports, and what shapes the built-ins' ports; `documents` are files in `/base`.
#[derive(Default)]
pub struct Tools {
    documents: Vec<(String, String)>,
}

impl Catalogue for Tools {
    fn interface(&mut self, name: &str, _: &str) -> Result<(u32, Rc<dyn Interface>), String> {
        let path = format!("{}/../../catalogue/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).map_err(|_| format!("there is no interface `{name}`"))?;
        let json: serde_json::Value = serde_json::from_str(&text).expect("a descriptor");
        let id = |port: &serde_json::Value| port["id"].as_str().expect("an id").to_owned();
        let ids = |key: &str| json[key].as_array().map_or_else(Vec::new, |ports| ports.iter().map(id).collect());
        let stream = json.get("stdout-output").map(id);
        Ok((0, Ports::new(false, ids("inputs"), ids("output-files").into_iter().chain(stream).collect())))
    }

    fn builtin(&mut self, name: &str, given: &[(&str, Option<&Value>)]) -> Result<Rc<dyn Interface>, String> {
        let literal = |name: &str| given.iter().find(|(n, _)| *n == name).and_then(|(_, value)| *value);
        let names = |name: &str| match literal(name) {
            Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key.clone()).collect(),
            Some(Value::List(items)) => items.iter().map(Value::to_string).collect(),
            _ => Vec::new(),
        };
        let out = |name: &str| vec![name.to_owned()];
        let all = given.iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok(match name {
            "identity" => Ports::new(true, Vec::new(), all),
            "merge" => Ports::new(true, Vec::new(), out("out")),
            "select" => Ports::new(false, vec!["inlist".to_owned(), "index".to_owned()], out("out")),
            "split" => Ports::new(true, Vec::new(), (1..=names("splits").len()).map(|i| format!("out{i}")).collect()),
            "json_read" => Ports::new(true, Vec::new(), [names("fields"), out("out")].concat()),
            "json_write" | "datasink" | "rename" => Ports::new(true, Vec::new(), out("out_file")),
            "datagrabber" => Ports::new(true, Vec::new(), names("outfields")),
            "selectfiles" => Ports::new(true, placeholders(literal("templates")), names("templates")),
            _ => return Err(format!("there is no built-in `{name}`")),
        })
    }

    fn document(&mut self, path: &str) -> Result<String, String> {
        let known = |(name, _): &&(String, String)| path.strip_prefix("/base/") == Some(name);
        self.documents
            .iter()
            .find(known)
            .map(|(_, text)| text.clone())
            .ok_or_else(|| format!("there is no file {path}"))
    }
}

fn placeholders(templates: Option<&Value>) -> Vec<String> {
    let Some(Value::Map(templates)) = templates else { return Vec::new() };
    let name = |piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Literal(_) => None,
    };
    templates.iter().flat_map(|(_, text)| parse_text(&text.to_string())).filter_map(name).collect()
}

const INNER: &str = "
pial: 1
parameters: {image: {type: file}, level: {type: int, value: 3}}
nodes:
  a: {command: [tool, '{image}', '{level}'], outputs: {out: {path: a.nii}}}
outputs: {result: {from: a.out}}
";

pub fn plan_with(text: &str, settings: &[(String, Setting)]) -> Result<Plan, Vec<String>> {
    plan_among(text, settings, vec![("inner.yaml".to_owned(), INNER.to_owned())])
}

/// Plans a document that may nest others, given by name and text.
pub fn plan_among(
    text: &str,
    settings: &[(String, Setting)],
    documents: Vec<(String, String)>,
) -> Result<Plan, Vec<String>> {
    let options = Options { base: "/base", settings, settings_base: "/cwd", resource_files: &[] };
    let mut tools = Tools { documents };
    let (workflow, mut problems) = pial_core::document::examine(text);
    let plan = workflow.and_then(|workflow| {
        let (plan, more) = Plan::examine(workflow, &options, &mut tools);
        problems.extend(more);
        plan
    });
    let show = |p: pial_core::tree::Problem| {
        let file = p.file.map_or_else(String::new, |file| format!("{file}:"));
        format!("{file}{} {}", p.mark, p.message)
    };
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(pial_core::tree::Problem::sorted(problems).into_iter().map(show).collect()),
    }
}

pub fn plan(text: &str) -> Plan {
    plan_with(text, &[]).expect("a plan")
}
