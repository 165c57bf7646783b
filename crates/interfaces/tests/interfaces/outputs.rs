//! Where outputs are expected: templates, conditions, globs, sub-commands, streams, files written before.

use pial_core::interface::Interface as _;
use pial_core::value::Type;
use pial_interfaces::{Descriptor, OutputSource};
use serde_json::{Value as Json, json};

use crate::{argv, command_line, descriptor, input};

fn path(text: &str) -> OutputSource {
    OutputSource::Path(text.to_owned())
}

fn glob(text: &str) -> OutputSource {
    OutputSource::Glob(text.to_owned())
}

fn sources(descriptor: &Descriptor, given: Json) -> Vec<(String, OutputSource)> {
    command_line(descriptor, given).outputs.into_iter().map(|output| (output.name, output.source)).collect()
}

fn tool(output: Json) -> Descriptor {
    let mut output = output;
    output["id"] = json!("out");
    output["name"] = json!("out");
    descriptor(json!({
        "command-line": "t [IN] [PREFIX] [N]",
        "inputs": [
            input("in", "File", json!({})),
            input("prefix", "String", json!({"optional": true})),
            input("n", "Number", json!({"integer": true, "default-value": 5})),
            input("on", "Flag", json!({"command-line-flag": "-on"})),
        ],
        "output-files": [output],
    }))
}

#[test]
fn one_output() {
    let strip = json!([".nii", ".nii.gz"]);
    let conditional = json!([{"n > 8": "big/[IN]"}, {"[PREFIX] == 'x' and on": "x.txt"}, {"default": "[N].txt"}]);
    for (output, given, expected) in [
        (json!({"path-template": "[IN]_m.nii"}), json!({"in": "/d/a.nii.gz"}), Some(path("a.nii.gz_m.nii"))),
        (
            json!({"path-template": "sub/[IN]_m.nii", "path-template-stripped-extensions": strip}),
            json!({"in": "/d/a.nii.nii.gz"}),
            Some(path("sub/a.nii_m.nii")),
        ),
        (json!({"path-template": "[PREFIX]_[N].txt"}), json!({"in": "a", "prefix": "o/p"}), Some(path("o/p_5.txt"))),
        (json!({"path-template": "[PREFIX].txt"}), json!({"in": "a"}), None),
        (json!({"path-template": "/abs/[N]"}), json!({"in": "a"}), Some(path("/abs/5"))),
        (json!({"path-template": "[IN]_*.nii", "list": true}), json!({"in": "a[1]*"}), Some(glob("a[[]1[]][*]_*.nii"))),
        (json!({"path-template": "v?[0-9].nii"}), json!({"in": "a"}), Some(glob("v?[0-9].nii"))),
        (json!({"path-template": "[IN]"}), json!({"in": "a*"}), Some(path("a*"))),
        (json!({"conditional-path-template": conditional}), json!({"in": "/d/a", "n": 9}), Some(path("big/a"))),
        (
            json!({"conditional-path-template": conditional}),
            json!({"in": "a", "prefix": "x", "on": true}),
            Some(path("x.txt")),
        ),
        (json!({"conditional-path-template": conditional}), json!({"in": "a"}), Some(path("5.txt"))),
        (json!({"conditional-path-template": [{"n > 8": "x"}]}), json!({"in": "a"}), None),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|source| ("out".to_owned(), source)).collect();
        assert_eq!(sources(&tool(output.clone()), given.clone()), expected, "{output} {given}");
    }
}

#[test]
fn ports_promise_only_what_is_sure() {
    let file = Type::File;
    for (output, kind, mandatory) in [
        (json!({"path-template": "[IN]"}), file.clone(), true),
        (json!({"path-template": "[N]"}), file.clone(), true),
        (json!({"path-template": "[IN]", "optional": true}), file.clone(), false),
        (json!({"path-template": "[PREFIX]"}), file.clone(), false),
        (json!({"conditional-path-template": [{"n > 1": "a"}, {"default": "b"}]}), file.clone(), true),
        (json!({"conditional-path-template": [{"n > 1": "a"}]}), file.clone(), false),
        (json!({"path-template": "*", "list": true}), Type::List(Box::new(file)), true),
        (json!({"path-template": "d", "pial-type": "directory"}), Type::Directory, true),
    ] {
        let tool = tool(output.clone());
        let ports: Vec<_> = tool.outputs().iter().map(|p| (p.kind.clone(), p.mandatory)).collect();
        assert_eq!(ports, [(kind, mandatory)], "{output}");
    }
}

#[test]
fn outputs_on_the_command_line_and_in_each_other() {
    let tool = descriptor(json!({
        "command-line": "t [IN] [OUT] --log=[LOG]",
        "inputs": [input("in", "File", json!({}))],
        "output-files": [
            {"id": "log", "name": "l", "path-template": "[OUT].log", "value-key": "[LOG]"},
            {"id": "out", "name": "o", "path-template": "[IN]_o.nii", "value-key": "[OUT]", "command-line-flag": "-o",
             "path-template-stripped-extensions": [".nii"]},
            {"id": "ring", "name": "r", "path-template": "[RING]x", "value-key": "[RING]", "optional": true},
        ],
    }));
    assert_eq!(argv(&tool, json!({"in": "/d/a b.nii"})), ["t", "/d/a b.nii", "-o", "a b_o.nii", "--log=a b_o.nii.log"]);
    assert_eq!(
        sources(&tool, json!({"in": "a.nii"})),
        [("log".to_owned(), path("a_o.nii.log")), ("out".to_owned(), path("a_o.nii"))]
    );
}

#[test]
fn streams_and_files_written_before() {
    let tool = descriptor(json!({
        "command-line": "t [CONFIG]",
        "inputs": [
            input("in", "File", json!({"list": true})),
            input("n", "Number", json!({"optional": true})),
            input("note", "String", json!({"default-value": "it's"})),
        ],
        "output-files": [{"id": "config", "name": "c", "path-template": "conf/run.txt", "value-key": "[CONFIG]",
            "file-template": ["files = [IN]", "n = [N]", "[NOTE] $x"]}],
        "stdout-output": {"id": "table", "name": "Table", "description": "d"},
        "stderr-output": {"id": "log", "name": "Log"},
    }));
    let line = command_line(&tool, json!({"in": ["/d/a", "/d/b"]}));
    assert_eq!(line.argv, ["t", "conf/run.txt"]);
    assert_eq!(line.files, [("conf/run.txt".to_owned(), "files = /d/a /d/b\n\nit's $x\n".to_owned())]);
    let sources: Vec<_> = line.outputs.iter().map(|o| (o.name.as_str(), o.source.clone())).collect();
    assert_eq!(sources[1..], [("table", OutputSource::Stdout), ("log", OutputSource::Stderr)]);
    let names: Vec<_> = tool.outputs().iter().map(|p| (p.name.as_str(), p.mandatory)).collect();
    assert_eq!(names, [("config", true), ("table", true), ("log", true)]);
}

#[test]
fn outputs_of_sub_commands() {
    let alternative = |id: &str, outputs: Json| json!({"id": id, "command-line": "[P]", "inputs": [input("p", "String", json!({}))], "output-files": outputs});
    let both = json!([
        alternative("one", json!([{"id": "map", "name": "m", "path-template": "[DIR]/[P].nii"}])),
        alternative(
            "two",
            json!([{"id": "map", "name": "m", "path-template": "[P]2.nii"},
            {"id": "extra", "name": "e", "path-template": "[P]_*.nii", "list": true}])
        ),
    ]);
    let tool = descriptor(json!({
        "command-line": "t [DIR] [MODE] [MANY]",
        "inputs": [
            input("dir", "String", json!({})),
            input("mode", both.clone(), json!({})),
            input("many", both, json!({"list": true, "optional": true})),
        ],
    }));
    let list = |kind: Type| Type::List(Box::new(kind));
    let ports: Vec<_> = tool.outputs().iter().map(|p| (p.name.as_str(), p.kind.clone(), p.mandatory)).collect();
    assert_eq!(
        ports,
        [
            ("mode.map", Type::File, true),
            ("mode.extra", list(Type::File), false),
            ("many.map", list(Type::File), false),
            ("many.extra", list(list(Type::File)), false),
        ]
    );
    let given = json!({"dir": "d", "mode": {"one": {"p": "a"}}, "many": [{"two": {"p": "b"}}, {"one": {"p": "c"}}]});
    assert_eq!(
        sources(&tool, given),
        [
            ("mode.map".to_owned(), path("d/a.nii")),
            ("many.map".to_owned(), OutputSource::Each(vec![path("b2.nii"), path("d/c.nii")])),
            ("many.extra".to_owned(), OutputSource::Each(vec![glob("b_*.nii")])),
        ]
    );
}
