//! Documents to plans: expansion, joins, nesting, and every mistake with its place.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod tools;

use pial_core::arena::NodeId;
use pial_core::plan::{Plan, Setting};
use pial_core::value::Value;
use tools::{plan, plan_among, plan_with};

/// Every node with its inputs; an output of another node is shown as `<node>`.
fn show(plan: &Plan) -> Vec<String> {
    let node = |n| {
        let inputs = plan
            .inputs::<()>(NodeId(n), &mut |source, _| Ok(Value::String(format!("<{}>", plan.node_name(source)))))
            .unwrap();
        let inputs: Vec<String> = inputs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}: {}", plan.node_name(NodeId(n)), inputs.join(" "))
    };
    (0..plan.len() as u32).map(node).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    plan_with(text, &[]).unwrap_err()
}

#[test]
fn iterables_expand_what_depends_on_them_and_join_gathers() {
    let plan = plan(
        "
pial: 1
name: dwi
parameters: {subject: [s1, s2], fwhm: [4, 8]}
nodes:
  once: {command: [make], outputs: {atlas: {path: a.nii}}}
  load: {command: [get, '{subject}'], outputs: {out: {path: x.nii}}}
  smooth:
    command: [smooth, '{image}', '{width}']
    inputs: {image: {type: file, from: load.out}, atlas: {type: file, from: once.atlas}, width: '{fwhm}'}
    outputs: {out: {path: y.nii}}
  gather: {builtin: merge, join: fwhm, inputs: {in1: {from: smooth.out}}}
  all: {builtin: merge, join: [subject], inputs: {in1: {from: gather.out}, who: '{subject}'}}
outputs: {result: {from: all.out}}
",
    );
    assert_eq!(
        show(&plan),
        [
            "once: ",
            "load[subject=s1]: subject=s1",
            "load[subject=s2]: subject=s2",
            "smooth[subject=s1,fwhm=4]: image=/base/<load[subject=s1]> atlas=/base/<once> width=4",
            "smooth[subject=s1,fwhm=8]: image=/base/<load[subject=s1]> atlas=/base/<once> width=8",
            "smooth[subject=s2,fwhm=4]: image=/base/<load[subject=s2]> atlas=/base/<once> width=4",
            "smooth[subject=s2,fwhm=8]: image=/base/<load[subject=s2]> atlas=/base/<once> width=8",
            "gather[subject=s1]: in1=[\"<smooth[subject=s1,fwhm=4]>\",\"<smooth[subject=s1,fwhm=8]>\"]",
            "gather[subject=s2]: in1=[\"<smooth[subject=s2,fwhm=4]>\",\"<smooth[subject=s2,fwhm=8]>\"]",
            "all: in1=[\"<gather[subject=s1]>\",\"<gather[subject=s2]>\"] who=[\"s1\",\"s2\"]",
        ]
    );
    assert_eq!(plan.in_degrees(), [0, 0, 0, 2, 2, 2, 2, 2, 2, 2]);
    let mut after = Vec::new();
    plan.for_each_successor(NodeId(0), |n| after.push(n.0));
    assert_eq!(after, [3, 4, 5, 6]);
    let mut before = Vec::new();
    plan.for_each_predecessor(NodeId(8), |n| before.push(n.0));
    assert_eq!(before, [5, 6]);
    assert_eq!(plan.node_directory(NodeId(5)), "dwi/_subject_s2/_fwhm_4/smooth");
    assert_eq!(plan.find("smooth[subject=s2,fwhm=4]"), [NodeId(5)]);
    assert_eq!(plan.find("load").len(), 2);
}

#[test]
fn synchronized_and_dependent_iterables() {
    let plan = plan(
        "
pial: 1
name: w
parameters:
  a: [1, 2]
  b: [x, y]
  session: {by: a, iterate: {1: [pre], 2: [pre, post]}}
synchronize: [a, b]
nodes:
  n: {command: [t, '{a}', '{b}', '{session}']}
  m: {builtin: merge, join: a, inputs: {in1: '{session}'}}
",
    );
    assert_eq!(
        show(&plan),
        [
            "n[a=1,b=x,session=pre]: a=1 b=x session=pre",
            "n[a=2,b=y,session=pre]: a=2 b=y session=pre",
            "n[a=2,b=y,session=post]: a=2 b=y session=post",
            "m: in1=[\"pre\",\"pre\",\"post\"]",
        ]
    );
}

#[test]
fn gathered_lists_belong_together_item_by_item() {
    let plan = plan(
        "
pial: 1
name: w
parameters: {s: [a, b], f: [4, 8]}
nodes:
  n: {command: [t, '{s}', '{f}'], outputs: {out: x}}
  j: {builtin: merge, join: [s, f], inputs: {who: '{s}', width: '{f}', what: {from: n.out}}}
",
    );
    let last = show(&plan).pop().unwrap();
    let what = r#"["<n[s=a,f=4]>","<n[s=a,f=8]>","<n[s=b,f=4]>","<n[s=b,f=8]>"]"#;
    assert_eq!(last, format!(r#"j: who=["a","a","b","b"] width=[4,8,4,8] what={what}"#));
}

#[test]
fn iterables_of_nodes_with_itersource() {
    let plan = plan(
        "
pial: 1
name: w
nodes:
  subjects: {builtin: identity, iterables: {subject: [s1, s2]}}
  runs:
    builtin: identity
    itersource: {node: subjects, fields: [subject]}
    iterables: {run: {s1: [1], s2: [1, 2]}}
    inputs: {subject: {from: subjects.subject}}
  last: {builtin: merge, join: runs, inputs: {in1: {from: runs.run}}}
",
    );
    assert_eq!(
        show(&plan),
        [
            "subjects[subject=s1]: subject=s1",
            "subjects[subject=s2]: subject=s2",
            "runs[subject=s1,run=1]: subject=<subjects[subject=s1]> run=1",
            "runs[subject=s2,run=1]: subject=<subjects[subject=s2]> run=1",
            "runs[subject=s2,run=2]: subject=<subjects[subject=s2]> run=2",
            "last[subject=s1]: in1=[\"<runs[subject=s1,run=1]>\"]",
            "last[subject=s2]: in1=[\"<runs[subject=s2,run=1]>\",\"<runs[subject=s2,run=2]>\"]",
        ]
    );
}

#[test]
fn nested_workflows_inline_and_from_files() {
    let plan = plan(
        "
pial: 1
name: w
parameters: {subject: [s1, s2]}
nodes:
  get: {command: [get, '{subject}'], outputs: {out: {path: x}}}
  one: {workflow: inner.yaml, inputs: {image: {from: get.out}}}
  two:
    workflow:
      parameters: {image: {type: file}}
      nodes: {b: {command: [use, '{image}'], outputs: {out: {path: b}}}}
      outputs: {out: {from: b.out}}
    inputs: {image: {from: one.result}}
  end: {builtin: merge, join: subject, inputs: {in1: {from: two.out}, in2: {from: one.a.out}}}
",
    );
    assert_eq!(
        show(&plan)[2..],
        [
            "one.a[subject=s1]: image=<get[subject=s1]> level=3",
            "one.a[subject=s2]: image=<get[subject=s2]> level=3",
            "two.b[subject=s1]: image=<one.a[subject=s1]>",
            "two.b[subject=s2]: image=<one.a[subject=s2]>",
            "end: in1=[\"<two.b[subject=s1]>\",\"<two.b[subject=s2]>\"] in2=[\"<one.a[subject=s1]>\",\"<one.a[subject=s2]>\"]",
        ]
    );
    assert_eq!(plan.node_directory(NodeId(2)), "w/one/_subject_s1/a");
}

#[test]
fn parameters_are_set_from_outside() {
    let text = "
pial: 1
name: w
parameters: {subject: [s1, s2], image: {type: file}, n: {type: int, value: 1}}
nodes: {a: {command: [t, '{subject}', '{image}', '{n}']}}
";
    let set = |key: &str, text: &str| (key.to_owned(), Setting::Text(text.to_owned()));
    let plan = plan_with(text, &[set("subject", "s9"), set("image", "x.nii"), set("n", "7")]).unwrap();
    assert_eq!(show(&plan), ["a[subject=s9]: subject=s9 image=/cwd/x.nii n=7"]);
    let wrong = plan_with(text, &[set("subjct", "s9"), set("n", "many")]).unwrap_err();
    assert_eq!(
        wrong,
        [
            "0:0 `subjct` was set, but the workflow has no such parameter; did you mean `subject`?",
            "0:0 the parameter `n` cannot be set so: expected int, got \"many\"",
            "4:33 the parameter `image` has no value; give one with --set image=...",
        ]
    );
}

#[test]
fn all_mistakes_of_a_document_are_named_at_once_with_their_places() {
    let text = "\
pial: 1
name: w
nodes:
  a: {command: [t, '{imge}'], inputs: {image: {type: file}}, outputs: {out: {path: x}}}
  b: {command: [t], inputs: {x: {from: a.oot}, y: {type: float, from: c.out}, z: {from: nowhere.out}}}
  c: {command: [t], inputs: {n: {type: int, value: many}}, outputs: {out: {path: x}}}
  d: {comand: [t]}
";
    assert_eq!(
        mistakes(text),
        [
            "4:3 the command names `{imge}`, which is no input, output or parameter; did you mean `image`?",
            "4:3 `a`: the input `image` must be given; add `from:` or `value:`, or `optional: true`",
            "5:33 `a` has no output `oot`; did you mean `out`? (it has out)",
            "5:71 input `y`: expected float, got file from `c.out`",
            "5:82 there is no node `nowhere`",
            "6:52 input `n`: expected int, got \"many\"",
            "7:7 the node `d` has no key `comand`; did you mean `command`?",
        ]
    );
}

#[test]
fn circles_repeats_and_wrong_joins() {
    let circle = "
pial: 1
name: w
nodes:
  a: {command: [t], inputs: {x: {from: b.out}}, outputs: {out: {path: x}}}
  b: {command: [t], inputs: {x: {from: a.out}}, outputs: {out: {path: x}}}
";
    assert_eq!(mistakes(circle), ["5:3 these nodes wait for each other: `a` -> `b` -> `a`"]);
    let twice =
        "{\"pial\": 1, \"name\": \"w\", \"nodes\": {\n\"a\": {\"command\": [\"t\"]},\n\"a\": {\"command\": [\"t\"]}}}";
    assert_eq!(mistakes(twice), ["3:1 `a` stands twice in `nodes`; give one of them another name"]);
    let repeated = "{pial: 1, name: w, parameters: {s: [x, y, x]}, nodes: {a: {command: ['{s}']}}}";
    assert_eq!(mistakes(repeated), ["1:43 `x` stands twice among the values of `s`"]);
    let join = "
pial: 1
name: w
parameters: {s: [x, y]}
nodes:
  a: {command: [t, '{s}'], outputs: {out: {path: x}}}
  b: {command: [t], join: t, inputs: {x: {type: file, from: a.out}}}
  c: {command: [t], join: s, inputs: {x: {type: file, from: a.out}}}
  d: {command: [t], join: {source: s, fields: [y]}, inputs: {x: {from: a.out}, y: '{s}'}}
";
    assert_eq!(
        mistakes(join),
        [
            "7:27 `join` names `t`, which is not iterated over; did you mean `s`?",
            "8:61 input `x`: `join` makes it a list, but it takes file",
            "9:3 `d`: `x` varies over what `join` ends; add it to the fields of `join`",
        ]
    );
}

#[test]
fn a_hundred_thousand_points_cost_nothing_each() {
    let subjects: Vec<String> = (0..100_000).map(|i| format!("\"s{i}\"")).collect();
    let text = format!(
        r#"{{"pial": 1, "name": "w", "parameters": {{"s": [{}]}}, "nodes": {{"a": {{"command": ["t", "{{s}}"], "outputs": {{"out": "x"}}}},
        "b": {{"command": ["t", "{{i}}"], "inputs": {{"i": {{"type": "file", "from": "a.out"}}}}}}}}}}"#,
        subjects.join(",")
    );
    let plan = plan(&text);
    assert_eq!(plan.len(), 200_000);
    assert_eq!(plan.node_name(NodeId(199_999)), "b[s=s99999]");
    let mut before = Vec::new();
    plan.for_each_predecessor(NodeId(150_000), |n| before.push(n.0));
    assert_eq!(before, [50_000]);
}

#[test]
fn templates_of_a_builtin_shape_its_ports_also_when_they_name_parameters() {
    let plan = plan(
        "
pial: 1
name: w
parameters: {subject: [s1, s2], data: /data}
nodes:
  grab:
    builtin: selectfiles
    inputs: {templates: {t1w: '{data}/{subject}/{kind}.nii', atlas: 'atlas.nii'}, kind: T1w}
  use: {command: [t], inputs: {image: {type: file, from: grab.t1w}}}
",
    );
    assert_eq!(
        show(&plan)[0],
        "grab[subject=s1]: templates={\"atlas\":\"atlas.nii\",\"t1w\":\"/data/s1/{kind}.nii\"} kind=T1w data=/data subject=s1"
    );
    assert_eq!(plan.len(), 4);
    let missing = "{pial: 1, name: w, nodes: {a: {builtin: selectfiles, inputs: {templates: {x: '{kind}.nii'}}}, b: {builtin: select}}}";
    assert_eq!(
        mistakes(missing),
        [
            "1:28 `a`: the input `kind` must be given",
            "1:95 `b`: the input `inlist` must be given",
            "1:95 `b`: the input `index` must be given",
        ]
    );
}

#[test]
fn what_would_be_taken_otherwise_than_meant_is_refused() {
    for (node, message) in [
        ("builtin: merge, inputs: {in1: {type: file, from: a.out}}", "`from` stands beside `type` here"),
        ("command: [t], inputs: {x: {from: a.out, optional: true}}", "`from` stands beside `optional` here"),
        ("builtin: merge, shell: true", "`n` has `shell: true`, which goes with a `command` only"),
        ("command: [t], map: []", "`map` names no input to run over"),
        ("command: [t], map: {nested: true}", "`map` names no input to run over"),
        ("command: [t], join: {unique: true}", "`join` names nothing that is iterated over"),
        ("command: [t], synchronize: true", "the node `n` has `synchronize` but no `iterables`"),
        ("command: [t], itersource: {node: a, fields: [b]}", "the node `n` has `itersource` but no `iterables`"),
        ("command: [t], environment: {A: }", "the variable `A` must be text (\"\" for an empty one), not nothing"),
        ("command: [t, '{o}'], outputs: {o: {stdout: float}}", "the command names `{o}`, an output without a `path`"),
    ] {
        let found = mistakes(&format!("{{pial: 1, nodes: {{n: {{{node}}}}}}}"));
        assert!(found.len() == 1 && found[0].contains(message), "{node}: {found:?}");
    }
    let found = mistakes(
        "{pial: 1, parameters: {a: {by: b, value: 1}}, nodes: {}, outputs: {o: {type: int}, p: {from: a.b, map: x}}}",
    );
    assert_eq!(
        found,
        [
            "1:27 the parameter `a` has `by` but no `iterate`",
            "1:71 the output `o` needs one of `from` and `value`",
            "1:87 there is no node `a`",
            "1:99 the output `p` has no key `map`",
        ]
    );
}

#[test]
fn ten_kinds_of_mistakes_are_named_in_one_round_and_none_for_what_follows_from_another() {
    let text = "\
pial: 1
name: w
parameters:
  s: [x, null]
  t: [x, x]
  n: {type: int, value: many}
  v: {valu: 3}
  r: {by: s, iterate: {x: [1]}}
nodes:
  a: {comand: [t], inputs: {x: '{nowhere}'}}
  b: {command: [t, {s}], outputs: {out: o.nii}}
  c: {command: [t, '{o}', '{imge}'], inputs: {image: {type: file}}, outputs: {o: {paht: x}}, resources: {cpus: -1, memory: 2, mem_gb: 4}}
  d: {builtin: nosuch, inputs: {x: {from: c.oo}}}
  e: {builtin: merge, join: s, inputs: {x: {from: a.out}, y: {from: b.oot}, z: {from: d.out}, o: {from: c.o}}}
  f: {command: [t, '{s}', '{t}', '{n}', '{v}', '{r}'], inpts: {x: 3}, map: x, join: [s, t, r]}
  g: {command: [t, '{q}'], inputs: {q: {from: [1]}, w: {from: {a: 1}}, p: {from: nowhere.out}}, map: w}
  outputs: {x: {from: a.out}}
h: {command: [t]}
";
    assert_eq!(
        mistakes(text),
        [
            "4:10 nothing (null) stands among the values to iterate over; quote it if it is text: \"null\"",
            "5:10 `x` stands twice among the values of `t`",
            "6:25 expected int, got \"many\"",
            "7:7 the parameter `v` has no key `valu`; did you mean `value`?",
            "10:7 the node `a` has no key `comand`; did you mean `command`?",
            "11:20 word 2 of the command is a mapping; write \"{s}\" in quotes",
            "12:3 the command names `{imge}`, which is no input, output or parameter; did you mean `image`?",
            "12:3 `c`: the input `image` must be given; add `from:` or `value:`, or `optional: true`",
            "12:83 the output `o` has no key `paht`; did you mean `path`?",
            "12:112 the resource `cpus` must be a number of processors, got -1",
            "12:124 the resource `memory` must be an amount with a unit, such as 2GB (a bare number is bytes), got 2",
            "12:127 there is no resource `mem_gb`; write `memory: 2GB`",
            "13:16 there is no built-in `nosuch`",
            "13:36 `c` has no output `oo`; did you mean `o`? (it has o)",
            "15:56 the node `f` has no key `inpts`; did you mean `inputs`?",
            "16:63 `from` takes node.output, not a mapping",
            "16:75 there is no node `nowhere`",
            "17:3 `outputs` stands under `nodes` as if it were a node; if it is the `outputs` of the workflow, indent it less",
            "18:1 the workflow has no key `h`; if `h` is a node, indent it so that it stands under `nodes`",
        ]
    );
}

#[test]
fn mistakes_of_a_nested_file_stand_beside_those_around_it() {
    let inner = "
pial: 1
parameters: {image: {type: file}, level: , n: {type: int, value: x}}
nodes:
  a: {command: [t, '{imge}', '{n}'], resources: {memory: 2XB}}
  b: {comand: [t]}
outputs: {o: {from: b.out}, p: {from: c.out}, q: {from: a.out}}
";
    let text = "
pial: 1
name: w
nodes:
  one: {workflow: inner.yaml, inputs: {image: {from: nowhere.out}, lvel: 3}}
  two: {workflow: gone.yaml, inputs: {image: {from: missing.out}}}
  end: {builtin: merge, inputs: {a: {from: one.o}, b: {from: one.x}, c: {from: two.o}, d: {from: one.b.out}}}
";
    let found = plan_among(text, &[], vec![("inner.yaml".to_owned(), inner.to_owned())]).unwrap_err();
    assert_eq!(
        found,
        [
            "5:3 `one`: the nested workflow must be given `level`",
            "5:47 there is no node `nowhere`",
            "5:68 the nested workflow has no parameter `lvel`; did you mean `level`?",
            "6:19 there is no file /base/gone.yaml",
            "6:46 there is no node `missing`",
            "7:55 the workflow `one` has no output `x`; did you mean `o`?",
            "/base/inner.yaml:3:66 expected int, got \"x\"",
            "/base/inner.yaml:5:3 the command names `{imge}`, which is no input, output or parameter; did you mean `image`?",
            "/base/inner.yaml:5:58 the resource `memory` must be an amount such as 2GB or 500MiB, got \"2XB\"",
            "/base/inner.yaml:6:7 the node `b` has no key `comand`; did you mean `command`?",
            "/base/inner.yaml:7:32 there is no node `c`; did you mean `a`?",
            "/base/inner.yaml:7:50 `a` has no output `out` (it has no outputs)",
        ]
    );
}

#[test]
fn an_iterated_parameter_set_to_nothing_is_refused_and_to_no_values_is_not() {
    let text = "{pial: 1, parameters: {s: [a]}, nodes: {n: {command: [t, '{s}']}}}";
    let set = |value: &str| plan_with(text, &[("s".to_owned(), Setting::Text(value.to_owned()))]);
    assert_eq!(set("").unwrap_err(), ["0:0 the parameter `s` cannot be set so: give [] for no values"]);
    let plan = set("[]").unwrap();
    assert_eq!((plan.len(), plan.empty_axes().collect::<Vec<_>>()), (0, vec!["s"]));
}
