//! A plan as boxes and arrows for people to look at: of the document, or of every node; draws nothing itself.

use std::collections::HashMap;

use crate::arena::{Id, NodeId, TemplateId};
use crate::plan::{Binding, Plan, Template};

pub mod layout;
mod level;

/// Boxes, arrows, and frames around boxes.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The boxes.
    pub boxes: Vec<Node>,
    /// The arrows.
    pub edges: Vec<Edge>,
    /// The frames: nested workflows. A frame comes after the one around it.
    pub clusters: Vec<Cluster>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// The whole name.
    pub name: String,
    /// The name without those of the workflows around it.
    pub label: String,
    /// What it runs.
    pub kind: String,
    /// How many nodes of the plan it stands for.
    pub count: u32,
    /// Whether it runs over items.
    pub map: bool,
    /// Whether it gathers what was iterated.
    pub join: bool,
    /// The frame it is in.
    pub cluster: Option<usize>,
    /// Inputs at which arrows end.
    pub inputs: Vec<String>,
    /// Outputs at which arrows begin.
    pub outputs: Vec<String>,
}

/// An arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The box it begins at.
    pub from: usize,
    /// The output, by its place in [`Node::outputs`]; `None` where ports are not told.
    pub output: Option<usize>,
    /// The box it ends at.
    pub to: usize,
    /// The input, by its place in [`Node::inputs`].
    pub input: Option<usize>,
}

/// A nested workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The whole name.
    pub name: String,
    /// The last part of the name.
    pub label: String,
    /// The frame around it.
    pub parent: Option<usize>,
}

impl Graph {
    /// One box for each node of the document; `kind` says what a template runs.
    pub fn of_templates(plan: &Plan, kind: &dyn Fn(&Template) -> String) -> Graph {
        let mut graph = Graph::default();
        for (id, template) in plan.templates.iter() {
            let cluster = graph.cluster_of(&template.name);
            graph.boxes.push(Node { count: plan.points(id), ..box_of(template, template.name.clone(), kind, cluster) });
        }
        for (id, template) in plan.templates.iter() {
            for input in &template.inputs {
                input.binding.for_each_leaf(&mut |leaf| {
                    if let Binding::Output { source, port } = leaf {
                        graph.connect(plan, *source, *port, id, &input.name);
                    }
                });
            }
        }
        graph
    }

    /// One box for each node of the plan; arrows do not tell ports.
    pub fn of_nodes(plan: &Plan, kind: &dyn Fn(&Template) -> String) -> Graph {
        let mut graph = Graph::default();
        for node in (0..plan.len() as u32).map(NodeId) {
            let (template, _) = plan.locate(node);
            let cluster = graph.cluster_of(&template.name);
            graph.boxes.push(Node { count: 1, ..box_of(template, plan.node_name(node), kind, cluster) });
            plan.for_each_predecessor(node, |before| {
                let edge = Edge { from: before.index(), output: None, to: node.index(), input: None };
                graph.edges.push(edge);
            });
        }
        graph
    }

    fn connect(&mut self, plan: &Plan, source: TemplateId, port: usize, to: TemplateId, input: &str) {
        let output = &plan.templates[source].signature.outputs()[port].name;
        let (from, to) = (source.index(), to.index());
        let output = Some(place_of(&mut self.boxes[from].outputs, output));
        let input = Some(place_of(&mut self.boxes[to].inputs, input));
        let edge = Edge { from, output, to, input };
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }

    /// The frame that a node of this name is in, made with those around it where there is none.
    fn cluster_of(&mut self, node: &str) -> Option<usize> {
        let (outer, _) = node.rsplit_once('.')?;
        let known: HashMap<&str, usize> =
            self.clusters.iter().enumerate().map(|(at, c)| (c.name.as_str(), at)).collect();
        if let Some(at) = known.get(outer) {
            return Some(*at);
        }
        let parent = self.cluster_of(outer);
        let label = outer.rsplit('.').next().unwrap_or(outer).to_owned();
        self.clusters.push(Cluster { name: outer.to_owned(), label, parent });
        Some(self.clusters.len() - 1)
    }
}

fn box_of(template: &Template, name: String, kind: &dyn Fn(&Template) -> String, cluster: Option<usize>) -> Node {
    let outer = template.name.rsplit_once('.').map_or(0, |(outer, _)| outer.len() + 1);
    Node {
        label: name.get(outer..).unwrap_or(&name).to_owned(),
        name,
        kind: kind(template),
        count: 1,
        map: template.map.is_some(),
        join: template.inputs.iter().any(|input| input.joined.is_some()),
        cluster,
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}

fn place_of(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}
