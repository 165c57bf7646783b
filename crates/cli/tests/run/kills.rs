//! `kill -9` at random moments, many times: nothing outlives the engine, nothing is lost, nothing is wrong.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Place, processes_with, tree, wait_for};

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Numbers that differ from run to run; where a kill falls must not be planned.
fn random(below: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() % below
}

const MANY: &str = "
pial: 1
name: w
parameters: {i: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}
nodes:
  a: {command: [sh, -c, 'echo \"$0\" > x; sleep 0.002; echo \"$0\" >> x', '{i}'], outputs: {out: x}}
  b: {command: [sh, -c, 'cat \"$0\" \"$0\" > y', '{f}'], inputs: {f: {type: file, from: a.out}}, outputs: {out: y}}
  c: {builtin: merge, join: i, inputs: {in1: {from: b.out}}}
  d: {command: [sh, -c, 'cat \"$@\" > z', x, '{f}'], inputs: {f: {type: 'list[file]', from: c.out}}, outputs: {out: z}}
";

#[test]
fn an_engine_killed_at_random_moments_loses_and_spoils_nothing() {
    let (place, undisturbed) = (Place::make(), Place::make());
    let began = Instant::now();
    assert_eq!(undisturbed.run(MANY, &[]).counts(), [42, 0, 0, 0]);
    let whole = began.elapsed();
    for round in 0..40 {
        let mut child = place.begin(MANY, &[]);
        std::thread::sleep(Duration::from_micros(random(whole.as_micros() as u64 / 4)));
        let _ = child.kill();
        child.wait().unwrap();
        if round % 10 == 9 {
            assert_eq!(place.run(MANY, &[]).code, Some(0));
            assert_eq!(tree(&place.path("work/w")), tree(&undisturbed.path("work/w")));
            std::fs::remove_dir_all(place.path("work")).unwrap();
        }
    }
}

#[test]
fn results_of_a_killed_engine_are_not_made_again() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [touch, x], outputs: {out: x}}
  b: {command: [sh, -c, 'while [ ! -e ../../../go ]; do sleep 0.01; done'], inputs: {i: {type: file, from: a.out}}}
";
    let mut child = place.begin(document, &[]);
    wait_for("the second step", || place.path("work/w/.b.part").exists().then_some(()));
    kill(child.id());
    child.wait().unwrap();
    place.write("go", "");
    assert_eq!(place.again(&[]).counts(), [1, 1, 0, 0]);
}

#[test]
fn nothing_outlives_an_engine_that_is_killed() {
    for round in 0..20 {
        let place = Place::make();
        let mark = format!("33{}{round}", std::process::id());
        let command = format!("setsid sleep {mark}1 & (setsid sleep {mark}2 &); env -i sleep {mark}3 & sleep {mark}4");
        let document = format!("{{pial: 1, name: w, nodes: {{a: {{command: [sh, -c, {command:?}]}}}}}}");
        let mut child = place.begin(&document, &[]);
        wait_for("all four sleeps", || (processes_with(&format!("sleep\0{mark}")).len() == 4).then_some(()));
        kill(child.id());
        child.wait().unwrap();
        wait_for("the end of all sleeps", || processes_with(&format!("sleep\0{mark}")).is_empty().then_some(()));
    }
}

#[test]
fn a_killed_tool_is_named_at_once_and_the_rest_goes_on() {
    for round in 0..20 {
        let place = Place::make();
        let mark = format!("34{}{round}", std::process::id());
        let document = format!(
            "{{pial: 1, name: w, nodes: {{a: {{command: [sleep, '{mark}'], outputs: {{out: x}}}}, b: {{command: [cat, '{{i}}'], inputs: {{i: {{type: file, from: a.out}}}}}}, c: {{command: ['true']}}}}}}"
        );
        let child = place.begin(&document, &[]);
        let pid = wait_for("the sleep", || processes_with(&format!("sleep\0{mark}")).first().copied());
        kill(pid);
        let ran = crate::Ran::of(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.counts()), (Some(1), [1, 0, 1, 1]));
        assert!(ran.failure("a").contains("signal 9"), "{}", ran.failure("a"));
    }
}

#[test]
fn a_run_goes_on_without_its_guardian() {
    let place = Place::make();
    let document = "{pial: 1, name: w, nodes: {a: {command: [sh, -c, 'while [ ! -e ../../../go ]; do sleep 0.01; done']}, b: {command: ['true']}}}";
    let child = place.begin(document, &["-j1"]);
    let mark = format!("__guardian\0{}-", child.id());
    let guardian = wait_for("the guardian", || processes_with(&mark).first().copied());
    kill(guardian);
    place.write("go", "");
    assert_eq!(crate::Ran::of(child.wait_with_output().unwrap()).code, Some(0));
}
