//! Reading descriptors: the tool's facts, and every fault told with its place.

use pial_core::interface::Interface as _;
use pial_interfaces::{ContainerKind, Descriptor, Suggested};
use serde_json::json;

use crate::{argv, descriptor, faults, input, problems};

#[test]
fn facts_of_a_tool() {
    let tool = descriptor(json!({
        "name": "bet", "tool-version": "6.0.4", "description": "Finds the brain.",
        "command-line": "'/opt/my fsl/bet' [IN]",
        "inputs": [input("in", "File", json!({"description": "image", "resolve-parent": true, "mutable": false}))],
        "container-image": {"type": "docker", "image": "brainlife/fsl:6.0.4", "index": "docker.io"},
        "suggested-resources": {"cpu-cores": 2, "ram": 1.5, "disk-space": 10, "walltime-estimate": 60},
        "environment-variables": [{"name": "FSLOUTPUTTYPE", "value": "NIFTI_GZ", "description": "d"}],
        "tags": {"domain": "x"}, "my-lab": 1,
    }));
    assert_eq!((tool.name(), tool.tool_version(), tool.description()), ("bet", "6.0.4", "Finds the brain."));
    assert_eq!(tool.executable(), "/opt/my fsl/bet");
    let container = tool.container().expect("container");
    assert_eq!((container.kind, container.image.as_str()), (ContainerKind::Docker, "brainlife/fsl:6.0.4"));
    assert_eq!(container.index.as_deref(), Some("docker.io"));
    assert_eq!(
        tool.suggested(),
        Suggested {
            cpus: Some(2.0),
            memory_bytes: Some(1_500_000_000),
            disk_bytes: Some(10_000_000_000),
            walltime_s: Some(60.0)
        }
    );
    assert_eq!(tool.parameters()[0].description, "image");
    assert_eq!(tool.inputs().len(), 1);
}

#[test]
fn text_that_is_no_json_has_a_line() {
    let problems = Descriptor::parse("{\n  \"name\": \"x\",\n  oops\n}").expect_err("problems");
    assert_eq!(problems[0].to_string(), "line 3, column 3: not JSON: key must be a string");
    assert_eq!(Descriptor::parse("[]").expect_err("problems")[0].to_string(), "/: expected an object, got a list");
}

#[test]
fn all_faults_at_once() {
    let found = Descriptor::parse(
        r#"{"comand-line": "x", "schema-version": "0.4", "inputs": [{"id": "a", "type": "Nmber"}, 3]}"#,
    );
    let found: Vec<String> = found.expect_err("problems").iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "/comand-line: unknown key \"comand-line\"; did you mean \"command-line\"?",
            "/: \"name\" is missing",
            "/schema-version: \"0.4\" is not known; pial reads 0.5 and 0.5+styx",
            "/: \"command-line\" is missing",
            "/inputs/1: expected an object, got 3",
            "/inputs/0/type: \"Nmber\" is none of String, Number, Flag, File; did you mean \"Number\"?",
        ]
    );
}

#[test]
fn faults_of_an_input() {
    for (kind, more, expected) in [
        ("Flag", json!({}), "/inputs/0/type: an input of type Flag needs a \"command-line-flag\""),
        (
            "Flag",
            json!({"command-line-flag": "-a", "list": true}),
            "/inputs/0/list: an input of type Flag cannot be a list",
        ),
        ("String", json!({"minimum": 1}), "/inputs/0/minimum: \"minimum\" is for type Number"),
        (
            "String",
            json!({"list-separator": ","}),
            "/inputs/0/list-separator: \"list-separator\" means nothing without \"list\"",
        ),
        ("Number", json!({"minimum": 2, "maximum": 1}), "/inputs/0/minimum: 2 is above the maximum, 1"),
        ("Number", json!({"default-value": "x"}), "/inputs/0/default-value: expected float, got \"x\""),
        ("Number", json!({"default-value": 3, "maximum": 1}), "/inputs/0/default-value: must be at most 1, got 3"),
        ("Number", json!({"value-choices": [1, "x"]}), "/inputs/0/value-choices: expected float, got \"x\""),
        ("Number", json!({"minimum": "1"}), "/inputs/0/minimum: expected a number, got \"1\""),
        ("String", json!({"optional": "yes"}), "/inputs/0/optional: expected true or false, got \"yes\""),
        ("String", json!({"requires-inputs": ["b"]}), "/inputs/0/requires-inputs: no input has the id \"b\""),
        (
            "String",
            json!({"value-choices": ["p"], "value-requires": {"q": ["a"]}}),
            "/inputs/0/value-requires: \"q\" is none of the \"value-choices\"",
        ),
        ("File", json!({"pial-type": "dir"}), "/inputs/0/pial-type: \"dir\" is neither \"file\" nor \"directory\""),
        (
            "String",
            json!({"command_line_flag": "-a"}),
            "/inputs/0/command_line_flag: unknown key \"command_line_flag\"; did you mean \"command-line-flag\"?",
        ),
        (
            "String",
            json!({"command-line-flag": ">"}),
            "/inputs/0/command-line-flag: '>' needs a shell, and pial runs none; quote it, or set \"shell\" in the descriptor",
        ),
    ] {
        let found = faults(json!({"command-line": "t [A]", "inputs": [input("a", kind, more.clone())]}));
        assert_eq!(found, [expected], "{more}");
    }
}

#[test]
fn faults_of_a_tool() {
    let a = input("a", "String", json!({}));
    let optional = input("a", "String", json!({"optional": true}));
    let out = |more| {
        let mut output = input("o", "x", more);
        output.as_object_mut().expect("object").retain(|key, _| key != "type" && key != "value-key");
        output
    };
    for (json, expected) in [
        (
            json!({"command-line": "t [A] | u", "inputs": [a]}),
            "/command-line: '|' needs a shell, and pial runs none; quote it, or set \"shell\" in the descriptor",
        ),
        (json!({"command-line": "t [AA]", "inputs": [a]}), "/command-line: no input or output has the value-key [AA]"),
        (
            json!({"command-line": "X=1 t", "inputs": []}),
            "/command-line: \"X=1\" is shell syntax; list X in \"environment-variables\"",
        ),
        (json!({"command-line": "[A]", "inputs": [optional]}), "/command-line: [A] is the program, and may be absent"),
        (json!({"command-line": "t", "inputs": [a, a]}), "/inputs: item 1: the id \"a\" is taken"),
        (
            json!({"command-line": "t \"[A]\"", "shell": "sh", "inputs": [a]}),
            "/command-line: [A] is inside quotes, where no quoting makes a value safe; pial quotes values itself",
        ),
        (
            json!({"command-line": "t", "inputs": [a], "groups": [{"id": "g", "name": "g", "members": ["b"]}]}),
            "/groups/0/members: no input has the id \"b\"",
        ),
        (
            json!({"command-line": "t", "inputs": [], "output-files": [out(json!({}))]}),
            "/output-files/0: \"path-template\" is missing: nothing says where the output is",
        ),
        (
            json!({"command-line": "t", "inputs": [], "output-files": [out(json!({"path-template": "[B]"}))]}),
            "/output-files/0/path-template: no input or output has the value-key [B]",
        ),
        (
            json!({"command-line": "t", "inputs": [], "output-files": [out(json!({"conditional-path-template": [{"b >": "x"}]}))]}),
            "/output-files/0/conditional-path-template/0: the condition \"b >\": \"b\" is neither an input, a number nor quoted text",
        ),
        (
            json!({"command-line": "t", "inputs": [], "container-image": {"type": "podman", "image": "x"}}),
            "/container-image/type: \"podman\" is none of docker, singularity, rootfs",
        ),
        (
            json!({"command-line": "t", "inputs": [], "suggested-resources": {"ram": -1}}),
            "/suggested-resources/ram: -1 is below zero",
        ),
        (
            json!({"command-line": "t", "inputs": [], "stdout-output": {"name": "x"}}),
            "/stdout-output: \"id\" is missing",
        ),
        (
            json!({"command-line": "t [B]", "inputs": [input("b", json!([{"id": "x", "inputs": []}, 1]), json!({}))]}),
            "/inputs/0/type/0: \"command-line\" is missing",
        ),
    ] {
        assert_eq!(faults(json.clone())[0], expected, "{json}");
    }
}

#[test]
fn a_faulty_alternative_matters_only_when_chosen() {
    let tool = descriptor(json!({
        "command-line": "t [M]",
        "inputs": [input("m", json!([
            {"id": "good", "command-line": "g"},
            {"id": "bad", "command-line": "b[FIXED]", "inputs": [input("fixd", "String", json!({"optional": true}))]},
        ]), json!({}))],
    }));
    assert_eq!(argv(&tool, json!({"m": "good"})), ["t", "g"]);
    let fault =
        "m: m: the descriptor is faulty here: no input or output has the value-key [FIXED]; did you mean \"[FIXD]\"?";
    assert_eq!(problems(&tool, json!({"m": {"@type": "bad"}})), [fault]);
}

#[test]
fn one_default_is_a_list_of_one() {
    let tool = descriptor(
        json!({"command-line": "t [A]", "inputs": [input("a", "String", json!({"list": true, "default-value": "x"}))]}),
    );
    assert_eq!(argv(&tool, json!({})), ["t", "x"]);
}
