//! The folders of nodes: those of nipype 1.11, which gave every expected name here, unless two nodes would share one.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod tools;

use pial_core::arena::NodeId;
use pial_core::plan::Plan;

use tools::plan;

/// All directories without the folder of the workflow, sorted.
fn directories(plan: &Plan) -> Vec<String> {
    let nodes = (0..plan.len() as u32).map(NodeId);
    let directory = |node| plan.node_directory(node).strip_prefix("w/").unwrap().to_owned();
    let mut directories: Vec<String> = nodes.map(directory).collect();
    directories.sort();
    directories
}

fn iterating(values: &str) -> Plan {
    let node = r#"{"command": ["t", "{a}"], "inputs": {"a": {"from": "s.x"}}}"#;
    plan(&format!(
        r#"{{"pial": 1, "name": "w", "nodes": {{"s": {{"builtin": "identity", "iterables": {{"x": {values}}}}}, "n": {node}}}}}"#
    ))
}

/// The folders of `n`, in the order of the values.
fn labels(values: &str) -> Vec<String> {
    let plan = iterating(values);
    let nodes = plan.find("n").into_iter();
    nodes.map(|node| plan.node_directory(node).split('/').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn values_read_as_in_nipype() {
    let table = [
        (r##"1"##, "_x_1"),
        (r##"true"##, "_x_True"),
        (r##""plain""##, "_x_plain"),
        (r##""a b""##, "_x_ab"),
        (r##""[x]""##, "_x_x"),
        (r##""(y, z)""##, "_x_y.z"),
        (r##""{p}?:<q>#!|'r\";""##, "_x_pqr"),
        (r##""a/b""##, "_x_a..b"),
        (r##""a,b""##, "_x_a.b"),
        (r##"0.1"##, "_x_0.1"),
        (r##"1.0"##, "_x_1.0"),
        (r##"1e-05"##, "_x_1e-05"),
        (r##"1e+16"##, "_x_1e+16"),
        (r##"1e+22"##, "_x_1e+22"),
        (r##"1.2345678901234568e+17"##, "_x_1.2345678901234568e+17"),
        (r##"-0.0"##, "_x_-0.0"),
        (r##"2.5e-07"##, "_x_2.5e-07"),
        (r##"[1, 2]"##, "_x_1.2"),
        (r##"["a", "b c"]"##, "_x_a.bc"),
        (r##"[1.5, null, true]"##, "_x_1.5.None.True"),
        (r##"["it's"]"##, "_x_its"),
        (r##"["q\"q"]"##, "_x_qq"),
        (r##"["both'\""]"##, r##"_x_both\"##),
        (r##"["new\nline", "\\"]"##, r##"_x_new\nline.\\"##),
        (r##"["\u00e9", "\u0007\u00a0"]"##, r##"_x_é.\x07\xa0"##),
        (r##"{"k": "v", "n": [1]}"##, "_x_kv.n1"),
        (r##"{"$tuple": [1, 2]}"##, "_x_1.2"),
        (r##"{"$tuple": ["a"]}"##, "_x_a."),
        (r##"{"$tuple": [1, {"$tuple": [2, "x"]}]}"##, "_x_1.2.x"),
        (r##"{"$pathlib": "/data/a b"}"##, "_x_..data..ab"),
        (r##"[{"$pathlib": "/data/x"}]"##, "_x_PosixPath..data..x"),
        (r##""\u00e9 name""##, "_x_éname"),
        (r##""tab\there""##, "_x_tab\there"),
    ];
    for (value, expected) in table {
        assert_eq!(labels(&format!("[{value}]")), [expected], "{value}");
    }
}

#[test]
fn names_too_long_are_digests() {
    let long = format!("[\"{}\"]", "x".repeat(300));
    assert_eq!(labels(&long), ["74de2bedf33db04d0aba27cfdbe58f610d02fceb"]);
    let label = |length: usize| labels(&format!("[\"{}\"]", "x".repeat(length))).remove(0).len();
    assert_eq!((label(249), label(250)), (252, 40));
    // nipype counts characters, of which the file system takes no 252.
    assert_eq!(labels(&format!("[\"{}\"]", "é".repeat(240))).remove(0).len(), 40);
}

#[test]
fn values_that_read_alike_are_kept_apart_and_no_others() {
    let found = labels(r#"["a b", "ab", "c", [1, 2], {"$tuple": [1, 2]}, "1.2", "d e"]"#);
    let bare = |label: &String| label.rsplit_once('-').map_or(label.clone(), |(bare, _)| bare.to_owned());
    let expected = ["_x_ab", "_x_ab", "_x_c", "_x_1.2", "_x_1.2", "_x_1.2", "_x_de"];
    assert_eq!(found.iter().map(bare).collect::<Vec<_>>(), expected);
    let mut different = found.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), found.len(), "{found:?}");
    assert!(found[2] == "_x_c" && found[6] == "_x_de", "{found:?}");
}

#[test]
fn values_that_read_like_other_fields_are_kept_apart() {
    let text = "
pial: 1
name: w
nodes:
  s: {builtin: identity, iterables: {a: ['1', 1_b_2, x_b], b: ['3', 2_b_3, b_3]}}
  t: {builtin: identity, iterables: {c: [c_d_e], d: ['1']}}
";
    let mut found = directories(&plan(text));
    assert!(found.contains(&"_a_1_b_3/s".to_owned()) && found.contains(&"_c_c_d_e_d_1/t".to_owned()), "{found:?}");
    found.dedup();
    assert_eq!(found.len(), 10);
}

#[test]
fn equal_values_of_equal_fields_are_kept_apart() {
    let text = "
pial: 1
name: w
nodes:
  a: {builtin: identity, iterables: {x: [1, 2]}}
  b: {builtin: identity, iterables: {x: [1, 2]}}
  q: {command: [t], inputs: {a: {from: a.x}, b: {from: b.x}}}
";
    let plan = plan(text);
    let found: Vec<String> = plan.find("q").into_iter().map(|node| plan.node_directory(node)).collect();
    assert_eq!(found, ["w/_x_1/_x_1/q", "w/_x_1/_x_2/q", "w/_x_2/_x_1/q", "w/_x_2/_x_2/q"]);
}

#[test]
fn one_equal_value_is_no_reason_to_leave_the_order_of_nipype() {
    let text = "
pial: 1
name: w
nodes:
  a: {builtin: identity, iterables: {x: [1, 7]}}
  b: {builtin: identity, iterables: {x: [1, 6]}}
  q: {command: [t], inputs: {a: {from: a.x}, b: {from: b.x}}}
";
    let plan = plan(text);
    let found: Vec<String> = plan.find("q").into_iter().map(|node| plan.node_directory(node)).collect();
    assert_eq!(found, ["w/_x_1/_x_1/q", "w/_x_1/_x_6/q", "w/_x_1/_x_7/q", "w/_x_6/_x_7/q"]);
}

/// As in nipype: an identity is no reason to vary over what goes through another field of it.
#[test]
fn what_reads_one_field_of_an_identity_varies_over_that_alone() {
    let text = "
pial: 1
name: w
nodes:
  a: {builtin: identity, iterables: {x: [1, 2]}}
  b: {builtin: identity, iterables: {y: [3, 4]}}
  both: {builtin: identity, inputs: {x: {from: a.x}, y: {from: b.y}, z: [{from: a.x}, 5]}}
  again: {builtin: identity, inputs: {x: {from: both.x}, z: {from: both.z}}}
  q: {command: [t], inputs: {a: {from: again.x}, z: {from: both.z}}, outputs: {o: x}}
  all: {builtin: merge, join: b, inputs: {in1: {from: both.y}}}
outputs: {o: {from: again.z}}
";
    let plan = plan(text);
    let number = |name: &str| plan.find(name).len();
    assert_eq!(["both", "again", "q", "all"].map(number), [4, 2, 2, 1]);
    assert_eq!(plan.spaces.spaces[plan.outputs[0].space].points, 2);
}

#[test]
fn parameters_have_a_folder_each_in_their_order_around_those_of_nodes() {
    let text = "
pial: 1
name: w
parameters: {z: [1], y: [2], c: [3], b: [4], by: {by: z, iterate: {1: [5]}}}
synchronize: [c, b]
nodes:
  s: {builtin: identity, iterables: {k: [6]}}
  n: {command: [t, '{y}', '{z}', '{b}', '{by}'], inputs: {k: {from: s.k}}}
";
    assert_eq!(directories(&plan(text)), ["_k_6/s", "_z_1/_y_2/_b_4_c_3/_by_5/_k_6/n"]);
}

#[test]
fn what_only_python_has_is_named_as_there() {
    let plan = iterating(r#"[{"$tuple": [1, "a"]}, {"$pathlib": "/x y"}, {"$pickle": "gASVBQ"}, 1.0]"#);
    let names: Vec<String> = plan.find("n").into_iter().map(|node| plan.node_name(node)).collect();
    let digest = &blake3::hash(b"gASVBQ").to_hex()[..8];
    assert_eq!(names, ["n[x=(1, 'a')]", "n[x=/x y]", &format!("n[x={digest}]"), "n[x=1]"]);
    assert_eq!(labels(r#"[{"$pickle": "gASVBQ"}]"#), [format!("_x_{digest}")]);
    let twice =
        r#"{"pial": 1, "nodes": {"s": {"builtin": "identity", "iterables": {"x": [{"$pathlib": "/x"}, "/x"]}}}}"#;
    assert!(tools::plan_with(twice, &[]).unwrap_err()[0].contains("stands twice"));
}

/// nipype leaves out identities; pial has them, and what is looked at are the other nodes.
#[test]
fn workflows_have_the_directories_of_nipype() {
    for (name, nodes, expected) in WORKFLOWS {
        let plan = plan(&format!("pial: 1\nname: w\nnodes:{nodes}\n"));
        let own = |directory: &String| expected.iter().any(|e| e.rsplit('/').next() == directory.rsplit('/').next());
        let found: Vec<String> = directories(&plan).into_iter().filter(own).collect();
        assert_eq!(found, expected.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>(), "{name}");
    }
}

const WORKFLOWS: &[(&str, &str, &[&str])] = &[
    (
        "alphabetical",
        r#"
  n: {command: [t, '{a}', '{b}', '{c}'], iterables: {c: [1], a: [2], b: [3]}, inputs: {a: {type: int}, b: {type: int}, c: {type: int}}, outputs: {o: x}}
  m: {command: [t, '{a}'], inputs: {a: {from: n.o}}}"#,
        &["_a_2_b_3_c_1/m", "_a_2_b_3_c_1/n"],
    ),
    (
        "synchronize",
        r#"
  n: {builtin: identity, iterables: {z: [1, 2, 3], a: [x, y]}, synchronize: true}
  m: {command: [t, '{a}'], inputs: {a: {from: n.a}, b: {from: n.z}}}"#,
        &["_a_x_z_1/m", "_a_y_z_2/m", "_z_3/m"],
    ),
    (
        "chain",
        r#"
  a: {builtin: identity, iterables: {x: [1, 2]}}
  p: {command: [t, '{a}'], inputs: {a: {from: a.x}}, outputs: {o: x}}
  b: {command: [t, '{a}', '{b}'], iterables: {b: [3, 4]}, inputs: {a: {from: p.o}, b: {type: int}}, outputs: {o: x}}
  q: {command: [t, '{a}'], inputs: {a: {from: b.o}}}"#,
        &[
            "_x_1/_b_3/b",
            "_x_1/_b_3/q",
            "_x_1/_b_4/b",
            "_x_1/_b_4/q",
            "_x_1/p",
            "_x_2/_b_3/b",
            "_x_2/_b_3/q",
            "_x_2/_b_4/b",
            "_x_2/_b_4/q",
            "_x_2/p",
        ],
    ),
    (
        "parallel",
        r#"
  a: {builtin: identity, iterables: {z: [1]}}
  b: {builtin: identity, iterables: {y: [2]}}
  p: {command: [t, '{a}'], inputs: {a: {from: b.y}}, outputs: {o: x}}
  q: {command: [t], inputs: {a: {from: a.z}, b: {from: b.y}}}
  r: {command: [t], inputs: {a: {from: a.z}, b: {from: p.o}}}"#,
        &["_y_2/_z_1/q", "_y_2/_z_1/r", "_y_2/p"],
    ),
    (
        "parallel, one name",
        r#"
  a: {builtin: identity, iterables: {x: [5, 6]}}
  b: {builtin: identity, iterables: {x: [3, 4]}}
  q: {command: [t], inputs: {a: {from: a.x}, b: {from: b.x}}}"#,
        &["_x_3/_x_5/q", "_x_3/_x_6/q", "_x_4/_x_5/q", "_x_4/_x_6/q"],
    ),
    (
        "identity between",
        r#"
  a: {builtin: identity, iterables: {z: [1]}}
  b: {builtin: identity, iterables: {y: [2]}}
  i: {builtin: identity, inputs: {v: {from: a.z}}}
  j: {builtin: identity, inputs: {v: {from: i.v}}}
  p: {command: [t, '{a}'], inputs: {a: {from: b.y}}, outputs: {o: x}}
  q: {command: [t], inputs: {a: {from: j.v}, b: {from: b.y}}}
  r: {command: [t], inputs: {a: {from: j.v}, b: {from: p.o}}}"#,
        &["_y_2/_z_1/q", "_y_2/_z_1/r", "_y_2/p"],
    ),
    (
        "deep",
        r#"
  a: {builtin: identity, iterables: {z: [1]}}
  b: {builtin: identity, iterables: {y: [2]}}
  p: {command: [t], inputs: {a: {from: a.z}}, outputs: {o: x}}
  r: {command: [t], inputs: {a: {from: p.o}, b: {from: b.y}}, outputs: {o: x}}
  s: {command: [t], inputs: {a: {from: r.o}}}"#,
        &["_z_1/_y_2/r", "_z_1/_y_2/s", "_z_1/p"],
    ),
    (
        "itersource",
        r#"
  a: {builtin: identity, iterables: {s: [s1, s2]}}
  b: {builtin: identity, itersource: {node: a, fields: [s]}, iterables: {r: {s1: [1, 2], s2: [3]}}, inputs: {s: {from: a.s}}}
  q: {command: [t], inputs: {a: {from: b.r}, b: {from: b.s}}, outputs: {o: x}}
  j: {command: [t, '{a}'], join: b, inputs: {a: {from: q.o}}, outputs: {o: x}}
  k: {command: [t], inputs: {a: {from: j.o}}}"#,
        &["_s_s1/_r_1/q", "_s_s1/_r_2/q", "_s_s1/j", "_s_s1/k", "_s_s2/_r_3/q", "_s_s2/j", "_s_s2/k"],
    ),
    (
        "join",
        r#"
  a: {builtin: identity, iterables: {s: [s1, s2]}}
  b: {command: [t, '{b}'], iterables: {b: [1, 2]}, inputs: {a: {from: a.s}, b: {type: int}}, outputs: {o: x}}
  c: {command: [t], inputs: {a: {from: b.o}}, outputs: {o: x}}
  j: {command: [t], join: b, inputs: {a: {from: c.o}}, outputs: {o: x}}
  k: {command: [t], inputs: {a: {from: j.o}}, outputs: {o: x}}
  l: {command: [t], join: a, inputs: {a: {from: k.o}}, outputs: {o: x}}
  m: {command: [t], inputs: {a: {from: l.o}}}"#,
        &[
            "_s_s1/_b_1/b",
            "_s_s1/_b_1/c",
            "_s_s1/_b_2/b",
            "_s_s1/_b_2/c",
            "_s_s1/j",
            "_s_s1/k",
            "_s_s2/_b_1/b",
            "_s_s2/_b_1/c",
            "_s_s2/_b_2/b",
            "_s_s2/_b_2/c",
            "_s_s2/j",
            "_s_s2/k",
            "l",
            "m",
        ],
    ),
    (
        "join and direct",
        r#"
  a: {builtin: identity, iterables: {z: [s1, s2]}}
  b: {builtin: identity, iterables: {y: [1]}}
  c: {command: [t], inputs: {a: {from: a.z}}, outputs: {o: x}}
  d: {command: [t], inputs: {a: {from: b.y}}, outputs: {o: x}}
  j: {command: [t], join: {source: a, fields: [a]}, inputs: {a: {from: c.o}, b: {from: d.o}}, outputs: {o: x}}
  k: {command: [t], inputs: {a: {from: j.o}, b: {from: a.z}}}"#,
        &["_y_1/_z_s1/k", "_y_1/_z_s2/k", "_y_1/d", "_y_1/j", "_z_s1/c", "_z_s2/c"],
    ),
    (
        "nested",
        r#"
  a: {builtin: identity, iterables: {s: [s1, s2]}}
  inner:
    workflow:
      parameters: {v: }
      nodes:
        n: {command: [t, '{a}', '{b}'], iterables: {b: [1]}, inputs: {a: '{v}', b: {type: int}}, outputs: {o: x}}
    inputs: {v: {from: a.s}}
  o: {command: [t], inputs: {a: {from: inner.n.o}}}"#,
        &["_s_s1/_b_1/o", "_s_s2/_b_1/o", "inner/_s_s1/_b_1/n", "inner/_s_s2/_b_1/n"],
    ),
    (
        "map",
        r#"
  a: {builtin: identity, iterables: {s: [s1, s2]}}
  n: {command: [t, '{b}'], map: b, inputs: {a: {from: a.s}, b: [1, 2]}}"#,
        &["_s_s1/n", "_s_s2/n"],
    ),
    (
        "two iterables nodes of two fields",
        r#"
  a: {builtin: identity, iterables: {z: [1], y: [2]}}
  b: {command: [t], iterables: {d: [3], c: [4]}, inputs: {a: {from: a.z}, b: {from: a.y}, c: {type: int}, d: {type: int}}, outputs: {o: x}}
  q: {command: [t], inputs: {a: {from: b.o}}}"#,
        &["_y_2_z_1/_c_4_d_3/b", "_y_2_z_1/_c_4_d_3/q"],
    ),
    (
        "join identity between",
        r#"
  a: {builtin: identity, iterables: {z: [1]}}
  b: {builtin: identity, iterables: {y: [2]}}
  c: {builtin: identity, iterables: {x: [3, 4]}}
  p: {command: [t], inputs: {a: {from: c.x}, b: {from: a.z}}, outputs: {o: x}}
  j: {builtin: identity, join: c, inputs: {v: {from: p.o}}}
  d: {command: [t], inputs: {a: {from: b.y}}, outputs: {o: x}}
  q: {command: [t], inputs: {a: {from: j.v}, b: {from: d.o}}}"#,
        &["_x_3/_z_1/p", "_x_4/_z_1/p", "_y_2/d", "_z_1/_y_2/q", "_z_1/j"],
    ),
];
