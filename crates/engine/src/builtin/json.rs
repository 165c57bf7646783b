//! json_read and json_write: values out of and into a JSON file.

use std::fs;
use std::path::{Component, Path};

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use super::error::{BuiltinError, Missing};
use super::inputs::{Inputs, expected};
use super::signature::{Signature, list, literal_texts, must_be_literal, problem};
use super::{Builtin, Given, Outcome};

const WHOLE: &str = "out";
const WRITE_SETTINGS: &[&str] = &["filename"];

pub(super) fn read_signature(given: &Given<'_>) -> Signature {
    let signature =
        Signature::new(Builtin::JsonRead).required("in_file", Type::File).optional("fields", list(Type::String));
    let fields = literal_texts(given, "fields").unwrap_or_default();
    let fields = fields.into_iter().filter(|field| *field != WHOLE);
    fields.fold(signature, |signature, field| signature.maybe_output(field, Type::Any)).maybe_output(WHOLE, Type::Any)
}

pub(super) fn read_check(given: &Given<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = must_be_literal(given, "fields").into_iter().collect();
    if literal_texts(given, "fields").is_some_and(|fields| fields.contains(&WHOLE)) {
        problems.push(problem("fields", "`out` is the whole content, so a field cannot have that name"));
    }
    problems
}

pub(super) fn read(inputs: Inputs<'_>) -> Result<Outcome, BuiltinError> {
    let path = Path::new(inputs.required_text("in_file")?);
    let text = fs::read(path).map_err(BuiltinError::io("read", path))?;
    let json: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| BuiltinError::input("in_file", format!("{path:?} is not JSON: {error}")))?;
    let content = Value::from(json);
    let fields = inputs.texts("fields")?.unwrap_or_default();
    let entries = match &content {
        Value::Map(entries) => entries.as_slice(),
        _ if fields.is_empty() => &[],
        other => return Err(expected("in_file", "a JSON object, to read `fields` from", other)),
    };
    let mut outcome = Outcome::default();
    let mut missing = Vec::new();
    for field in fields {
        match entries.iter().find(|(name, _)| name == field) {
            Some((_, value)) => outcome.outputs.push((field.to_owned(), value.clone())),
            None => missing.push(Missing { field: field.to_owned(), message: not_among(path, entries) }),
        }
    }
    if !missing.is_empty() {
        return Err(BuiltinError::Missing(missing));
    }
    outcome.outputs.push((WHOLE.to_owned(), content));
    Ok(outcome)
}

fn not_among(path: &Path, entries: &[(String, Value)]) -> String {
    let names: Vec<&str> = entries.iter().take(20).map(|(name, _)| name.as_str()).collect();
    let rest = if entries.len() > names.len() { ", ..." } else { "" };
    format!("there is no such name in {path:?}, which has: {}{rest}", names.join(", "))
}

pub(super) fn write_signature(given: &Given<'_>) -> Signature {
    Signature::new(Builtin::JsonWrite).optional("filename", Type::String).open(given).output("out_file", Type::File)
}

pub(super) fn write(inputs: Inputs<'_>, directory: &Path) -> Result<Outcome, BuiltinError> {
    let name = inputs.text("filename")?.unwrap_or("data.json");
    if !Path::new(name).components().eq([Component::Normal(name.as_ref())]) {
        return Err(BuiltinError::input(
            "filename",
            format!("{name:?} must be a plain file name; use datasink to put it elsewhere"),
        ));
    }
    let path = directory.join(name);
    let fields: Vec<_> = inputs.others(WRITE_SETTINGS).collect();
    let mut text = serde_json::to_vec_pretty(&Fields(&fields)).map_err(|error| BuiltinError::Io {
        operation: "write",
        path: path.clone(),
        source: error.into(),
    })?;
    text.push(b'\n');
    fs::create_dir_all(directory).map_err(BuiltinError::io("make", directory))?;
    fs::write(&path, text).map_err(BuiltinError::io("write", &path))?;
    Ok(Outcome::one("out_file", Value::Path(path.to_string_lossy().into_owned())))
}

/// Keys in order, which `serde_json`'s own map does not keep.
struct Fields<'a>(&'a [(&'a str, &'a Value)]);

struct InOrder<'a>(&'a Value);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, &InOrder(value))?;
        }
        map.end()
    }
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::Float(number) => Err(S::Error::custom(format!("{number} cannot be written as JSON"))),
            Value::String(text) | Value::Path(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter().map(InOrder)),
            Value::Map(entries) => serializer.collect_map(entries.iter().map(|(name, value)| (name, InOrder(value)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(pairs: &[(&str, Value)]) -> Vec<(String, Value)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn writes_in_document_order_and_reads_back() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a node's\ndir é");
        let map = Value::Map(vec![("z".to_owned(), Value::Int(1)), ("a".to_owned(), Value::Float(0.5))]);
        let values = inputs(&[
            ("z", Value::List(vec![Value::Path("/d/é \"x\"\n.nii".to_owned()), Value::Null])),
            ("a", map),
            ("filename", text("my data.json")),
            ("m", Value::Bool(true)),
        ]);
        let outcome = write(Inputs(&values), &directory).unwrap();
        let path = directory.join("my data.json");
        assert_eq!(outcome.outputs, [("out_file".to_owned(), Value::Path(path.to_string_lossy().into_owned()))]);
        let written = fs::read_to_string(&path).unwrap();
        let expected = "{\n  \"z\": [\n    \"/d/é \\\"x\\\"\\n.nii\",\n    null\n  ],\n  \"a\": {\n    \"z\": 1,\n    \"a\": 0.5\n  },\n  \"m\": true\n}\n";
        assert_eq!(written, expected);

        let file = ("in_file", outcome.outputs[0].1.clone());
        let outcome = read(Inputs(&inputs(&[file.clone(), ("fields", text("m"))]))).unwrap();
        assert_eq!(outcome.outputs[0], ("m".to_owned(), Value::Bool(true)));
        assert_eq!(outcome.outputs[1].0, "out");
        let fields = Value::List(vec![text("q"), text("m"), text("r")]);
        let error = read(Inputs(&inputs(&[file, ("fields", fields)]))).unwrap_err().to_string();
        assert!(error.starts_with("2 things are missing:\n  `q`: there is no such name in"), "{error}");
        assert!(error.ends_with("which has: a, m, z"), "{error}");
    }

    #[test]
    fn reads_any_json() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.json");
        let file = ("in_file", Value::Path(path.to_string_lossy().into_owned()));
        for (content, out) in [("[1, 2.5]", "[1,2.5]"), ("\"x\"", "\"x\""), ("{}", "{}"), ("null", "null")] {
            fs::write(&path, content).unwrap();
            let outcome = read(Inputs(&inputs(std::slice::from_ref(&file)))).unwrap();
            assert_eq!(outcome.outputs[0].1.to_json().to_string(), out);
        }
        fs::write(&path, "[1]").unwrap();
        let error = read(Inputs(&inputs(&[file.clone(), ("fields", text("a"))]))).unwrap_err().to_string();
        assert_eq!(error, "input `in_file`: expected a JSON object, to read `fields` from, got [1]");
        fs::write(&path, "{,").unwrap();
        let error = read(Inputs(&inputs(&[file]))).unwrap_err().to_string();
        assert!(error.contains("is not JSON: key must be a string at line 1 column 2"), "{error}");
        let gone = read(Inputs(&inputs(&[("in_file", text("/no/such"))]))).unwrap_err().to_string();
        assert!(gone.starts_with("cannot read \"/no/such\": No such file"), "{gone}");
    }

    #[test]
    fn refuses_what_json_cannot_hold_and_other_directories() {
        let root = tempfile::tempdir().unwrap();
        let error = |pairs: &[(&str, Value)]| write(Inputs(&inputs(pairs)), root.path()).unwrap_err().to_string();
        assert!(error(&[("x", Value::Float(f64::NAN))]).contains("NaN cannot be written as JSON"));
        for name in ["", "..", "../x.json", "/x.json", "a/b.json", "x/", "."] {
            assert!(error(&[("filename", text(name))]).contains("must be a plain file name"), "{name}");
        }
    }

    #[test]
    fn out_is_not_a_field() {
        let fields = text("out");
        assert_eq!(read_check(&[("fields", Some(&fields))]).len(), 1);
        assert_eq!(read_check(&[("fields", None)]).len(), 1);
        assert_eq!(read_check(&[]), []);
    }
}
