//! The files of results: how the log tells of them, and whether they are still what they were.

use std::collections::HashMap;
use std::path::Path;

use pial_core::value::Value;

use crate::digest::{self, Digest, Identity, Owner, Seen};
use crate::record::{Content, absolute};

/// Compares the files of a result with what is on disk; `from` is where relative paths start.
pub(super) fn verify_files(files: &mut [Content<'_>], from: &str) -> Standing {
    let mut touched = false;
    for Content(path, size, stamp, digest) in files.iter_mut().filter(|content| content.2 != 0) {
        let joined = if from.is_empty() { path.clone() } else { absolute(path, from).into() };
        let file = Path::new(&*joined);
        match digest::identify(file, Owner::Node) {
            Ok(now) if now.size == *size && now.stamp == *stamp => {}
            Ok(now) if now.size == *size && digest::digest(file).is_ok_and(|now| now == *digest) => {
                *stamp = now.stamp;
                touched = true;
            }
            _ => return Standing::Changed(path.clone().into_owned()),
        }
    }
    if touched { Standing::Touched } else { Standing::Stands }
}

/// A file of a result, as the steps that take it in see it.
pub(super) fn seen(Content(path, size, stamp, digest): &Content<'_>, root: &str) -> (String, Seen) {
    let made = (*stamp != 0).then_some(Identity { size: *size, stamp: *stamp });
    (absolute(path, root), Seen { digest: digest.clone().into_owned(), made })
}

/// A file that a node hands on without having made it.
pub(super) fn handed_on(path: &str, seen: Option<&Seen>) -> Content<'static> {
    let made = seen.and_then(|seen| seen.made).unwrap_or(Identity { size: 0, stamp: 0 });
    let digest = seen.map_or_else(String::new, |seen| seen.digest.clone());
    Content(path.to_owned().into(), made.size, made.stamp, digest.into())
}

/// Whether an earlier result still stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every file is what it was.
    Stands,
    /// Every file holds what it held, but was moved or touched.
    Touched,
    /// This file is gone or holds something else.
    Changed(String),
}

/// Large outputs that an errand has read.
pub type Read = HashMap<String, (Identity, Digest)>;

/// What a digest errand printed: a [`Content`] a line, paths absolute.
pub fn read_by_errand(text: &str) -> Read {
    let content = |line: &str| {
        let Content(path, size, stamp, digest) = serde_json::from_str(line).ok()?;
        Some((path.into_owned(), (Identity { size, stamp }, digest.into_owned())))
    };
    text.lines().filter_map(content).collect()
}

/// Every path in named values.
pub fn paths_of(values: &[(String, Value)]) -> Vec<String> {
    values.iter().flat_map(|(_, value)| paths_of_value(value)).map(str::to_owned).collect()
}

/// Every path in a value.
pub(super) fn paths_of_value(value: &Value) -> Vec<&str> {
    let mut paths = Vec::new();
    value.for_each_path(&mut |path| paths.push(path));
    paths
}
