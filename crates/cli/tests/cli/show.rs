//! `pial status`, `pial show`, `pial log` and `pial crash` of runs that ended.

use crate::{Place, SUBJECTS};

const FAILING: &str = "
pial: 1
nodes:
  good: {command: [echo, fine], outputs: {t: {stdout: string}}}
  bad: {command: 'echo out; echo \"bad é\" >&2; exit 7', shell: true, inputs: {t: {from: good.t}}}
  after: {command: [echo, '{x}'], inputs: {x: {from: bad.o}}}
  items: {command: [sh, -c, 'test $0 != 2', '{v}'], map: v, inputs: {v: [1, 2, 3]}}
";

fn failing() -> Place {
    let document =
        FAILING.replace("inputs: {t: {from: good.t}}}", "inputs: {t: {from: good.t}}, outputs: {o: {stdout: string}}}");
    let place = Place::with(&document);
    assert_eq!(place.run(&[]).code, Some(1));
    place
}

#[test]
fn status_counts_and_names_failures() {
    let place = failing();
    let json = place.json(&["status"]);
    assert_eq!(json["state"], "ended");
    let counts = ["nodes", "done", "cached", "failed", "skipped", "running", "left"];
    assert_eq!(counts.map(|key| json["counts"][key].as_u64().unwrap()), [4, 1, 0, 2, 1, 0, 0]);
    let failed: Vec<&str> = json["failed"].as_array().unwrap().iter().map(|f| f["node"].as_str().unwrap()).collect();
    assert!(failed.contains(&"bad") && failed.contains(&"items#1"), "{failed:?}");
    let text = place.pial(&["status"]).out;
    assert!(text.contains("4 nodes: 1 done, 2 failed, 1 skipped"), "{text}");
    assert!(text.contains("bad: it exited with code 7: bad é\n    crash/crash-"), "{text}");
}

#[test]
fn status_of_a_second_run_has_what_was_done_before() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    place.run(&[]);
    assert!(place.pial(&["status"]).out.contains("7 nodes: 7 done before"));
}

#[test]
fn show_has_command_values_and_use() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    let json = place.json(&["show", "load[s=a é]"]);
    assert_eq!(json["command"].as_array().unwrap()[1..], ["HERE/in/a é.txt", "copy.txt"]);
    assert_eq!(json["key"], json["result_key"]);
    assert_eq!(json["outputs"]["out"], "HERE/work/demo/_s_aé/load/copy.txt");
    assert!(json["used"]["wall_s"].as_f64().unwrap() >= 0.0);
    assert_eq!((&json["state"], &json["results"]), (&"done in the last run".into(), &1.into()));
    let text = place.pial(&["show", "load[s=a é]"]).out;
    assert!(text.contains("cp 'HERE/in/a é.txt' copy.txt") && text.contains("its result stands"), "{text}");
}

#[test]
fn show_lists_the_nodes_of_a_template_and_tells_of_items() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    let text = place.pial(&["show", "count"]).out;
    assert_eq!(text, "2 nodes\ncount[s=a é]  done in the last run\ncount[s=b]    done in the last run\n");
    assert_eq!(place.json(&["show", "count"]).as_array().unwrap().len(), 2);
    let item = place.json(&["show", "each#1"]);
    assert_eq!(item["inputs"]["v"], "2");
    assert!(item["directory"].as_str().unwrap().ends_with("each/mapflow/_each1"));
    assert!(place.pial(&["show", "each"]).out.contains("2 items"));
    let failed = failing();
    assert!(failed.pial(&["show", "items"]).out.contains("failed in the last run"));
}

#[test]
fn show_gives_values_as_programs_want_them() {
    let place = Place::with(
        "
pial: 1
nodes:
  file: {command: [touch, '{out}'], outputs: {out: a.txt}}
  all:
    builtin: identity
    inputs: {files: [{from: file.out}], map: {value: {b: 1, a: [0.1, null, {$path: x}]}}}
",
    );
    place.run(&[]);
    let values = &place.json(&["show", "all"])["values"];
    let there = "HERE/work/workflow/file/a.txt";
    assert_eq!(values["files"], serde_json::json!([{"$path": there}]));
    let inner = serde_json::json!({"$map": [["$path", "x"]]});
    assert_eq!(values["map"], serde_json::json!({"$map": [["b", 1], ["a", [0.1, null, inner]]]}));
    let several = Place::with(SUBJECTS);
    several.run(&[]);
    let listed = several.json(&["show", "count"]);
    assert_eq!((&listed[1]["node"], &listed[1]["state"]), (&"count[s=b]".into(), &"done in the last run".into()));
    assert_eq!(listed[1]["directory"], "HERE/work/demo/_s_b/count");
}

#[test]
fn log_gives_each_stream_as_it_is() {
    let place = failing();
    assert_eq!(place.pial(&["log", "bad", "--stderr"]).out, "bad é\n");
    assert_eq!(place.pial(&["log", "bad", "--stdout"]).out, "out\n");
    let both = place.pial(&["log", "bad"]).out;
    assert!(both.contains("--- standard output: work/workflow/bad/stdout ---\nout\n--- standard error"), "{both}");
    assert_eq!(place.json(&["log", "bad"])["stderr"], "bad é\n");
    let said = place.pial(&["log", "bat"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("did you mean `bad`?"), "{}", said.err);
    let several = Place::with(SUBJECTS);
    several.run(&[]);
    assert!(several.pial(&["log", "count"]).err.contains("`count[s=a é]`, `count[s=b]`"));
    assert_eq!(several.pial(&["log", "count[s=a é]", "--stderr"]).out, "counting\n");
}

#[test]
fn crashes_are_listed_and_shown() {
    let place = failing();
    let listed = place.json(&["crash"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(place.pial(&["crash"]).out.lines().count(), 2);
    let text = place.pial(&["crash", "bad"]).out;
    assert!(text.contains("it exited with code 7") && text.contains("bad é"), "{text}");
    assert_eq!(place.json(&["crash", "bad"])["exit_code"], 7);
    assert_eq!(place.json(&["crash", "items"])["node"], "items#1");
    let file = listed[0]["file"].as_str().unwrap();
    let name = file.rsplit('/').next().unwrap();
    for which in [file, name, &format!("crash/{name}")] {
        assert_eq!(place.pial(&["crash", which]).code, Some(0), "{which}");
    }
    assert_eq!(place.pial(&["crash", "good"]).code, Some(2));
}

#[test]
fn workflows_that_share_names_and_a_directory_are_told_apart() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    place.write("second.yaml", &SUBJECTS.replace("name: demo", "name: second").replace("width: 3", "width: 9"));
    assert_eq!(place.pial(&["run", "second.yaml", "-q"]).code, Some(0));
    let first = place.json(&["show", "wide", "w.yaml"]);
    assert_eq!((&first["outputs"]["t"], &first["results"]), (&"3".into(), &1.into()));
    assert_eq!(first["directory"], "work/demo/wide".replace("work", "HERE/work"));
    assert_eq!(place.json(&["show", "wide"])["outputs"]["t"], "9");
    assert!(!place.pial(&["why", "wide", "w.yaml"]).out.contains("before that"));
}

#[test]
fn what_would_run_now_is_not_taken_for_what_ran() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    assert!(place.pial(&["show", "wide"]).out.contains("\ncommand    "));
    place.write("w.yaml", &SUBJECTS.replace("width: 3", "width: 4"));
    let text = place.pial(&["show", "wide"]).out;
    assert!(text.contains("command it would run now") && !text.contains("\ninputs\n"), "{text}");
    let json = place.json(&["show", "wide"]);
    assert_eq!((&json["outdated"], &json["outputs"]["t"]), (&true.into(), &"3".into()));
}

#[test]
fn some_axes_in_any_order_select_nodes() {
    let place = Place::with(
        "pial: 1\nparameters: {s: [sub-01, sub-02], dose: [0.5, 1]}\nnodes:\n  a: {command: [echo, '{s}', '{dose}'], outputs: {t: {stdout: string}}}\n",
    );
    assert_eq!(place.run(&[]).code, Some(0));
    let number = |name: &str| place.json(&["show", name]).as_array().map_or(1, Vec::len);
    assert_eq!(["a", "a[s=sub-02]", "a[dose=1.0]", "a[dose=.50,s=sub-01]"].map(number), [4, 2, 2, 1]);
    assert_eq!(place.pial(&["log", "a[dose=.5,s=sub-01]", "--stdout"]).out, "sub-01 0.5\n");
    let said = place.pial(&["show", "a[s=sub-03]"]);
    assert!(
        said.code == Some(2) && said.err.contains("there are") && !said.err.contains("did you mean"),
        "{}",
        said.err
    );
}

#[test]
fn a_document_that_was_moved_is_asked_for() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    std::fs::rename(place.path("w.yaml"), place.path("moved.yaml")).unwrap();
    for command in ["show", "why"] {
        let said = place.pial(&[command, "wide"]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("give the document after the node"), "{}", said.err);
        assert_eq!(place.pial(&[command, "wide", "moved.yaml"]).code, Some(0));
    }
}
