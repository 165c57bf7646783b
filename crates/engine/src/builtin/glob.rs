//! Files on disk that match a pattern, in natural order, and where the search got stuck when there are none.
//!
//! As Python's glob: `*`, `?`, `[...]` match within one name, `**` any number of directories, and a hidden name
//! needs a pattern with an explicit dot. Links are followed, but never in a circle.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::error::{BuiltinError, Missing};
use super::natural::natural_order;

/// What a pattern led to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Search {
    /// Absolute paths, sorted.
    pub found: Vec<String>,
    /// Matching links whose target is not there (data not fetched yet, often).
    pub dangling: Vec<String>,
    /// With nothing found: the nearest directory there is, and the part of the pattern it has no match for.
    stuck: Option<(PathBuf, String)>,
}

/// One part of a pattern between slashes.
enum Step {
    Name(String),
    Match { text: String, pattern: Pattern },
    Descend,
}

/// Finds what matches `pattern`, below `base` unless it is absolute. `base` itself is taken literally.
/// A pattern that ends in a slash finds directories only.
///
/// # Errors
/// A pattern that cannot be read, a directory that cannot be listed, a matching name that is not UTF-8.
pub(super) fn search(field: &str, base: Option<&str>, pattern: &str, natural: bool) -> Result<Search, BuiltinError> {
    let steps = steps(field, base, pattern)?;
    let mut search = Search::default();
    let mut here = vec![PathBuf::from("/")];
    for (index, step) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        let mut next = Vec::new();
        for directory in &here {
            step.take(directory, last, &mut next)?;
        }
        if !last || pattern.ends_with('/') {
            next.retain(|path| path.is_dir());
        }
        if next.is_empty() {
            search.stuck = here.into_iter().min().map(|directory| (directory, step.text().to_owned()));
            return Ok(search);
        }
        here = next;
    }
    for path in here {
        let text = path.into_os_string().into_string().map_err(|path| BuiltinError::NotUtf8(path.into()))?;
        if Path::new(&text).exists() { search.found.push(text) } else { search.dangling.push(text) }
    }
    let order = if natural { natural_order } else { |a: &str, b: &str| a.cmp(b) };
    for paths in [&mut search.found, &mut search.dangling] {
        paths.sort_by(|a, b| order(a, b));
        paths.dedup();
    }
    Ok(search)
}

impl Search {
    /// Why this search found less than it should, if so.
    /// Nothing found at all counts only if `needed`; a link to nothing always does.
    pub fn missing(&self, field: &str, pattern: &str, needed: bool) -> Option<Missing> {
        let message = match (self.dangling.first(), &self.stuck) {
            (Some(link), _) => format!(
                "{link:?} is a link to a file that is not there ({} such); fetch the data first, \
                 for instance with `datalad get`",
                self.dangling.len()
            ),
            (None, Some((directory, part))) if needed => {
                format!("nothing matches {pattern:?}: no {part:?} in {directory:?}, which has {}", listing(directory))
            }
            (None, _) => return None,
        };
        Some(Missing { field: field.to_owned(), message })
    }
}

/// The first names in a directory.
fn listing(directory: &Path) -> String {
    const SHOWN: usize = 5;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return format!("no listing ({error})"),
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort_by(|a, b| natural_order(a, b));
    let rest = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    match (names.as_slice(), rest) {
        ([], _) => "no files".to_owned(),
        (names, 0) => names.join(", "),
        (names, rest) => format!("{} and {rest} more", names.join(", ")),
    }
}

fn steps(field: &str, base: Option<&str>, pattern: &str) -> Result<Vec<Step>, BuiltinError> {
    let mut steps = Vec::new();
    if pattern.is_empty() {
        return Err(BuiltinError::input(field, "the template is empty"));
    }
    if !pattern.starts_with('/') {
        let base = base.filter(|base| base.starts_with('/')).ok_or_else(|| {
            BuiltinError::input(field, format!("{pattern:?} is relative; give an absolute `base_directory`"))
        })?;
        steps.extend(parts(base).map(|part| Step::Name(part.to_owned())));
    }
    for part in parts(pattern) {
        steps.push(match part {
            "**" if matches!(steps.last(), Some(Step::Descend)) => continue,
            "**" => Step::Descend,
            part if !part.contains(['*', '?', '[']) => Step::Name(part.to_owned()),
            part => Step::Match { text: part.to_owned(), pattern: compile(field, part)? },
        });
    }
    Ok(steps)
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn compile(field: &str, part: &str) -> Result<Pattern, BuiltinError> {
    let mut single = part.to_owned();
    while single.contains("**") {
        single = single.replace("**", "*");
    }
    Pattern::new(&single).map_err(|error| {
        BuiltinError::input(field, format!("pattern {part:?}: {}; write [[] for a plain bracket", error.msg))
    })
}

impl Step {
    fn text(&self) -> &str {
        match self {
            Step::Name(text) | Step::Match { text, .. } => text,
            Step::Descend => "**",
        }
    }

    /// Adds to `next` what this step leads to from `directory`.
    fn take(&self, directory: &Path, last: bool, next: &mut Vec<PathBuf>) -> Result<(), BuiltinError> {
        match self {
            Step::Name(name) => next.extend(existing(directory.join(name))),
            Step::Match { text, pattern } => {
                let before = next.len();
                for name in names(directory)? {
                    let lossy = name.to_string_lossy();
                    if (text.starts_with('.') || !lossy.starts_with('.')) && pattern.matches(&lossy) {
                        if name.to_str().is_none() {
                            return Err(BuiltinError::NotUtf8(directory.join(name)));
                        }
                        next.push(directory.join(name));
                    }
                }
                // A value filled in may have brackets of its own.
                if next.len() == before {
                    next.extend(existing(directory.join(text)));
                }
            }
            Step::Descend => {
                if !last {
                    next.push(directory.to_owned());
                }
                descend(directory, last, &mut Vec::new(), next)?;
            }
        }
        Ok(())
    }
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    path.symlink_metadata().is_ok().then_some(path)
}

/// Adds every directory below `directory` that is not hidden, and the files too if asked.
/// `above` holds the device and inode of the directories on the way down, so that a circle ends.
fn descend(
    directory: &Path,
    files: bool,
    above: &mut Vec<(u64, u64)>,
    into: &mut Vec<PathBuf>,
) -> Result<(), BuiltinError> {
    let Ok(metadata) = fs::metadata(directory) else { return Ok(()) };
    let identity = (metadata.dev(), metadata.ino());
    if above.contains(&identity) {
        return Ok(());
    }
    above.push(identity);
    for name in names(directory)? {
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = directory.join(&name);
        let is_directory = path.is_dir();
        if is_directory || files {
            into.push(path.clone());
        }
        if is_directory {
            descend(&path, files, above, into)?;
        }
    }
    above.pop();
    Ok(())
}

/// The names in a directory; none if there is no such directory.
fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>, BuiltinError> {
    match fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect()) {
        Ok(names) => Ok(names),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(BuiltinError::io("list", directory)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    const FILES: &[&str] = &[
        "sub-1/f1.nii",
        "sub-2/f1.nii",
        "sub-10/f1.nii",
        "sub-10/f2.nii",
        "sub-10/deep/er/f3.nii",
        "sub-10/.hidden/f4.nii",
        "sub-10/.dot.nii",
        "odd/a b'c\"d\n.nii",
        "odd/é.nii",
        "odd/x[1].nii",
        "odd/x2.nii",
        "empty/",
    ];

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(if file.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
            if !file.ends_with('/') {
                fs::write(path, file).unwrap();
            }
        }
        root
    }

    fn found(root: &Path, pattern: &str) -> Vec<String> {
        let search = search("t", root.to_str(), pattern, true).unwrap();
        search.found.iter().map(|path| path[root.to_str().unwrap().len() + 1..].to_owned()).collect()
    }

    #[test]
    fn matches_as_pythons_glob() {
        let root = tree(FILES);
        let cases: &[(&str, &[&str])] = &[
            ("sub-*/f1.nii", &["sub-1/f1.nii", "sub-2/f1.nii", "sub-10/f1.nii"]),
            ("sub-[!1]*/f?.nii", &["sub-2/f1.nii"]),
            ("sub-10/f[12].nii", &["sub-10/f1.nii", "sub-10/f2.nii"]),
            ("./sub-10//f1.nii", &["sub-10/f1.nii"]),
            ("sub-10/*.nii", &["sub-10/f1.nii", "sub-10/f2.nii"]),
            ("sub-10/.*.nii", &["sub-10/.dot.nii"]),
            ("sub-10/**/f*.nii", &["sub-10/deep/er/f3.nii", "sub-10/f1.nii", "sub-10/f2.nii"]),
            ("sub-10/**/**/f3.nii", &["sub-10/deep/er/f3.nii"]),
            (
                "sub-10/**",
                &["sub-10/deep", "sub-10/deep/er", "sub-10/deep/er/f3.nii", "sub-10/f1.nii", "sub-10/f2.nii"],
            ),
            ("sub-10/**/", &["sub-10/deep", "sub-10/deep/er"]),
            ("sub-10/f**.nii", &["sub-10/f1.nii", "sub-10/f2.nii"]),
            ("sub-1*/", &["sub-1", "sub-10"]),
            ("sub-1/f1.nii/", &[]),
            ("sub-1/f1.nii/*", &[]),
            ("odd/a*", &["odd/a b'c\"d\n.nii"]),
            ("odd/[é]*", &["odd/é.nii"]),
            ("odd/x[1].nii", &["odd/x[1].nii"]),
            ("odd/x[[]1].nii", &["odd/x[1].nii"]),
            ("odd/x[2].nii", &["odd/x2.nii"]),
            ("empty/*", &[]),
        ];
        for (pattern, files) in cases {
            assert_eq!(found(root.path(), pattern), *files, "{pattern}");
        }
    }

    #[test]
    fn a_base_with_wildcards_in_its_name_is_literal() {
        let root = tree(&["a*[x]/f.nii", "ab/f.nii"]);
        let base = root.path().join("a*[x]");
        assert_eq!(found(&base, "*.nii"), ["f.nii"]);
    }

    #[test]
    fn circles_end_and_dead_links_are_named() {
        let root = tree(&["a/b/f.nii"]);
        symlink("..", root.path().join("a/b/up")).unwrap();
        symlink(root.path(), root.path().join("a/root")).unwrap();
        symlink("itself", root.path().join("itself")).unwrap();
        assert!(found(root.path(), "**/f.nii").contains(&"a/b/f.nii".to_owned()));

        symlink("/annex/f.nii", root.path().join("a/g.nii")).unwrap();
        let search = search("t1", root.path().to_str(), "a/*.nii", true).unwrap();
        let missing = search.missing("t1", "a/*.nii", false).unwrap();
        assert!(
            missing.message.contains("a/g.nii\" is a link to a file that is not there (1 such)"),
            "{}",
            missing.message
        );
    }

    #[test]
    fn says_where_the_search_got_stuck() {
        let root = tree(&["s/1/f", "s/2/f", "s/3/f", "s/4/f", "s/5/f", "s/10/f", "s/11/f", "e/", "s/1/.h"]);
        let at = |path: &str| format!("{:?}", root.path().join(path));
        let cases = [
            (
                "s/7/f",
                format!("nothing matches \"s/7/f\": no \"7\" in {}, which has 1, 2, 3, 4, 5 and 2 more", at("s")),
            ),
            ("s/*/g", format!("nothing matches \"s/*/g\": no \"g\" in {}, which has f", at("s/1"))),
            ("e/*.nii", format!("nothing matches \"e/*.nii\": no \"*.nii\" in {}, which has no files", at("e"))),
        ];
        for (pattern, message) in cases {
            let search = search("t", root.path().to_str(), pattern, true).unwrap();
            assert_eq!(search.missing("t", pattern, false), None);
            assert_eq!(search.missing("t", pattern, true).unwrap().message, message);
        }
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        let root = tree(&["a/f"]);
        let error = |base: Option<&str>, pattern: &str| search("t", base, pattern, true).unwrap_err().to_string();
        assert!(error(None, "a/*").contains("\"a/*\" is relative; give an absolute `base_directory`"));
        assert!(error(Some("rel"), "a/*").contains("is relative"));
        assert!(error(root.path().to_str(), "a/[").contains("write [[] for a plain bracket"));
        assert!(error(root.path().to_str(), "").contains("is empty"));
        fs::write(root.path().join(OsStr::from_bytes(b"a/b\xff.nii")), "").unwrap();
        assert_eq!(found(root.path(), "a/f*"), ["a/f"]);
        assert!(error(root.path().to_str(), "a/*").contains("is not UTF-8; rename the file"));
    }
}
