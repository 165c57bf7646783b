//! Every shape of graph, run for real: maps, joins, nesting, built-ins, descriptors of one's own.

use crate::Place;

#[test]
fn maps_over_lists_known_only_at_run_time() {
    let place = Place::make();
    let document = "
pial: 1
name: w
parameters: {n: 3}
nodes:
  split: {command: [sh, -c, 'for i in $(seq 1 \"$0\"); do echo $i > p$i.txt; done', '{n}'], outputs: {parts: {glob: 'p*.txt', optional: true}}}
  list: {builtin: merge, inputs: {in1: {from: split.parts}}}
  twice:
    command: [sh, -c, 'cat \"$0\" \"$0\" > out.txt; printf %s \"$1\" >> out.txt', '{f}', '{suffix}']
    map: f
    inputs: {f: {type: file, from: list.out}, suffix: end}
    outputs: {out: out.txt}
  all: {command: [sh, -c, 'cat /dev/null \"$@\" > out.txt', x, '{f}'], inputs: {f: {type: 'list[file]', from: twice.out}}, outputs: {out: out.txt}}
";
    let ran = place.run(document, &[]);
    assert_eq!(ran.counts(), [4, 0, 0, 0], "{:?}", ran.events);
    assert_eq!(place.read("work/w/all/out.txt"), "1\n1\nend2\n2\nend3\n3\nend");
    assert_eq!(place.read("work/w/twice/mapflow/_twice1/out.txt"), "2\n2\nend");
    assert_eq!(place.again(&[]).counts(), [0, 4, 0, 0]);
    let ran = place.again(&["--set", "n=4"]);
    assert_eq!(ran.counts(), [4, 0, 0, 0]);
    let cached: Vec<_> = ran.events.iter().filter(|e| e["event"] == "node_cached").map(|e| e["node"].clone()).collect();
    assert_eq!(cached, ["twice#0", "twice#1", "twice#2"], "items that were done are not done again");
    let ran = place.again(&["--set", "n=0"]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [4, 0, 0, 0]), "an empty list is a list: {:?}", ran.events);
    assert_eq!(place.read("work/w/all/out.txt"), "");
}

#[test]
fn nested_maps_keep_their_shape_and_failed_items_fail_the_node() {
    let place = Place::make();
    let document = "
pial: 1
name: w
nodes:
  m:
    command: [sh, -c, 'printf %s \"$0\"; [ \"$0\" != bad ]', '{x}']
    map: {over: x, nested: true}
    inputs: {x: {type: any, value: [[a, b], [], [c]]}}
    outputs: {out: {stdout: string}}
  j: {builtin: json_write, inputs: {out: {from: m.out}}}
";
    let ran = place.run(document, &[]);
    assert_eq!(ran.counts(), [2, 0, 0, 0], "{:?} {}", ran.events, ran.stderr);
    let written: serde_json::Value = serde_json::from_str(&place.read("work/w/j/data.json")).unwrap();
    assert_eq!(written["out"], serde_json::json!([["a", "b"], [], ["c"]]));
    let ran = place.run(&document.replace("[c]", "[bad]"), &[]);
    assert_eq!((ran.code, ran.counts()), (Some(1), [0, 0, 1, 1]));
    assert!(ran.failure("m#2").contains("exited with code 1"));
}

#[test]
fn finding_sinking_and_the_rest_of_the_built_ins() {
    let place = Place::make();
    for subject in ["s1", "s2"] {
        place.write(&format!("data/{subject}/t1 run-10.txt"), subject);
        place.write(&format!("data/{subject}/t1 run-9.txt"), subject);
    }
    let document = "
pial: 1
name: w
parameters: {subject: [s1, s2], out: {type: directory, value: results}}
nodes:
  find:
    builtin: selectfiles
    inputs: {base_directory: data, templates: {t1: '{subject}/t1*.txt'}, subject: '{subject}'}
  first: {builtin: select, inputs: {inlist: {from: find.t1}, index: [0]}}
  name: {builtin: rename, inputs: {in_file: {from: first.out}, format_string: 'anat_%(subject)s', subject: '{subject}', keep_ext: true}}
  sink: {builtin: datasink, join: subject, inputs: {base_directory: '{out}', anat: {from: name.out_file}}}
";
    let ran = place.run(document, &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [7, 0, 0, 0]), "{:?} {}", ran.events, ran.stderr);
    assert_eq!(place.read("results/anat/_subject_s1/anat_s1.txt"), "s1");
    assert_eq!(place.again(&[]).counts(), [0, 7, 0, 0]);
    std::fs::remove_file(place.path("results/anat/_subject_s2/anat_s2.txt")).unwrap();
    assert_eq!(place.again(&[]).counts(), [1, 6, 0, 0], "what a datasink wrote and is gone is written again");
    place.write("data/s2/t1 run-1.txt", "new");
    assert_eq!(place.again(&[]).counts(), [4, 3, 0, 0], "a new file is found, and only its subject runs again");
    std::fs::remove_dir_all(place.path("data/s2")).unwrap();
    let ran = place.again(&[]);
    assert!(ran.failure("find[subject=s2]").contains("s2"), "{}", ran.failure("find[subject=s2]"));
}

#[test]
fn a_descriptor_of_ones_own_with_an_environment_and_a_shell_line() {
    let place = Place::make();
    place.write(
        "tools/shout.json",
        r#"{"schema-version": "0.5", "name": "shout", "description": "Says it loudly.", "tool-version": "1",
        "command-line": "sh -c 'tr a-z A-Z < \"$0\" > \"$1\"; printf %s \"$HOW\" >> \"$1\"' [IN] [OUT]",
        "environment-variables": [{"name": "HOW", "value": "!"}],
        "inputs": [{"id": "in", "name": "in", "type": "File", "value-key": "[IN]"},
                   {"id": "out", "name": "out", "type": "String", "value-key": "[OUT]", "default-value": "loud.txt"}],
        "output-files": [{"id": "loud", "name": "loud", "path-template": "[OUT]"}]}"#,
    );
    place.write("a b.txt", "hello");
    let document = "
pial: 1
name: w
environment: {GREETING: 'hi there'}
nodes:
  a: {interface: tools/shout.json, inputs: {in: a b.txt}}
  b:
    command: 'cat {i} > {out} && echo $GREETING >> {out}'
    shell: true
    inputs: {i: {type: file, from: a.loud}}
    outputs: {out: 'both of it.txt'}
";
    let ran = place.run(document, &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [2, 0, 0, 0]), "{:?} {}", ran.events, ran.stderr);
    assert_eq!(place.read("work/w/b/both of it.txt"), "HELLO!hi there\n");
}

#[test]
fn one_subject_ends_before_the_next_begins_and_fail_fast_stops() {
    let place = Place::make();
    let document = "
pial: 1
name: w
parameters: {s: [1, 2, 3, 4]}
nodes:
  a: {command: [sh, -c, 'touch x; [ \"$0\" != 2 ]', '{s}'], outputs: {out: x}}
  b: {command: [touch, y], inputs: {i: {type: file, from: a.out}}, outputs: {out: y}}
";
    let ran = place.run(document, &["-j1"]);
    assert_eq!(ran.counts(), [6, 0, 1, 1]);
    let started: Vec<&str> =
        ran.events.iter().filter(|e| e["event"] == "node_started").map(|e| e["node"].as_str().unwrap()).collect();
    assert_eq!(started[..3], ["a[s=1]", "b[s=1]", "a[s=2]"]);
    std::fs::remove_dir_all(place.path("work")).unwrap();
    let ran = place.again(&["-j1", "--fail-fast"]);
    assert_eq!((ran.code, ran.counts()), (Some(1), [2, 0, 1, 5]));
}
