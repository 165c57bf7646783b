//! Descriptors and values in, argument vectors and problems out: one test binary, and what its modules share.

mod descriptors;
mod examples;
mod goldens;
mod injection;
mod outputs;
mod rules;
mod words;

use pial_core::interface::Interface as _;
use pial_core::value::Value;
use pial_interfaces::{CommandLine, Descriptor};
use serde_json::{Value as Json, json};

/// A descriptor with the mandatory keys filled in where `json` has none.
fn descriptor(mut json: Json) -> Descriptor {
    complete(&mut json);
    Descriptor::parse(&json.to_string()).expect("descriptor")
}

/// The problems of a descriptor, as `place: message`.
fn faults(mut json: Json) -> Vec<String> {
    complete(&mut json);
    let problems = Descriptor::parse(&json.to_string()).expect_err("problems");
    problems.iter().map(ToString::to_string).collect()
}

fn complete(json: &mut Json) {
    for (key, value) in [("name", "tool"), ("schema-version", "0.5+styx"), ("tool-version", "1")] {
        json.as_object_mut().expect("object").entry(key).or_insert_with(|| json!(value));
    }
}

/// A string, number, flag or file input: `input("a", "Number", json!({"optional": true}))`, key `[A]`, id `a`.
fn input(id: &str, kind: impl Into<Json>, more: Json) -> Json {
    let mut json = json!({"id": id, "name": id, "type": kind.into(), "value-key": format!("[{}]", id.to_uppercase())});
    let Json::Object(more) = more else { panic!("expected an object, got {more}") };
    json.as_object_mut().expect("object").extend(more);
    json
}

fn values(json: Json) -> Vec<(String, Value)> {
    match Value::from(json) {
        Value::Map(entries) => entries,
        other => panic!("expected an object, got {other}"),
    }
}

fn command_line(descriptor: &Descriptor, given: Json) -> CommandLine {
    descriptor.command_line(&values(given)).expect("command line")
}

fn argv(descriptor: &Descriptor, given: Json) -> Vec<String> {
    command_line(descriptor, given).argv
}

/// The problems with values, as `input: message`.
fn problems(descriptor: &Descriptor, given: Json) -> Vec<String> {
    let given = values(given);
    let pairs: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), Some(value))).collect();
    let problems = descriptor.check(&pairs);
    let text = |p: &pial_core::interface::Problem| match &p.input {
        Some(input) => format!("{input}: {}", p.message),
        None => p.message.clone(),
    };
    problems.iter().map(text).collect()
}
