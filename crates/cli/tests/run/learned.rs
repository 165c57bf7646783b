//! Memory that is learned: what steps used in one working directory is what they are granted in another.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value as Json;

use crate::{Place, Ran};

/// Holds 150 MB: `tail` keeps what may be the end of what it reads.
const HOLDS: &str = "
pial: 1
name: w
parameters: {s: [1, 2]}
nodes:
  holds:
    command: 'head -c 150000000 /dev/zero | tail -c 150000000 | wc -c; echo {s}'
    shell: true
";

/// Holds eight times its input, which has no end of line.
const GROWS: &str = "
pial: 1
name: w
parameters: {f: {type: file}}
nodes:
  grows:
    command: 'cat {f} {f} {f} {f} {f} {f} {f} {f} | tail -n 1 | wc -c'
    shell: true
    inputs: {f: '{f}'}
    outputs: {n: {stdout: int}}
";

const MB: u64 = 1_000_000;

fn run(place: &Place, work: &str, more: &[&str]) -> Ran {
    let all = [&["run", "w.yaml", "-j2", "--json", "--work", work], more].concat();
    let ran = Ran::of(place.pial(&all).env("PIAL_PEAKS", "own data/peaks").output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// What `pial plan --json` tells of the memory of the only node.
fn planned(place: &Place, more: &[&str]) -> Json {
    let all = [&["plan", "w.yaml", "--json", "--work", "never"], more].concat();
    let said = place.pial(&all).env("PIAL_PEAKS", "own data/peaks").output().unwrap();
    let json: Json = serde_json::from_slice(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    json["templates"][0]["memory"].clone()
}

/// The most steps that ran at once.
fn most_at_once(ran: &Ran) -> i32 {
    let (mut running, mut most) = (0, 0);
    for event in &ran.events {
        running += match event["event"].as_str() {
            Some("node_started") => 1,
            Some("node_done") => -1,
            _ => 0,
        };
        most = most.max(running);
    }
    most
}

#[test]
fn the_second_run_asks_for_what_the_first_one_used() {
    let place = Place::make();
    place.write("w.yaml", HOLDS);
    assert_eq!(planned(&place, &[])["source"], "default");
    // Two of the 200 MB that are assumed fit.
    assert_eq!(most_at_once(&run(&place, "one", &["--memory", "420MB"])), 2);
    let memory = planned(&place, &[]);
    assert_eq!((&memory["source"], &memory["steps"]), (&Json::from("learned"), &Json::from(2)));
    let least = memory["least_bytes"].as_u64().unwrap();
    assert!((150 * MB * 5 / 4..400 * MB).contains(&least), "{memory}");
    assert_eq!(most_at_once(&run(&place, "two", &["--memory", "420MB"])), 1);
    assert_eq!(most_at_once(&run(&place, "three", &["--memory", "2GB"])), 2);
    assert_eq!(most_at_once(&run(&place, "four", &["--memory", "420MB", "--no-learn"])), 2);
    assert_eq!(planned(&place, &[])["steps"], 6, "the run that was not to learn is not among them");
}

#[test]
fn larger_inputs_need_more_and_what_was_asked_for_stands() {
    let place = Place::make();
    place.write("w.yaml", GROWS);
    for (name, size) in [("a", 2 * MB), ("b", 5 * MB), ("c", 10 * MB), ("d", 40 * MB)] {
        std::fs::File::create(place.path(name)).unwrap().set_len(size).unwrap();
    }
    for name in ["a", "b", "c"] {
        run(&place, "work", &["--set", &format!("f={name}")]);
    }
    let need = |name: &str| planned(&place, &["--set", &format!("f={name}")])["most_bytes"].as_u64().unwrap();
    assert!(need("c") > 8 * 10 * MB * 5 / 4, "{}", need("c"));
    assert!(need("a") < need("b") && need("b") < need("c"));
    assert!(need("d") > 8 * 40 * MB && need("d") < 2 * 8 * 40 * MB, "{}", need("d"));
    place.write("w.yaml", &GROWS.replace("    shell: true", "    shell: true\n    resources: {memory: 50MB}"));
    let memory = planned(&place, &["--set", "f=d"]);
    assert_eq!((&memory["source"], &memory["most_bytes"]), (&Json::from("asked"), &Json::from(50 * MB)));
}

#[test]
fn a_resource_file_is_written_and_included() {
    let place = Place::make();
    place.write("w.yaml", HOLDS);
    run(&place, "work", &[]);
    let tell = |arguments: &[&str]| {
        let said =
            place.pial(&[&["resources"], arguments].concat()).env("PIAL_PEAKS", "own data/peaks").output().unwrap();
        (said.status.code(), String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap())
    };
    let (code, told, _) = tell(&["work", "--write", "tuned.yaml", "--json"]);
    let rows: Json = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &rows[0]["name"], &rows[0]["steps"]), (Some(0), &"holds".into(), &2.into()));
    assert!(rows[0]["peak_bytes"].as_u64().unwrap() > 150 * MB, "{told}");
    let (_, told, _) = tell(&[]);
    assert!(told.contains("shell head -c 150000000"), "{told}");
    // By the document, by the command line, and not against what the node itself says.
    place.write("w.yaml", &format!("{HOLDS}resource_file: tuned.yaml\n"));
    let memory = planned(&place, &[]);
    assert_eq!(memory["source"], "file", "{memory}");
    assert!(
        memory["least_bytes"].as_u64().unwrap() > 150 * MB && memory["file"].as_str().unwrap().ends_with("tuned.yaml")
    );
    place.write("other.yaml", "pial_resources: 1\nnodes: {holds: {memory: 7GB}}\n");
    assert_eq!(planned(&place, &["--resource-file", "other.yaml"])["least_bytes"], 7000 * MB);
    place.write("w.yaml", &format!("{HOLDS}    resources: {{memory: 1GB}}\nresource_file: tuned.yaml\n"));
    assert_eq!(planned(&place, &[])["source"], "asked");
    // Written again, but not over a file that a person wrote.
    assert_eq!(tell(&["work", "--write", "tuned.yaml"]).0, Some(0));
    let (code, _, error) = tell(&["work", "--write", "other.yaml"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("left alone") && place.read("other.yaml").contains("7GB"), "{error}");
}

#[test]
fn mistakes_in_a_resource_file_are_told_with_their_place() {
    let place = Place::make();
    place.write("w.yaml", &format!("{HOLDS}resource_file: r.yaml\n"));
    place.write("r.yaml", "pial_resources: 1\nnodes:\n  holds: {memory: lots}\n");
    let said = place.pial(&["run", "w.yaml"]).output().unwrap();
    let error = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(2));
    assert!(error.contains("r.yaml:3:") && error.contains("2GB"), "{error}");
    std::fs::remove_file(place.path("r.yaml")).unwrap();
    let error = String::from_utf8(place.pial(&["run", "w.yaml"]).output().unwrap().stderr).unwrap();
    assert!(error.contains("r.yaml"), "{error}");
}

#[test]
fn a_need_beyond_the_run_is_told_once_and_runs_alone() {
    let place = Place::make();
    place.write("w.yaml", HOLDS);
    run(&place, "one", &[]);
    let second = run(&place, "two", &["--memory", "100MB"]);
    let warnings = second.events.iter().filter(|event| event["event"] == "warning");
    let told: Vec<&str> = warnings.filter_map(|event| event["message"].as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`holds`") && told[0].contains("alone"), "{told:?}");
    assert_eq!(most_at_once(&second), 1);
}

#[test]
fn a_file_of_peaks_that_is_no_good_is_told_once_and_harms_nothing() {
    let place = Place::make();
    place.write("w.yaml", "{pial: 1, name: w, nodes: {a: {command: ['true']}}}");
    for (text, warned) in
        [("{\"pial_peaks\":9}\n", 1), ("no peaks\n", 1), ("{\"pial_peaks\":1}\nbad\nworse\n", 1), ("", 0)]
    {
        place.write("peaks", text);
        let _ = std::fs::remove_dir_all(place.path("work"));
        let ran = Ran::of(place.pial(&["run", "w.yaml", "--json"]).env("PIAL_PEAKS", "peaks").output().unwrap());
        let warnings = ran.events.iter().filter(|event| event["event"] == "warning").count();
        assert_eq!((ran.code, warnings), (Some(0), warned), "{text}: {:?}", ran.events);
        assert!(place.read("peaks").starts_with(text), "what is there is never lost");
    }
    // A home that cannot be written to, also by one who may write anywhere.
    place.write("closed/file", "");
    std::fs::set_permissions(place.path("closed"), std::fs::Permissions::from_mode(0o500)).unwrap();
    for home in ["closed", "closed/file"] {
        let _ = std::fs::remove_dir_all(place.path("work"));
        let mut command = place.pial(&["run", "w.yaml", "--json"]);
        let ran = command.env_remove("PIAL_PEAKS").env_remove("XDG_DATA_HOME").env("HOME", place.path(home)).output();
        let ran = Ran::of(ran.unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.events.iter().all(|event| event["event"] != "warning"), "{:?}", ran.events);
    }
}

/// Fills so many megabytes and never ends.
fn never_ends(megabytes: u32, more: &str) -> String {
    let program = format!("x = b'x' * {megabytes}_000_000; import time; time.sleep(1000)");
    format!("{{pial: 1, name: w, nodes: {{big: {{command: [python3, -c, {program:?}]{more}}}}}}}")
}

fn tell(place: &Place, arguments: &[&str]) -> (Option<i32>, String, String) {
    let said = place.pial(arguments).env("PIAL_PEAKS", "own data/peaks").output().unwrap();
    (said.status.code(), String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap())
}

fn fails(place: &Place, work: &str, more: &[&str]) -> Ran {
    let all = [&["run", "w.yaml", "--json", "--memory=4GB", "--memory-policy=kill", "--work", work], more].concat();
    let ran = Ran::of(place.pial(&all).env("PIAL_PEAKS", "own data/peaks").output().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    ran
}

fn warnings(ran: &Ran) -> Vec<&str> {
    let warnings = ran.events.iter().filter(|event| event["event"] == "warning");
    warnings.filter_map(|event| event["message"].as_str()).collect()
}

#[test]
fn a_step_that_was_ended_for_memory_teaches_and_is_shown() {
    for way in [&[][..], &["--no-cgroups"]] {
        let place = Place::make();
        place.write("w.yaml", &never_ends(400, ", resources: {memory: 150MB}"));
        let ended_before = |ran: &Ran| {
            let warnings = warnings(ran).into_iter().filter(|message| message.contains("was ended for memory at "));
            warnings.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ended_before(&fails(&place, "work", way)), [""; 0]);
        let (_, shown, _) = tell(&place, &["show", "big"]);
        for words in
            ["it had used", "ended for memory", "limit was 150.0 MB", "it asked for 150.0 MB", "needs more than"]
        {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        let (_, shown, _) = tell(&place, &["show", "big", "--json"]);
        let shown: Json = serde_json::from_str(&shown).unwrap();
        let ended = shown["failed"]["out_of_memory"]["more_than_bytes"].as_u64().unwrap();
        assert!(ended >= 150 * MB && shown["failed"]["used"]["method"].is_string(), "{shown}");
        // What a user asks for stands, and is warned of once.
        let told = ended_before(&fails(&place, "work", way));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`big`") && told[0].contains("ask for more"), "{told:?}");
        // Told by node, by what ran, and by the plan when nobody asks.
        for work in
            [&["resources", "--work", "work", "--json"][..], &["resources", "work", "--json"], &["resources", "--json"]]
        {
            let rows: Json = serde_json::from_str(&tell(&place, work).1).unwrap();
            let (at, learned) = (rows[0]["ended_at_bytes"].as_u64(), rows[0]["learned_bytes"].as_u64());
            assert!(at >= Some(ended) && learned >= at.map(|at| 2 * at), "{rows}");
        }
        let (_, told, _) = tell(&place, &["resources", "work", "--write", "tuned.yaml"]);
        assert!(
            told.contains("at least ") && told.contains("ended for memory") && told.contains("too little"),
            "{told}"
        );
        place.write("w.yaml", &never_ends(400, ""));
        let memory = planned(&place, &[]);
        assert_eq!((&memory["source"], &memory["steps"]), (&"learned".into(), &0.into()), "{memory}");
        assert!(memory["least_bytes"].as_u64() >= memory["ended_at_bytes"].as_u64().map(|at| 2 * at), "{memory}");
        let filed = planned(&place, &["--resource-file", "tuned.yaml"]);
        assert!(filed["source"] == "file" && filed["least_bytes"].as_u64().unwrap() >= 2 * ended, "{filed}");
        // A file that asks for no more than what was too little is passed over.
        place.write("small.yaml", "pial_resources: 1\nnodes: {big: {memory: 100MB}}\n");
        let passed = planned(&place, &["--resource-file", "small.yaml"]);
        assert!(passed["source"] == "learned" && passed["least_bytes"].as_u64().unwrap() >= 2 * ended, "{passed}");
    }
}

#[test]
fn what_is_known_is_forgotten_by_name_or_as_a_whole() {
    let place = Place::make();
    place.write("w.yaml", "{pial: 1, name: w, nodes: {a: {command: [sleep, '0']}, b: {command: ['true']}}}");
    run(&place, "work", &[]);
    let (code, _, error) = tell(&place, &["resources", "--forget", "command slep 0"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("`command slep 0`") && error.contains("command sleep 0"), "{error}");
    assert_eq!(tell(&place, &["resources", "--forget", "command sleep 0"]).1, "forgot command sleep 0\n");
    let (_, told, _) = tell(&place, &["resources"]);
    assert!(!told.contains("sleep") && told.contains("command true"), "{told}");
    assert_eq!(tell(&place, &["resources", "--forget", "--json"]).0, Some(0));
    assert!(tell(&place, &["resources"]).1.starts_with("nothing is known yet"));
    assert!(tell(&place, &["resources", "--forget"]).1.contains("nothing to forget"));
    assert_eq!(tell(&place, &["resources", "--forget", "--work", "work"]).0, Some(2));
}
