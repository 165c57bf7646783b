//! Taking a mapping apart with every mistake kept: unknown and repeated keys, wrong kinds of value.

use super::{Name, Unread};
use crate::tree::{Entry, Kind, Mark, Problem, Tree};

/// A mapping whose keys are known; keys are taken out one by one.
pub(super) struct Fields {
    pub mark: Mark,
    /// What could not be read, as far as it is known.
    pub unread: Unread,
    entries: Vec<Entry>,
}

impl Fields {
    /// Reports keys that are not among `known` or stand twice, and a tree that is no mapping.
    pub fn of(tree: Tree, what: &str, known: &[&str], problems: &mut Vec<Problem>) -> Fields {
        let mark = tree.mark;
        let Some(entries) = mapping(tree, what, problems) else {
            return Fields {
                mark,
                unread: Unread(known.iter().map(|key| (*key).to_owned()).collect()),
                entries: vec![],
            };
        };
        let mut unread = Vec::new();
        for entry in &entries {
            if !known.contains(&entry.key.as_str()) {
                let meant = suggestion(&entry.key, known.iter().copied());
                unread.extend(meant.map(str::to_owned));
                let hint = match meant {
                    None => deeper(entry, known),
                    Some(meant) => format!("; did you mean `{meant}`?"),
                };
                let message = format!("{what} has no key `{}`{hint}", entry.key);
                problems.push(Problem::at(entry.mark, message));
            }
        }
        // A mapping under a key that nothing is like may have been meant as any key that is not there.
        let any = entries.iter().any(|entry| {
            let node = known.contains(&"nodes") && super::node::has_work(&entry.value);
            let unknown = !known.contains(&entry.key.as_str()) && !node;
            let mapping = matches!(entry.value.kind, Kind::Map(_));
            unknown && mapping && suggestion(&entry.key, known.iter().copied()).is_none()
        });
        if any {
            let absent = known.iter().filter(|key| !entries.iter().any(|entry| entry.key == **key));
            unread.extend(absent.map(|key| (*key).to_owned()));
            // It may be a node that stands beside `nodes`.
            unread.extend(known.contains(&"nodes").then(|| "nodes".to_owned()));
        }
        Fields { mark, unread: Unread(unread), entries }
    }

    /// Nodes that stand beside `nodes`, which is reported.
    pub fn stray_nodes(&mut self, known: &[&str]) -> Vec<Entry> {
        let stray = |entry: &mut Entry| !known.contains(&entry.key.as_str()) && super::node::has_work(&entry.value);
        self.entries.extract_if(.., stray).collect()
    }

    /// The entries of the mapping under `key`; none when there is none or it is no mapping.
    pub fn mapping(&mut self, key: &str, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let Some(tree) = self.take(key) else { return Vec::new() };
        mapping(tree, &format!("`{key}`"), problems).unwrap_or_else(|| {
            self.unread.0.push(key.to_owned());
            Vec::new()
        })
    }

    pub fn take(&mut self, key: &str) -> Option<Tree> {
        self.entry(key).map(|entry| entry.value)
    }

    pub fn entry(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(at))
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    pub fn flag(&mut self, key: &str, problems: &mut Vec<Problem>) -> Option<bool> {
        let tree = self.take(key)?;
        match tree.kind {
            Kind::Bool(flag) => Some(flag),
            _ => {
                problems.push(wrong(&tree, key, "true or false"));
                None
            }
        }
    }

    pub fn name(&mut self, key: &str, problems: &mut Vec<Problem>) -> Option<Name> {
        let tree = self.take(key)?;
        name(tree, key, problems)
    }
}

/// What to do with an unknown key of a workflow that looks like a node.
fn deeper(entry: &Entry, known: &[&str]) -> String {
    if known.contains(&"nodes") && super::node::has_work(&entry.value) {
        return format!("; if `{}` is a node, indent it so that it stands under `nodes`", entry.key);
    }
    String::new()
}

/// The entries of a mapping, each key once; one that stands twice is reported.
pub(super) fn mapping(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Option<Vec<Entry>> {
    let mut entries = repeating(tree, what, problems)?;
    let mut seen = std::collections::HashSet::with_capacity(entries.len());
    entries.retain(|entry| seen.insert(entry.key.clone()));
    Some(entries)
}

/// The entries of a mapping; a key that stands twice is reported and kept.
pub(super) fn repeating(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Option<Vec<Entry>> {
    let entries = match tree.kind {
        Kind::Map(entries) => entries,
        Kind::Null => Vec::new(),
        _ => {
            problems.push(wrong(&tree, what, "a mapping"));
            return None;
        }
    };
    let mut seen = std::collections::HashSet::with_capacity(entries.len());
    for entry in &entries {
        if !seen.insert(entry.key.as_str()) {
            let message = format!("`{}` stands twice in {what}; give one of them another name", entry.key);
            problems.push(Problem::at(entry.mark, message));
        }
    }
    Some(entries)
}

/// A text that is a name.
pub(super) fn name(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Option<Name> {
    match tree.kind {
        Kind::Text(text) => Some(Name { text, mark: tree.mark }),
        _ => {
            problems.push(wrong(&tree, what, "text"));
            None
        }
    }
}

/// One name, or a list of them.
pub(super) fn names(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Vec<Name> {
    match tree.kind {
        Kind::List(items) => items.into_iter().filter_map(|item| name(item, what, problems)).collect(),
        _ => name(tree, what, problems).into_iter().collect(),
    }
}

/// A value that is of the wrong kind, or of the right kind and no good.
pub(super) fn wrong(tree: &Tree, what: &str, wanted: &str) -> Problem {
    Problem::at(tree.mark, format!("{what} must be {wanted}, not {}", tree.what()))
}

/// `; did you mean ...?` for the candidate nearest to a misspelt name, else nothing.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    suggestion(name, candidates).map_or_else(String::new, |candidate| format!("; did you mean `{candidate}`?"))
}

/// The candidate nearest to a misspelt name, if one is near.
fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + name.chars().count().max(candidate.chars().count()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}
