//! datagrabber: files found with `%s` templates, as nipype's DataGrabber.

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};

use super::error::{BuiltinError, Missing};
use super::glob::search;
use super::inputs::{Inputs, as_items, expected};
use super::selector::simplest;
use super::signature::{Signature, list, literal, literal_names, literal_texts, must_be_literal, problem, text};
use super::template::Template;
use super::{Builtin, Given, Outcome};

const SETTINGS: &[&str] = &[
    "base_directory",
    "template",
    "template_args",
    "field_template",
    "infields",
    "outfields",
    "sort_filelist",
    "raise_on_empty",
    "drop_blank_outputs",
];

pub(super) fn signature(given: &Given<'_>) -> Signature {
    let signature = Signature::new(Builtin::DataGrabber)
        // Text, not a directory: what counts for the key is the files found, not the whole data set.
        .optional("base_directory", Type::String)
        .optional("template", Type::String)
        .optional("template_args", Type::Any)
        .optional("field_template", Type::Any)
        .optional("infields", list(Type::String))
        .optional("outfields", list(Type::String))
        .optional("sort_filelist", Type::Bool)
        .optional("raise_on_empty", Type::Bool)
        .optional("drop_blank_outputs", Type::Bool)
        .open(given);
    let args = literal_names(given, "template_args");
    let templates = literal_names(given, "field_template");
    let fields = outfields(literal_texts(given, "outfields").unwrap_or_default(), &[args, templates]);
    fields.into_iter().fold(signature, |signature, field| signature.maybe_output(field, Type::Any))
}

/// The outputs: those listed, then those that only have arguments or a template; `outfiles` if there are none.
fn outfields<'a>(mut listed: Vec<&'a str>, named: &[Vec<&'a str>]) -> Vec<&'a str> {
    for name in named.iter().flatten() {
        if !listed.contains(name) {
            listed.push(name);
        }
    }
    if listed.is_empty() { vec!["outfiles"] } else { listed }
}

pub(super) fn check(given: &Given<'_>) -> Vec<Problem> {
    let shaping = ["outfields", "template_args", "field_template"];
    let mut problems: Vec<Problem> = shaping.iter().filter_map(|name| must_be_literal(given, name)).collect();
    let mut templates: Vec<(&str, &Value)> =
        literal(given, "template").map(|value| ("template", value)).into_iter().collect();
    if let Some(Value::Map(entries)) = literal(given, "field_template") {
        templates.extend(entries.iter().map(|(_, value)| ("field_template", value)));
    }
    for (input, value) in templates {
        if let Some(Err(error)) = text(value).map(Template::percent) {
            problems.push(problem(input, error.to_string()));
        }
    }
    problems
}

pub(super) fn run(inputs: Inputs<'_>) -> Result<Outcome, BuiltinError> {
    let names = |input| Ok::<_, BuiltinError>(inputs.entries(input)?.iter().map(|(name, _)| name.as_str()).collect());
    let listed = inputs.texts("outfields")?.unwrap_or_default();
    let fields = outfields(listed, &[names("template_args")?, names("field_template")?]);
    let mut grab = Grab {
        inputs,
        base: inputs.text("base_directory")?,
        natural: inputs.flag("sort_filelist", true)?,
        needed: inputs.flag("raise_on_empty", true)?,
        drop_blanks: inputs.flag("drop_blank_outputs", false)?,
        missing: Vec::new(),
    };
    let mut outcome = Outcome::default();
    for field in fields {
        outcome.outputs.push((field.to_owned(), grab.field(field)?));
    }
    if grab.missing.is_empty() { Ok(outcome) } else { Err(BuiltinError::Missing(grab.missing)) }
}

struct Grab<'a> {
    inputs: Inputs<'a>,
    base: Option<&'a str>,
    natural: bool,
    needed: bool,
    drop_blanks: bool,
    missing: Vec<Missing>,
}

impl<'a> Grab<'a> {
    /// All files of one output: an item for every list of arguments, itself a list where several files match.
    fn field(&mut self, field: &str) -> Result<Value, BuiltinError> {
        let own = entry(self.inputs.entries("field_template")?, field);
        let (input, text) = match own {
            Some(value) => ("field_template", text(value).ok_or_else(|| expected("field_template", "text", value))?),
            None => ("template", self.inputs.required_text("template")?),
        };
        let template = Template::percent(text).map_err(|error| BuiltinError::input(input, error.to_string()))?;
        let rows = self.rows(field, &template)?;
        if rows.is_empty() {
            return self.files(field, input, &template, &[]);
        }
        let mut found = Vec::new();
        for row in rows {
            for arguments in self.tuples(field, row)? {
                found.push(self.files(field, input, &template, &arguments)?);
            }
        }
        if self.drop_blanks {
            found.retain(|value| *value != Value::Null);
        } else if found.contains(&Value::Null) {
            // As nipype: one gap and the output is not there.
            return Ok(Value::Null);
        }
        Ok(simplest(found))
    }

    /// The lists of arguments of an output, each with inputs' names still in it. Without `template_args`, the
    /// other inputs in order, if the template has places for them.
    fn rows(&self, field: &str, template: &Template) -> Result<Vec<Vec<&'a Value>>, BuiltinError> {
        if let Some(value) = entry(self.inputs.entries("template_args")?, field) {
            let odd = |value| expected("template_args", &format!("a list of lists of arguments for `{field}`"), value);
            let Value::List(rows) = value else { return Err(odd(value)) };
            let row = |row: &'a Value| match row {
                Value::List(arguments) => Ok(arguments.iter().collect()),
                _ => Err(odd(value)),
            };
            return rows.iter().map(row).collect();
        }
        if template.fields().next().is_none() {
            return Ok(Vec::new());
        }
        let arguments = match self.inputs.texts("infields")? {
            Some(names) => names.into_iter().map(|name| self.inputs.required(name)).collect::<Result<_, _>>()?,
            None => self.inputs.others(SETTINGS).map(|(_, value)| value).collect(),
        };
        Ok(vec![arguments])
    }

    /// Puts inputs in place of their names, then pairs the arguments that are lists.
    fn tuples(&self, field: &str, row: Vec<&'a Value>) -> Result<Vec<Vec<&'a Value>>, BuiltinError> {
        let resolve = |argument: &'a Value| match argument {
            Value::String(name) if !SETTINGS.contains(&name.as_str()) => self.inputs.get(name).unwrap_or(argument),
            argument => argument,
        };
        let columns: Vec<&Value> = row.into_iter().map(resolve).collect();
        let lists = || columns.iter().filter(|value| matches!(value, Value::List(_))).map(|value| as_items(value));
        let length = lists().next().map_or(1, <[Value]>::len);
        if let Some(odd) = lists().find(|items| items.len() != length) {
            let message = format!("`{field}`: lists of {length} and {} arguments cannot be paired", odd.len());
            return Err(BuiltinError::input("template_args", message));
        }
        let item = |column: &'a Value, index: usize| match column {
            Value::List(items) => &items[index],
            single => single,
        };
        Ok((0..length).map(|index| columns.iter().map(|column| item(column, index)).collect()).collect())
    }

    fn files(
        &mut self,
        field: &str,
        input: &str,
        template: &Template,
        arguments: &[&Value],
    ) -> Result<Value, BuiltinError> {
        let wanted = template.fields().count();
        if wanted != arguments.len() {
            let message = format!("`{field}`: the template has {wanted} places for {} arguments", arguments.len());
            return Err(BuiltinError::input(input, message));
        }
        let mut next = arguments.iter().copied();
        let pattern = template
            .fill(|name| if name.is_empty() { next.next() } else { self.inputs.get(name) })
            .map_err(|error| BuiltinError::input(input, format!("`{field}`: {error}")))?;
        let search = search(field, self.base, &pattern, self.natural)?;
        self.missing.extend(search.missing(field, &pattern, self.needed));
        Ok(simplest(search.found.into_iter().map(Value::Path).collect()))
    }
}

fn entry<'a>(entries: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    entries.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pial_core::interface::Interface;
    use std::fs;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    fn grab(inputs: &[(&str, &str)]) -> Result<String, String> {
        let root = tempfile::tempdir().unwrap();
        for name in ["s1/f2.nii", "s1/f10.nii", "s1/struct.nii", "s2/f2.nii", "s2/struct.nii", "s2/é 1.nii"] {
            fs::create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
            fs::write(root.path().join(name), name).unwrap();
        }
        let base = root.path().to_string_lossy().into_owned();
        let mut given: Vec<_> = inputs.iter().map(|(name, json)| ((*name).to_owned(), value(json))).collect();
        given.push(("base_directory".to_owned(), Value::Path(base.clone())));
        let outcome = run(Inputs(&given)).map_err(|error| error.to_string().replace(&base, "BASE"))?;
        let outputs = outcome.outputs.iter().map(|(name, value)| format!("{name}={}", value.to_json()));
        Ok(outputs.collect::<Vec<_>>().join(" ").replace(&format!("{base}/"), ""))
    }

    #[test]
    fn grabs_as_nipype() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("template", "\"s1/f*\"")], "outfiles=[\"s1/f2.nii\",\"s1/f10.nii\"]"),
            (&[("template", "\"s1/f*\""), ("sort_filelist", "false")], "outfiles=[\"s1/f10.nii\",\"s1/f2.nii\"]"),
            (&[("template", "\"s2/é*\""), ("outfields", "[\"x\"]")], "x=\"s2/é 1.nii\""),
            (&[("template", "\"%s/%s.nii\""), ("a", "\"s1\""), ("b", "\"struct\"")], "outfiles=\"s1/struct.nii\""),
            (
                &[("template", "\"%s/%s.nii\""), ("a", "\"struct\""), ("b", "\"s1\""), ("infields", "[\"b\", \"a\"]")],
                "outfiles=\"s1/struct.nii\"",
            ),
            (
                &[
                    ("template", "\"%s/%s.nii\""),
                    ("template_args", r#"{"func": [["sid", ["f2", "f10"]]], "ref": [["sid", "f2"]], "t1": [["sid"]]}"#),
                    ("field_template", r#"{"t1": "%s/struct.nii"}"#),
                    ("sid", "\"s1\""),
                ],
                "func=[\"s1/f2.nii\",\"s1/f10.nii\"] ref=\"s1/f2.nii\" t1=\"s1/struct.nii\"",
            ),
            (
                &[("template", "\"s%d/f*.nii\""), ("template_args", r#"{"f": [["run"]]}"#), ("run", "[1, 2]")],
                "f=[[\"s1/f2.nii\",\"s1/f10.nii\"],\"s2/f2.nii\"]",
            ),
            (
                &[
                    ("template", "\"s%d/f10.nii\""),
                    ("template_args", r#"{"f": [[[1, 2]]]}"#),
                    ("raise_on_empty", "false"),
                ],
                "f=null",
            ),
            (
                &[
                    ("template", "\"s%d/f10.nii\""),
                    ("template_args", r#"{"f": [[[1, 2]]]}"#),
                    ("raise_on_empty", "false"),
                    ("drop_blank_outputs", "true"),
                ],
                "f=\"s1/f10.nii\"",
            ),
            (&[("template", "\"none*\""), ("raise_on_empty", "false")], "outfiles=null"),
            (&[("template", "\"s1/struct.nii\""), ("template_args", r#"{"t1": []}"#)], "t1=\"s1/struct.nii\""),
        ];
        for (inputs, outputs) in cases {
            assert_eq!(grab(inputs).as_deref(), Ok(*outputs), "{inputs:?}");
        }
    }

    #[test]
    fn errors_name_the_input_and_the_remedy() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "input `template`: it is needed but not given"),
            (&[("template", "\"%s/x\"")], "`outfiles`: the template has 1 places for 0 arguments"),
            (
                &[("template", "\"%s\""), ("template_args", "{\"a\": \"x\"}")],
                "a list of lists of arguments for `a`, got \"x\"",
            ),
            (
                &[("template", "\"%s%s\""), ("template_args", "{\"a\": [[[1, 2], [1, 2, 3]]]}")],
                "`a`: lists of 2 and 3 arguments cannot be paired",
            ),
            (&[("template", "\"s%d\""), ("template_args", "{\"a\": [[\"x\"]]}")], "expected a whole number, got \"x\""),
            (
                &[("template", "\"s%d/f3.nii\""), ("template_args", "{\"a\": [[[1, 4]]]}")],
                "2 things are missing:\n  `a`: nothing matches \"s1/f3.nii\": no \"f3.nii\" in \"BASE/s1\", \
                 which has f2.nii, f10.nii, struct.nii\n  \
                 `a`: nothing matches \"s4/f3.nii\": no \"s4\" in \"BASE\", which has s1, s2",
            ),
        ];
        for (inputs, message) in cases {
            let error = grab(inputs).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn ports_follow_the_fields() {
        let (args, fields) = (value(r#"{"b": [], "a": []}"#), value(r#"["c", "a"]"#));
        let given = [("template_args", Some(&args)), ("outfields", Some(&fields)), ("sid", None)];
        let signature = signature(&given);
        let outputs: Vec<_> = signature.outputs().iter().map(|port| port.name.as_str()).collect();
        assert_eq!(outputs, ["c", "a", "b"]);
        assert_eq!(signature.inputs().last().map(|port| port.name.as_str()), Some("sid"));
        let odd = value("\"%(a\"");
        assert_eq!(check(&[("template", Some(&odd))]).len(), 1);
    }
}
