//! The expanded plan: which nodes there are, what each depends on, and how its inputs are found.
//!
//! A node of the plan is a node of the document (a template) at one point of its iteration space. Nothing is
//! stored per node: dependencies and inputs are computed from the template and the point.

use std::rc::Rc;

use crate::arena::{Arena, AxisId, Id, NodeId, RequestId, SpaceId, TemplateId};
use crate::document::{Function, Nipype, Output, Piece, ResourceFile};
use crate::interface::Interface;
use crate::space::{Projection, Spaces};
use crate::tree::{Mark, Problem};
use crate::value::{Type, Value};

mod bind;
mod check;
mod command;
mod evaluate;
mod expand;
mod flatten;
mod folders;
mod iterate;
mod known;
mod map;
mod naming;
mod python;
mod splice;
mod state;

pub use command::{CommandSignature, fill};
pub use evaluate::Unavailable;
pub use map::{Items, MapError};

/// Everything that will run, and in which order it can.
#[derive(Debug)]
pub struct Plan {
    /// The name of the workflow.
    pub name: String,
    /// The nodes of the document, nested workflows included.
    pub templates: Arena<TemplateId, Template>,
    /// What the plan is expanded over.
    pub spaces: Spaces,
    /// The distinct requests for resources.
    pub requests: Arena<RequestId, Request>,
    /// The outputs of the workflow.
    pub outputs: Vec<PlanOutput>,
    /// The templates in an order in which each comes after all it depends on.
    pub order: Vec<TemplateId>,
    /// What to warn of that makes nothing wrong.
    pub warnings: Vec<String>,
    folders: folders::Folders,
    edges: Vec<Edge>,
    outgoing: Vec<u32>,
    incoming: Vec<u32>,
    incoming_offsets: Vec<u32>,
    nodes: u32,
}

/// A node of the document with its names looked up.
#[derive(Debug)]
pub struct Template {
    /// Its name with those of the workflows around it: `preproc.denoise`.
    pub name: String,
    /// Where it stands.
    pub mark: Mark,
    /// The nested document it stands in, when it is not the main one.
    pub file: Option<Rc<str>>,
    /// What it runs.
    pub work: Work,
    /// Its ports and rules.
    pub signature: Rc<dyn Interface>,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// What it is expanded over.
    pub space: SpaceId,
    /// The inputs it runs over item by item.
    pub map: Option<Map>,
    /// Whether equal items are gathered once, for a node that gathers.
    pub unique: bool,
    /// What it needs.
    pub request: RequestId,
    /// The resource file that says how much memory it needs, when one does.
    pub memory_from: Option<Rc<str>>,
    /// Seconds after which it is ended.
    pub time_s: Option<f64>,
    /// How often it is tried again.
    pub retries: u32,
    /// Whether it runs every time, whatever results it has.
    pub overwrite: bool,
    /// Variables added to its environment.
    pub environment: Rc<[(String, String)]>,
    /// The directory its relative paths start from.
    pub base: Rc<str>,
    /// Whether it is the function of a connection.
    pub connection: bool,
    /// What makes it a node of nipype's.
    pub nipype: Option<Box<Nipype>>,
    /// Its first node in the plan.
    pub first: NodeId,
}

/// What a template runs.
#[derive(Debug, Clone)]
pub enum Work {
    /// An interface, by the number its catalogue gave it.
    Interface(u32),
    /// A command.
    Command(Rc<Command>),
    /// A Python function.
    Function(Rc<Call>),
    /// A node the engine carries out itself.
    Builtin(String),
}

/// A command as the document gives it.
#[derive(Debug)]
pub struct Command {
    /// Its words; a single one for the shell.
    pub words: Vec<Vec<Piece>>,
    /// Whether the word is a text for the shell.
    pub shell: bool,
    /// Its outputs.
    pub outputs: Vec<Output>,
}

/// A Python function and what it is to return; nodes that call the same share it.
#[derive(Debug)]
pub struct Call {
    /// The function.
    pub function: Rc<Function>,
    /// Its outputs.
    pub outputs: Vec<Output>,
}

/// An input of a template.
#[derive(Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type; of one item where the node is mapped over it.
    pub kind: Type,
    /// Where its value comes from.
    pub binding: Binding,
    /// Where it stands.
    pub mark: Mark,
    /// The space gathered from, for an input that is joined.
    pub joined: Option<SpaceId>,
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum Binding {
    /// It stands in the document.
    Value(Value),
    /// It is the field of an axis.
    Field {
        /// The axis.
        axis: AxisId,
        /// The position of the field.
        field: usize,
    },
    /// It is text made of pieces.
    Text(Vec<Binding>),
    /// It is an output of another node.
    Output {
        /// The other node.
        source: TemplateId,
        /// The position of the output among its outputs.
        port: usize,
    },
    /// A list.
    List(Vec<Binding>),
    /// Named parts.
    Map(Vec<(String, Binding)>),
}

/// Inputs run over item by item.
#[derive(Debug, Clone)]
pub struct Map {
    /// Their positions.
    pub fields: Vec<usize>,
    /// Whether lists of lists are run over to their leaves.
    pub nested: bool,
    /// Whether a value that is no list is run over as a list of it.
    pub single: bool,
    /// Whether the items run one after the other.
    pub serial: bool,
}

/// What a step needs while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Processors.
    pub cpus: f64,
    /// Memory in bytes, when asked for.
    pub memory_bytes: Option<u64>,
    /// Graphics processors.
    pub gpus: u32,
    /// Other stocks of the run, by name.
    pub named: Vec<(String, u32)>,
}

/// An output of the workflow.
#[derive(Debug)]
pub struct PlanOutput {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub binding: Binding,
    /// The points it has values at.
    pub space: SpaceId,
}

/// A dependency between templates: nodes depend where their points agree on the axes both have.
#[derive(Debug)]
struct Edge {
    from: TemplateId,
    to: TemplateId,
    from_shared: Option<Rc<Projection>>,
    to_shared: Option<Rc<Projection>>,
}

/// What a plan asks of the outside world.
pub trait Catalogue {
    /// A number and the ports of the interface `name`, looked for from the directory `base`.
    ///
    /// # Errors
    /// What is wrong with it, with a hint.
    fn interface(&mut self, name: &str, base: &str) -> Result<(u32, Rc<dyn Interface>), String>;

    /// The ports of a built-in node that is given these inputs.
    ///
    /// # Errors
    /// What is wrong with it, with a hint.
    fn builtin(&mut self, name: &str, given: &[(&str, Option<&Value>)]) -> Result<Rc<dyn Interface>, String>;

    /// The text of a nested document.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn document(&mut self, path: &str) -> Result<String, String>;
}

/// A parameter set from outside.
#[derive(Debug, Clone)]
pub enum Setting {
    /// Text, as on a command line, read by the parameter's type.
    Text(String),
    /// A value.
    Value(Value),
}

/// How a plan is made.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// The directory that relative paths in the document start from, absolute.
    pub base: &'a str,
    /// Parameters set from outside.
    pub settings: &'a [(String, Setting)],
    /// The directory that relative paths in settings start from, absolute.
    pub settings_base: &'a str,
    /// What nodes and interfaces need, those that win first.
    pub resource_files: &'a [Rc<ResourceFile>],
}

impl Plan {
    /// Looks up every name of a workflow, checks it, and expands it.
    ///
    /// # Errors
    /// Every problem that can be found without running anything.
    pub fn new(
        workflow: crate::document::Workflow,
        options: &Options<'_>,
        catalogue: &mut dyn Catalogue,
    ) -> Result<Plan, Vec<Problem>> {
        match Plan::examine(workflow, options, catalogue) {
            (Some(plan), problems) if problems.is_empty() => Ok(plan),
            (_, problems) => Err(problems),
        }
    }

    /// As much of a plan as can be made, and every problem that can be found without running anything.
    ///
    /// A plan that comes with problems is good for finding more of them, and not for a run: nodes and inputs are
    /// missing. There is none when nodes wait for each other or there are too many.
    pub fn examine(
        workflow: crate::document::Workflow,
        options: &Options<'_>,
        catalogue: &mut dyn Catalogue,
    ) -> (Option<Plan>, Vec<Problem>) {
        let (plan, problems) = flatten::flatten(workflow, options, catalogue);
        (plan, Problem::sorted(problems))
    }

    /// The names of what is iterated over and has no value anywhere.
    pub fn empty_axes(&self) -> impl Iterator<Item = &str> {
        let empty = self.spaces.axes.values().iter().filter(|axis| axis.is_empty());
        empty.flat_map(|axis| axis.fields.iter().map(|field| field.name.as_str()))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// The template of a node.
    pub fn template_of(&self, node: NodeId) -> TemplateId {
        let after = self.templates.values().partition_point(|t| t.first <= node);
        TemplateId::from_index(after - 1)
    }

    /// The template of a node and its point.
    pub fn locate(&self, node: NodeId) -> (&Template, u32) {
        let template = &self.templates[self.template_of(node)];
        (template, node.0 - template.first.0)
    }

    /// The node of a template at a point.
    pub fn node(&self, template: TemplateId, point: u32) -> NodeId {
        NodeId(self.templates[template].first.0 + point)
    }

    /// How many nodes a template has.
    pub fn points(&self, template: TemplateId) -> u32 {
        self.spaces.spaces[self.templates[template].space].points
    }

    /// Calls `visit` for each node that depends on `node`.
    pub fn for_each_successor(&self, node: NodeId, mut visit: impl FnMut(NodeId)) {
        let template = self.template_of(node);
        let point = node.0 - self.templates[template].first.0;
        for edge in self.outgoing(template) {
            let first = self.templates[edge.to].first.0;
            across(point, edge.from_shared.as_deref(), edge.to_shared.as_deref(), |to| visit(NodeId(first + to)));
        }
    }

    /// Calls `visit` for each node that `node` depends on.
    pub fn for_each_predecessor(&self, node: NodeId, mut visit: impl FnMut(NodeId)) {
        let template = self.template_of(node);
        let point = node.0 - self.templates[template].first.0;
        for edge in self.incoming(template) {
            let first = self.templates[edge.from].first.0;
            across(point, edge.to_shared.as_deref(), edge.from_shared.as_deref(), |from| visit(NodeId(first + from)));
        }
    }

    /// How many nodes each node depends on.
    pub fn in_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0; self.len()];
        for edge in &self.edges {
            let first = self.templates[edge.to].first.index();
            for (point, degree) in degrees[first..first + self.points(edge.to) as usize].iter_mut().enumerate() {
                across(point as u32, edge.to_shared.as_deref(), edge.from_shared.as_deref(), |_| *degree += 1);
            }
        }
        degrees
    }

    /// The templates a template feeds, and those that feed it, each once.
    pub fn neighbours(&self, template: TemplateId) -> (Vec<TemplateId>, Vec<TemplateId>) {
        let after = self.outgoing(template).iter().map(|e| e.to).collect();
        let before = self.incoming(template).map(|e| e.from).collect();
        (after, before)
    }

    fn outgoing(&self, template: TemplateId) -> &[Edge] {
        let at = template.index();
        &self.edges[self.outgoing[at] as usize..self.outgoing[at + 1] as usize]
    }

    fn incoming(&self, template: TemplateId) -> impl Iterator<Item = &Edge> {
        let at = template.index();
        let range = self.incoming_offsets[at] as usize..self.incoming_offsets[at + 1] as usize;
        self.incoming[range].iter().map(|edge| &self.edges[*edge as usize])
    }
}

/// The points on the far side of an edge that agree with `point` on the shared axes.
fn across(point: u32, near: Option<&Projection>, far: Option<&Projection>, mut visit: impl FnMut(u32)) {
    let shared = near.map_or(point, |p| p.forward[point as usize]);
    match far {
        None => visit(shared),
        Some(projection) => projection.members(shared).iter().copied().for_each(visit),
    }
}

impl Binding {
    /// Calls `visit` for each binding in this one that is no list, map or text.
    pub fn for_each_leaf<'a>(&'a self, visit: &mut impl FnMut(&'a Binding)) {
        match self {
            Binding::Text(parts) | Binding::List(parts) => parts.iter().for_each(|p| p.for_each_leaf(visit)),
            Binding::Map(entries) => entries.iter().for_each(|(_, p)| p.for_each_leaf(visit)),
            leaf => visit(leaf),
        }
    }
}
