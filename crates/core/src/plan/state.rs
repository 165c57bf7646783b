//! What is known while a plan is made: the workflows, what their names stand for, the nodes declared so far.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Binding, Call, Work};
use crate::arena::{Arena, AxisId, TemplateId};
use crate::document::{Expression, Function, Name, Node, ResourceFile, Resources, Unread, WorkflowOutput};
use crate::interface::Interface;
use crate::space::Spaces;
use crate::tree::Problem;
use crate::value::Type;

/// What is known while a plan is made.
#[derive(Default)]
pub(super) struct State {
    pub problems: Vec<Problem>,
    pub scopes: Vec<Scope>,
    pub pending: Arena<TemplateId, Pending>,
    pub spaces: Spaces,
    /// What is given to nodes that are broken: whether names in it exist is asked all the same.
    pub loose: Vec<Loose>,
    /// Functions and what nodes that call them have in common.
    pub calls: Calls,
    /// What to warn of.
    pub warnings: Vec<String>,
}

/// What is the same for many nodes that call functions, kept once.
#[derive(Default)]
pub(super) struct Calls {
    pub functions: HashMap<Rc<Function>, HashMap<String, Rc<Call>>>,
    pub signatures: HashMap<String, Rc<dyn Interface>>,
}

/// An expression that feeds nothing.
pub(super) struct Loose {
    pub scope: usize,
    pub expression: Expression,
    pub lenient: bool,
}

/// One workflow, whole or nested.
pub(super) struct Scope {
    pub site: Site,
    pub names: HashMap<String, Entry>,
    pub parameters: HashMap<String, Bound>,
    /// Nothing for one that could not be read.
    pub functions: HashMap<String, Option<Rc<Function>>>,
    pub outputs: Vec<WorkflowOutput>,
    pub environment: Rc<[(String, String)]>,
    pub resources: Resources,
    /// Resource files with the prefix of the names in them, those that win first.
    pub resource_files: Vec<(String, Rc<ResourceFile>)>,
    pub unread: Unread,
}

/// Where a workflow stands.
#[derive(Clone)]
pub(super) struct Site {
    pub prefix: String,
    pub base: Rc<str>,
    pub file: Option<Rc<str>>,
    pub outer: Option<usize>,
    pub depth: usize,
    /// The node of the workflow around that this one is, and whether its inputs could be read.
    pub caller: Option<(Name, bool)>,
}

/// What a name in a workflow stands for.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    Node(TemplateId),
    Workflow(usize),
    Broken,
}

/// What a parameter stands for.
#[derive(Clone)]
pub(super) enum Bound {
    Binding(Binding),
    /// What the workflow around gives.
    Outer(Expression, Type),
    /// Already reported.
    Broken,
}

/// A node declared and not yet bound.
pub(super) struct Pending {
    pub scope: usize,
    pub node: Node,
    pub work: Work,
    pub signature: Rc<dyn Interface>,
    pub axes: Vec<(String, AxisId, usize)>,
    /// Inputs iterated over at the node whose values are wrong, and reported.
    pub broken: Vec<String>,
}
