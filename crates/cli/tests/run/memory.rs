//! Memory of steps: measured as their trees have it, named when it is too much, ended at a limit, with nobody else harmed.

use crate::{Place, Ran, processes_with, wait_for};

/// A program that fills so many megabytes and holds them until it is killed, or the file `go` is there.
const HOLD: &str = "import os, sys, time
parts = []
for _ in range(int(sys.argv[1])): parts.append(b'x' * 1_000_000)
while not os.path.exists(sys.argv[2]): time.sleep(0.005)
";

/// The ways to keep a limit: a control group where one can be made, and looking.
const WAYS: [&[&str]; 2] = [&[], &["--no-cgroups"]];

fn place() -> Place {
    let place = Place::make();
    place.write("hold.py", HOLD);
    place
}

/// A node that holds megabytes and ends once the file `go` is there.
fn holds(place: &Place, megabytes: u32, resources: &str) -> String {
    let (program, go) = (place.path("hold.py"), place.path("go"));
    format!("{{command: [python3, {program:?}, '{megabytes}', {go:?}], resources: {{cpus: 0.1{resources}}}}}")
}

fn run(place: &Place, document: &str, more: &[&str]) -> Ran {
    place.write("w.yaml", document);
    let mut command = place.pial(&[&["run", "w.yaml", "-j4", "--memory=4GB", "--json"], more].concat());
    Ran::of(command.env("PIAL_PEAKS", "").output().unwrap())
}

fn used<'r>(ran: &'r Ran, node: &str) -> &'r serde_json::Value {
    let done = ran.events.iter().find(|e| e["event"] == "node_done" && e["node"] == node);
    &done.unwrap_or_else(|| panic!("{node}: {:?}", ran.events))["used"]
}

fn is_about(bytes: &serde_json::Value, megabytes: u64) -> bool {
    (megabytes * 1_000_000..(megabytes + 40) * 1_000_000).contains(&bytes.as_u64().unwrap_or(0))
}

#[test]
fn a_step_above_its_limit_is_ended_and_its_neighbour_is_not() {
    for round in 0..10 {
        let place = place();
        place.write("go", "");
        // It never finds its file, so only a kill ends it.
        let big = holds(&place, 300, ", memory: 100MB").replace("/go\"", "/never\"");
        let document =
            format!("{{pial: 1, name: w, nodes: {{big: {big}, small: {}}}}}", holds(&place, 60, ", memory: 120MB"));
        let more = [&["--memory-policy=kill"], WAYS[round % 2]].concat();
        let ran = run(&place, &document, &more);
        assert_eq!((ran.code, ran.counts()), (Some(1), [1, 0, 1, 0]), "{more:?} {}", ran.stderr);
        let message = ran.failure("big");
        assert!(message.starts_with("out of memory: ") && message.contains("limit of 100.0 MB"), "{message}");
        assert!(processes_with(&place.path("never").to_string_lossy()).is_empty());
        let crash = ran.events.iter().find(|e| e["event"] == "node_failed").unwrap()["crash"].as_str().unwrap();
        let text = place.read(&format!("work/{crash}"));
        for line in ["memory limit 100.0 MB", "asked for    100.0 MB", "ended by     "] {
            assert!(text.contains(line), "{text}");
        }
    }
}

#[test]
fn a_tree_is_counted_as_a_whole_and_ended_as_a_whole() {
    for way in WAYS {
        let place = place();
        let (program, never) = (place.path("hold.py"), place.path("never"));
        // One of them leaves the group and the session.
        let script = format!(
            "for i in 1 2 3; do python3 {program:?} 60 {never:?} & done; setsid python3 {program:?} 60 {never:?} & wait; sleep 1000"
        );
        let script = serde_json::to_string(&script).unwrap();
        let document = format!(
            "{{pial: 1, name: w, nodes: {{a: {{command: [sh, -c, {script}], resources: {{memory: 150MB}}}}}}}}"
        );
        let ran = run(&place, &document, &[&["--memory-policy=kill"], way].concat());
        assert!(ran.failure("a").starts_with("out of memory: "), "{way:?} {}", ran.failure("a"));
        assert!(processes_with(&never.to_string_lossy()).is_empty());
    }
}

#[test]
fn a_step_that_ran_out_is_tried_again_with_more() {
    for way in WAYS {
        let place = place();
        place.write("go", "");
        let node = holds(&place, 300, ", memory: 100MB").replacen('{', "{retries: 2, ", 1);
        let document = format!("{{pial: 1, name: w, nodes: {{a: {node}}}}}");
        let ran = run(&place, &document, &[&["--memory-policy=kill"], way].concat());
        assert_eq!((ran.code, ran.counts()), (Some(0), [1, 0, 0, 0]), "{way:?} {:?}", ran.events);
        let tried = ran.events.iter().filter(|e| e["event"] == "node_failed");
        assert!(tried.clone().count() >= 1 && tried.clone().all(|e| e["retry"] == true), "{:?}", ran.events);
    }
}

#[test]
fn a_function_above_its_limit_is_ended() {
    let place = place();
    let source = "def f():\n    import time\n    x = b'x' * 300_000_000\n    time.sleep(1000)\n";
    let document = format!(
        "{{pial: 1, name: w, functions: {{f: {{source: {source:?}}}}}, nodes: {{a: {{function: f, resources: {{memory: 100MB}}}}}}}}"
    );
    let ran = run(&place, &document, &["--memory-policy=kill"]);
    let message = ran.failure("a");
    assert!(message.starts_with("out of memory: it used ") && message.contains("and pial ended it"), "{message}");
}

#[test]
fn what_a_tree_uses_is_measured_and_told_while_it_runs() {
    for way in WAYS {
        let place = place();
        let (program, go) = (place.path("hold.py"), place.path("go"));
        let script =
            serde_json::to_string(&format!("python3 {program:?} 80 {go:?} & python3 {program:?} 80 {go:?}; wait"))
                .unwrap();
        let document = format!(
            "{{pial: 1, name: w, nodes: {{a: {{command: [sh, -c, {script}], resources: {{memory: 100MB}}}}}}}}"
        );
        place.write("w.yaml", &document);
        let mut command = place.pial(&[&["run", "w.yaml", "--json", "--memory=4GB", "--events=events"], way].concat());
        let child = command.env("PIAL_PEAKS", "").spawn().unwrap();
        let events = place.path("events");
        let warned =
            || std::fs::read_to_string(&events).is_ok_and(|text| text.contains("and asked for 100.0 MB")).then_some(());
        wait_for("the warning", warned);
        place.write("go", "");
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let used = used(&ran, "a");
        assert_eq!((&used["method"], &used["asked_bytes"]), (&"tree_pss".into(), &100_000_000.into()));
        assert!(used["peak_rss_bytes"].as_u64().unwrap() > 100_000_000, "{used}");
        assert!(ran.events.last().unwrap()["tree_peak_bytes"].as_u64().unwrap() > 100_000_000);
    }
}

#[test]
fn a_large_request_has_a_control_group_whose_peak_is_recorded() {
    let place = place();
    place.write("go", "");
    let document = format!("{{pial: 1, name: w, nodes: {{a: {}}}}}", holds(&place, 200, ", memory: 1GB"));
    let ran = run(&place, &document, &["--memory-policy=kill"]);
    let used = used(&ran, "a");
    if ran.events.iter().any(|e| e["event"] == "warning") {
        eprintln!("not tested, as no control group can be made here: {:?}", ran.events);
        return;
    }
    // The method may be another: libraries that others read in are charged to them, and yet in a resident set.
    assert!(is_about(&used["peak_rss_bytes"], 200) && is_about(&used["charged_bytes"], 200), "{used}");
}

#[test]
fn page_cache_is_not_taken_for_memory_that_a_step_needs() {
    let place = place();
    let script = "head -c 200000000 /dev/zero > x; cat x > y";
    let document =
        format!("{{pial: 1, name: w, nodes: {{a: {{command: [sh, -c, '{script}'], resources: {{memory: 1GB}}}}}}}}");
    let ran = run(&place, &document, &[]);
    assert!(used(&ran, "a")["peak_rss_bytes"].as_u64().unwrap() < 50_000_000, "{}", used(&ran, "a"));
}

#[test]
fn an_ending_by_someone_elses_kill_is_not_out_of_memory() {
    let place = place();
    let document = "{pial: 1, name: w, nodes: {a: {command: [sh, -c, 'kill -9 $$'], resources: {memory: 1GB}}, b: {command: [sh, -c, 'exit 137']}}}";
    let ran = run(&place, document, &["--memory-policy=kill"]);
    assert!(ran.failure("a").contains("killed by signal 9"), "{}", ran.failure("a"));
    assert!(ran.failure("b").contains("code 137"), "{}", ran.failure("b"));
}

#[test]
fn an_allocation_that_was_refused_is_named() {
    let place = place();
    let document = "{pial: 1, name: w, nodes: {a: {command: [python3, -c, 'bytearray(1 << 60)']}}}";
    assert!(run(&place, document, &[]).failure("a").starts_with("out of memory: "));
}

/// Under pressure, three steps that each ask for a share of the memory that the machine has available; the most that ran at once.
fn at_once_under_pressure(share: f64) -> i32 {
    let place = place();
    let pressure = place.write("pressure", "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\n");
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    let available: f64 = available.trim().trim_end_matches(" kB").parse().unwrap();
    let (each, all) = (available * share, available * 10.0);
    // The first runs until it was seen that memory is short.
    let document = format!(
        "{{pial: 1, name: w, parameters: {{i: [1, 2, 3]}}, nodes: {{
            first: {{command: [sh, -c, 'sleep 0.3; echo 1'], outputs: {{out: {{stdout: int}}}}}},
            a: {{command: [sleep, '0.3', '{{f}}e-9', '{{i}}e-9'], inputs: {{f: {{from: first.out}}}},
                 resources: {{cpus: 0.1, memory: {each:.0}KiB}}}}}}}}"
    );
    let memory = format!("--memory={all:.0}KiB");
    place.write("w.yaml", &document);
    let arguments =
        ["run", "w.yaml", "-j4", &memory, "--json", "--no-cgroups", "--pressure-file", pressure.to_str().unwrap()];
    let ran = Ran::of(place.pial(&arguments).env("PIAL_PEAKS", "").output().unwrap());
    assert_eq!(ran.counts(), [4, 0, 0, 0], "{:?}", ran.events);
    let told = ran.events.iter().filter(|e| e["message"].as_str().is_some_and(|m| m.starts_with("memory is short")));
    assert_eq!(told.count(), 1);
    let running = ran.events.iter().scan(0_i32, |running, event| {
        match event["event"].as_str() {
            Some("node_started") => *running += 1,
            Some("node_done") => *running -= 1,
            _ => {}
        }
        Some(*running)
    });
    running.max().unwrap()
}

#[test]
fn steps_start_beside_others_while_memory_is_short_only_if_what_they_ask_for_is_there() {
    assert_eq!(at_once_under_pressure(0.7), 1);
    assert_eq!(at_once_under_pressure(0.01), 3);
}

#[test]
fn the_plan_says_who_limits_the_memory() {
    let place = place();
    place.write("w.yaml", "{pial: 1, name: w, nodes: {a: {command: ['true']}}}");
    let mut command = place.pial(&["plan", "w.yaml"]);
    command.env("SLURM_MEM_PER_CPU", "150").env("SLURM_CPUS_ON_NODE", "2");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(text.contains("memory 0.3 GB of 0.3 GB: Slurm's allocation"), "{text}");
}

#[test]
fn control_groups_do_not_outlive_an_engine_that_is_killed() {
    for _ in 0..5 {
        let place = place();
        let document = format!("{{pial: 1, name: w, nodes: {{a: {}}}}}", holds(&place, 10, ", memory: 1GB"));
        place.write("w.yaml", &document);
        let mut engine =
            place.pial(&["run", "w.yaml", "--json", "--memory=4GB"]).env("PIAL_PEAKS", "").spawn().unwrap();
        let go = place.path("go").to_string_lossy().into_owned();
        wait_for("the step", || (!processes_with(&go).is_empty()).then_some(()));
        let groups = groups_of(engine.id());
        engine.kill().unwrap();
        engine.wait().unwrap();
        wait_for("the end of the step", || processes_with(&go).is_empty().then_some(()));
        wait_for("the end of its group", || groups.iter().all(|group| !group.exists()).then_some(()));
    }
}

/// The directories that an engine made for control groups.
fn groups_of(engine: u32) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("pial-{engine}-")) {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found
}
