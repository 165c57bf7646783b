//! Finds what a step left in its directory and reads it into values.

use std::fs;
use std::io::Read;
use std::path::{Component, Path};

use pial_core::value::{Type, Value};
use pial_interfaces::{ExpectedOutput, OutputSource};

use crate::builtin::natural_order;

/// A value read from standard output may be this large, in bytes.
const LARGEST_TEXT: u64 = 1024 * 1024;

/// The outputs of a step, paths relative to its directory.
///
/// # Errors
/// What is missing or is not what was promised, in a line.
pub fn collect(expected: &[ExpectedOutput], directory: &Path) -> Result<Vec<(String, Value)>, String> {
    let value = |output: &ExpectedOutput| {
        let value = find(&output.source, output, directory)?;
        if value == Value::Null && !output.optional {
            return Err(missing(output, directory));
        }
        Ok((output.name.clone(), value))
    };
    expected.iter().map(value).collect()
}

fn find(source: &OutputSource, output: &ExpectedOutput, directory: &Path) -> Result<Value, String> {
    match source {
        OutputSource::Path(path) => {
            refuse_outside(path, output)?;
            file(path, output, directory)
        }
        OutputSource::Glob(pattern) => {
            refuse_outside(pattern, output)?;
            matches(pattern, output, directory)
        }
        OutputSource::Stdout => captured("stdout", output, directory),
        OutputSource::Stderr => captured("stderr", output, directory),
        OutputSource::Each(sources) => {
            let values = sources.iter().map(|source| find(source, output, directory));
            let values: Vec<Value> = values.collect::<Result<_, _>>()?;
            Ok(Value::List(values.into_iter().filter(|v| *v != Value::Null).collect()))
        }
    }
}

fn refuse_outside(path: &str, output: &ExpectedOutput) -> Result<(), String> {
    let leaves = Path::new(path).components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir));
    if !leaves && !path.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the output `{}` is {path:?}, which is not inside the node's directory; give it a plain file name",
        output.name
    ))
}

fn file(path: &str, output: &ExpectedOutput, directory: &Path) -> Result<Value, String> {
    let Ok(metadata) = fs::metadata(directory.join(path)) else { return Ok(Value::Null) };
    if prepare_is_text(&output.kind) {
        return read_text(&directory.join(path), output);
    }
    let wanted_directory = matches!(&output.kind, Type::Directory);
    if wanted_directory != metadata.is_dir() && output.kind != Type::Any {
        let (got, wanted) = if metadata.is_dir() { ("a directory", "a file") } else { ("a file", "a directory") };
        return Err(format!("the output `{}` is {got} where {wanted} was promised: {path}", output.name));
    }
    let value = Value::Path(path.to_owned());
    Ok(if matches!(output.kind, Type::List(_)) { Value::List(vec![value]) } else { value })
}

fn prepare_is_text(kind: &Type) -> bool {
    crate::prepare::is_text(kind)
}

fn matches(pattern: &str, output: &ExpectedOutput, directory: &Path) -> Result<Value, String> {
    let whole = format!("{}/{pattern}", glob::Pattern::escape(&directory.to_string_lossy()));
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let found = glob::glob_with(&whole, options)
        .map_err(|e| format!("the output `{}` has a wrong pattern: {e}", output.name))?;
    let mut paths = Vec::new();
    for path in found.flatten() {
        let path = path.strip_prefix(directory).unwrap_or(&path);
        let Some(path) = path.to_str() else {
            return Err(format!("the output `{}` has a file whose name is not UTF-8: {}", output.name, path.display()));
        };
        if path != "stdout" && path != "stderr" {
            paths.push(path.to_owned());
        }
    }
    paths.sort_by(|a, b| natural_order(a, b));
    let values: Vec<Value> = paths.into_iter().map(Value::Path).collect();
    match &output.kind {
        Type::List(_) | Type::Any if values.is_empty() => Ok(Value::Null),
        Type::List(_) | Type::Any => Ok(Value::List(values)),
        _ if values.len() > 1 => {
            Err(format!("the output `{}` is one file, but {} match {pattern:?}", output.name, values.len()))
        }
        _ => Ok(values.into_iter().next().unwrap_or(Value::Null)),
    }
}

fn captured(stream: &str, output: &ExpectedOutput, directory: &Path) -> Result<Value, String> {
    if prepare_is_text(&output.kind) {
        return read_text(&directory.join(stream), output);
    }
    Ok(Value::Path(stream.to_owned()))
}

fn read_text(path: &Path, output: &ExpectedOutput) -> Result<Value, String> {
    let mut text = String::new();
    match fs::File::open(path) {
        Ok(file) => {
            let read = file.take(LARGEST_TEXT + 1).read_to_string(&mut text);
            read.map_err(|e| format!("the output `{}` is no text: {e}", output.name))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot read the output `{}`: {error}", output.name)),
    }
    if text.len() as u64 > LARGEST_TEXT {
        return Err(format!("the output `{}` is larger than 1 MiB; make it a file", output.name));
    }
    parse(&output.kind, text.trim()).map_err(|e| format!("the output `{}`: {e}", output.name))
}

/// A list is JSON, or words apart by white space.
fn parse(kind: &Type, text: &str) -> Result<Value, String> {
    if text.is_empty() && *kind != Type::String {
        return Ok(Value::Null);
    }
    match kind {
        Type::List(item) if !text.starts_with('[') => {
            let items = text.split_whitespace().map(|word| item.parse_value(word));
            items.collect::<Result<_, _>>().map(Value::List).map_err(|e| e.to_string())
        }
        kind => kind.parse_value(text).map_err(|e| e.to_string()),
    }
}

fn missing(output: &ExpectedOutput, directory: &Path) -> String {
    let wanted = match &output.source {
        OutputSource::Path(path) => format!("{path:?}"),
        OutputSource::Glob(pattern) => format!("a file that matches {pattern:?}"),
        OutputSource::Stdout => "text on standard output".to_owned(),
        OutputSource::Stderr => "text on standard error".to_owned(),
        OutputSource::Each(_) => "its files".to_owned(),
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    // These hold what it printed and are not its own.
    names.retain(|name| name != "stdout" && name != "stderr");
    names.sort_by(|a, b| natural_order(a, b));
    let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
    names.truncate(8);
    let left = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    format!("it ended well but left no {wanted} for the output `{}`; it left {left}{more}", output.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(kind: Type, source: OutputSource) -> ExpectedOutput {
        ExpectedOutput { name: "o".into(), kind, optional: false, source }
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for name in ["run-10.nii", "run-9.nii", "a b.nii", "stdout"] {
            fs::write(path.join(name), " 1.5 \n").unwrap();
        }
        fs::create_dir(path.join("d")).unwrap();
        let list = || Type::List(Box::new(Type::File));
        let get = |kind, source| match collect(&[output(kind, source)], path) {
            Ok(values) => values[0].1.to_string(),
            Err(message) => message,
        };
        let at = |path: &str| OutputSource::Path(path.to_owned());
        assert_eq!(get(Type::File, at("a b.nii")), "a b.nii");
        assert_eq!(get(Type::Float, OutputSource::Stdout), "1.5");
        assert_eq!(get(list(), OutputSource::Glob("run-*.nii".into())), r#"["run-9.nii","run-10.nii"]"#);
        assert_eq!(get(Type::File, at("d")), "the output `o` is a directory where a file was promised: d");
        assert!(get(Type::File, at("../x")).contains("not inside the node's directory"));
        assert!(
            get(Type::File, at("x.nii"))
                .contains("left no \"x.nii\" for the output `o`; it left a b.nii, d, run-9.nii")
        );
        assert!(get(Type::File, OutputSource::Glob("run-*".into())).contains("2 match"));
    }
}
