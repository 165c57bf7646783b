//! Tools and machines that misbehave: each gives a named result and harms nothing else.

use std::process::Command;

use crate::{Place, Ran, processes_with, wait_for};

fn one(command: &str, outputs: &str) -> String {
    format!("{{pial: 1, name: w, nodes: {{a: {{command: [sh, -c, {command:?}], outputs: {outputs}}}}}}}")
}

#[test]
fn outputs_that_are_not_what_was_promised() {
    let place = Place::make();
    let cases = [
        ("touch y", "{out: x}", "it ended well but left no \"x\" for the output `out`; it left y"),
        ("mkdir x", "{out: x}", "the output `out` is a directory where a file was promised: x"),
        (
            "touch x",
            "{out: {path: x, type: directory}}",
            "the output `out` is a file where a directory was promised: x",
        ),
        ("echo many", "{n: {stdout: int}}", "the output `n`: expected int, got \"many\""),
        ("ln -s x x", "{out: x}", "it ended well but left no \"x\""),
        ("touch 1.t 2.t", "{out: {glob: '*.t', type: file}}", "2 match"),
    ];
    for (command, outputs, message) in cases {
        let ran = place.run(&one(command, outputs), &[]);
        assert_eq!(ran.code, Some(1), "{command}");
        assert!(ran.failure("a").contains(message), "{command}: {}", ran.failure("a"));
    }
}

#[test]
fn a_directory_with_links_in_a_circle_is_an_output_like_any_other() {
    let place = Place::make();
    let document = one("mkdir -p d/e; ln -s .. d/e/up; ln -s nowhere d/dangling", "{out: {path: d, type: directory}}");
    assert_eq!(place.run(&document, &[]).counts(), [1, 0, 0, 0]);
    assert_eq!(place.again(&[]).counts(), [0, 1, 0, 0]);
}

#[test]
fn signals_are_named() {
    let place = Place::make();
    for (signal, name) in [("KILL", "SIGKILL"), ("SEGV", "SIGSEGV"), ("ABRT", "SIGABRT")] {
        let ran = place.run(&one(&format!("kill -{signal} $$"), "{}"), &[]);
        assert!(ran.failure("a").contains(name), "{}", ran.failure("a"));
    }
}

#[test]
fn a_daemon_is_ended_with_its_step() {
    let place = Place::make();
    let mark = format!("31{}.5", std::process::id());
    let daemon =
        format!("setsid sleep {mark} >/dev/null 2>&1 & sleep {mark}1 & (setsid setsid sleep {mark}2 &) ; touch x");
    let ran = place.run(&one(&daemon, "{out: x}"), &[]);
    assert_eq!(ran.counts(), [1, 0, 0, 0], "{:?}", ran.events);
    assert_eq!(processes_with(&format!("sleep\0{mark}")), Vec::<u32>::new());
    assert!(ran.events.iter().any(|e| e["event"] == "warning" && e["message"].as_str().unwrap().contains("left")));
}

#[test]
fn a_flood_of_output_costs_disk_and_no_memory() {
    let place = Place::make();
    let ran = place.run(&one("head -c 200000000 /dev/zero >&2; echo end >&2; exit 3", "{}"), &[]);
    assert_eq!(ran.failure("a"), "it exited with code 3: end");
    let peak = ran.events.last().unwrap()["engine_peak_rss_bytes"].as_u64().unwrap();
    assert!(peak < 20_000_000, "{peak}");
    assert_eq!(std::fs::metadata(place.path("work/w/a/stderr")).unwrap().len(), 200_000_004);
}

#[test]
fn names_of_every_kind_pass_through() {
    let place = Place::make();
    let names = ["a b", "it's", "\"q\"", "new\nline", "é名", "$(touch hacked)", "-n", "a/b", "..", "*", "{x}"];
    let list = serde_json::to_string(&names).unwrap();
    let document = format!(
        r#"{{"pial": 1, "name": "naïve w", "parameters": {{"v": {{"iterate": {list}}}}}, "nodes": {{
        "é b": {{"command": ["sh", "-c", "printf %s \"$1\" > out.txt", "x", "{{v}}"], "outputs": {{"out": "out.txt"}}}},
        "c": {{"command": ["cp", "{{i}}", "out.txt"], "inputs": {{"i": {{"type": "file", "from": "é b.out"}}}}, "outputs": {{"out": "out.txt"}}}},
        "all": {{"builtin": "json_write", "join": "v", "inputs": {{"files": {{"from": "c.out"}}, "names": "{{v}}"}}}}
        }}}}"#
    );
    let ran = place.run(&document, &[]);
    assert_eq!(ran.counts(), [23, 0, 0, 0], "{:?} {}", ran.events, ran.stderr);
    let written: serde_json::Value = serde_json::from_str(&place.read("work/naïve w/all/data.json")).unwrap();
    for (name, path) in names.iter().zip(written["files"].as_array().unwrap()) {
        assert_eq!(std::fs::read_to_string(path.as_str().unwrap()).unwrap(), *name);
    }
    assert_eq!(place.again(&[]).counts(), [0, 23, 0, 0]);
}

#[test]
fn a_step_over_its_time_is_ended_even_when_it_does_not_want_to() {
    let place = Place::make();
    let document =
        one("trap '' TERM; while :; do sleep 0.01; done", "{}").replace("outputs: {}", "resources: {time: 200ms}");
    let ran = place.run(&document, &["--grace", "0.2"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.failure("a").contains("longer than its limit of 0.2 s"), "{}", ran.failure("a"));
}

#[test]
fn retries_until_it_works() {
    let place = Place::make();
    let command = "echo x >> ../../../tries; [ $(wc -l < ../../../tries) = 3 ]";
    let document = one(command, "{}").replace("outputs: {}", "retries: 2");
    let ran = place.run(&document, &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [1, 0, 0, 0]));
    let retried: Vec<_> =
        ran.events.iter().filter(|e| e["event"] == "node_failed").map(|e| e["retry"].clone()).collect();
    assert_eq!(retried, [true, true]);
}

#[test]
fn a_log_of_a_newer_version_is_left_alone() {
    let place = Place::make();
    place.write("work/.pial/log", "{\"pial_log\":99,\"pial\":\"9.9\"}\n");
    let ran = place.run(&one("true", "{}"), &[]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("version 99"), "{}", ran.stderr);
    assert_eq!(place.read("work/.pial/log"), "{\"pial_log\":99,\"pial\":\"9.9\"}\n");
}

/// Runs a shell script in a mount namespace of its own, where `$PIAL` is the command.
fn in_own_mounts(place: &Place, script: &str) -> Option<std::process::Output> {
    let usable = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !usable.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine does not let a test mount a file system of its own");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).current_dir(place.path("")).env("PIAL", env!("CARGO_BIN_EXE_pial"));
    Some(command.output().unwrap())
}

#[test]
fn a_full_disk_is_3_and_the_next_run_goes_on() {
    let place = Place::make();
    let values: Vec<String> = (0..200).map(|i| i.to_string()).collect();
    place.write(
        "w.yaml",
        &format!(
            "{{pial: 1, name: w, parameters: {{i: [{}]}}, nodes: {{a: {{command: [sh, -c, 'head -c 20000 /dev/zero > x', '{{i}}'], outputs: {{out: x}}}}}}}}",
            values.join(", ")
        ),
    );
    let script = "mkdir m; mount -t tmpfs -o size=2m none m; \"$PIAL\" run w.yaml --work m/work --quiet; echo first $?; \
                  mount -o remount,size=60m m; \"$PIAL\" run w.yaml --work m/work --json | tail -1; echo second $?";
    let Some(output) = in_own_mounts(&place, script) else { return };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Whether a step or the engine meets the full disk first is chance: both are named, and nothing is lost.
    assert!(stdout.starts_with("first 3") || stdout.starts_with("first 1"), "{stdout} {stderr}");
    assert!(stderr.contains("No space left on device") || stderr.contains("exited with code"), "{stderr}");
    let last: serde_json::Value = serde_json::from_str(stdout.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&last["failed"], last["done"].as_u64().unwrap() + last["cached"].as_u64().unwrap()), (&0.into(), 200));
    assert!(last["cached"].as_u64().unwrap() > 20, "{last}");
}

#[test]
fn a_read_only_directory_is_3() {
    let place = Place::make();
    place.write("w.yaml", &one("true", "{}"));
    let script = "mkdir m; mount -t tmpfs -o ro none m; \"$PIAL\" run w.yaml --work m/work; echo $?";
    let Some(output) = in_own_mounts(&place, script) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Read-only file system"));
}

#[test]
fn the_launch_path_is_posix_spawn() {
    let place = Place::make();
    place.write("w.yaml", &one("touch x", "{out: x}"));
    let trace = place.path("trace");
    let mut command = Command::new("strace");
    command.args(["-e", "trace=process", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_pial"));
    command.args(["run", "w.yaml", "--quiet"]).current_dir(place.path(""));
    let status = command.status().expect("strace is installed by setup/install.sh");
    assert!(status.success());
    let trace = std::fs::read_to_string(trace).unwrap();
    let births: Vec<&str> =
        trace.lines().filter(|l| ["fork(", "vfork(", "clone(", "clone3("].iter().any(|c| l.starts_with(c))).collect();
    assert_eq!(births.len(), 2, "a guardian and a step: {births:?}");
    assert!(births.iter().all(|line| line.contains("CLONE_VM|CLONE_VFORK")), "{births:?}");
}

#[test]
fn steps_begin_with_no_signal_blocked_or_ignored() {
    let place = Place::make();
    let ran = place.run(&one("grep -E '^Sig(Blk|Ign)' /proc/self/status", "{out: {stdout: string}}"), &[]);
    assert_eq!(ran.code, Some(0));
    let masks = place.read("work/w/a/stdout");
    // Signals 32 and 33 belong to the C library.
    let standard = |word: &str| u64::from_str_radix(word, 16).unwrap() & 0x7fff_ffff;
    let masks: Vec<u64> = masks.split_whitespace().skip(1).step_by(2).map(standard).collect();
    assert_eq!(masks, [0, 0]);
}

#[test]
fn an_interrupt_ends_all_and_the_next_run_goes_on() {
    let place = Place::make();
    let mark = format!("32{}", std::process::id());
    let document = format!(
        "{{pial: 1, name: w, nodes: {{a: {{command: [touch, x], outputs: {{out: x}}}}, b: {{command: [sleep, '{mark}'], inputs: {{i: {{type: file, from: a.out}}}}}}, c: {{command: ['true'], inputs: {{i: {{type: file, from: a.out}}}}}}}}}}"
    );
    for signal in ["INT", "TERM", "HUP"] {
        // With so long a grace only a step that hears the signal ends in time.
        let child = place.begin(&document, &["-j1", "--grace", "1000"]);
        wait_for("sleep", || processes_with(&format!("sleep\0{mark}")).first().copied());
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert_eq!(ran.counts()[2], 0, "an interrupted step did not fail");
        assert_eq!(processes_with(&format!("sleep\0{mark}")), Vec::<u32>::new());
    }
    let ran = place.run(&document.replace(&mark, "0"), &[]);
    assert_eq!(ran.counts()[2..], [0, 0]);
}

#[test]
fn a_step_that_edits_the_result_of_another_fails_and_so_does_the_reader_of_it() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [sh, -c, 'echo hi > o'], outputs: {o: o}}
  b: {command: [sh, -c, 'echo more >> \"$0\"; cp \"$0\" o', '{x}'], inputs: {x: {type: file, from: a.o}}, outputs: {o: o}}
  c: {command: [cat, '{x}', '{y}'], inputs: {x: {type: file, from: a.o}, y: {type: file, from: b.o}}}
";
    for _ in 0..2 {
        let ran = place.run(document, &[]);
        assert_eq!((ran.code, ran.counts()), (Some(1), [1, 0, 1, 1]), "{:?}", ran.events);
        assert!(ran.failure("b").contains("must edit a copy"), "{}", ran.failure("b"));
    }
}

#[test]
fn two_nodes_that_sink_to_one_file_are_told_of_it() {
    let place = Place::make();
    let document = "
pial: 1
name: w
parameters: {s: [a, b]}
nodes:
  make: {command: [sh, -c, 'echo $0 > x.txt', '{s}'], outputs: {out: x.txt}}
  sink: {builtin: datasink, inputs: {base_directory: results, parameterization: false, it: {from: make.out}}}
";
    let ran = place.run(document, &["-j1"]);
    assert_eq!((ran.code, ran.counts()), (Some(1), [3, 0, 1, 0]), "{:?}", ran.events);
    assert!(ran.failure("sink[s=b]").contains("was written by sink[s=a] as well"), "{}", ran.failure("sink[s=b]"));
}

#[test]
fn two_workflows_in_one_working_directory_each_have_results_of_their_own() {
    let place = Place::make();
    let document = "{pial: 1, name: one, nodes: {a: {command: [sh, -c, 'echo 1 > x'], outputs: {out: x}}}}";
    assert_eq!(place.run(document, &[]).counts(), [1, 0, 0, 0]);
    assert_eq!(place.run(&document.replace("one", "two"), &[]).counts(), [1, 0, 0, 0]);
    assert_eq!(place.run(document, &[]).counts(), [0, 1, 0, 0]);
    assert_eq!(place.read("work/two/a/x"), "1\n");
}

#[test]
fn a_tool_that_may_not_be_executed_is_told_so() {
    let place = Place::make();
    place.write("tool.sh", "#!/bin/sh\n");
    let ran = place.run("{pial: 1, name: w, nodes: {a: {command: [./tool.sh]}}}", &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("tool.sh, which is not executable; chmod +x it"), "{}", ran.stderr);
}

#[test]
fn a_step_that_spoils_its_own_directory_fails_alone() {
    let place = Place::make();
    for command in
        ["mkdir stdout; echo hi", "rm -rf \"$PWD\"; echo hi", "rm -rf \"$PWD\"", "mv \"$PWD\" \"$PWD.moved\""]
    {
        let document = format!(
            "{{pial: 1, name: w, nodes: {{a: {{command: [sh, -c, {command:?}]}}, b: {{command: [sh, -c, 'sleep 0.2; touch x'], outputs: {{out: x}}}}}}}}"
        );
        let ran = place.run(&document, &[]);
        assert_eq!((ran.code, ran.counts()[2]), (Some(1), 1), "{command}: {:?} {}", ran.events, ran.stderr);
        assert!(ran.events.iter().any(|e| e["event"] == "node_failed" && e["node"] == "a"), "{command}");
    }
}

#[test]
fn blocked_and_ignored_signals_of_the_starter_do_no_harm() {
    let place = Place::make();
    place.write("w.yaml", &one("sleep 0.1; touch x", "{out: x}"));
    // SIGCHLD and SIGINT blocked, as a careless starter leaves them; SIGHUP ignored, as nohup leaves it.
    let script = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGINT}); \
                  signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new("python3");
    command.args(["-c", script, env!("CARGO_BIN_EXE_pial"), "run", "w.yaml", "--quiet"]).current_dir(place.path(""));
    let mut child = command.spawn().unwrap();
    wait_for("the step", || place.path("work/w/.a.part").exists().then_some(()));
    assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn processes_that_pial_did_not_start_are_left_alone() {
    let place = Place::make();
    place.write("w.yaml", &one("touch x", "{out: x}"));
    let script = format!("sleep 0.5 && touch alive & exec \"{}\" run w.yaml --quiet", env!("CARGO_BIN_EXE_pial"));
    let status = Command::new("bash").args(["-c", &script]).current_dir(place.path("")).status().unwrap();
    assert!(status.success());
    wait_for("the shell's own job", || place.path("alive").exists().then_some(()));
}

#[test]
fn the_end_of_one_step_leaves_the_helpers_of_another() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [sh, -c, '(env -i sh -c \"until [ -e ../../../go ]; do sleep 0.01; done; touch done\" &); touch ../../../began; until [ -e done ]; do sleep 0.01; done']}
  b: {command: [sh, -c, 'until [ -e ../../../began ]; do sleep 0.01; done; touch x'], outputs: {out: x}}
  c: {command: [touch, ../../../go], inputs: {x: {type: file, from: b.out}}}
";
    let ran = place.run(document, &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [3, 0, 0, 0]), "{:?}", ran.events);
}

#[test]
fn absurd_times_do_no_harm() {
    let place = Place::make();
    let document = one("touch x", "{out: x}").replace("outputs", "resources: {time: 1e30}, outputs");
    assert_eq!(place.run(&document, &[]).code, Some(0));
}
