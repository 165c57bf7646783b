//! Where a run tells and keeps things (`--events`, `--crash-dir`, a document from standard input), and what runs every
//! time (`overwrite`) or in turn (`serial`).

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::{Place, Ran};

const FAILING: &str = "
pial: 1
name: w
nodes:
  a: {command: [echo, one], outputs: {t: {stdout: string}}}
  b: {command: [sh, -c, 'echo why >&2; exit 7'], inputs: {t: {from: a.t}}}
";

const MANY: &str = "
pial: 1
name: w
parameters: {n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}
nodes: {a: {command: [echo, '{n}']}}
";

fn names(events: &str) -> Vec<String> {
    let name = |line: &str| serde_json::from_str::<Json>(line).unwrap()["event"].as_str().unwrap().to_owned();
    events.lines().map(name).collect()
}

#[test]
fn events_go_to_a_file_while_the_display_goes_on() {
    let place = Place::make();
    place.write("w.yaml", FAILING);
    place.write("events", &"old\n".repeat(1000));
    let ran = place.pial(&["run", "w.yaml", "--events", "events"]).output().unwrap();
    let shown = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.code() == Some(1) && shown.contains("failed: b"), "{shown}");
    let wanted = ["started", "node_started", "node_done", "node_started", "node_failed", "finished"];
    assert_eq!(names(&place.read("events")), wanted);
    let both = place.again(&["--events", "events"]);
    assert_eq!(both.events.len(), names(&place.read("events")).len());
    let wrong = place.pial(&["run", "w.yaml", "--events", "no/such/folder"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = place.pial(&["run", "w.yaml", "--events", "/dev/fd/77"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn events_go_to_a_descriptor_that_no_step_inherits() {
    let place = Place::make();
    place.write("w.yaml", "{pial: 1, nodes: {a: {command: [sh, -c, 'ls /proc/self/fd > fds'], outputs: {o: fds}}}}");
    let line = "exec 7>&1; exec \"$0\" run w.yaml -q --events /dev/fd/7 >/dev/null";
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_pial")]).current_dir(place.path(""));
    let ran = command.output().unwrap();
    let events = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(names(&events).last().unwrap(), "finished");
    assert!(!place.read("work/workflow/a/fds").lines().any(|fd| fd == "7"));
}

#[test]
fn a_reader_of_events_that_goes_away_does_not_end_the_run() {
    let place = Place::make();
    place.write("w.yaml", MANY);
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut child = place
        .pial(&["run", "w.yaml", "-q", "-j1", "--events", "/dev/fd/0"])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(writer)))
        .spawn()
        .unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert_eq!(place.again(&[]).counts(), [0, 20, 0, 0]);
}

#[test]
fn events_that_cannot_be_written_are_given_up_and_told() {
    let place = Place::make();
    place.write("w.yaml", MANY);
    let ran = place.pial(&["run", "w.yaml", "--quiet", "--events", "/dev/full"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && said.matches("no more events are written").count() == 1, "{said}");
}

#[test]
fn crash_files_go_where_they_are_wanted_and_are_found_there() {
    let place = Place::make();
    let ran = place.run(FAILING, &["--crash-dir", "my crashes/here/"]);
    let failed = ran.events.iter().find(|event| event["event"] == "node_failed").unwrap();
    let file = std::path::Path::new(failed["crash"].as_str().unwrap());
    let folder = place.path("").canonicalize().unwrap().join("my crashes/here");
    assert_eq!(file.parent(), Some(&*folder));
    assert!(file.is_file() && !place.path("work/crash").exists());
    let stem = file.file_name().unwrap().to_str().unwrap();
    for arguments in [&["crash", "b"][..], &["crash", stem], &["crash"], &["status"], &["why", "b"]] {
        let said = place.pial(arguments).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        assert!(said.status.success() && text.contains("exited with code 7"), "{arguments:?}: {text}");
    }
    // What lies outside the working directory is not pial's to remove.
    assert!(place.pial(&["clean", "--failed"]).output().unwrap().status.success());
    assert!(file.is_file());
}

#[test]
fn a_document_from_standard_input_is_known_afterwards() {
    let place = Place::make();
    place.write("here/in.txt", "hello");
    let document = "
pial: 1
name: w
parameters: {f: {type: file, value: in.txt}}
nodes:
  a: {command: [cp, '{f}', '{out}'], inputs: {f: '{f}'}, outputs: {out: out.txt}}
";
    let run = |text: &str| {
        let mut command = place.pial(&["run", "-", "--json", "--work", "../work"]);
        let mut child = command.current_dir(place.path("here")).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    };
    assert_eq!(run(document).counts(), [1, 0, 0, 0]);
    assert_eq!(place.read("work/.pial/document"), document);
    std::fs::rename(place.path("work"), place.path("moved")).unwrap();
    let said = |arguments: &[&str]| {
        let said = place.pial(&[arguments, &["--work", "moved"]].concat()).output().unwrap();
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    };
    assert!(said(&["why", "a"]).contains("is done since"));
    assert!(said(&["show", "a"]).contains("its result stands"));
    assert!(said(&["status"]).contains("from standard input, kept as .pial/document"));
    said(&["log", "a"]);
    said(&["clean", "--orphans"]);
    place.write("here/in.txt", "changed");
    assert!(said(&["why", "a"]).contains("would run"));
    assert!(place.path("moved/.pial/document").is_file());
}

#[test]
fn a_node_with_overwrite_runs_every_time_and_what_depends_on_it_only_when_it_gives_something_else() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [sh, -c, 'echo x >> \"$0\"; cat \"$1\"', '{count}', '{what}'], overwrite: true,
      inputs: {count: COUNT, what: WHAT}, outputs: {t: {stdout: string}}}
  b: {command: [echo, '{t}'], inputs: {t: {from: a.t}}, outputs: {t: {stdout: string}}}
  m: {command: [echo, '{x}'], map: x, overwrite: true, inputs: {x: [1, 2]}, outputs: {t: {stdout: string}}}
  i: {builtin: identity, overwrite: true, inputs: {x: 3}}
  j: {builtin: json_write, overwrite: true, inputs: {x: 3}}
";
    let at = |name: &str| format!("'{}'", place.path(name).display());
    let document = document.replace("COUNT", &at("count")).replace("WHAT", &at("what"));
    place.write("what", "one");
    assert_eq!(place.run(&document, &[]).counts(), [5, 0, 0, 0]);
    assert_eq!(place.again(&[]).counts(), [4, 1, 0, 0]);
    place.write("what", "two");
    assert_eq!(place.again(&[]).counts(), [5, 0, 0, 0]);
    assert_eq!(place.read("count"), "x\nx\nx\n");
    let said = |arguments: &[&str]| String::from_utf8(place.pial(arguments).output().unwrap().stdout).unwrap();
    assert!(said(&["plan", "w.yaml"]).contains("overwrite: true"), "{}", said(&["plan", "w.yaml"]));
    for node in ["a", "m", "m#1", "i", "j"] {
        assert!(said(&["why", node]).contains("overwrite: true"), "{node}: {}", said(&["why", node]));
        assert!(said(&["show", node]).contains("overwrite: true"), "{node}: {}", said(&["show", node]));
    }
}

#[test]
fn serial_items_never_run_side_by_side() {
    let place = Place::make();
    let document = "
pial: 1
nodes:
  m:
    command: [sh, -c, 'mkdir \"$0\" && sleep 0.05 && rmdir \"$0\" && [ $1 != 2 ]', '{here}', '{x}']
    map: {over: x, serial: true}
    inputs: {x: [1, 2, 3, 4], here: HERE}
";
    let ran = place.run(&document.replace("HERE", &format!("'{}'", place.path("lock").display())), &["-j8"]);
    let ends = ran.events.iter().filter(|e| e["event"] == "node_done" || e["event"] == "node_failed");
    let ends: Vec<String> = ends.map(|e| format!("{} {}", e["node"], e["event"]).replace('"', "")).collect();
    assert_eq!(ends, ["m#0 node_done", "m#1 node_failed", "m#2 node_done", "m#3 node_done"]);
}
