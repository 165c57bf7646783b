//! Where the outputs of a scope are and what its file templates say; touches no file.
//!
//! Boutiques puts the whole value of an input into a path template, except that a file's directory is dropped
//! where the key is not the template's first text (`localExec.py`, `_replaceKeysInTemplate`). A step's outputs are
//! in its own working directory, so here a path always gives its last component only.

use pial_core::value::Type;

use crate::arguments::{separator, texts};
use crate::output::Output;
use crate::parameter::Parameter;
use crate::scope::{Carrier, Scope};
use crate::template::Piece;
use crate::{ExpectedOutput, OutputSource};

/// The path of an output: as text, and as a glob pattern where its template has wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) text: String,
    pattern: Option<String>,
}

/// Where an output is; `None` when no condition holds or a value that its template needs is absent.
pub(crate) fn place(scope: &Scope<'_>, output: &Output) -> Option<Place> {
    place_within(scope, output, &[])
}

/// The outputs to expect of a scope, then those of its sub-commands as `input.output`.
pub(crate) fn expected(scope: &Scope<'_>) -> Vec<ExpectedOutput> {
    let mut all: Vec<ExpectedOutput> = scope.command.outputs.iter().filter_map(|output| own(scope, output)).collect();
    for (parameter, value) in scope.present() {
        for inner in scope.nested(parameter, value).iter().flat_map(expected) {
            add_nested(&mut all, parameter, inner);
        }
    }
    all
}

/// The files to write before the run: path and content. A line with a key that has no value is left empty,
/// as Boutiques does.
pub(crate) fn files(scope: &Scope<'_>) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for output in &scope.command.outputs {
        if let (Some(lines), Some(place)) = (&output.lines, place(scope, output)) {
            let line = |pieces: &Vec<Piece>| fill(scope, output, pieces).unwrap_or_default() + "\n";
            files.push((place.text, lines.iter().map(line).collect()));
        }
    }
    for (parameter, value) in scope.present() {
        files.extend(scope.nested(parameter, value).iter().flat_map(self::files));
    }
    files
}

fn own(scope: &Scope<'_>, output: &Output) -> Option<ExpectedOutput> {
    let place = place(scope, output)?;
    let source = match place.pattern {
        Some(pattern) => OutputSource::Glob(pattern),
        None => OutputSource::Path(place.text),
    };
    Some(ExpectedOutput { name: output.id.clone(), kind: output.kind.clone(), optional: output.optional, source })
}

fn add_nested(all: &mut Vec<ExpectedOutput>, parameter: &Parameter, mut inner: ExpectedOutput) {
    inner.name = format!("{}.{}", parameter.id, inner.name);
    if parameter.list.is_none() {
        return all.push(inner);
    }
    match all.iter_mut().find(|known| known.name == inner.name) {
        Some(ExpectedOutput { source: OutputSource::Each(sources), optional, .. }) => {
            sources.push(inner.source);
            *optional |= inner.optional;
        }
        _ => {
            inner.kind = Type::List(Box::new(inner.kind));
            inner.source = OutputSource::Each(vec![inner.source]);
            all.push(inner);
        }
    }
}

/// `outer` are the outputs whose paths lead here: a path that needs itself is nowhere.
fn place_within(scope: &Scope<'_>, output: &Output, outer: &[&str]) -> Option<Place> {
    if outer.contains(&output.id.as_str()) {
        return None;
    }
    let outer = [outer, &[&output.id]].concat();
    let holds = |condition: &crate::condition::Condition| condition.holds(&|name| scope.named(name));
    let (_, pieces) = output.paths.iter().find(|(condition, _)| condition.as_ref().is_none_or(holds))?;
    let globs = pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if has_wildcard(text)));
    let (mut text, mut pattern) = (String::new(), String::new());
    for piece in pieces {
        match piece {
            Piece::Text(literal) => {
                text.push_str(literal);
                pattern.push_str(literal);
            }
            Piece::Key(key) => {
                let (scope, carriers) = scope.carriers(key);
                let value = carriers.into_iter().map(|carrier| in_path(scope, carrier, output, &outer));
                let value = value.collect::<Option<Vec<String>>>().filter(|values| !values.is_empty())?.concat();
                text.push_str(&value);
                pattern.push_str(&escaped(&value));
            }
        }
    }
    Some(Place { text, pattern: globs.then_some(pattern) })
}

fn in_path(scope: &Scope<'_>, carrier: Carrier<'_>, output: &Output, outer: &[&str]) -> Option<String> {
    match carrier {
        Carrier::Output(other) => place_within(scope, other, outer).map(|place| place.text),
        Carrier::Input(parameter, value) => {
            let path = matches!(parameter.item_kind(), Type::File | Type::Directory);
            let items = texts(scope, parameter, value);
            let each = items.iter().map(|item| stripped(if path { last_component(item) } else { item }, output));
            Some(each.collect::<Vec<_>>().join(separator(parameter)))
        }
    }
}

/// A line of a file template; `None` when a key in it has no value. Paths are whole: the file is for the tool to read.
fn fill(scope: &Scope<'_>, output: &Output, pieces: &[Piece]) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        let Piece::Key(key) = piece else {
            let Piece::Text(literal) = piece else { continue };
            text.push_str(literal);
            continue;
        };
        let (scope, carriers) = scope.carriers(key);
        if carriers.is_empty() {
            return None;
        }
        for carrier in carriers {
            match carrier {
                Carrier::Output(other) => text.push_str(&place(scope, other)?.text),
                Carrier::Input(parameter, value) => {
                    let items = texts(scope, parameter, value);
                    let each = items.iter().map(|item| stripped(item, output));
                    text.push_str(&each.collect::<Vec<_>>().join(separator(parameter)));
                }
            }
        }
    }
    Some(text)
}

fn last_component(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

/// Without the longest of the output's extensions that the text ends in.
fn stripped<'t>(text: &'t str, output: &Output) -> &'t str {
    let found = output.stripped.iter().filter(|extension| text.ends_with(extension.as_str()));
    match found.max_by_key(|extension| extension.len()) {
        Some(extension) => &text[..text.len() - extension.len()],
        None => text,
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?']) || text.split_once('[').is_some_and(|(_, rest)| rest.contains(']'))
}

/// A value that stands for itself within a glob pattern: special characters in brackets, which every dialect
/// (Python's `glob`, `fnmatch(3)`, the `globset` crate) reads alike.
fn escaped(value: &str) -> String {
    let mut pattern = String::new();
    for c in value.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => pattern.extend(['[', c, ']']),
            _ => pattern.push(c),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_and_patterns() {
        for (path, expected) in [("/a/b.nii", "b.nii"), ("/a/b/", "b"), ("b", "b"), ("/", "")] {
            assert_eq!(last_component(path), expected, "{path}");
        }
        assert_eq!(escaped("s[1]*.{nii}"), "s[[]1[]][*].[{]nii[}]");
        for (text, wild) in [("a*b", true), ("a?", true), ("a[0-9]", true), ("a[b", false), ("a", false)] {
            assert_eq!(has_wildcard(text), wild, "{text}");
        }
    }
}
