//! From the names of nodes that a user types to nodes of the plan and steps of the log.

use pial_core::arena::NodeId;
use pial_core::document::suggest;
use pial_core::plan::Plan;
use pial_core::schedule::Step;
use pial_engine::builtin::natural_order;
use pial_engine::history::{History, split_item};

use crate::failure::Failure;

/// As many names are listed in a message.
const MOST_NAMED: usize = 10;

/// The steps a name means: one node, an item of a map node (`node#3`), or all nodes of a template.
pub fn steps(plan: &Plan, name: &str) -> Result<Vec<Step>, Failure> {
    let (node, item) = split_item(name);
    let nodes = plan.find(node);
    if nodes.is_empty() {
        return Err(Failure::usage(unknown(node, plan)));
    }
    Ok(nodes.into_iter().map(|node| Step { node, item }).collect())
}

/// The name of a step that the log knows: the name itself, or the only node of a template.
pub fn logged<'h>(history: &'h History, name: &str) -> Result<&'h str, Failure> {
    if let Some((known, _)) = history.steps.get_key_value(name) {
        return Ok(known);
    }
    let of_template = |step: &&str| step.split(['[', '#']).next() == Some(name);
    let mut found: Vec<&str> = history.steps.keys().map(|step| &**step).filter(of_template).collect();
    found.sort_unstable_by(|a, b| natural_order(a, b));
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let hint = suggest(name, history.steps.keys().map(|step| &**step));
            Err(Failure::usage(format!("the log knows no node `{name}`{hint}")))
        }
        several_names => Err(several(name, several_names)),
    }
}

fn unknown(name: &str, plan: &Plan) -> String {
    let bare = name.split('[').next().unwrap_or(name);
    let of_template = plan.find(bare);
    if of_template.is_empty() {
        let names = plan.template_names();
        return format!("there is no node `{name}`{}", suggest(bare, names.keys().copied()));
    }
    let names: Vec<String> = of_template.iter().map(|node: &NodeId| plan.node_name(*node)).collect();
    let hint = suggest(name, names.iter().map(String::as_str));
    let hint = if hint.is_empty() { format!("; there are {}", listed(&names)) } else { hint };
    format!("there is no node `{name}`{hint}")
}

fn several<S: AsRef<str>>(name: &str, names: &[S]) -> Failure {
    Failure::usage(format!("`{name}` is {} nodes; name one of them: {}", names.len(), listed(names)))
}

fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let mut text: Vec<String> = names.iter().take(MOST_NAMED).map(|name| format!("`{}`", name.as_ref())).collect();
    if names.len() > MOST_NAMED {
        text.push(format!("and {} more", names.len() - MOST_NAMED));
    }
    text.join(", ")
}
