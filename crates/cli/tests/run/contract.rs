//! What scripts rely on: exit codes, events, messages for wrong documents.

use std::io::Write;
use std::process::Stdio;

use crate::{Place, Ran};

const ONE: &str = "
pial: 1
name: w
parameters: {text: hello}
nodes:
  a: {command: [sh, -c, 'printf %s \"$0\" > out.txt', '{text}'], outputs: {out: out.txt}}
outputs: {result: {from: a.out}}
";

#[test]
fn success_is_0_and_the_last_event_is_the_summary() {
    let place = Place::make();
    let ran = place.run(ONE, &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [1, 0, 0, 0]), "{}", ran.stderr);
    let last = ran.events.last().unwrap();
    assert!(last["wall_s"].as_f64().unwrap() > 0.0);
    assert!(last["engine_peak_rss_bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(place.read("work/w/a/out.txt"), "hello");
    let output = &ran.events[ran.events.len() - 2];
    let path = place.path("work/w/a/out.txt").canonicalize().unwrap();
    assert_eq!((&output["event"], &output["value"]), (&"output".into(), &path.to_str().unwrap().into()));
    let again = place.again(&["--set", "text=other"]);
    assert_eq!(again.counts(), [1, 0, 0, 0]);
    assert_eq!(place.read("work/w/a/out.txt"), "other");
}

#[test]
fn a_document_on_standard_input_and_parameters_from_a_file() {
    let place = Place::make();
    place.write("p.yaml", "text: from a file\n");
    let mut command = place.pial(&["run", "-", "--json", "--parameters", "p.yaml", "--work", "elsewhere"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(ONE.as_bytes()).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.counts()), (Some(0), [1, 0, 0, 0]), "{}", ran.stderr);
    assert_eq!(place.read("elsewhere/w/a/out.txt"), "from a file");
}

#[test]
fn a_failure_is_1_and_skips_what_depends_on_it() {
    let place = Place::make();
    let ran = place.run(
        "
pial: 1
name: w
nodes:
  a: {command: [sh, -c, 'echo why >&2; exit 7'], outputs: {out: x}}
  b: {command: [cat, '{i}'], inputs: {i: {type: file, from: a.out}}}
  c: {command: ['true']}
",
        &[],
    );
    assert_eq!((ran.code, ran.counts()), (Some(1), [1, 0, 1, 1]));
    assert_eq!(ran.failure("a"), "it exited with code 7: why");
    let failed = ran.events.iter().find(|e| e["event"] == "node_failed").unwrap();
    let crash = place.read(&format!("work/{}", failed["crash"].as_str().unwrap()));
    assert!(crash.contains("why") && crash.contains("exited with code 7"), "{crash}");
    let line = crash.lines().find_map(|line| line.strip_prefix("reproduce")).unwrap().trim().to_owned();
    let reproduced = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!((reproduced.status.code(), &*reproduced.stderr), (Some(7), &b"why\n"[..]));
}

#[test]
fn a_wrong_document_is_2_with_every_problem_and_nothing_runs() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [no-such-program-at-all], outputs: {out: x}}
  b: {command: [cat, '{i}'], inputs: {i: {type: file, value: nowhere/there.nii}}}
  c: {interface: mrtrix3/dwidenois}
";
    let ran = place.run(&document.replace("  c: {interface: mrtrix3/dwidenois}\n", ""), &[]);
    assert_eq!((ran.code, ran.events.len()), (Some(2), 1), "{:?}", ran.events);
    assert_eq!(ran.events[0]["event"], "gave_up");
    assert_eq!(format!("{}\n", ran.events[0]["message"].as_str().unwrap()), ran.stderr);
    assert!(ran.stderr.contains("w.yaml:5:3: `a` needs the program `no-such-program-at-all`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("w.yaml:6:62: missing input of `b`: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 problems"), "{}", ran.stderr);
    let ran = place.run(document, &[]);
    assert!(
        ran.stderr.contains("w.yaml:7:18: there is no interface `mrtrix3/dwidenois`; did you mean"),
        "{}",
        ran.stderr
    );
    assert!(!place.path("work").exists());
    let json = r#"{"pial": 1, "name": "w",
"nodes": {"a": {"command": ["t"], "inputs": {"x": {"from": "b.out"}}}}}"#;
    let ran = place.run(json, &[]);
    assert!(ran.stderr.contains("w.yaml:2:51: there is no node `b`"), "{}", ran.stderr);
    let ran = place.run(&json.replace("\"t\"]", "\"no-such-program\"]").replace("{\"from\": \"b.out\"}", "1"), &[]);
    assert!(ran.stderr.contains("w.yaml:2:11: `a` needs the program `no-such-program`"), "{}", ran.stderr);
}

#[test]
fn wrong_command_lines_are_2() {
    let place = Place::make();
    place.write("w.yaml", ONE);
    for arguments in [
        &["run"][..],
        &["run", "nowhere.yaml"],
        &["run", "w.yaml", "--set", "text"],
        &["run", "w.yaml", "--set", "txt=1"],
        &["run", "w.yaml", "--memory", "lots"],
        &["run", "w.yaml", "-j", "0"],
        &["rum", "w.yaml"],
    ] {
        let output = place.pial(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_second_engine_in_one_directory_is_3_and_names_the_first() {
    let place = Place::make();
    let document =
        "{pial: 1, name: w, nodes: {a: {command: [sh, -c, 'while [ ! -e ../../../go ]; do sleep 0.01; done']}}}";
    let mut first = place.begin(document, &[]);
    crate::wait_for("the first step", || place.path("work/w/.a.part").exists().then_some(()));
    let second = place.again(&[]);
    assert_eq!(second.code, Some(3));
    assert!(second.stderr.contains(&format!("process {}", first.id())), "{}", second.stderr);
    place.write("go", "");
    assert_eq!(first.wait().unwrap().code(), Some(0));
}

#[test]
fn quiet_says_nothing_and_plain_lines_go_to_standard_error() {
    let place = Place::make();
    place.write("w.yaml", ONE);
    let output = place.pial(&["run", "w.yaml", "--quiet"]).output().unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0));
    let output = place.pial(&["run", "w.yaml"]).output().unwrap();
    assert_eq!(output.stdout.len(), 0);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to do"));
}

#[test]
fn resources_that_the_run_has_none_of_are_2() {
    let place = Place::make();
    let document = "{pial: 1, name: w, nodes: {a: {command: ['true'], resources: {license: 1}}}}";
    let ran = place.run(document, &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--resource license=1"), "{}", ran.stderr);
    assert_eq!(place.again(&["--resource", "license=1"]).code, Some(0));
}

#[test]
fn what_is_wrong_in_the_document_and_what_is_missing_here_are_told_together() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [nosuchprogram], inputs: {i: {type: file, value: gone.nii}}, resources: {licence: 9}}
  b: {comand: [t]}
  c: {builtin: merge, inputs: {x: {from: nowhere.out}, y: {from: b.out}}}
";
    let ran = place.run(document, &[]);
    assert_eq!(ran.code, Some(2));
    for part in [
        "`nosuchprogram`",
        "gone.nii",
        "--resource licence=9",
        "no key `comand`",
        "no node `nowhere`",
        "pial: 5 problems",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let empty = "{pial: 1, name: w, parameters: {s: []}, nodes: {a: {command: ['true', '{s}']}}}";
    place.write("w.yaml", empty);
    let output = place.pial(&["run", "w.yaml"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("`s` has no values, so nothing that depends on it runs"), "{stderr}");
}

#[test]
fn steps_are_given_graphics_processors_of_their_own_and_threads_as_asked() {
    let place = Place::make();
    let document = "
pial: 1
name: w
parameters: {i: [1, 2, 3]}
nodes:
  a:
    command: [sh, -c, 'echo $CUDA_VISIBLE_DEVICES > ../../../began$0; until ls ../../../began1 ../../../began2 >&2; do :; done; printf \"%s %s\" $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS', '{i}']
    resources: {gpus: 1, cpus: 2}
    outputs: {device: {stdout: string}}
  b: {builtin: json_write, join: i, inputs: {devices: {from: a.device}}}
";
    place.write("w.yaml", document);
    let mut command = place.pial(&["run", "w.yaml", "--json", "-j8", "--gpus", "2"]);
    let output = command.env("CUDA_VISIBLE_DEVICES", "7,5").env_remove("OMP_NUM_THREADS").output().unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, Some(0), "{:?} {}", ran.events, ran.stderr);
    let written: serde_json::Value = serde_json::from_str(&place.read("work/w/b/data.json")).unwrap();
    let mut first_two = [written["devices"][0].clone(), written["devices"][1].clone()];
    first_two.sort_by_key(ToString::to_string);
    assert_eq!(first_two, ["5 2", "7 2"]);
    assert_eq!(place.again(&["--gpus", "0"]).code, Some(2));
}
