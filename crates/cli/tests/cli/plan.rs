//! `pial plan`.

use insta::assert_snapshot;

use crate::{Place, SUBJECTS};

/// The table alone: times and free space differ.
fn table(place: &Place, more: &[&str]) -> String {
    let said = place.pial(&[&["plan", "w.yaml"], more].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
        .lines()
        .filter(|line| !["estimated", "free", "no time", "memory"].iter().any(|s| line.starts_with(s)))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn before_the_first_run_all_is_new_and_nothing_is_made() {
    let place = Place::with(SUBJECTS);
    assert_snapshot!(table(&place, &[]), @r"
    node   nodes  done  run  memory            why
    load   2      0     2    200.0 MB assumed  new
    wide   1      0     1    200.0 MB assumed  new
    count  2      0     2    200.0 MB assumed  new
    all    1      0     1    -                 new
    each   1      0     1    200.0 MB assumed  new

    7 of 7 nodes would run, 0 done before
    ");
    assert!(!place.path("work").exists());
}

#[test]
fn after_a_run_nothing_is_left_and_each_reason_is_told() {
    let place = Place::with(SUBJECTS);
    assert_eq!(place.run(&[]).code, Some(0));
    assert!(table(&place, &[]).ends_with("nothing to do: all 7 nodes are done\n"));
    place.write("in/b.txt", "another text\n");
    std::fs::remove_file(place.path("work/demo/_s_aé/load/copy.txt")).unwrap();
    assert_snapshot!(table(&place, &["--set", "width=4"]), @r"
    node   nodes  done  run  memory            why
    load   2      0     2    200.0 MB assumed  file of input `f` changed (1); output missing or changed (1)
    wide   1      0     1    200.0 MB assumed  input `width` changed
    count  2      0     2    200.0 MB assumed  after load
    all    1      0     1    -                 after count
    each   1      0     1    200.0 MB assumed  after all

    7 of 7 nodes would run, 0 done before; 4 of them only if what runs before gives something new
    ");
}

#[test]
fn what_the_plan_tells_is_what_the_run_does() {
    let place = Place::with(SUBJECTS);
    assert_eq!(place.run(&[]).code, Some(0));
    // The same number of bytes: `count` gives the same, so what follows stands.
    place.write("in/b.txt", "c\n");
    let told = place.json(&["plan", "w.yaml"]);
    assert_eq!(
        [&told["cached"], &told["would_run"], &told["after"]],
        [3, 1, 3].map(serde_json::Value::from).each_ref()
    );
    let ran = place.pial(&["run", "w.yaml", "--json"]);
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!([&last["done"], &last["cached"]], [2, 5].map(serde_json::Value::from).each_ref());
}

#[test]
fn every_node_with_all() {
    let place = Place::with(SUBJECTS);
    let all = place.json(&["plan", "w.yaml", "--all"]);
    let names: Vec<&str> = all["all"].as_array().unwrap().iter().map(|node| node["node"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["load[s=a é]", "load[s=b]", "wide"]);
    assert!(table(&place, &["--all"]).contains("count[s=a é]  would run: new"));
}

#[test]
fn what_a_run_would_refuse_is_refused() {
    let place =
        Place::with("pial: 1\nnodes:\n  a: {command: [no-such-tool], inputs: {f: {type: file, value: none.nii}}}\n");
    let said = place.pial(&["plan", "w.yaml"]);
    assert_eq!((said.code, place.run(&[]).code), (Some(2), Some(2)));
    assert!(
        said.out.contains("1 of 1 node") && said.err.contains("no-such-tool") && said.err.contains("none.nii"),
        "{}",
        said.err
    );
    place.write("w.yaml", "pial: 1\nnodes:\n  a: {command: [echo], resources: {gpus: 2}}\n");
    let said = place.pial(&["plan", "w.yaml", "--gpus", "0"]);
    assert_eq!((said.code, place.run(&["--gpus", "0"]).code), (Some(2), Some(2)), "{}", said.err);
    assert_eq!(place.pial(&["plan", "w.yaml", "--gpus", "2"]).code, Some(0));
    place.write("w.yaml", "pial: 1\nnodes:\n  a: {comand: [x]}\n");
    let said = place.pial(&["plan", "w.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("comand"), "{}", said.err);
}

#[test]
fn finders_look_and_new_files_are_seen() {
    let place = Place::with(
        "
pial: 1
nodes:
  find: {builtin: selectfiles, inputs: {base_directory: in, templates: {t: '*.txt'}, force_lists: true}}
  each: {command: [cat, '{f}'], map: f, inputs: {f: {from: find.t}}, outputs: {t: {stdout: string}}}
",
    );
    assert_eq!(place.run(&[]).code, Some(0));
    assert_eq!(place.json(&["plan", "w.yaml"])["cached"], 2);
    place.write("in/c.txt", "c\n");
    assert!(table(&place, &[]).contains("what it found has changed"), "{}", table(&place, &[]));
}
