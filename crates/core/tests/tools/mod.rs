//! A catalogue for tests and shortcuts from text to plan.

use std::rc::Rc;

use pial_core::interface::{Interface, Port, Problem};
use pial_core::plan::{Catalogue, Options, Plan, Setting};
use pial_core::value::{Type, Value};

/// Takes anything and gives `out`.
#[derive(Debug)]
struct Open(Vec<Port>);

impl Interface for Open {
    fn inputs(&self) -> &[Port] {
        &[]
    }
    fn outputs(&self) -> &[Port] {
        &self.0
    }
    fn accepts_any_input(&self) -> bool {
        true
    }
    fn check(&self, _: &[(&str, Option<&Value>)]) -> Vec<Problem> {
        Vec::new()
    }
}

struct Tools;

impl Catalogue for Tools {
    fn interface(&mut self, name: &str, _: &str) -> Result<(u32, Rc<dyn Interface>), String> {
        Err(format!("there is no interface `{name}`"))
    }
    fn builtin(&mut self, _: &str, given: &[(&str, Option<&Value>)]) -> Result<Rc<dyn Interface>, String> {
        let names = given.iter().map(|(name, _)| *name).chain(["out"]);
        let ports = names.map(|name| Port { name: name.to_owned(), kind: Type::Any, mandatory: true });
        Ok(Rc::new(Open(ports.collect())))
    }
    fn document(&mut self, path: &str) -> Result<String, String> {
        match path {
            "/base/inner.yaml" => Ok(INNER.to_owned()),
            _ => Err(format!("there is no file {path}")),
        }
    }
}

const INNER: &str = "
pial: 1
parameters: {image: {type: file}, level: {type: int, value: 3}}
nodes:
  a: {command: [tool, '{image}', '{level}'], outputs: {out: {path: a.nii}}}
outputs: {result: {from: a.out}}
";

pub fn plan_with(text: &str, settings: &[(String, Setting)]) -> Result<Plan, Vec<String>> {
    let options = Options { base: "/base", settings, settings_base: "/cwd" };
    let made = pial_core::document::read(text).and_then(|workflow| Plan::new(workflow, &options, &mut Tools));
    made.map_err(|problems| problems.into_iter().map(|p| format!("{} {}", p.mark, p.message)).collect())
}

pub fn plan(text: &str) -> Plan {
    plan_with(text, &[]).unwrap()
}
