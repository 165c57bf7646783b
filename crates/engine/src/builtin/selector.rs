//! selectfiles: files found with one `{name}` template per output.

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};

use super::error::{BuiltinError, Missing};
use super::glob::search;
use super::inputs::{Inputs, expected};
use super::signature::{Signature, list, literal, literal_names, literal_texts, must_be_literal, problem, text};
use super::template::Template;
use super::{Builtin, Given, Outcome};

const SETTINGS: &[&str] = &["base_directory", "templates", "sort_filelist", "force_lists", "raise_on_empty"];

pub(super) fn signature(given: &Given<'_>) -> Signature {
    let mut signature = Signature::new(Builtin::SelectFiles)
        // Text, not a directory: what counts for the key is the files found, not the whole data set.
        .optional("base_directory", Type::String)
        .required("templates", Type::Any)
        .optional("sort_filelist", Type::Bool)
        .optional("force_lists", Type::Any)
        .optional("raise_on_empty", Type::Bool);
    for name in placeholders(given) {
        signature = signature.required(&name, Type::Any);
    }
    let forced = |name| match literal(given, "force_lists") {
        Some(Value::Bool(all)) => *all,
        _ => literal_texts(given, "force_lists").is_some_and(|names| names.contains(&name)),
    };
    for name in literal_names(given, "templates") {
        signature = match forced(name) {
            true => signature.output(name, list(Type::Any)),
            false => signature.maybe_output(name, Type::Any),
        };
    }
    signature
}

/// The names in braces in all templates, once each; templates that cannot be read are left to [`check`].
fn placeholders(given: &Given<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let Some(Value::Map(templates)) = literal(given, "templates") else { return names };
    for template in templates.iter().filter_map(|(_, value)| Template::braces(text(value)?).ok()) {
        for field in template.fields() {
            if !names.contains(&field.name) && !SETTINGS.contains(&field.name.as_str()) {
                names.push(field.name.clone());
            }
        }
    }
    names
}

pub(super) fn check(given: &Given<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> =
        ["templates", "force_lists"].iter().filter_map(|name| must_be_literal(given, name)).collect();
    match literal(given, "templates") {
        None => {}
        Some(Value::Map(templates)) => {
            for (name, value) in templates {
                match text(value).map(Template::braces) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => problems.push(problem("templates", format!("`{name}`: {error}"))),
                    None => {
                        problems.push(problem("templates", format!("`{name}`: expected text, got {}", value.excerpt())))
                    }
                }
            }
        }
        Some(other) => {
            problems.push(problem("templates", format!("expected one template per output, got {}", other.excerpt())))
        }
    }
    let outputs = literal_names(given, "templates");
    let names = literal_texts(given, "force_lists").unwrap_or_default();
    for name in names.iter().filter(|name| !outputs.contains(name)) {
        problems.push(problem("force_lists", format!("`{name}` is not one of the templates ({})", outputs.join(", "))));
    }
    problems
}

pub(super) fn run(inputs: Inputs<'_>) -> Result<Outcome, BuiltinError> {
    let base = inputs.text("base_directory")?;
    let (natural, needed) = (inputs.flag("sort_filelist", true)?, inputs.flag("raise_on_empty", true)?);
    let (all_lists, lists) = match inputs.get("force_lists") {
        Some(Value::Bool(all)) => (*all, Vec::new()),
        _ => (false, inputs.texts("force_lists")?.unwrap_or_default()),
    };
    inputs.required("templates")?;
    let mut outcome = Outcome::default();
    let mut missing: Vec<Missing> = Vec::new();
    for (name, value) in inputs.entries("templates")? {
        let template = text(value).ok_or_else(|| expected("templates", "text", value))?;
        let pattern = Template::braces(template)
            .and_then(|template| template.fill(|field| inputs.get(field)))
            .map_err(|error| BuiltinError::input("templates", format!("`{name}`: {error}")))?;
        let search = search(name, base, &pattern, natural)?;
        missing.extend(search.missing(name, &pattern, needed));
        let paths = search.found.into_iter().map(Value::Path).collect();
        let output = if all_lists || lists.contains(&name.as_str()) { Value::List(paths) } else { simplest(paths) };
        outcome.outputs.push((name.clone(), output));
    }
    if missing.is_empty() { Ok(outcome) } else { Err(BuiltinError::Missing(missing)) }
}

/// Nothing for no item, the item for one, a list for more.
pub(super) fn simplest(mut values: Vec<Value>) -> Value {
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::List(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pial_core::interface::Interface;
    use std::fs;

    const TEMPLATES: &str = r#"{"anat": "{subject}/anat.nii", "epi": "{subject}/run{run:02d}_*.nii"}"#;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    fn data() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let subject = root.path().join("sub 1");
        fs::create_dir(&subject).unwrap();
        for name in ["anat.nii", "run01_10.nii", "run01_2.nii", "run02_1.nii"] {
            fs::write(subject.join(name), name).unwrap();
        }
        root
    }

    fn run_json(base: &tempfile::TempDir, inputs: &[(&str, &str)]) -> Result<String, String> {
        let base = base.path().to_string_lossy().into_owned();
        let mut given: Vec<_> = inputs.iter().map(|(name, json)| ((*name).to_owned(), value(json))).collect();
        given.push(("base_directory".to_owned(), Value::String(base.clone())));
        let outcome = run(Inputs(&given)).map_err(|error| error.to_string().replace(&base, "BASE"))?;
        let outputs = outcome.outputs.iter().map(|(name, value)| format!("{name}={}", value.to_json()));
        Ok(outputs.collect::<Vec<_>>().join(" ").replace(&base, "BASE"))
    }

    #[test]
    fn finds_files_and_reports_all_that_are_missing() {
        let base = data();
        type Case<'a> = (&'a [(&'a str, &'a str)], Result<&'a str, &'a str>);
        let cases: &[Case<'_>] = &[
            (
                &[("run", "1")],
                Ok("anat=\"BASE/sub 1/anat.nii\" epi=[\"BASE/sub 1/run01_2.nii\",\"BASE/sub 1/run01_10.nii\"]"),
            ),
            (&[("run", "2")], Ok("anat=\"BASE/sub 1/anat.nii\" epi=\"BASE/sub 1/run02_1.nii\"")),
            (
                &[("run", "2"), ("force_lists", "[\"epi\"]")],
                Ok("anat=\"BASE/sub 1/anat.nii\" epi=[\"BASE/sub 1/run02_1.nii\"]"),
            ),
            (
                &[("run", "2"), ("force_lists", "true")],
                Ok("anat=[\"BASE/sub 1/anat.nii\"] epi=[\"BASE/sub 1/run02_1.nii\"]"),
            ),
            (
                &[("run", "1"), ("sort_filelist", "false")],
                Ok("anat=\"BASE/sub 1/anat.nii\" epi=[\"BASE/sub 1/run01_10.nii\",\"BASE/sub 1/run01_2.nii\"]"),
            ),
            (&[("run", "3"), ("raise_on_empty", "false")], Ok("anat=\"BASE/sub 1/anat.nii\" epi=null")),
            (
                &[("run", "3")],
                Err("`epi`: nothing matches \"sub 1/run03_*.nii\": no \"run03_*.nii\" in \"BASE/sub 1\", \
                     which has anat.nii, run01_2.nii, run01_10.nii, run02_1.nii"),
            ),
            (&[], Err("input `templates`: `epi`: placeholder `run`: no value is given")),
        ];
        for (inputs, expected) in cases {
            let inputs = [&[("templates", TEMPLATES), ("subject", "\"sub 1\"")], *inputs].concat();
            assert_eq!(run_json(&base, &inputs).as_deref().map_err(String::as_str), *expected, "{inputs:?}");
        }
        let both = run_json(&base, &[("templates", TEMPLATES), ("subject", "\"x\""), ("run", "1")]).unwrap_err();
        assert_eq!(
            both,
            "2 things are missing:\n  \
             `anat`: nothing matches \"x/anat.nii\": no \"x\" in \"BASE\", which has sub 1\n  \
             `epi`: nothing matches \"x/run01_*.nii\": no \"x\" in \"BASE\", which has sub 1"
        );
    }

    #[test]
    fn ports_follow_the_templates() {
        let (templates, lists) = (value(TEMPLATES), value("[\"epi\", \"bold\"]"));
        let given = [("templates", Some(&templates)), ("force_lists", Some(&lists))];
        let signature = signature(&given);
        let ports = |ports: &[pial_core::interface::Port]| {
            let ports = ports.iter().filter(|port| !SETTINGS.contains(&port.name.as_str()));
            ports.map(|port| format!("{} {} {}", port.name, port.kind, port.mandatory)).collect::<Vec<_>>()
        };
        assert_eq!(ports(signature.inputs()), ["subject any true", "run any true"]);
        assert_eq!(ports(signature.outputs()), ["anat any false", "epi list[any] true"]);
        assert!(!signature.open_inputs);
        let problems = signature.check(&given);
        assert_eq!(problems[0].message, "`bold` is not one of the templates (anat, epi)");
    }

    #[test]
    fn templates_are_checked_before_the_run() {
        for (templates, message) in [
            ("{\"a\": \"x{\"}", "a `{` is not closed"),
            ("{\"a\": 1}", "`a`: expected text, got 1"),
            ("\"x\"", "expected one template per output, got \"x\""),
        ] {
            let templates = value(templates);
            let problems = check(&[("templates", Some(&templates))]);
            assert!(problems[0].message.contains(message), "{problems:?}");
        }
        assert!(check(&[("templates", None)])[0].message.contains("decides the ports"));
    }
}
