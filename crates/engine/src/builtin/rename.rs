//! rename: a file under a name put together from values and from parts of its old name.

use std::path::{Component, Path};

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};

use super::error::BuiltinError;
use super::inputs::Inputs;
use super::place::{Mode, place};
use super::regexp;
use super::signature::{Signature, is_given, literal, problem, text};
use super::template::{Template, TemplateError};
use super::{Builtin, Given, Outcome};

/// Extensions with a dot inside: nipype's, and MRtrix's, which nipype cuts to `.gz`.
const LONG_EXTENSIONS: &[&str] = &[".nii.gz", ".tar.gz", ".mif.gz", ".niml.dset"];

pub(super) fn signature(given: &Given<'_>) -> Signature {
    let mut signature = Signature::new(Builtin::Rename)
        .required("in_file", Type::File)
        .required("format_string", Type::String)
        .optional("keep_ext", Type::Bool)
        .optional("parse_string", Type::String)
        .optional("use_fullpath", Type::Bool);
    let template = literal(given, "format_string").and_then(text).and_then(|text| template(text).ok());
    let mut fields: Vec<&str> = template.iter().flat_map(Template::fields).map(|field| field.name.as_str()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields.retain(|field| !given.iter().any(|(name, _)| name == field));
    for field in fields {
        signature = match is_given(given, "parse_string") {
            true => signature.optional(field, Type::Any),
            false => signature.required(field, Type::Any),
        };
    }
    signature.open(given).output("out_file", Type::File)
}

pub(super) fn check(given: &Given<'_>) -> Vec<Problem> {
    let text_of = |name| literal(given, name).and_then(text);
    let mut problems = Vec::new();
    if let Some(Err(error)) = text_of("format_string").map(template) {
        problems.push(problem("format_string", error.to_string()));
    }
    if let Some(Err(error)) = text_of("parse_string").map(regexp::compile) {
        problems.push(problem("parse_string", error.to_string()));
    }
    problems
}

/// nipype's `%(name)s` if there is one, `{name}` otherwise.
fn template(text: &str) -> Result<Template, TemplateError> {
    if text.contains("%(") { Template::percent(text) } else { Template::braces(text) }
}

pub(super) fn run(inputs: Inputs<'_>, directory: &Path) -> Result<Outcome, BuiltinError> {
    let source = Path::new(inputs.required_text("in_file")?);
    if !source.is_file() {
        return Err(BuiltinError::input("in_file", format!("{source:?} is not a file")));
    }
    let name = new_name(inputs, source)?;
    if !Path::new(&name).components().eq([Component::Normal(name.as_ref())]) {
        return Err(BuiltinError::input("format_string", format!("{name:?} is not a plain file name")));
    }
    let destination = directory.join(name);
    place(source, &destination, Mode::Hardlink)?;
    Ok(Outcome::one("out_file", Value::Path(destination.to_string_lossy().into_owned())))
}

fn new_name(inputs: Inputs<'_>, source: &Path) -> Result<String, BuiltinError> {
    let old_name = source.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let full_path = source.to_string_lossy();
    let parsed = if inputs.flag("use_fullpath", false)? { &full_path } else { &old_name };
    let groups = groups(inputs, parsed)?;
    let format = inputs.required_text("format_string")?;
    let value_of =
        |field: &str| inputs.get(field).or_else(|| groups.iter().find(|(name, _)| name == field).map(|(_, v)| v));
    let mut name = template(format)
        .and_then(|template| template.fill(value_of))
        .map_err(|error| BuiltinError::input("format_string", with_hint(&error, inputs, parsed)))?;
    if inputs.flag("keep_ext", false)? {
        name.push_str(extension(&old_name));
    }
    Ok(name)
}

/// The named parts of the old name; inputs of the same name come before them.
fn groups(inputs: Inputs<'_>, parsed: &str) -> Result<Vec<(String, Value)>, BuiltinError> {
    let Some(pattern) = inputs.text("parse_string")? else { return Ok(Vec::new()) };
    let regex = regexp::compile(pattern).map_err(|error| BuiltinError::input("parse_string", error.to_string()))?;
    let Some(captures) = regex.captures(parsed) else { return Ok(Vec::new()) };
    let names = regex.capture_names().flatten();
    let found =
        names.filter_map(|name| Some((name.to_owned(), Value::String(captures.name(name)?.as_str().to_owned()))));
    Ok(found.collect())
}

fn with_hint(error: &TemplateError, inputs: Inputs<'_>, parsed: &str) -> String {
    match (error, inputs.get("parse_string")) {
        (TemplateError::Value { .. }, Some(pattern)) => {
            format!("{error} (`parse_string` {} was tried on {parsed:?})", pattern.excerpt())
        }
        _ => error.to_string(),
    }
}

fn extension(name: &str) -> &str {
    let tail = |length: usize| name.len().checked_sub(length).filter(|at| *at > 0).and_then(|at| name.get(at..));
    let long = LONG_EXTENSIONS.iter().find_map(|long| tail(long.len()).filter(|tail| tail.eq_ignore_ascii_case(long)));
    // A name's first character does not start an extension: `.bashrc` has none.
    let short = || name.rfind('.').filter(|at| *at > 0).map_or("", |at| &name[at..]);
    long.unwrap_or_else(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pial_core::interface::Interface;
    use std::fs;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    /// Renames a file called `name`; the new name, or the error's text.
    fn rename(name: &str, inputs: &[(&str, &str)]) -> Result<String, String> {
        let root = tempfile::tempdir().unwrap();
        let source = root.path().join("in").join(name);
        fs::create_dir(root.path().join("in")).unwrap();
        fs::write(&source, "content").unwrap();
        let mut given: Vec<_> = inputs.iter().map(|(name, json)| ((*name).to_owned(), value(json))).collect();
        given.push(("in_file".to_owned(), Value::Path(source.to_string_lossy().into_owned())));
        let node = root.path().join("a node");
        let outcome = run(Inputs(&given), &node).map_err(|error| error.to_string())?;
        let Value::Path(out) = &outcome.outputs[0].1 else { panic!("{outcome:?}") };
        assert_eq!(fs::read_to_string(out).unwrap(), "content");
        assert!(source.exists());
        Ok(Path::new(out).strip_prefix(&node).unwrap().to_string_lossy().into_owned())
    }

    #[test]
    fn names_are_put_together_as_in_nipype() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("zstat1.nii.gz", &[("format_string", "\"Faces-Scenes.nii.gz\"")], "Faces-Scenes.nii.gz"),
            (
                "functional.nii",
                &[
                    ("format_string", "\"%(s)s_func_run%(r)02d\""),
                    ("keep_ext", "true"),
                    ("s", "\"subj_201\""),
                    ("r", "2"),
                ],
                "subj_201_func_run02.nii",
            ),
            (
                "func_epi_1_1.nii",
                &[
                    ("format_string", "\"{s}_{seq}_run{r:02d}.nii\""),
                    ("parse_string", r#""func_(?P<seq>\\w*?)_(?P<r>.)""#),
                    ("s", "\"é 'x'\\n\""),
                    ("r", "7"),
                ],
                "é 'x'\n_epi_run07.nii",
            ),
            ("a.nii.gz", &[("format_string", "\"a\""), ("keep_ext", "true")], "a.nii.gz"),
            ("A.NII.GZ", &[("format_string", "\"b\""), ("keep_ext", "true")], "b.NII.GZ"),
            (".nii.gz", &[("format_string", "\"b\""), ("keep_ext", "true")], "b.gz"),
            (".profile", &[("format_string", "\"b\""), ("keep_ext", "true")], "b"),
            ("é", &[("format_string", "\"b\""), ("keep_ext", "true")], "b"),
            (
                "a.b",
                &[("format_string", "\"{d}\""), ("parse_string", "\"/(?P<d>in)/\""), ("use_fullpath", "true")],
                "in",
            ),
        ];
        for (name, inputs, renamed) in cases {
            assert_eq!(rename(name, inputs).as_deref(), Ok(*renamed), "{name} {inputs:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_file_name() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "input `format_string`: it is needed but not given"),
            (&[("format_string", "\"\"")], "input `format_string`: \"\" is not a plain file name"),
            (
                &[("format_string", "\"../{x}\""), ("x", "1")],
                "input `format_string`: \"../1\" is not a plain file name",
            ),
            (
                &[("format_string", "\"{x}\""), ("x", "\"/etc\"")],
                "input `format_string`: \"/etc\" is not a plain file name",
            ),
            (&[("format_string", "\"{x}\"")], "input `format_string`: placeholder `x`: no value is given"),
            (
                &[("format_string", "\"{x}\""), ("parse_string", "\"(?P<x>z)\"")],
                "input `format_string`: placeholder `x`: no value is given (`parse_string` \"(?P<x>z)\" was tried on \"a.nii\")",
            ),
        ];
        for (inputs, message) in cases {
            assert_eq!(rename("a.nii", inputs), Err((*message).to_owned()));
        }
        let gone = [("in_file".to_owned(), Value::Path("/no/such".to_owned()))];
        assert!(run(Inputs(&gone), Path::new("/nowhere")).unwrap_err().to_string().contains("is not a file"));
    }

    #[test]
    fn its_own_directory_and_name_are_no_trouble() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a.nii");
        fs::write(&file, "x").unwrap();
        let path = Value::Path(file.to_string_lossy().into_owned());
        let inputs =
            [("in_file".to_owned(), path.clone()), ("format_string".to_owned(), Value::String("a.nii".to_owned()))];
        assert_eq!(run(Inputs(&inputs), root.path()).unwrap().outputs[0].1, path);
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    }

    #[test]
    fn ports_follow_the_format() {
        let format = value("\"%(b)s%(a)s%(a)s\"");
        let ports = |given: &Given<'_>| {
            let signature = signature(given);
            let mandatory = signature.inputs().iter().filter(|port| port.mandatory);
            mandatory.map(|port| port.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ports(&[("format_string", Some(&format))]), ["in_file", "format_string", "a", "b"]);
        assert_eq!(ports(&[("format_string", Some(&format)), ("parse_string", None)]), ["in_file", "format_string"]);
        let odd = value("\"(\"");
        assert_eq!(check(&[("parse_string", Some(&odd)), ("format_string", Some(&value("\"{\"")))]).len(), 2);
    }
}
