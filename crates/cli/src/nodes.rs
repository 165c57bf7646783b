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

/// The steps a name means: one node, an item of a map node (`node#3`), all nodes of a template, or those of them with
/// some values (`node[subject=sub-01]` when there are sessions too).
pub fn steps(plan: &Plan, name: &str) -> Result<Vec<Step>, Failure> {
    let (node, item) = split_item(name);
    let mut nodes = plan.find(node);
    if let (true, Some((template, filter))) = (nodes.is_empty(), bracketed(node)) {
        nodes = plan.find(template);
        nodes.retain(|node| bracketed(&plan.node_name(*node)).is_some_and(|(_, own)| is_chosen(own, filter)));
    }
    if nodes.is_empty() {
        return Err(Failure::usage(unknown(node, plan)));
    }
    Ok(nodes.into_iter().map(|node| Step { node, item }).collect())
}

/// `node[a=1,b=2]` apart: `node` and `a=1,b=2`.
fn bracketed(name: &str) -> Option<(&str, &str)> {
    name.strip_suffix(']')?.split_once('[')
}

/// Names and values of `a=1,b=x,y`: a comma before what has no name belongs to the value before it.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in text.split(',') {
        match (part.split_once('='), pairs.last_mut()) {
            (Some((name, value)), _) => pairs.push((name.trim().to_owned(), value.trim().to_owned())),
            (None, Some((_, value))) => *value += &format!(",{part}"),
            (None, None) => pairs.push((part.to_owned(), String::new())),
        }
    }
    pairs
}

/// Whether every pair of a filter is among those of a node, in any order.
fn is_chosen(own: &str, filter: &str) -> bool {
    let own = pairs(own);
    pairs(filter).iter().all(|(name, value)| own.iter().any(|(known, has)| known == name && is_equal(has, value)))
}

/// Equal as texts or as numbers.
fn is_equal(a: &str, b: &str) -> bool {
    a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// The name of a step that the log knows: the name itself, or the only one that it selects.
pub fn logged<'h>(history: &'h History, name: &str) -> Result<&'h str, Failure> {
    if let Some((known, _)) = history.steps.get_key_value(name) {
        return Ok(known);
    }
    let (wanted, item) = split_item(name);
    let of_template = |step: &&str| {
        let (node, its_item) = split_item(step);
        match (bracketed(wanted), bracketed(node)) {
            (Some((template, filter)), Some((known, own))) => {
                template == known && item == its_item && is_chosen(own, filter)
            }
            _ => step.split(['[', '#']).next() == Some(name),
        }
    };
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
    let near = names.iter().filter(|known| is_near(name, known)).map(String::as_str);
    let hint = suggest(name, near);
    let hint = if hint.is_empty() { format!("; there are {}", listed(&names)) } else { hint };
    format!("there is no node `{name}`{hint}")
}

/// Whether one text becomes the other by a single character more, less or another one that is no digit: subjects that
/// differ by a digit are no slips of each other.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let begin = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let rest = a.len().min(b.len()) - begin;
    let end = a.iter().rev().zip(b.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[begin..a.len() - end], &b[begin..b.len() - end]);
    a.len() <= 1 && b.len() <= 1 && !a.iter().chain(b).any(char::is_ascii_digit)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_some_of_the_pairs_in_any_order() {
        let own = "subject=sub-01,dose=0.50,run=a,b";
        for (filter, chosen) in [
            ("subject=sub-01", true),
            ("dose=.5,subject=sub-01", true),
            ("run=a,b", true),
            ("run=a", false),
            ("subject=sub-1", false),
            ("session=1", false),
        ] {
            assert_eq!(is_chosen(own, filter), chosen, "{filter}");
        }
    }

    #[test]
    fn near_is_one_slip() {
        assert!(is_near("x[s=bb]", "x[s=b]") && is_near("x[s=subj]", "x[s=sub]"));
        assert!(!is_near("x[s=sub-02]", "x[s=sub-01]") && !is_near("x[s=abc]", "x[s=b]"));
    }
}
