//! Reads the parts of a workflow that are not nodes: parameters, outputs, environment, resources.

use super::reader::{Fields, mapping, name, names, wrong};
use super::{
    Default, Expression, ExpressionKind, Iterate, Name, Parameter, Resources, VERSION, Workflow, WorkflowOutput,
};
use super::{expression, node, parse_memory, parse_time};
use crate::tree::{Entry, Kind, Problem, Tree};
use crate::value::{Type, Value};

const KEYS: &[&str] =
    &["pial", "name", "description", "parameters", "synchronize", "environment", "resources", "nodes", "outputs"];

/// Reads a whole document.
pub(super) fn read(tree: Tree) -> Result<Workflow, Vec<Problem>> {
    let mut problems = Vec::new();
    let workflow = read_workflow(tree, true, &mut problems);
    if problems.is_empty() {
        return Ok(workflow);
    }
    problems.sort_by_key(|p| p.mark);
    Err(problems)
}

/// Reads a workflow, `whole` when it is the document and not nested in one.
pub(super) fn read_workflow(tree: Tree, whole: bool, problems: &mut Vec<Problem>) -> Workflow {
    let mut fields = Fields::of(tree, "the workflow", KEYS, problems);
    let mark = fields.mark;
    check_version(&mut fields, whole, problems);
    fields.take("description");
    let name = fields.name("name", problems).inspect(|name| check_name(name, problems));
    let parameters = fields.take("parameters").and_then(|t| mapping(t, "`parameters`", problems)).unwrap_or_default();
    let parameters = parameters.into_iter().map(|entry| parameter(entry, problems)).collect();
    let synchronize = fields.take("synchronize").map_or_else(Vec::new, |tree| groups(tree, problems));
    let environment = fields.take("environment").map_or_else(Vec::new, |tree| environment(tree, problems));
    let resources = fields.take("resources").map_or_else(Resources::default, |tree| resources(tree, problems));
    let nodes = match fields.take("nodes") {
        Some(tree) => mapping(tree, "`nodes`", problems).unwrap_or_default(),
        None => {
            problems.push(Problem::at(mark, "the workflow has no `nodes`".to_owned()));
            Vec::new()
        }
    };
    let nodes = nodes.into_iter().filter_map(|entry| node::read(entry, problems)).collect();
    let outputs = fields.take("outputs").and_then(|t| mapping(t, "`outputs`", problems)).unwrap_or_default();
    let outputs = outputs.into_iter().map(|entry| output(entry, problems)).collect();
    let name = name.unwrap_or(Name { text: "workflow".to_owned(), mark });
    Workflow { name, parameters, synchronize, environment, resources, nodes, outputs }
}

fn check_version(fields: &mut Fields, whole: bool, problems: &mut Vec<Problem>) {
    let mark = fields.mark;
    match fields.take("pial") {
        Some(Tree { kind: Kind::Int(VERSION), .. }) => {}
        Some(tree) => problems.push(Problem::at(
            tree.mark,
            format!("`pial` is the version of the document format; this pial reads version {VERSION}"),
        )),
        None if whole => problems
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
        Kind::List(values) => Parameter { name, kind: Type::Any, default: Default::Iterate(Iterate::Values(values)) },
        Kind::Map(_) => long_parameter(name, tree, problems),
        Kind::Null => Parameter { name, kind: Type::Any, default: Default::Missing },
        _ => Parameter { name, kind: Type::Any, default: Default::Value(tree) },
    }
}

fn long_parameter(name: Name, tree: Tree, problems: &mut Vec<Problem>) -> Parameter {
    let what = format!("the parameter `{}`", name.text);
    let mut fields = Fields::of(tree, &what, &["type", "value", "iterate", "by", "description"], problems);
    fields.take("description");
    let kind = fields.take("type").map_or(Type::Any, |tree| kind(tree, problems));
    let value = fields.take("value");
    let by = fields.take("by").map_or_else(Vec::new, |tree| names(tree, "`by`", problems));
    if !by.is_empty() && !fields.has("iterate") {
        problems.push(Problem::at(fields.mark, format!("{what} has `by` but no `iterate`")));
    }
    let default = match (value, fields.take("iterate")) {
        (Some(value), Some(iterate)) => {
            let message = format!("{what} has both `value` and `iterate`; keep one");
            problems.push(Problem::at(iterate.mark, message));
            Default::Value(value)
        }
        (Some(value), None) => Default::Value(value),
        (None, Some(tree)) => Default::Iterate(iterate(tree, by, problems)),
        (None, None) => Default::Missing,
    };
    Parameter { name, kind, default }
}

/// Values to iterate over: a list, or with `by` a mapping (or list of pairs) from the others' values to lists.
pub(super) fn iterate(tree: Tree, by: Vec<Name>, problems: &mut Vec<Problem>) -> Iterate {
    if by.is_empty() {
        return match tree.kind {
            Kind::List(values) => Iterate::Values(values),
            _ => {
                problems.push(wrong(&tree, "the values to iterate over", "a list"));
                Iterate::Values(Vec::new())
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
    Iterate::By { by, table }
}

fn list(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Vec<Tree> {
    match tree.kind {
        Kind::List(items) => items,
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
            problems.push(Problem::at(mark, format!("{what} needs one of `from` and `value`")));
            Expression { mark, kind: ExpressionKind::Value(Value::Null) }
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
    for Entry { key, value, .. } in mapping(tree, "`resources`", problems).unwrap_or_default() {
        let text = value.to_value().to_string();
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let count = text.parse::<u32>().ok();
        let wanted = match key.as_str() {
            "cpus" => {
                resources.cpus = number;
                (number.is_none()).then_some("a number of processors")
            }
            "memory" => {
                resources.memory_bytes = parse_memory(&text);
                resources.memory_bytes.is_none().then_some("an amount such as 2GB or 500MiB")
            }
            "gpus" => {
                resources.gpus = count;
                count.is_none().then_some("a number of graphics processors")
            }
            "time" => {
                resources.time_s = parse_time(&text);
                resources.time_s.is_none().then_some("a time such as 90s, 10min, 2h or 01:30:00")
            }
            _ => {
                resources.named.extend(count.map(|n| (key.clone(), n)));
                count.is_none().then_some("a whole number")
            }
        };
        if let Some(wanted) = wanted {
            problems.push(wrong(&value, &format!("the resource `{key}`"), wanted));
        }
    }
    resources
}
