//! Every whole document in docs/document.md and README.md is planned, and the cases of the schema are read: neither can rot.

mod tools;

use std::path::{Path, PathBuf};

use pial_core::document::{self, Default, Parameter};
use pial_core::plan::Setting;
use pial_core::value::{Type, Value};
use tools::{plan, plan_among};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The yaml blocks that are whole documents.
fn blocks(guide: &str) -> Vec<String> {
    let blocks = guide.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.starts_with("pial: 1\n")).map(str::to_owned).collect()
}

/// A value for each parameter that must be set.
fn settings(parameters: &[Parameter]) -> Vec<(String, Setting)> {
    let missing = parameters.iter().filter(|parameter| matches!(parameter.default, Default::Missing));
    let setting = |parameter: &Parameter| {
        let value = match parameter.kind {
            Type::Int | Type::Float => Value::Int(1),
            Type::List(_) => Value::List(Vec::new()),
            _ => Value::String("x".to_owned()),
        };
        (parameter.name.text.clone(), Setting::Value(value))
    };
    missing.map(setting).collect()
}

#[test]
fn every_document_of_the_guide_and_the_readme_is_right() {
    let guide = std::fs::read_to_string(root().join("docs/document.md")).unwrap();
    let blocks = blocks(&guide);
    assert!(blocks.len() >= 10, "{}", blocks.len());
    assert_eq!(plan(&blocks[0]).len(), 5, "two subjects, two nodes each, and one that joins");
    let read = |text: &String| document::read(text).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    let named = |text: &String| (format!("{}.yaml", read(text).name.text), text.clone());
    let documents: Vec<(String, String)> = blocks.iter().map(named).collect();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for text in blocks.iter().chain(&self::blocks(&readme)) {
        let settings = settings(&read(text).parameters);
        if let Err(problems) = plan_among(text, &settings, documents.clone()) {
            panic!("{}\n{text}", problems.join("\n"));
        }
    }
}

#[test]
fn the_reader_agrees_with_the_cases_of_the_schema() {
    let text = std::fs::read_to_string(root().join("schema/cases.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    let texts = |key: &str| cases[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    for text in texts("right").chain(texts("refused by the plan")) {
        assert!(document::read(&text).is_ok(), "{text}: {:?}", document::read(&text));
    }
    for text in texts("wrong") {
        assert!(document::read(&text).is_err(), "{text}");
    }
    for text in texts("refused by the plan") {
        assert!(plan_among(&text, &[], Vec::new()).is_err(), "{text}");
    }
}
