//! How values become words: tables over one small template each.

use pial_interfaces::Descriptor;
use serde_json::{Value as Json, json};

use crate::{argv, descriptor, input};

fn tool(template: &str, inputs: Json) -> Descriptor {
    let mut json = json!({"command-line": template});
    json["inputs"] = inputs;
    descriptor(json)
}

#[test]
fn one_input_in_one_template() {
    let flagged = json!({"command-line-flag": "-x", "optional": true});
    let joined = json!({"command-line-flag": "--x", "command-line-flag-separator": "=", "optional": true});
    let listed = json!({"list": true, "optional": true});
    let commas = json!({"list": true, "list-separator": ",", "optional": true, "command-line-flag": "-x"});
    let equals_list =
        json!({"list": true, "optional": true, "command-line-flag": "--x", "command-line-flag-separator": "="});
    let spaced = json!({"list": true, "list-separator": " ", "optional": true});
    for (template, kind, more, value, expected) in [
        ("t [V]", "String", &flagged, json!("a b"), vec!["t", "-x", "a b"]),
        ("t [V]", "String", &flagged, json!(""), vec!["t", "-x", ""]),
        ("t [V] end", "String", &flagged, json!(null), vec!["t", "end"]),
        ("t [V]", "String", &joined, json!("a b"), vec!["t", "--x=a b"]),
        ("t [V]", "Number", &joined, json!(0.1), vec!["t", "--x=0.1"]),
        ("t [V]", "Number", &flagged, json!(2), vec!["t", "-x", "2"]),
        ("t [V]", "String", &flagged, json!(true), vec!["t", "-x", "true"]),
        ("t [V]", "String", &listed, json!(["a b", "c"]), vec!["t", "a b", "c"]),
        ("t [V]", "String", &listed, json!([]), vec!["t"]),
        ("t [V]", "String", &commas, json!(["a b", "c"]), vec!["t", "-x", "a b,c"]),
        ("t [V]", "String", &commas, json!([]), vec!["t"]),
        ("t [V]", "String", &equals_list, json!(["a", "b"]), vec!["t", "--x=a", "b"]),
        ("t [V]", "String", &spaced, json!(["a", "b"]), vec!["t", "a", "b"]),
        ("t \"[V]\"", "String", &listed, json!(["a", "b"]), vec!["t", "a b"]),
        ("t p[V]s", "String", &listed, json!(["a", "b"]), vec!["t", "pa bs"]),
        ("t --y=[V]", "String", &listed, json!(null), vec!["t"]),
        ("t --y=[V]", "Number", &listed, json!([1, 2.5]), vec!["t", "--y=1 2.5"]),
        ("t x[V]", "String", &joined, json!("v"), vec!["t", "x--x=v"]),
        ("t [V][V]", "File", &flagged, json!("f"), vec!["t", "-x f-x f"]),
        ("t 'it''s' [V]", "File", &flagged, json!("日本\n\"'"), vec!["t", "its", "-x", "日本\n\"'"]),
    ] {
        let tool = tool(template, json!([input("v", kind, more.clone())]));
        assert_eq!(argv(&tool, json!({"v": value})), expected, "{template} {kind} {more} {value}");
    }
}

#[test]
fn flags() {
    let tool = tool(
        "t [A] x[B] [C]",
        json!([
            input("a", "Flag", json!({"command-line-flag": "-a"})),
            input("b", "Flag", json!({"command-line-flag": "b"})),
            input("c", "Flag", json!({"command-line-flag": "--c 'd e'", "default-value": true})),
        ]),
    );
    for (given, expected) in [
        (json!({}), vec!["t", "--c", "d e"]),
        (json!({"c": false}), vec!["t"]),
        (json!({"a": true, "b": true, "c": false}), vec!["t", "-a", "xb"]),
        (json!({"a": false, "b": false, "c": true}), vec!["t", "--c", "d e"]),
    ] {
        assert_eq!(argv(&tool, given.clone()), expected, "{given}");
    }
}

#[test]
fn inputs_that_share_a_key_are_written_in_declaration_order() {
    let shared = json!({"value-key": "[OPTIONS]", "optional": true});
    let with = |flag: &str| {
        let mut more = shared.clone();
        more["command-line-flag"] = json!(flag);
        more
    };
    let tool = tool("t [OPTIONS] in", json!([input("a", "Number", with("-a")), input("b", "Number", with("-b"))]));
    assert_eq!(argv(&tool, json!({"b": 2, "a": 1})), ["t", "-a", "1", "-b", "2", "in"]);
    assert_eq!(argv(&tool, json!({"b": 2})), ["t", "-b", "2", "in"]);
}

#[test]
fn keys_of_any_form() {
    let tool = tool(
        "t <in|put> IN INPUT",
        json!([
            input("a", "String", json!({"value-key": "<in|put>"})),
            input("b", "String", json!({"value-key": "IN"})),
            input("c", "String", json!({"value-key": "INPUT"})),
        ]),
    );
    assert_eq!(argv(&tool, json!({"a": "INPUT", "b": "2", "c": "3"})), ["t", "INPUT", "2", "3"]);
}

#[test]
fn defaults_fill_in_and_yield() {
    let tool = tool_with_defaults();
    for (given, expected) in [
        (json!({}), vec!["t", "-a", "1"]),
        (json!({"a": null}), vec!["t", "-a", "1"]),
        (json!({"a": 7}), vec!["t", "-a", "7"]),
        (json!({"b": 2}), vec!["t", "-b", "2"]),
        (json!({"c": 3}), vec!["t", "-c", "3"]),
        (json!({"d": "off"}), vec!["t", "off"]),
        (json!({"d": "on"}), vec!["t", "-a", "1", "on"]),
    ] {
        assert_eq!(argv(&tool, given.clone()), expected, "{given}");
    }
}

fn tool_with_defaults() -> Descriptor {
    descriptor(json!({
        "command-line": "t [A] [B] [C] [D]",
        "inputs": [
            input("a", "Number", json!({"command-line-flag": "-a", "default-value": "1"})),
            input("b", "Number", json!({"command-line-flag": "-b", "optional": true, "default-value": {}})),
            input("c", "Number", json!({"command-line-flag": "-c", "optional": true, "disables-inputs": ["a"]})),
            input("d", "String", json!({"optional": true, "value-choices": ["on", "off"], "value-disables": {"off": ["a"]}})),
        ],
        "groups": [{"id": "g", "name": "G", "members": ["a", "b"], "mutually-exclusive": true}],
    }))
}

#[test]
fn a_shell_only_when_asked_for() {
    let tool = descriptor(json!({
        "shell": "/bin/bash",
        "command-line": "cat [FILES] | sort [REVERSE] > [OUT]",
        "inputs": [
            input("files", "File", json!({"list": true})),
            input("reverse", "Flag", json!({"command-line-flag": "-r"})),
            input("out", "String", json!({})),
        ],
    }));
    assert_eq!(tool.executable(), "cat");
    assert_eq!(
        argv(&tool, json!({"files": ["a b", "it's"], "reverse": true, "out": "$(x).txt"})),
        ["/bin/bash", "-c", r"cat 'a b' 'it'\''s' | sort -r > '$(x).txt'"]
    );
}
