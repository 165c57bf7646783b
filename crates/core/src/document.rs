//! The workflow document as written: what each part says, before names are looked up.

use crate::tree::{Mark, Problem, Tree};
use crate::value::{Type, Value};

mod expression;
mod function;
mod nipype;
mod node;
mod quantity;
mod reader;
mod resource_file;
mod workflow;

pub use expression::parse_text;
pub use function::is_importable;
pub use quantity::{parse_memory, parse_time};
pub use reader::suggest;
pub use resource_file::{RESOURCE_FILE_VERSION, ResourceFile};

/// The version of the document format this crate reads, the value of its key `pial`.
pub const VERSION: i64 = 1;

/// Reads a document's text, JSON or YAML.
///
/// # Errors
/// Every problem of form: unknown keys, wrong kinds of value, missing parts, each with its place.
pub fn read(text: &str) -> Result<Workflow, Vec<Problem>> {
    match examine(text) {
        (Some(workflow), problems) if problems.is_empty() => Ok(workflow),
        (_, problems) => Err(problems),
    }
}

/// Reads as much of a document as can be read, and all that is wrong with its form. What could not be read is marked
/// as such, so that whoever looks further finds no second mistake in it. No workflow when it is no YAML or JSON at all.
pub fn examine(text: &str) -> (Option<Workflow>, Vec<Problem>) {
    if text.trim_start().starts_with('{')
        && let Ok(tree) = crate::tree::parse_json(text)
        && let (workflow, problems) = workflow::read(tree)
        && problems.is_empty()
    {
        return (Some(workflow), problems);
    }
    examine_with_marks(text)
}

/// As [`examine`], so that every part knows its place; that one skips it for JSON of a correct form.
pub fn examine_with_marks(text: &str) -> (Option<Workflow>, Vec<Problem>) {
    let tree = crate::tree::parse_yaml(text).map_err(|yaml| match crate::tree::parse_json(text) {
        Err(json) if text.trim_start().starts_with('{') => json,
        _ => yaml,
    });
    match tree.map(workflow::read) {
        Ok((workflow, problems)) => (Some(workflow), problems),
        Err(problem) => (None, vec![problem]),
    }
}

/// A name and where it stands.
#[derive(Debug, Clone)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Its place.
    pub mark: Mark,
}

/// Keys whose content could not be read: what is missing there is no second mistake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread(Vec<String>);

impl Unread {
    fn add(&mut self, key: &str) {
        self.0.push(key.to_owned());
    }

    /// Whether the content of `key` could not be read.
    pub fn holds(&self, key: &str) -> bool {
        self.0.iter().any(|unread| unread == key)
    }
}

/// A whole workflow.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// Its name, and the name of its folder in the working directory.
    pub name: Name,
    /// What can be set from outside: the inputs of the workflow.
    pub parameters: Vec<Parameter>,
    /// Groups of iterated parameters that advance together.
    pub synchronize: Vec<Vec<Name>>,
    /// Variables added to the environment of every node.
    pub environment: Vec<(String, String)>,
    /// What a node needs that says nothing itself.
    pub resources: Resources,
    /// A file that says what nodes and interfaces need.
    pub resource_file: Option<Name>,
    /// Python functions that nodes call by name; nothing for one that could not be read.
    pub functions: Vec<(Name, Option<Function>)>,
    /// The nodes, in document order.
    pub nodes: Vec<Node>,
    /// The outputs of the workflow.
    pub outputs: Vec<WorkflowOutput>,
    /// What could not be read of it.
    pub unread: Unread,
}

/// An input of a workflow.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its type; any when not written.
    pub kind: Type,
    /// What it is when nobody sets it.
    pub default: Default,
}

/// What a parameter is when nobody sets it.
#[derive(Debug, Clone)]
pub enum Default {
    /// It must be set.
    Missing,
    /// One value.
    Value(Tree),
    /// The graph below is expanded over these values.
    Iterate(Iterate),
    /// It could not be read, which is reported.
    Broken,
}

/// The values of an iterated parameter or input.
#[derive(Debug, Clone)]
pub enum Iterate {
    /// These values, whatever the others are.
    Values(Vec<Tree>),
    /// Values that depend on those of other iterated parameters (itersource).
    By {
        /// The parameters, or the fields of the node named by `itersource`.
        by: Vec<Name>,
        /// For each combination of their values, the values.
        table: Vec<(Vec<Tree>, Vec<Tree>)>,
    },
    /// They could not be read, which is reported.
    Broken,
}

/// An output of a workflow.
#[derive(Debug, Clone)]
pub struct WorkflowOutput {
    /// Its name.
    pub name: Name,
    /// Where it comes from.
    pub value: Expression,
    /// Its type, when written.
    pub kind: Option<Type>,
}

/// A node as written.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// What it runs.
    pub work: Work,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Outputs a command declares.
    pub outputs: Vec<Output>,
    /// Inputs it runs over item by item (MapNode).
    pub map: Option<Map>,
    /// What it gathers (JoinNode).
    pub join: Option<Join>,
    /// Inputs iterated over at this node.
    pub iterables: Vec<(Name, Iterate)>,
    /// Whether its iterables advance together.
    pub synchronize: bool,
    /// The node whose iterables its own depend on.
    pub itersource: Option<Name>,
    /// What it needs.
    pub resources: Resources,
    /// How often it is tried again after a failure.
    pub retries: Option<u32>,
    /// Whether it runs every time.
    pub overwrite: bool,
    /// Variables added to its environment.
    pub environment: Vec<(String, String)>,
    /// Whether it is the function of a connection, and stands for no step of its own where nodes are told apart.
    pub connection: bool,
    /// What makes it a node of nipype's.
    pub nipype: Option<Box<Nipype>>,
    /// What could not be read of it.
    pub unread: Unread,
}

/// A node of nipype's, pickled in a spool; its function is pial's own that carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nipype {
    /// The file with the pickles of all nodes.
    pub spool: std::rc::Rc<str>,
    /// Where its pickle begins, and how long it is, in bytes.
    pub at: (u64, u64),
    /// nipype's name for it.
    pub title: String,
    /// Its directory, absolute, which nipype makes and empties.
    pub directory: String,
    /// A digest of all in it that decides its result.
    pub version: String,
    /// Whether it says at run time that it has items.
    pub map: bool,
    /// The class of its interface, by which the memory it needs is known.
    pub class: Option<String>,
}

/// What a node runs.
#[derive(Debug, Clone)]
pub enum Work {
    /// A descriptor by catalogue name or path.
    Interface(Name),
    /// An argument vector, each word a template.
    Command(Vec<Word>),
    /// A text for the shell, a template whose values are quoted.
    Shell(Word),
    /// A Python function.
    Function(Called),
    /// A node the engine carries out itself.
    Builtin(Name),
    /// A nested workflow.
    Workflow(Nested),
    /// It could not be read, which is reported.
    Broken,
}

/// How a node says which function it calls.
#[derive(Debug, Clone)]
pub enum Called {
    /// By a name of its workflow's `functions`, or as `module:function`.
    Name(Name),
    /// Written in place.
    Inline(Box<Function>),
}

/// A Python function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// What it does.
    pub code: Code,
    /// Which function of the source it is; the last one when not written.
    pub name: Option<String>,
    /// Statements that run before.
    pub imports: Vec<String>,
    /// A pickled mapping of names it finds beside itself, in base 64.
    pub globals: Option<String>,
    /// Anything that is to change when what it does changes unseen.
    pub version: Option<String>,
    /// Whether it is given its inputs by position and not by name.
    pub positional: bool,
}

/// The code of a Python function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Code {
    /// Its text.
    Source(String),
    /// Where it is imported from: `module:function`.
    Import(String),
    /// A marshalled code object in base 64: of a function without text.
    Marshalled(String),
}

/// A nested workflow, written in place or in a file of its own.
#[derive(Debug, Clone)]
pub enum Nested {
    /// Written in place.
    Inline(Box<Workflow>),
    /// The path of a document.
    File(Name),
}

/// A word of a command.
#[derive(Debug, Clone)]
pub struct Word {
    /// Its pieces.
    pub pieces: Vec<Piece>,
    /// Its place.
    pub mark: Mark,
}

/// A piece of a text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Literal(String),
    /// `{name}`.
    Placeholder(String),
}

/// An input of a node as given.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name.
    pub name: Name,
    /// Its type, which a command declares.
    pub kind: Option<Type>,
    /// What it is; `None` for one that is declared and not given.
    pub value: Option<Expression>,
    /// Whether it must be given.
    pub mandatory: bool,
}

/// What stands for a value.
#[derive(Debug, Clone)]
pub struct Expression {
    /// Its place.
    pub mark: Mark,
    /// Its form.
    pub kind: ExpressionKind,
}

/// The forms of an expression.
#[derive(Debug, Clone)]
pub enum ExpressionKind {
    /// A value as it stands.
    Value(Value),
    /// A text with placeholders.
    Text(Vec<Piece>),
    /// `{from: node.port}`.
    From(String),
    /// A list with expressions in it.
    List(Vec<Expression>),
    /// A mapping with expressions in it.
    Map(Vec<(String, Expression)>),
    /// It could not be read, which is reported.
    Broken,
}

impl Expression {
    /// Whether some of it could not be read.
    pub fn is_broken(&self) -> bool {
        match &self.kind {
            ExpressionKind::Broken => true,
            ExpressionKind::List(items) => items.iter().any(Expression::is_broken),
            ExpressionKind::Map(entries) => entries.iter().any(|(_, item)| item.is_broken()),
            ExpressionKind::Value(_) | ExpressionKind::Text(_) | ExpressionKind::From(_) => false,
        }
    }
}

/// An output a command declares.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub kind: Type,
    /// Where it is found.
    pub source: OutputSource,
    /// Whether it may be absent after success.
    pub optional: bool,
}

/// Where a command leaves an output.
#[derive(Debug, Clone)]
pub enum OutputSource {
    /// A path relative to the node's directory, a template.
    Path(Vec<Piece>),
    /// A pattern relative to the node's directory, a template.
    Glob(Vec<Piece>),
    /// What it writes to standard output.
    Stdout,
    /// What it writes to standard error.
    Stderr,
    /// What a function returns.
    Returned,
}

/// The inputs a node runs over item by item.
#[derive(Debug, Clone)]
pub struct Map {
    /// The inputs (iterfield); none when they could not be read.
    pub fields: Vec<Name>,
    /// Whether lists of lists are run over to their leaves.
    pub nested: bool,
    /// Whether a value that is no list is run over as a list of it.
    pub single: bool,
    /// Whether the items run one after the other.
    pub serial: bool,
}

/// What a node gathers.
#[derive(Debug, Clone)]
pub struct Join {
    /// The iterated parameters, or the node whose iterables end here (joinsource); none when they could not be read.
    pub source: Vec<Name>,
    /// The inputs that become lists (joinfield); all that vary when empty.
    pub fields: Vec<Name>,
    /// Whether equal items are gathered once.
    pub unique: bool,
}

/// What a step needs of the machine. `None` where nothing was said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resources {
    /// Processors.
    pub cpus: Option<f64>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// The resource file that says how much memory, when none else does.
    pub memory_from: Option<std::rc::Rc<str>>,
    /// Graphics processors.
    pub gpus: Option<u32>,
    /// Wall time in seconds after which the step is ended.
    pub time_s: Option<f64>,
    /// Anything else the run has a stock of, by name.
    pub named: Vec<(String, u32)>,
}
