//! Reads Python functions of a document; what their code says is Python's business.

use super::reader::{Fields, names, wrong};
use super::{Called, Code, Function, Name};
use crate::tree::{Entry, Kind, Problem, Tree};

const KEYS: &[&str] = &["source", "import", "code", "name", "imports", "globals", "version", "positional"];
const CODES: [&str; 3] = ["source", "import", "code"];

/// A function that the workflow names, so that several nodes can call it.
pub(super) fn named(entry: Entry, problems: &mut Vec<Problem>) -> (Name, Option<Function>) {
    let name = Name { text: entry.key, mark: entry.mark };
    let function = read(entry.value, &format!("the function `{}`", name.text), problems);
    (name, function)
}

/// What a node calls: a name, `module:function`, or a function written in place.
pub(super) fn called(tree: Tree, problems: &mut Vec<Problem>) -> Option<Called> {
    match tree.kind {
        Kind::Text(text) => Some(Called::Name(Name { text, mark: tree.mark })),
        _ => read(tree, "`function`", problems).map(|function| Called::Inline(Box::new(function))),
    }
}

fn read(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Option<Function> {
    let before = problems.len();
    let mut fields = Fields::of(tree, what, KEYS, problems);
    let mark = fields.mark;
    let mut codes = CODES.iter().filter_map(|key| Some((*key, text(&mut fields, key, problems)?)));
    let code = match (codes.next(), codes.next()) {
        (Some(("source", source)), None) => Some(Code::Source(source)),
        (Some(("import", name)), None) => Some(Code::Import(name)),
        (Some((_, code)), None) => Some(Code::Marshalled(code)),
        _ => None,
    };
    if code.is_none() && problems.len() == before {
        problems.push(Problem::at(mark, format!("{what} needs exactly one of {}", CODES.join(", "))));
    }
    if let Some(Code::Import(name)) = &code
        && !is_importable(name)
    {
        problems.push(Problem::at(mark, format!("{what} imports {name:?}; write it as module:function")));
    }
    let function = Function {
        name: text(&mut fields, "name", problems),
        imports: fields.take("imports").map_or_else(Vec::new, |tree| statements(tree, problems)),
        globals: text(&mut fields, "globals", problems),
        version: text(&mut fields, "version", problems),
        positional: fields.flag("positional", problems).unwrap_or(false),
        code: code?,
    };
    (problems.len() == before).then_some(function)
}

fn text(fields: &mut Fields, key: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let tree = fields.take(key)?;
    match tree.kind {
        Kind::Text(text) => Some(text),
        _ => {
            problems.push(wrong(&tree, &format!("`{key}`"), "text"));
            None
        }
    }
}

fn statements(tree: Tree, problems: &mut Vec<Problem>) -> Vec<String> {
    names(tree, "`imports`", problems).into_iter().map(|name| name.text).collect()
}

/// Whether a text has the form `package.module:function`.
pub fn is_importable(text: &str) -> bool {
    let dotted = |text: &str| text.split('.').all(is_identifier);
    text.split_once(':').is_some_and(|(module, name)| dotted(module) && dotted(name))
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

impl Function {
    /// What people call it: its own name, `module:function`, or nothing that tells more than `function`.
    pub fn label(&self) -> &str {
        match (&self.code, &self.name) {
            (_, Some(name)) => name,
            (Code::Import(name), None) => name,
            (Code::Source(source), None) => last_definition(source).unwrap_or("function"),
            (Code::Marshalled(_), None) => "function",
        }
    }
}

/// The name after the last `def` that is not indented.
fn last_definition(source: &str) -> Option<&str> {
    let lines = source.lines().rev().filter_map(|line| line.strip_prefix("def "));
    lines.map(|rest| rest.split('(').next().unwrap_or(rest).trim()).next()
}
