//! Reads one node of a document.

use super::reader::{Fields, mapping, name, names, wrong};
use super::workflow::{self, check_name};
use super::{
    Expression, ExpressionKind, Input, Join, Map, Name, Nested, Node, Output, OutputSource, Resources, Word, Work,
};
use super::{expression, parse_text};
use crate::tree::{Entry, Kind, Problem, Tree};
use crate::value::Type;

const KEYS: &[&str] = &[
    "interface",
    "command",
    "builtin",
    "workflow",
    "description",
    "inputs",
    "outputs",
    "map",
    "join",
    "iterables",
    "synchronize",
    "itersource",
    "resources",
    "retries",
    "environment",
    "shell",
];
const WORKS: &[&str] = &["interface", "command", "builtin", "workflow"];

/// Reads a node; `None` when it says nothing that could run.
pub(super) fn read(entry: Entry, problems: &mut Vec<Problem>) -> Option<Node> {
    let name = Name { text: entry.key, mark: entry.mark };
    check_name(&name, problems);
    let what = format!("the node `{}`", name.text);
    let mut fields = Fields::of(entry.value, &what, KEYS, problems);
    fields.take("description");
    let work = work(&mut fields, &name, problems);
    let typed = matches!(work, Some(Work::Command(_) | Work::Shell(_)));
    let inputs = fields.take("inputs").and_then(|t| mapping(t, "`inputs`", problems)).unwrap_or_default();
    let inputs = inputs.into_iter().map(|entry| input(entry, typed, problems)).collect();
    if !(typed || work.is_none())
        && let Some(outputs) = fields.entry("outputs")
    {
        let message = format!("{what} declares `outputs`, which only a `command` does; an interface brings its own");
        problems.push(Problem::at(outputs.mark, message));
    }
    let outputs = fields.take("outputs").and_then(|t| mapping(t, "`outputs`", problems)).unwrap_or_default();
    let outputs = outputs.into_iter().filter_map(|entry| output(entry, problems)).collect();
    for key in ["synchronize", "itersource"] {
        if fields.has(key) && !fields.has("iterables") {
            problems.push(Problem::at(name.mark, format!("{what} has `{key}` but no `iterables`")));
        }
    }
    let itersource = fields.take("itersource").and_then(|tree| itersource(tree, problems));
    let iterables = fields.take("iterables").and_then(|t| mapping(t, "`iterables`", problems)).unwrap_or_default();
    let by = itersource.as_ref().map_or_else(Vec::new, |(_, by)| by.clone());
    let iterables = iterables.into_iter().map(|entry| {
        let name = Name { text: entry.key, mark: entry.mark };
        (name, workflow::iterate(entry.value, by.clone(), problems))
    });
    Some(Node {
        iterables: iterables.collect(),
        map: fields.take("map").map(|tree| map(tree, problems)),
        join: fields.take("join").map(|tree| join(tree, problems)),
        synchronize: fields.flag("synchronize", problems).unwrap_or(false),
        itersource: itersource.map(|(node, _)| node),
        resources: fields.take("resources").map_or_else(Resources::default, |t| workflow::resources(t, problems)),
        retries: fields.take("retries").and_then(|tree| retries(&tree, problems)),
        environment: fields.take("environment").map_or_else(Vec::new, |t| workflow::environment(t, problems)),
        name,
        work: work?,
        inputs,
        outputs,
    })
}

fn work(fields: &mut Fields, name: &Name, problems: &mut Vec<Problem>) -> Option<Work> {
    let shell = fields.flag("shell", problems).unwrap_or(false);
    let mut written = WORKS.iter().copied().filter(|key| fields.has(key));
    let (Some(key), None) = (written.next(), written.next()) else {
        let message = format!("the node `{}` needs exactly one of {}", name.text, WORKS.join(", "));
        problems.push(Problem::at(name.mark, message));
        return None;
    };
    let tree = fields.take(key)?;
    if shell && key != "command" {
        let message = format!("`{}` has `shell: true`, which goes with a `command` only", name.text);
        problems.push(Problem::at(name.mark, message));
    }
    match key {
        "interface" => self::name(tree, "`interface`", problems).map(Work::Interface),
        "builtin" => self::name(tree, "`builtin`", problems).map(Work::Builtin),
        "command" => command(tree, shell, problems),
        _ => match tree.kind {
            Kind::Text(text) => Some(Nested::File(Name { text, mark: tree.mark })),
            _ => Some(Nested::Inline(workflow::read_workflow(tree, false, problems))),
        }
        .map(|nested| Work::Workflow(Box::new(nested))),
    }
}

fn command(tree: Tree, shell: bool, problems: &mut Vec<Problem>) -> Option<Work> {
    let word = |tree: &Tree| match &tree.kind {
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        Kind::Text(text) => Some(Word { pieces: parse_text(text), mark: tree.mark }),
        _ => Some(Word { pieces: parse_text(&tree.to_value().to_string()), mark: tree.mark }),
    };
    let work = match &tree.kind {
        Kind::Text(_) if shell => word(&tree).map(Work::Shell),
        Kind::List(items) if !shell && !items.is_empty() => {
            items.iter().map(word).collect::<Option<Vec<_>>>().map(Work::Command)
        }
        _ => None,
    };
    if work.is_none() {
        let wanted = if shell {
            "one text when `shell: true`"
        } else {
            "a list of words, such as [mrinfo, \"{image}\"]; for a shell line add `shell: true`"
        };
        problems.push(wrong(&tree, "`command`", wanted));
    }
    work
}

/// An input of a command may be typed: `{type: file, from: a.out}`.
fn input(entry: Entry, typed: bool, problems: &mut Vec<Problem>) -> Input {
    let name = Name { text: entry.key, mark: entry.mark };
    let tree = entry.value;
    let long = matches!(&tree.kind, Kind::Map(entries) if entries.iter().any(|e| e.key == "type"));
    if !(typed && long) {
        let mark = tree.mark;
        let value = match tree.kind {
            Kind::Null => Expression { mark, kind: ExpressionKind::Value(crate::value::Value::Null) },
            _ => expression::read(tree, problems),
        };
        return Input { name, kind: None, value: Some(value), mandatory: false };
    }
    let what = format!("the input `{}`", name.text);
    let mut fields = Fields::of(tree, &what, &["type", "from", "value", "optional", "description"], problems);
    let kind = fields.take("type").map(|tree| workflow::kind(tree, problems));
    let mandatory = !fields.flag("optional", problems).unwrap_or(false);
    let mark = fields.mark;
    let value = match (fields.entry("from"), fields.take("value")) {
        (Some(from), None) => {
            Some(expression::read(Tree { mark: from.value.mark, kind: Kind::Map(vec![from]) }, problems))
        }
        (None, Some(value)) => Some(expression::read(value, problems)),
        (None, None) => None,
        (Some(_), Some(_)) => {
            problems.push(Problem::at(mark, format!("{what} has both `from` and `value`; keep one")));
            None
        }
    };
    Input { name, kind, value, mandatory }
}

fn output(entry: Entry, problems: &mut Vec<Problem>) -> Option<Output> {
    let name = Name { text: entry.key, mark: entry.mark };
    let what = format!("the output `{}`", name.text);
    let tree = match entry.value.kind {
        Kind::Text(path) => {
            let path = Entry {
                mark: entry.value.mark,
                key: "path".to_owned(),
                value: Tree { mark: entry.value.mark, kind: Kind::Text(path) },
            };
            Tree { mark: entry.value.mark, kind: Kind::Map(vec![path]) }
        }
        kind => Tree { mark: entry.value.mark, kind },
    };
    let mut fields =
        Fields::of(tree, &what, &["path", "glob", "stdout", "stderr", "type", "optional", "description"], problems);
    let optional = fields.flag("optional", problems).unwrap_or(false);
    let written = fields.take("type").map(|tree| workflow::kind(tree, problems));
    let mark = fields.mark;
    let path = fields.name("path", problems).map(|n| (OutputSource::Path(parse_text(&n.text)), Type::File));
    let glob = fields
        .name("glob", problems)
        .map(|n| (OutputSource::Glob(parse_text(&n.text)), Type::List(Box::new(Type::File))));
    let stdout = fields.take("stdout").map(|tree| (OutputSource::Stdout, workflow::kind(tree, problems)));
    let stderr = fields.take("stderr").map(|tree| (OutputSource::Stderr, workflow::kind(tree, problems)));
    let mut sources = [path, glob, stdout, stderr].into_iter().flatten();
    let (Some((source, default)), None) = (sources.next(), sources.next()) else {
        problems.push(Problem::at(mark, format!("{what} needs exactly one of path, glob, stdout, stderr")));
        return None;
    };
    Some(Output { name, kind: written.unwrap_or(default), source, optional })
}

fn map(tree: Tree, problems: &mut Vec<Problem>) -> Map {
    let mark = tree.mark;
    let map = match tree.kind {
        Kind::Map(_) => {
            let mut fields = Fields::of(tree, "`map`", &["over", "nested"], problems);
            let nested = fields.flag("nested", problems).unwrap_or(false);
            let over = fields.take("over").map_or_else(Vec::new, |tree| names(tree, "`over`", problems));
            Map { fields: over, nested }
        }
        _ => Map { fields: names(tree, "`map`", problems), nested: false },
    };
    if map.fields.is_empty() {
        problems.push(Problem::at(mark, "`map` names no input to run over".to_owned()));
    }
    map
}

fn join(tree: Tree, problems: &mut Vec<Problem>) -> Join {
    let mark = tree.mark;
    let join = match tree.kind {
        Kind::Map(_) => {
            let mut fields = Fields::of(tree, "`join`", &["source", "fields", "unique"], problems);
            let unique = fields.flag("unique", problems).unwrap_or(false);
            let source = fields.take("source").map_or_else(Vec::new, |tree| names(tree, "`source`", problems));
            let fields = fields.take("fields").map_or_else(Vec::new, |tree| names(tree, "`fields`", problems));
            Join { source, fields, unique }
        }
        _ => Join { source: names(tree, "`join`", problems), fields: Vec::new(), unique: false },
    };
    if join.source.is_empty() {
        problems.push(Problem::at(mark, "`join` names nothing that is iterated over".to_owned()));
    }
    join
}

fn itersource(tree: Tree, problems: &mut Vec<Problem>) -> Option<(Name, Vec<Name>)> {
    let mut fields = Fields::of(tree, "`itersource`", &["node", "fields"], problems);
    let mark = fields.mark;
    let by = fields.take("fields").map_or_else(Vec::new, |tree| names(tree, "`fields`", problems));
    match fields.name("node", problems) {
        Some(node) if !by.is_empty() => Some((node, by)),
        _ => {
            let message = "`itersource` needs `node` and `fields`, such as {node: subjects, fields: [subject]}";
            problems.push(Problem::at(mark, message.to_owned()));
            None
        }
    }
}

fn retries(tree: &Tree, problems: &mut Vec<Problem>) -> Option<u32> {
    match tree.kind {
        Kind::Int(n) if (0..=1000).contains(&n) => Some(n as u32),
        _ => {
            problems.push(wrong(tree, "`retries`", "a whole number from 0 to 1000"));
            None
        }
    }
}
