//! Reads the parts of a workflow that are not nodes: parameters, outputs, environment, resources.

use super::reader::{Fields, mapping, name, names, repeating, wrong};
use super::{
    Default, Expression, ExpressionKind, Iterate, Name, Parameter, Resources, Unread, VERSION, Workflow, WorkflowOutput,
};
use super::{expression, function, node, parse_memory, parse_time};
use crate::tree::{Entry, Kind, Problem, Tree};
use crate::value::Type;

pub(super) const KEYS: &[&str] = &[
    "pial",
    "name",
    "description",
    "parameters",
    "synchronize",
    "environment",
    "resources",
    "resource_file",
    "functions",
    "nodes",
    "outputs",
];

/// Reads a whole document, as far as it can be read.
pub(super) fn read(tree: Tree) -> (Workflow, Vec<Problem>) {
    let mut problems = Vec::new();
    let workflow = read_workflow(tree, true, &mut problems);
    problems.sort_by_key(|p| p.mark);
    (workflow, problems)
}

/// Reads a workflow, `whole` when it is the document and not nested in one.
pub(super) fn read_workflow(tree: Tree, whole: bool, problems: &mut Vec<Problem>) -> Workflow {
    let mut fields = Fields::of(tree, "the workflow", KEYS, problems);
    let mark = fields.mark;
    check_version(&mut fields, whole, problems);
    fields.take("description");
    let name = fields.name("name", problems).inspect(|name| check_name(name, problems));
    let parameters = fields.mapping("parameters", problems);
    let parameters = parameters.into_iter().map(|entry| parameter(entry, problems)).collect();
    let synchronize = fields.take("synchronize").map_or_else(Vec::new, |tree| groups(tree, problems));
    let environment = fields.take("environment").map_or_else(Vec::new, |tree| environment(tree, problems));
    let resources = fields.take("resources").map_or_else(Resources::default, |tree| resources(tree, problems));
    let resource_file = fields.name("resource_file", problems);
    let functions = fields.mapping("functions", problems);
    let functions = functions.into_iter().map(|entry| function::named(entry, problems)).collect();
    let nodes = match fields.take("nodes") {
        Some(tree) => repeating(tree, "`nodes`", problems).unwrap_or_else(|| {
            fields.unread.add("nodes");
            Vec::new()
        }),
        None => {
            if !fields.unread.holds("nodes") {
                problems.push(Problem::at(mark, "the workflow has no `nodes`".to_owned()));
            }
            Vec::new()
        }
    };
    let stray = fields.stray_nodes(KEYS);
    let nodes = nodes.into_iter().chain(stray).map(|entry| node::read(entry, problems)).collect();
    let outputs = fields.mapping("outputs", problems);
    let outputs = outputs.into_iter().map(|entry| output(entry, problems)).collect();
    let name = name.unwrap_or(Name { text: "workflow".to_owned(), mark });
    Workflow {
        name,
        parameters,
        synchronize,
        environment,
        resources,
        resource_file,
        functions,
        nodes,
        outputs,
        unread: fields.unread,
    }
}

fn check_version(fields: &mut Fields, whole: bool, problems: &mut Vec<Problem>) {
    let mark = fields.mark;
    match fields.take("pial") {
        Some(Tree { kind: Kind::Int(VERSION), .. }) => {}
        Some(tree) => problems.push(Problem::at(
            tree.mark,
            format!("`pial` is the version of the document format; this pial reads version {VERSION}"),
        )),
        None if whole && !fields.unread.holds("pial") => problems
            .push(Problem::at(mark, format!("the key `pial` is missing; write `pial: {VERSION}` as the first line"))),
        None => {}
    }
}

/// Names become folders and stand in references: no dot, slash, bracket or control character.
pub(super) fn check_name(name: &Name, problems: &mut Vec<Problem>) {
    let text = &name.text;
    let bad = text.chars().find(|c| matches!(c, '.' | '/' | '[' | ']' | '#' | '{' | '}') || c.is_control());
    let message = match bad {
        Some(c) => format!("the name {text:?} holds {c:?}, which names may not; use letters, digits, - and _"),
        None if text.is_empty() || text.trim() != text => {
            format!("the name {text:?} is empty or starts or ends with a space")
        }
        None if text.len() > 200 => {
            format!("the name starting {:?} is longer than 200 bytes", text.chars().take(30).collect::<String>())
        }
        None => return,
    };
    problems.push(Problem::at(name.mark, message));
}

fn parameter(entry: Entry, problems: &mut Vec<Problem>) -> Parameter {
    let name = Name { text: entry.key, mark: entry.mark };
    check_name(&name, problems);
    let tree = entry.value;
    match tree.kind {
        Kind::List(values) => {
            let iterate = values_of(values, problems).map_or(Iterate::Broken, Iterate::Values);
            Parameter { name, kind: Type::Any, default: Default::Iterate(iterate) }
        }
        Kind::Map(_) => long_parameter(name, tree, problems),
        Kind::Null => Parameter { name, kind: Type::Any, default: Default::Missing },
        _ => Parameter { name, kind: Type::Any, default: Default::Value(tree) },
    }
}

fn long_parameter(name: Name, tree: Tree, problems: &mut Vec<Problem>) -> Parameter {
    let what = format!("the parameter `{}`", name.text);
    let mut fields = Fields::of(tree, &what, &["type", "value", "iterate", "by", "description"], problems);
    fields.take("description");
    let before = problems.len();
    let kind = fields.take("type").map_or(Type::Any, |tree| kind(tree, problems));
    let value = fields.take("value");
    let by = fields.take("by").map_or_else(Vec::new, |tree| names(tree, "`by`", problems));
    if !by.is_empty() && !fields.has("iterate") {
        problems.push(Problem::at(fields.mark, format!("{what} has `by` but no `iterate`")));
    }
    let default = match (value, fields.take("iterate")) {
        (Some(_), Some(iterate)) => {
            let message = format!("{what} has both `value` and `iterate`; keep one");
            problems.push(Problem::at(iterate.mark, message));
            Default::Broken
        }
        (Some(value), None) => Default::Value(value),
        (None, Some(tree)) => Default::Iterate(iterate(tree, by, problems)),
        (None, None) if problems.len() > before || fields.unread != Unread::default() => Default::Broken,
        (None, None) => Default::Missing,
    };
    Parameter { name, kind, default }
}

/// Values to iterate over: a list, or with `by` a mapping (or list of pairs) from the others' values to lists.
pub(super) fn iterate(tree: Tree, by: Vec<Name>, problems: &mut Vec<Problem>) -> Iterate {
    let before = problems.len();
    if by.is_empty() {
        return match tree.kind {
            Kind::List(values) => values_of(values, problems).map_or(Iterate::Broken, Iterate::Values),
            _ => {
                problems.push(wrong(&tree, "the values to iterate over", "a list"));
                Iterate::Broken
            }
        };
    }
    let mut table = Vec::new();
    match tree.kind {
        Kind::Map(entries) => {
            for Entry { mark, key, value } in entries {
                let key = Tree { mark, kind: Kind::Text(key) };
                table.push((vec![key], list(value, "the values for one key", problems)));
            }
        }
        Kind::List(pairs) => {
            for pair in pairs {
                match pair.kind {
                    Kind::List(mut parts) if parts.len() == 2 => {
                        let values = list(parts.remove(1), "the values for one key", problems);
                        let key = parts.remove(0);
                        let key = if let Kind::List(keys) = key.kind { keys } else { vec![key] };
                        table.push((key, values));
                    }
                    _ => problems.push(wrong(&pair, "each item", "[key, [values]]")),
                }
            }
        }
        _ => problems.push(wrong(&tree, "values that depend on others", "a mapping from their values to lists")),
    }
    if problems.len() > before { Iterate::Broken } else { Iterate::By { by, table } }
}

/// The values, none of them null: that is mostly a word like `null` or `~` that was meant as text.
fn values_of(values: Vec<Tree>, problems: &mut Vec<Problem>) -> Option<Vec<Tree>> {
    let nulls = values.iter().filter(|value| matches!(value.kind, Kind::Null));
    let before = problems.len();
    problems.extend(nulls.map(|value| {
        let message = "nothing (null) stands among the values to iterate over; quote it if it is text: \"null\"";
        Problem::at(value.mark, message)
    }));
    (problems.len() == before).then_some(values)
}

fn list(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Vec<Tree> {
    match tree.kind {
        Kind::List(items) => values_of(items, problems).unwrap_or_default(),
        _ => {
            problems.push(wrong(&tree, what, "a list"));
            Vec::new()
        }
    }
}

/// Reads a type.
pub(super) fn kind(tree: Tree, problems: &mut Vec<Problem>) -> Type {
    let Some(name) = name(tree, "a type", problems) else { return Type::Any };
    Type::parse(&name.text).unwrap_or_else(|text| {
        let hint = super::suggest(&text, Type::SPELLINGS.iter().copied());
        let message = format!("`{text}` is no type{hint}; types are {}", Type::SPELLINGS.join(", "));
        problems.push(Problem::at(name.mark, message));
        Type::Any
    })
}

fn groups(tree: Tree, problems: &mut Vec<Problem>) -> Vec<Vec<Name>> {
    match tree.kind {
        Kind::List(items) if items.iter().all(|item| matches!(item.kind, Kind::List(_))) => {
            items.into_iter().map(|item| names(item, "`synchronize`", problems)).collect()
        }
        _ => vec![names(tree, "`synchronize`", problems)],
    }
}

fn output(entry: Entry, problems: &mut Vec<Problem>) -> WorkflowOutput {
    let name = Name { text: entry.key, mark: entry.mark };
    let tree = entry.value;
    let long = matches!(&tree.kind, Kind::Map(entries) if entries.iter().any(|e| e.key == "from" || e.key == "type"));
    if !long {
        return WorkflowOutput { name, value: expression::read(tree, problems), kind: None };
    }
    let what = format!("the output `{}`", name.text);
    let mut fields = Fields::of(tree, &what, &["type", "from", "value", "description"], problems);
    let kind = fields.take("type").map(|tree| kind(tree, problems));
    let mark = fields.mark;
    let value = match (fields.entry("from"), fields.take("value")) {
        (Some(from), None) => expression::read(Tree { mark, kind: Kind::Map(vec![from]) }, problems),
        (None, Some(value)) => expression::read(value, problems),
        _ => {
            if !(fields.unread.holds("from") || fields.unread.holds("value")) {
                problems.push(Problem::at(mark, format!("{what} needs one of `from` and `value`")));
            }
            Expression { mark, kind: ExpressionKind::Broken }
        }
    };
    WorkflowOutput { name, value, kind }
}

/// Reads environment variables; numbers and truth values become their text.
pub(super) fn environment(tree: Tree, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let entries = mapping(tree, "`environment`", problems).unwrap_or_default();
    let mut variables = Vec::with_capacity(entries.len());
    for Entry { key, mark, value } in entries {
        if matches!(value.kind, Kind::Null | Kind::List(_) | Kind::Map(_)) {
            problems.push(wrong(&value, &format!("the variable `{key}`"), "text (\"\" for an empty one)"));
        } else if key.is_empty() || key.contains(['=', '\0']) {
            problems.push(Problem::at(mark, format!("{key:?} is no name for an environment variable")));
        } else {
            variables.push((key, value.to_value().to_string()));
        }
    }
    variables
}

/// Reads what a step needs; a key that is not known is a named resource of the run.
pub(super) fn resources(tree: Tree, problems: &mut Vec<Problem>) -> Resources {
    let mut resources = Resources::default();
    for Entry { key, mark, value } in mapping(tree, "`resources`", problems).unwrap_or_default() {
        if let Some(remedy) = nipype_resource(&key) {
            problems.push(Problem::at(mark, format!("there is no resource `{key}`; {remedy}")));
        } else if let Err(wanted) = resource(&mut resources, &key, &value) {
            let got = match &value.kind {
                Kind::Null | Kind::List(_) | Kind::Map(_) => format!("not {}", value.what()),
                _ => format!("got {}", value.to_value().excerpt()),
            };
            problems.push(Problem::at(value.mark, format!("the resource `{key}` must be {wanted}, {got}")));
        }
    }
    resources
}

/// How to write what nipype and others call so.
fn nipype_resource(key: &str) -> Option<&'static str> {
    match key {
        "mem_gb" | "mem" | "mem_mb" | "memory_gb" | "estimated_memory_gb" => Some("write `memory: 2GB`"),
        "n_procs" | "n_threads" | "num_threads" | "threads" | "cpu" | "n_cpus" => Some("write `cpus: 4`"),
        "n_gpus" | "gpu" => Some("write `gpus: 1`"),
        "walltime" | "timeout" => Some("write `time: 2h`"),
        _ => None,
    }
}

/// Takes one resource; the error says what it must be.
fn resource(resources: &mut Resources, key: &str, value: &Tree) -> Result<(), &'static str> {
    /// A memory amount without a unit that is below this was meant in something larger than bytes.
    const LEAST_PLAIN_BYTES: u64 = 1_000_000;
    let text = value.to_value().to_string();
    let count = text.parse::<u32>().ok();
    match key {
        "cpus" => {
            let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
            resources.cpus = Some(number.ok_or("a number of processors")?);
        }
        "memory" => {
            let bytes = parse_memory(&text).ok_or("an amount such as 2GB or 500MiB")?;
            if bytes < LEAST_PLAIN_BYTES && bytes > 0 && text.parse::<f64>().is_ok() {
                return Err("an amount with a unit, such as 2GB (a bare number is bytes)");
            }
            resources.memory_bytes = Some(bytes);
        }
        "gpus" => resources.gpus = Some(count.ok_or("a number of graphics processors")?),
        "time" => resources.time_s = Some(parse_time(&text).ok_or("a time such as 90s, 10min, 2h or 01:30:00")?),
        _ => resources.named.push((key.to_owned(), count.ok_or("a whole number")?)),
    }
    Ok(())
}
