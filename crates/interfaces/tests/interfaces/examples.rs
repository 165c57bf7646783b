//! The examples, planned with the real catalogue, and the command line of every node of theirs.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use pial_core::arena::NodeId;
use pial_core::interface::{Interface, Port, Problem};
use pial_core::plan::{Catalogue, Options, Plan, Work};
use pial_core::value::{Type, Value};
use pial_interfaces::Descriptor;

/// Takes anything; stands for the engine's built-ins, whose own tests say what they do.
#[derive(Debug)]
struct Builtin(Vec<Port>);

impl Interface for Builtin {
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

#[derive(Default)]
struct Tools(Vec<Rc<Descriptor>>);

impl Catalogue for Tools {
    fn interface(&mut self, name: &str, _: &str) -> Result<(u32, Rc<dyn Interface>), String> {
        let text = std::fs::read_to_string(root().join("catalogue").join(format!("{name}.json")));
        let text = text.map_err(|error| format!("{name}: {error}"))?;
        let descriptor = Rc::new(Descriptor::parse(&text).expect("a descriptor"));
        self.0.push(Rc::clone(&descriptor));
        Ok((self.0.len() as u32 - 1, descriptor))
    }
    fn builtin(&mut self, _: &str, _: &[(&str, Option<&Value>)]) -> Result<Rc<dyn Interface>, String> {
        Ok(Rc::new(Builtin(vec![Port { name: "out_file".to_owned(), kind: Type::Any, mandatory: true }])))
    }
    fn document(&mut self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn planned(name: &str) -> (Plan, Tools) {
    let text = std::fs::read_to_string(root().join("examples").join(name)).expect("an example");
    let mut tools = Tools::default();
    let options = Options { base: "/repo/examples", settings: &[], settings_base: "/repo", resource_files: &[] };
    let workflow = pial_core::document::read(&text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    let plan = Plan::new(workflow, &options, &mut tools).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    (plan, tools)
}

/// `node: command line` of every node that runs an interface; an output of another node is a path that tells which.
fn command_lines(plan: &Plan, tools: &Tools) -> Vec<String> {
    let line = |node: u32| {
        let node = NodeId(node);
        let (template, _) = plan.locate(node);
        let inputs = plan.inputs::<()>(node, &mut |source, port| Ok(stand_in(plan, source, port)));
        let inputs = inputs.unwrap_or_else(|error| panic!("{}: {error:?}", plan.node_name(node)));
        let Work::Interface(number) = &template.work else { return None };
        let inputs: Vec<_> = inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let line = tools.0[*number as usize].command_line(&inputs);
        let line = line.unwrap_or_else(|problems| panic!("{}: {problems:?}", plan.node_name(node)));
        Some(format!("{}: {}", plan.node_name(node), line.argv.join(" ")))
    };
    (0..plan.len() as u32).filter_map(line).collect()
}

fn stand_in(plan: &Plan, source: NodeId, port: usize) -> Value {
    let (template, _) = plan.locate(source);
    let port = &template.signature.outputs()[port];
    match (&port.kind, &template.map) {
        (Type::Float, Some(_)) => Value::List(vec![Value::Float(0.5); 3]),
        (Type::Float, None) => Value::Float(0.5),
        _ => Value::Path(format!("/{}.{}", plan.node_name(source), port.name)),
    }
}

#[test]
fn every_example_plans() {
    let examples = std::fs::read_dir(root().join("examples")).expect("examples").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        name.ends_with(".yaml").then_some(name)
    });
    let examples: Vec<String> = examples.collect();
    assert!(examples.len() >= 3, "{examples:?}");
    for name in examples {
        let (plan, tools) = planned(&name);
        assert!(!command_lines(&plan, &tools).is_empty(), "{name}");
    }
}

#[test]
fn diffusion() {
    let (plan, tools) = planned("diffusion.yaml");
    assert_eq!(plan.len(), 7 + 3 * 6 + 3);
    let lines = command_lines(&plan, &tools);
    for expected in [
        "unpack: dcm2niix -o . -f series -z i /repo/examples/../demo-data/dicom",
        "series: mrconvert /unpack.out_file converted.mif -fslgrad /unpack.bvec /unpack.bval",
        "convert[subject=sub-02]: mrconvert /repo/examples/../demo-data/dwi/sub-02/dwi.nii converted.mif \
         -fslgrad /repo/examples/../demo-data/dwi/sub-02/dwi.bvec /repo/examples/../demo-data/dwi/sub-02/dwi.bval",
        "metrics[subject=sub-03]: tensor2metric /tensor[subject=sub-03].dt -fa fa.nii.gz -mask /mask[subject=sub-03].output",
        "average: mrmath /metrics[subject=sub-01].fa /metrics[subject=sub-02].fa /metrics[subject=sub-03].fa \
         mean average_fa.nii.gz",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\nis not in\n{}", lines.join("\n"));
    }
}

#[test]
fn structural() {
    let (plan, tools) = planned("structural.yaml");
    assert_eq!(plan.len(), 2 * 7 + 2);
    let lines = command_lines(&plan, &tools);
    for expected in [
        "template[voxel=3]: mrgrid /repo/examples/../demo-data/structural/t1.nii.gz regrid regridded.mif -voxel 3",
        "difference[voxel=4]: mrcalc /register[voxel=4].transformed /template[voxel=4].output -subtract -abs \
         difference.nii.gz",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\nis not in\n{}", lines.join("\n"));
    }
}
