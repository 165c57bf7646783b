//! datasink: results into a directory of the user's, in folders that the inputs' names spell.
//!
//! Everything is planned before anything is written, so that two files for one place, or a place outside the base
//! directory, stop it while the disk is as it was.

mod plan;

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};

use self::plan::Plan;
use super::error::{BuiltinError, Missing};
use super::inputs::{Inputs, expected};
use super::place::{Mode, place};
use super::regexp::{RegexpError, Substitution};
use super::signature::{Signature, list, problem, text};
use super::{Builtin, Given, Outcome};

const SETTINGS: &[&str] = &[
    "base_directory",
    "container",
    "substitutions",
    "regexp_substitutions",
    "parameterization",
    "strip_dir",
    "mode",
    "remove_dest_dir",
];
const MODES: &[(&str, Mode)] = &[("copy", Mode::Copy), ("hardlink", Mode::Hardlink), ("symlink", Mode::Symlink)];

pub(super) fn signature(given: &Given<'_>) -> Signature {
    Signature::new(Builtin::DataSink)
        // Text, not a directory: what it already holds is no part of the key.
        .optional("base_directory", Type::String)
        .optional("container", Type::String)
        .optional("substitutions", Type::Any)
        .optional("regexp_substitutions", Type::Any)
        .optional("parameterization", Type::Bool)
        .optional("strip_dir", Type::String)
        .optional("mode", Type::Enum(MODES.iter().map(|(name, _)| (*name).to_owned()).collect()))
        .optional("remove_dest_dir", Type::Bool)
        .open(given)
        .output("out_file", list(Type::Any))
}

pub(super) fn check(given: &Given<'_>) -> Vec<Problem> {
    let literals: Vec<_> =
        given.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.clone()))).collect();
    let settings = Settings::read(Inputs(&literals), Path::new("/")).err();
    let fields = given.iter().map(|(name, _)| *name).filter(|name| !SETTINGS.contains(name));
    let mut errors: Vec<BuiltinError> = fields.filter_map(|name| folder(name).err()).collect();
    errors.extend(settings);
    let as_problem = |error| match error {
        BuiltinError::Input { input, message } => problem(&input, message),
        other => Problem { input: None, message: other.to_string() },
    };
    errors.into_iter().map(as_problem).collect()
}

pub(super) fn run(inputs: Inputs<'_>, directory: &Path) -> Result<Outcome, BuiltinError> {
    let settings = Settings::read(inputs, directory)?;
    let mut plan = Plan::default();
    let mut written: Vec<PathBuf> = Vec::new();
    let mut seen = HashSet::new();
    for Source { field, folder, path } in sources(inputs)? {
        let destination = settings.destination(field, &folder, path)?;
        plan.add(Path::new(path), &destination)?;
        if seen.insert(destination.clone()) {
            written.push(destination);
        }
    }
    if settings.remove_dest_dir {
        plan.clear_destinations(&written)?;
    }
    for directory in plan.directories() {
        fs::create_dir_all(directory).map_err(BuiltinError::io("make the directory", directory))?;
    }
    for (destination, source) in plan.files() {
        place(source, destination, settings.mode)?;
    }
    let as_text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let sinks = written.iter().filter(|path| !path.starts_with(directory)).map(as_text).collect();
    let out_file = Value::List(written.iter().map(|path| Value::Path(as_text(path))).collect());
    Ok(Outcome { outputs: vec![("out_file".to_owned(), out_file)], sinks })
}

/// A file or directory to put away.
struct Source<'a> {
    field: &'a str,
    folder: String,
    path: &'a str,
}

/// Every path in the inputs that are not settings. All that are not there are reported at once.
fn sources(inputs: Inputs<'_>) -> Result<Vec<Source<'_>>, BuiltinError> {
    let mut sources = Vec::new();
    for (field, value) in inputs.others(SETTINGS) {
        let folder = folder(field)?;
        for path in paths(field, value)? {
            sources.push(Source { field, folder: folder.clone(), path });
        }
    }
    let gone = sources.iter().filter(|source| !Path::new(source.path).exists());
    let message = |path: &str| format!("{path:?} is not there, so it cannot be put away");
    let missing: Vec<_> =
        gone.map(|source| Missing { field: source.field.to_owned(), message: message(source.path) }).collect();
    if missing.is_empty() { Ok(sources) } else { Err(BuiltinError::Missing(missing)) }
}

fn paths<'a>(field: &str, value: &'a Value) -> Result<Vec<&'a str>, BuiltinError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::List(items) => Ok(items.iter().map(|item| paths(field, item)).collect::<Result<Vec<_>, _>>()?.concat()),
        value => match text(value).filter(|path| path.starts_with('/')) {
            Some(path) => Ok(vec![path]),
            None => Err(expected(field, "a file or directory, by its absolute path", value)),
        },
    }
}

/// `a.b.@c` is the folder `a/b`: a dot goes one folder down, a part with `@` is only there to tell inputs apart.
fn folder(field: &str) -> Result<String, BuiltinError> {
    if field.split('.').any(str::is_empty) {
        let message = "its name spells folders (`folder.folder.@label`), none of which can be empty";
        return Err(BuiltinError::input(field, message));
    }
    Ok(field.split('.').filter(|part| !part.starts_with('@')).collect::<Vec<_>>().join("/"))
}

struct Settings<'a> {
    base: PathBuf,
    container: &'a str,
    substitutions: Vec<(&'a str, &'a str)>,
    regexp_substitutions: Vec<Substitution>,
    parameterization: bool,
    strip_dir: &'a str,
    mode: Mode,
    remove_dest_dir: bool,
}

impl<'a> Settings<'a> {
    fn read(inputs: Inputs<'a>, directory: &Path) -> Result<Settings<'a>, BuiltinError> {
        let regexp = |(pattern, replacement): (&str, &str)| {
            let error = |error: RegexpError| BuiltinError::input("regexp_substitutions", error.to_string());
            Substitution::new(pattern, replacement).map_err(error)
        };
        let mode = inputs.text("mode")?.unwrap_or("hardlink");
        let base = inputs.text("base_directory")?;
        Ok(Settings {
            base: base.map_or(directory, Path::new).to_owned(),
            container: inputs.text("container")?.unwrap_or_default(),
            substitutions: pairs(inputs, "substitutions")?,
            regexp_substitutions: pairs(inputs, "regexp_substitutions")?
                .into_iter()
                .map(regexp)
                .collect::<Result<_, _>>()?,
            parameterization: inputs.flag("parameterization", true)?,
            strip_dir: inputs.text("strip_dir")?.unwrap_or_default(),
            mode: MODES.iter().find(|(name, _)| *name == mode).map(|(_, mode)| *mode).ok_or_else(|| {
                BuiltinError::input("mode", format!("expected copy, hardlink or symlink, got {mode:?}"))
            })?,
            remove_dest_dir: inputs.flag("remove_dest_dir", false)?,
        })
    }

    /// `base/container/folder/_parameters/name`, with the substitutions applied to all but the base.
    fn destination(&self, field: &str, folder: &str, source: &str) -> Result<PathBuf, BuiltinError> {
        let (parents, name) = source.trim_end_matches('/').rsplit_once('/').unwrap_or_default();
        let parents = if self.strip_dir.is_empty() { parents.to_owned() } else { parents.replace(self.strip_dir, "") };
        let parameters = parents.split('/').filter(|part| self.parameterization && part.starts_with('_'));
        let parts = [self.container, folder].into_iter().chain(parameters).chain([name]);
        let mut path: String = parts.filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
        for (from, to) in self.substitutions.iter().filter(|(from, _)| !from.is_empty()) {
            path = path.replace(from, to);
        }
        for substitution in &self.regexp_substitutions {
            path = substitution.apply(&path);
        }
        let outside = || BuiltinError::Outside { input: field.to_owned(), path: path.clone(), base: self.base.clone() };
        let absolute_container = Path::new(self.container).is_absolute();
        let below = below(&path).filter(|_| !absolute_container).ok_or_else(outside)?;
        Ok(self.base.join(below))
    }
}

/// A path made relative and free of `..`; nothing if it leads to or above where it starts.
fn below(path: &str) -> Option<PathBuf> {
    let mut below = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::ParentDir if !below.pop() => return None,
            _ => {}
        }
    }
    (!below.as_os_str().is_empty()).then_some(below)
}

/// `[[from, to], ...]`, one `[from, to]`, or `{from: to}`.
fn pairs<'a>(inputs: Inputs<'a>, name: &str) -> Result<Vec<(&'a str, &'a str)>, BuiltinError> {
    let odd = |value| expected(name, "[from, to] pairs of text", value);
    let pair = |value: &'a Value| match value {
        Value::List(pair) => match pair.as_slice() {
            [from, to] => text(from).zip(text(to)).ok_or_else(|| odd(value)),
            _ => Err(odd(value)),
        },
        _ => Err(odd(value)),
    };
    match inputs.get(name) {
        None => Ok(Vec::new()),
        Some(value @ Value::List(items)) if items.iter().any(|item| text(item).is_some()) => Ok(vec![pair(value)?]),
        Some(Value::List(items)) => items.iter().map(pair).collect(),
        Some(Value::Map(entries)) => {
            entries.iter().map(|(from, to)| Ok((from.as_str(), text(to).ok_or_else(|| odd(to))?))).collect()
        }
        Some(other) => Err(odd(other)),
    }
}

#[cfg(test)]
mod tests;
