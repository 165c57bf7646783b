//! The rules over values: types, choices, ranges, lists, groups, dependencies.

use pial_core::interface::{Interface as _, Problem};
use pial_core::value::{Type, Value};
use pial_interfaces::Descriptor;
use serde_json::json;

use crate::{descriptor, input, problems, values};

#[test]
fn ports() {
    let tool = descriptor(json!({
        "command-line": "t",
        "inputs": [
            input("f", "File", json!({})),
            input("d", "File", json!({"pial-type": "directory", "list": true})),
            input("s", "String", json!({"optional": true})),
            input("e", "String", json!({"value-choices": ["x", 2], "list": true})),
            input("i", "Number", json!({"integer": true, "default-value": 3})),
            input("n", "Number", json!({"value-choices": [1, 2.5]})),
            input("b", "Flag", json!({"command-line-flag": "-b"})),
            input("c", json!({"id": "c", "command-line": "", "inputs": []}), json!({"list": true})),
        ],
    }));
    let choices = Type::Enum(vec!["x".to_owned(), "2".to_owned()]);
    let expected = [
        ("f", Type::File, true),
        ("d", Type::List(Box::new(Type::Directory)), true),
        ("s", Type::String, false),
        ("e", Type::List(Box::new(choices)), true),
        ("i", Type::Int, false),
        ("n", Type::Float, true),
        ("b", Type::Bool, false),
        ("c", Type::List(Box::new(Type::Any)), true),
    ];
    let ports: Vec<_> = tool.inputs().iter().map(|p| (p.name.as_str(), p.kind.clone(), p.mandatory)).collect();
    assert_eq!(ports, expected);
}

#[test]
fn one_value() {
    for (kind, more, value, expected) in [
        ("Number", json!({}), json!("x"), Some("v: expected float, got \"x\"")),
        ("Number", json!({"integer": true}), json!(1.5), Some("v: expected int, got 1.5")),
        ("Number", json!({"integer": true}), json!(2.0), None),
        ("Number", json!({"minimum": 0}), json!(0), None),
        ("Number", json!({"minimum": 0}), json!(-1), Some("v: must be at least 0, got -1")),
        (
            "Number",
            json!({"minimum": 0, "exclusive-minimum": true}),
            json!(0),
            Some("v: must be greater than 0, got 0"),
        ),
        ("Number", json!({"maximum": 1}), json!(1), None),
        ("Number", json!({"maximum": 1}), json!(1.5), Some("v: must be at most 1, got 1.5")),
        ("Number", json!({"maximum": 1, "exclusive-maximum": true}), json!(1), Some("v: must be less than 1, got 1")),
        ("Number", json!({"value-choices": [1, 2]}), json!(2), None),
        ("Number", json!({"value-choices": [1, 2]}), json!(3), Some("v: 3 is none of 1, 2")),
        ("Number", json!({"value-choices": [0, 1], "list": true}), json!([0, 2]), Some("v: item 1: 2 is none of 0, 1")),
        ("Number", json!({"maximum": 1, "list": true}), json!([0, 2]), Some("v: item 1: must be at most 1, got 2")),
        ("String", json!({"value-choices": ["a", "b"]}), json!("c"), Some("v: expected enum[a, b], got \"c\"")),
        ("String", json!({"list": true}), json!("a"), Some("v: expected list[string], got \"a\"")),
        ("String", json!({"list": true, "min-list-entries": 2}), json!(["a"]), Some("v: needs 2 items or more, got 1")),
        (
            "String",
            json!({"list": true, "max-list-entries": 1}),
            json!(["a", "b"]),
            Some("v: takes 1 items at most, got 2"),
        ),
        ("String", json!({}), json!("a\u{0}b"), Some("v: no command line can hold a NUL character")),
        ("File", json!({}), json!(3), Some("v: expected file, got 3")),
        ("Flag", json!({"command-line-flag": "-v"}), json!("yes"), Some("v: expected bool, got \"yes\"")),
        ("String", json!({}), json!(null), Some("v: is mandatory, and not given")),
        ("String", json!({"optional": true}), json!(null), None),
        ("String", json!({"default-value": "d"}), json!(null), None),
    ] {
        let tool = descriptor(json!({"command-line": "t [V]", "inputs": [input("v", kind, more.clone())]}));
        let found = problems(&tool, json!({"v": value}));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{kind} {more} {value}");
    }
}

fn related() -> Descriptor {
    let group =
        |id: &str, members: [&str; 2], rule: &str| json!({"id": id, "name": id, "members": members, rule: true});
    let flag = |id: &str, more| {
        let mut flag = input(id, "Flag", more);
        flag["command-line-flag"] = json!(format!("-{id}"));
        flag
    };
    descriptor(json!({
        "command-line": "t",
        "inputs": [
            flag("x1", json!({})), input("x2", "String", json!({"optional": true})),
            flag("r1", json!({})), input("r2", "String", json!({"optional": true})),
            flag("a1", json!({})), input("a2", "String", json!({"optional": true})),
            input("needs", "Number", json!({"optional": true, "requires-inputs": ["a1", "x"]})),
            input("stops", "Number", json!({"optional": true, "disables-inputs": ["x2"]})),
            input("mode", "String", json!({"optional": true, "value-choices": ["p", "q"],
                "value-requires": {"p": ["a1"]}, "value-disables": {"q": ["x2", "x1"]}})),
        ],
        "groups": [group("x", ["x1", "x2"], "mutually-exclusive"), group("r", ["r1", "r2"], "one-is-required"),
            group("a", ["a1", "a2"], "all-or-none")],
    }))
}

#[test]
fn several_inputs() {
    let tool = related();
    for (given, expected) in [
        (json!({}), vec!["one must be given of r1, r2"]),
        (json!({"r1": false}), vec!["one must be given of r1, r2"]),
        (json!({"r1": true}), vec![]),
        (json!({"r2": "v", "x1": true, "x2": "v"}), vec!["only one may be given of x1, x2"]),
        (json!({"r2": "v", "x1": false, "x2": "v"}), vec![]),
        (json!({"r2": "v", "a1": true}), vec!["all or none must be given of a1, a2"]),
        (json!({"r2": "v", "a1": true, "a2": "v"}), vec![]),
        (
            json!({"r2": "v", "needs": 1}),
            vec!["needs: needs \"a1\", which is not given", "needs: needs \"x\", which is not given"],
        ),
        (json!({"r2": "v", "needs": 1, "a1": true, "a2": "v", "x2": "v"}), vec![]),
        (json!({"r2": "v", "stops": 1, "x2": "v"}), vec!["stops: cannot be combined with \"x2\"; give one"]),
        (json!({"r2": "v", "mode": "p"}), vec!["mode: needs \"a1\", which is not given"]),
        (json!({"r2": "v", "mode": "q"}), vec![]),
        (json!({"r2": "v", "mode": "q", "x2": "v"}), vec!["mode: cannot be combined with \"x2\"; give one"]),
    ] {
        assert_eq!(problems(&tool, given.clone()), expected, "{given}");
    }
}

#[test]
fn values_that_come_later_are_given_the_benefit_of_the_doubt() {
    let tool = related();
    let text = Value::String("v".to_owned());
    for (given, broken) in [
        (vec![("r1", None)], 0),
        (vec![("r2", None), ("x1", None), ("x2", Some(&text))], 0),
        (vec![("r2", None), ("stops", None), ("x2", None)], 1),
        (vec![("r2", None), ("a1", None), ("a2", None)], 0),
        (vec![("r2", None), ("a2", None)], 1),
        (vec![("r2", None), ("mode", None), ("x2", None)], 0),
    ] {
        assert_eq!(tool.check(&given).len(), broken, "{given:?}: {:?}", tool.check(&given));
    }
}

#[test]
fn a_path_that_must_be_absolute_is_checked_at_launch() {
    let tool = descriptor(
        json!({"command-line": "t [V]", "inputs": [input("v", "File", json!({"uses-absolute-path": true}))]}),
    );
    assert_eq!(problems(&tool, json!({"v": "a"})), [""; 0]);
    let problem = Problem { input: Some("v".to_owned()), message: "must be an absolute path, got \"a\"".to_owned() };
    assert_eq!(tool.command_line(&values(json!({"v": "a"}))), Err(vec![problem]));
    assert!(tool.command_line(&values(json!({"v": "/a"}))).is_ok());
}

#[test]
fn names_that_are_no_input_are_the_callers_affair() {
    let tool = descriptor(json!({"command-line": "t", "inputs": []}));
    assert_eq!(problems(&tool, json!({"x": 1})), [""; 0]);
}

#[test]
fn text_in_nested_file_inputs_becomes_a_path() {
    let tool = descriptor(json!({
        "command-line": "t [M]",
        "inputs": [input("m", json!([
            {"id": "a", "command-line": "[F]", "inputs": [input("f", "File", json!({})), input("s", "String", json!({"optional": true}))]},
        ]), json!({"list": true}))],
    }));
    let value = Value::from(json!([{"f": "x", "s": "y"}, {"@type": "a", "f": "z"}]));
    let mut paths = Vec::new();
    tool.typed("m", value).for_each_path(&mut |path| paths.push(path.to_owned()));
    assert_eq!(paths, ["x", "z"]);
    assert_eq!(tool.typed("m", Value::Int(1)), Value::Int(1));
}
