//! Reads a resource file: what nodes and interfaces need, written apart from the workflow; knows no workflow.

use std::collections::HashMap;
use std::rc::Rc;

use super::reader::{Fields, suggest, wrong};
use super::workflow::resources;
use super::{Called, Node, Piece, Resources, Work};
use crate::tree::{Kind, Problem, Tree};

/// The version of the format of resource files, the value of their key `pial_resources`.
pub const RESOURCE_FILE_VERSION: i64 = 1;

/// As many names that fit no node are told.
const MOST_TOLD: usize = 5;

/// What nodes and interfaces need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceFile {
    path: Rc<str>,
    nodes: HashMap<String, Resources>,
    interfaces: HashMap<String, Resources>,
}

impl ResourceFile {
    /// Reads the text of a resource file, as far as it can be read, and all that is wrong with it; `path` is told with what
    /// it says.
    pub fn read(text: &str, path: &str) -> (ResourceFile, Vec<Problem>) {
        let mut problems = Vec::new();
        let tree = match crate::tree::parse_yaml(text) {
            Ok(tree) => tree,
            Err(problem) => return (ResourceFile::default(), vec![problem]),
        };
        let known = ["pial_resources", "description", "nodes", "interfaces"];
        let mut fields = Fields::of(tree, "the resource file", &known, &mut problems);
        fields.take("description");
        match fields.take("pial_resources") {
            Some(Tree { kind: Kind::Int(RESOURCE_FILE_VERSION), .. }) => {}
            found => {
                let mark = found.map_or(fields.mark, |tree| tree.mark);
                let message =
                    format!("a resource file begins with `pial_resources: {RESOURCE_FILE_VERSION}`, its version");
                problems.push(Problem::at(mark, message));
            }
        }
        let path: Rc<str> = Rc::from(path);
        let nodes = part(&mut fields, "nodes", &path, &mut problems);
        let interfaces = part(&mut fields, "interfaces", &path, &mut problems);
        (ResourceFile { path, nodes, interfaces }, problems)
    }

    /// What to warn of when a workflow has these nodes: names that none of them has. Interfaces may be those of other workflows.
    pub fn unknown(&self, nodes: &[&str]) -> Option<String> {
        let mut unknown: Vec<&str> =
            self.nodes.keys().map(String::as_str).filter(|name| !nodes.contains(name)).collect();
        unknown.sort_unstable();
        let told = |name: &&str| format!("`{name}`{}", suggest(name, nodes.iter().copied()));
        let names = unknown.iter().take(MOST_TOLD).map(told).collect::<Vec<_>>().join(", ");
        let more = unknown.len().saturating_sub(MOST_TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!unknown.is_empty()).then(|| format!("{} names nodes that the workflow lacks: {names}{more}", self.path))
    }

    /// What a node needs, by its name with those of the workflows around it; where that says nothing, by what it runs.
    pub fn of(&self, name: &str, node: &Node, work: &Work) -> Resources {
        let by_name = self.nodes.get(name).cloned().unwrap_or_default();
        let interface = if self.interfaces.is_empty() { None } else { interface(node, work) };
        match interface.and_then(|interface| self.interfaces.get(interface)) {
            Some(by_interface) => by_name.over(by_interface),
            None => by_name,
        }
    }
}

fn part(fields: &mut Fields, key: &str, path: &Rc<str>, problems: &mut Vec<Problem>) -> HashMap<String, Resources> {
    let mut read = |entry: crate::tree::Entry| {
        if !matches!(entry.value.kind, Kind::Map(_)) {
            let wanted = "a mapping such as {memory: 2GB, cpus: 2}";
            problems.push(wrong(&entry.value, &format!("`{}`", entry.key), wanted));
            return None;
        }
        let mut found = resources(entry.value, problems);
        found.memory_from = found.memory_bytes.map(|_| Rc::clone(path));
        Some((entry.key, found))
    };
    let mut mistakes = Vec::new();
    let entries = fields.mapping(key, &mut mistakes);
    let found = entries.into_iter().filter_map(&mut read).collect();
    problems.extend(mistakes);
    found
}

/// By what a resource file names what a node runs: an interface's name, the program of a command, `module:function`, a
/// class of nipype's.
fn interface<'n>(node: &'n Node, work: &'n Work) -> Option<&'n str> {
    if let Some(class) = node.nipype.as_ref().and_then(|nipype| nipype.class.as_deref()) {
        return Some(class);
    }
    match work {
        Work::Interface(name) | Work::Function(Called::Name(name)) => Some(&name.text),
        Work::Command(words) => match words.first()?.pieces.as_slice() {
            [Piece::Literal(program)] => program.rsplit('/').next(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let text = "pial_resources: 2\nnodes:\n  a: {mem_gb: 2}\n  b: 2GB\ninterface: {bet: {memory: 2}}\n";
        let (_, problems) = ResourceFile::read(text, "/r");
        let told: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.mark, p.message)).collect();
        assert_eq!(told.len(), 4, "{told:#?}");
        assert!(ResourceFile::read("pial_resources: 1\n", "/r").1.is_empty());
        assert_eq!(ResourceFile::read("{", "/r").1.len(), 1);
    }
}
