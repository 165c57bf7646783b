//! Every command that reads, while a run is going on and after its engine was killed.

use std::process::Command;

use serde_json::Value as Json;

use crate::{Place, wait_for};

const WAITING: &str = "
pial: 1
nodes:
  first: {command: [echo, one], outputs: {t: {stdout: string}}}
  'slow é':
    command: [sh, -c, 'echo so far; echo trouble >&2; while [ ! -e \"$0\" ]; do sleep 0.02; done', '{go}']
    inputs: {go: GO, t: {from: first.t}}
  last: {command: [echo, '{x}'], inputs: {x: {from: quick.o}}}
  quick: {command: [echo, '{x}'], inputs: {x: {from: first.t}}, outputs: {o: {stdout: string}}}
";

fn place() -> Place {
    let place = Place::empty();
    place.write("w.yaml", &WAITING.replace("GO", &format!("'{}'", place.path("go").display())));
    place
}

fn status_when_slow_runs(place: &Place) -> Json {
    wait_for("the slow node's start", || {
        let said = place.pial(&["status", "--json"]);
        let json: Json = serde_json::from_str(&said.out).ok()?;
        let slow = json["running"].as_array()?.iter().any(|node| node["node"] == "slow é");
        (slow && json["counts"]["done"] == 3).then_some(json)
    })
}

#[test]
fn everything_can_be_asked_while_it_runs() {
    let place = place();
    let mut run = place.begin();
    let status = status_when_slow_runs(&place);
    assert_eq!((&status["state"], &status["counts"]["left"]), (&"running".into(), &0.into()));
    assert!(status["running"][0]["seconds"].as_f64().unwrap() >= 0.0);
    wait_for("what it printed", || (place.pial(&["log", "slow é", "--stdout"]).out == "so far\n").then_some(()));
    assert_eq!(place.pial(&["log", "slow é", "--stderr"]).out, "trouble\n");
    assert_eq!(place.json(&["log", "slow é"])["running"], true);
    assert_eq!(place.json(&["show", "slow é"])["state"], "running");
    assert_eq!(place.json(&["plan", "w.yaml"])["cached"], 3);
    assert_eq!(place.json(&["why", "quick"])[0]["state"], "cached");
    assert_eq!(place.json(&["crash"]), Json::Array(Vec::new()));
    assert!(place.pial(&["graph", "w.yaml"]).out.starts_with("digraph"));
    let clean = place.pial(&["clean"]);
    assert_eq!(clean.code, Some(3));
    assert!(clean.err.contains("another pial"), "{}", clean.err);
    place.write("go", "");
    assert!(run.wait().unwrap().success());
    assert_eq!(place.json(&["status"])["state"], "ended");
}

#[test]
fn a_killed_engine_is_told_and_what_it_left_can_be_cleaned() {
    let place = place();
    let mut run = place.begin();
    status_when_slow_runs(&place);
    Command::new("kill").args(["-9", &run.id().to_string()]).status().unwrap();
    run.wait().unwrap();
    let status = wait_for("the lock to be free", || {
        let json = place.json(&["status"]);
        (json["state"] == "killed").then_some(json)
    });
    assert_eq!(status["running"][0]["node"], "slow é");
    assert!(place.pial(&["status"]).out.contains("was killed"));
    let scratch = place.path("work/workflow/.slow é.part");
    assert!(scratch.exists());
    let cleaned = place.json(&["clean"]);
    assert!(cleaned["paths"].as_array().unwrap().iter().any(|p| p["path"] == "workflow/.slow é.part"), "{cleaned}");
    assert!(!scratch.exists());
    place.write("go", "");
    assert_eq!(place.run(&[]).code, Some(0));
}

#[test]
fn what_was_interrupted_is_counted_as_such() {
    let place = place();
    let mut run = place.begin();
    status_when_slow_runs(&place);
    Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let counts = &place.json(&["status"])["counts"];
    let keys = ["nodes", "done", "cached", "failed", "skipped", "running", "interrupted", "left"];
    assert_eq!(keys.map(|key| counts[key].as_u64().unwrap()), [4, 3, 0, 0, 0, 0, 1, 0]);
    let text = place.pial(&["status"]).out;
    assert!(text.contains("4 nodes: 3 done, 1 interrupted\n") && text.contains("\ninterrupted\n  slow é"), "{text}");
}
