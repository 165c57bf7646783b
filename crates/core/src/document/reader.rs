//! Taking a mapping apart with every mistake kept: unknown and repeated keys, wrong kinds of value.

use super::Name;
use crate::tree::{Entry, Kind, Mark, Problem, Tree};

/// A mapping whose keys are known; keys are taken out one by one.
pub(super) struct Fields {
    pub mark: Mark,
    entries: Vec<Entry>,
}

impl Fields {
    /// Reports keys that are not among `known` or stand twice, and a tree that is no mapping.
    pub fn of(tree: Tree, what: &str, known: &[&str], problems: &mut Vec<Problem>) -> Fields {
        let mark = tree.mark;
        let Some(entries) = mapping(tree, what, problems) else { return Fields { mark, entries: Vec::new() } };
        for entry in &entries {
            if !known.contains(&entry.key.as_str()) {
                let hint = suggest(&entry.key, known.iter().copied());
                let message = format!("{what} has no key `{}`{hint}", entry.key);
                problems.push(Problem::at(entry.mark, message));
            }
        }
        Fields { mark, entries }
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

/// The entries of a mapping, none standing twice.
pub(super) fn mapping(tree: Tree, what: &str, problems: &mut Vec<Problem>) -> Option<Vec<Entry>> {
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

pub(super) fn wrong(tree: &Tree, what: &str, wanted: &str) -> Problem {
    Problem::at(tree.mark, format!("{what} must be {wanted}, not {}", tree.what()))
}

/// `; did you mean ...?` for the candidate nearest to a misspelt name, else nothing.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + name.chars().count().max(candidate.chars().count()) / 4)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean `{candidate}`?"))
}
