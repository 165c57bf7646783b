//! Reads one node of a document.

use super::reader::{Fields, name, names, wrong};
use super::workflow::{self, check_name};
use super::{
    Expression, ExpressionKind, Input, Iterate, Join, Map, Name, Nested, Node, Output, OutputSource, Resources, Unread,
    Word, Work,
};
use super::{expression, function, nipype, parse_text};
use crate::tree::{Entry, Kind, Problem, Tree};
use crate::value::Type;

const KEYS: &[&str] = &[
    "interface",
    "command",
    "function",
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
    "overwrite",
    "environment",
    "shell",
    "connection",
    "nipype",
    "title",
    "directory",
    "version",
    "class",
];
pub(super) const WORKS: [&str; 5] = ["interface", "command", "function", "builtin", "workflow"];

/// Reads a node; one that says nothing that could run keeps its name.
pub(super) fn read(entry: Entry, problems: &mut Vec<Problem>) -> Node {
    let name = Name { text: entry.key, mark: entry.mark };
    check_name(&name, problems);
    let outer = workflow::KEYS.contains(&name.text.as_str()) && !has_work(&entry.value);
    if outer {
        let message = format!(
            "`{0}` stands under `nodes` as if it were a node; if it is the `{0}` of the workflow, indent it less",
            name.text
        );
        problems.push(Problem::at(name.mark, message));
        return broken(name);
    }
    let what = format!("the node `{}`", name.text);
    let mut fields = Fields::of(entry.value, &what, KEYS, problems);
    fields.take("description");
    let work = work(&mut fields, &name, problems);
    let nipype = nipype::read(&mut fields, &name, problems);
    let typed = matches!(work, None | Some(Work::Command(_) | Work::Shell(_) | Work::Function(_)));
    let inputs = fields.mapping("inputs", problems);
    let inputs = inputs.into_iter().map(|entry| input(entry, typed, problems)).collect();
    if !typed && let Some(outputs) = fields.entry("outputs") {
        let message = format!(
            "{what} declares `outputs`, which only a `command` or a `function` does; an interface brings its own"
        );
        problems.push(Problem::at(outputs.mark, message));
    }
    let outputs = fields.mapping("outputs", problems);
    let returned = matches!(work, Some(Work::Function(_)));
    let output = if returned { returned_output } else { output };
    let outputs = outputs.into_iter().map(|entry| output(entry, problems)).collect();
    for key in ["synchronize", "itersource"] {
        if fields.has(key) && !fields.has("iterables") && !fields.unread.holds("iterables") {
            problems.push(Problem::at(name.mark, format!("{what} has `{key}` but no `iterables`")));
        }
    }
    let from = fields.has("itersource") || fields.unread.holds("itersource");
    let itersource = fields.take("itersource").and_then(|tree| itersource(tree, problems));
    let lost = from && itersource.is_none();
    let iterables = fields.mapping("iterables", problems);
    let by = itersource.as_ref().map_or_else(Vec::new, |(_, by)| by.clone());
    let iterables = iterables.into_iter().map(|entry| {
        let name = Name { text: entry.key, mark: entry.mark };
        // Without its `itersource` nobody knows what form the values must have.
        let iterate = if lost { Iterate::Broken } else { workflow::iterate(entry.value, by.clone(), problems) };
        (name, iterate)
    });
    Node {
        iterables: iterables.collect(),
        map: fields.take("map").map(|tree| map(tree, problems)),
        join: fields.take("join").map(|tree| join(tree, problems)),
        synchronize: fields.flag("synchronize", problems).unwrap_or(false),
        itersource: itersource.map(|(node, _)| node),
        resources: fields.take("resources").map_or_else(Resources::default, |t| workflow::resources(t, problems)),
        retries: fields.take("retries").and_then(|tree| retries(&tree, problems)),
        overwrite: fields.flag("overwrite", problems).unwrap_or(false),
        environment: fields.take("environment").map_or_else(Vec::new, |t| workflow::environment(t, problems)),
        connection: fields.flag("connection", problems).unwrap_or(false),
        nipype,
        name,
        work: work.unwrap_or(Work::Broken),
        inputs,
        outputs,
        unread: fields.unread,
    }
}

/// Whether something says what it runs, as a node does.
pub(super) fn has_work(tree: &Tree) -> bool {
    matches!(&tree.kind, Kind::Map(entries) if entries.iter().any(|entry| WORKS.contains(&entry.key.as_str())))
}

/// A node of which nothing is known but its name.
fn broken(name: Name) -> Node {
    Node {
        name,
        work: Work::Broken,
        inputs: Vec::new(),
        outputs: Vec::new(),
        map: None,
        join: None,
        iterables: Vec::new(),
        synchronize: false,
        itersource: None,
        resources: Resources::default(),
        retries: None,
        overwrite: false,
        environment: Vec::new(),
        connection: false,
        nipype: None,
        unread: Unread::default(),
    }
}

fn work(fields: &mut Fields, name: &Name, problems: &mut Vec<Problem>) -> Option<Work> {
    let shell = fields.flag("shell", problems).unwrap_or(false);
    let mut written = WORKS.iter().copied().filter(|key| fields.has(key));
    let (Some(key), None) = (written.next(), written.next()) else {
        if WORKS.iter().any(|key| fields.unread.holds(key)) {
            return None;
        }
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
        "function" => function::called(tree, problems).map(Work::Function),
        _ => match tree.kind {
            Kind::Text(text) => Some(Nested::File(Name { text, mark: tree.mark })),
            _ => Some(Nested::Inline(Box::new(workflow::read_workflow(tree, false, problems)))),
        }
        .map(Work::Workflow),
    }
}

fn command(tree: Tree, shell: bool, problems: &mut Vec<Problem>) -> Option<Work> {
    let word = |tree: &Tree| match &tree.kind {
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        Kind::Text(text) => Some(Word { pieces: parse_text(text), mark: tree.mark }),
        _ => Some(Word { pieces: parse_text(&tree.to_value().to_string()), mark: tree.mark }),
    };
    if let (Kind::List(items), false) = (&tree.kind, shell) {
        let before = problems.len();
        problems.extend(items.iter().enumerate().filter_map(|(at, item)| wrong_word(at + 1, item)));
        if problems.len() > before {
            return None;
        }
    }
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

/// What is wrong with an item of a command that is no word. `{s}` without quotes is a mapping to YAML.
fn wrong_word(number: usize, item: &Tree) -> Option<Problem> {
    let message = match &item.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [Entry { key, value: Tree { kind: Kind::Null, .. }, .. }] => {
                format!("word {number} of the command is a mapping; write \"{{{key}}}\" in quotes")
            }
            _ => format!("word {number} of the command is a mapping; write text, with quotes around a `{{`"),
        },
        Kind::List(_) => format!("word {number} of the command is a list; write each word by itself"),
        Kind::Null => format!("word {number} of the command is nothing; write \"\" for an empty word"),
        _ => return None,
    };
    Some(Problem::at(item.mark, message))
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
    let mandatory = !fields.has("optional");
    let mandatory = fields.flag("optional", problems).map_or(mandatory, |optional| !optional);
    let mark = fields.mark;
    let value = match (fields.entry("from"), fields.take("value")) {
        (Some(from), None) => {
            Some(expression::read(Tree { mark: from.value.mark, kind: Kind::Map(vec![from]) }, problems))
        }
        (None, Some(value)) => Some(expression::read(value, problems)),
        (None, None) if ["from", "value", "optional"].iter().any(|key| fields.unread.holds(key)) => {
            Some(Expression { mark, kind: ExpressionKind::Broken })
        }
        (None, None) => None,
        (Some(_), Some(_)) => {
            problems.push(Problem::at(mark, format!("{what} has both `from` and `value`; keep one")));
            Some(Expression { mark, kind: ExpressionKind::Broken })
        }
    };
    Input { name, kind, value, mandatory }
}

/// An output of a command; one that says not where it is keeps its name.
fn output(entry: Entry, problems: &mut Vec<Problem>) -> Output {
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
    let before = problems.len();
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
        if problems.len() == before {
            problems.push(Problem::at(mark, format!("{what} needs exactly one of path, glob, stdout, stderr")));
        }
        return Output { name, kind: Type::Any, source: OutputSource::Path(Vec::new()), optional };
    };
    Output { name, kind: written.unwrap_or(default), source, optional }
}

/// An output of a function: its type, which alone may be written in short.
fn returned_output(entry: Entry, problems: &mut Vec<Problem>) -> Output {
    let name = Name { text: entry.key, mark: entry.mark };
    let what = format!("the output `{}`", name.text);
    let (kind, optional) = match entry.value.kind {
        Kind::Null => (Type::Any, false),
        Kind::Map(_) => {
            let mut fields = Fields::of(entry.value, &what, &["type", "optional", "description"], problems);
            let optional = fields.flag("optional", problems).unwrap_or(false);
            (fields.take("type").map_or(Type::Any, |tree| workflow::kind(tree, problems)), optional)
        }
        _ => (workflow::kind(entry.value, problems), false),
    };
    Output { name, kind, source: OutputSource::Returned, optional }
}

fn map(tree: Tree, problems: &mut Vec<Problem>) -> Map {
    let (mark, before) = (tree.mark, problems.len());
    let map = match tree.kind {
        Kind::Map(_) => {
            let mut fields = Fields::of(tree, "`map`", &["over", "nested", "single", "serial"], problems);
            let nested = fields.flag("nested", problems).unwrap_or(false);
            let single = fields.flag("single", problems).unwrap_or(false);
            let serial = fields.flag("serial", problems).unwrap_or(false);
            let over = fields.take("over").map_or_else(Vec::new, |tree| names(tree, "`over`", problems));
            Map { fields: over, nested, single, serial }
        }
        _ => Map { fields: names(tree, "`map`", problems), nested: false, single: false, serial: false },
    };
    if map.fields.is_empty() && problems.len() == before {
        problems.push(Problem::at(mark, "`map` names no input to run over".to_owned()));
    }
    map
}

fn join(tree: Tree, problems: &mut Vec<Problem>) -> Join {
    let (mark, before) = (tree.mark, problems.len());
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
    if join.source.is_empty() && problems.len() == before {
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
