//! identity, merge, split and select: values in, values out, no disk.

use pial_core::interface::Problem;
use pial_core::value::{Type, Value};

use super::error::BuiltinError;
use super::inputs::{Inputs, as_items};
use super::signature::{Signature, list, literal, must_be_literal};
use super::{Builtin, Given, Outcome};

const MERGE_SETTINGS: &[&str] = &["axis", "no_flatten", "ravel_inputs"];

pub(super) fn identity_signature(given: &Given<'_>) -> Signature {
    let signature = Signature::new(Builtin::Identity).open(given);
    given.iter().fold(signature, |signature, (name, _)| signature.maybe_output(name, Type::Any))
}

pub(super) fn identity(inputs: Inputs<'_>) -> Outcome {
    Outcome { outputs: inputs.0.to_vec(), sinks: Vec::new() }
}

pub(super) fn merge_signature(given: &Given<'_>) -> Signature {
    Signature::new(Builtin::Merge)
        .optional("axis", Type::Enum(vec!["vstack".to_owned(), "hstack".to_owned()]))
        .optional("no_flatten", Type::Bool)
        .optional("ravel_inputs", Type::Bool)
        .open(given)
        .output("out", list(Type::Any))
}

pub(super) fn merge(inputs: Inputs<'_>) -> Result<Outcome, BuiltinError> {
    let values = in_order(inputs.others(MERGE_SETTINGS).filter(|(_, value)| **value != Value::Null).collect());
    let merged = match inputs.text("axis")? {
        None | Some("vstack") => {
            let (no_flatten, ravel) = (inputs.flag("no_flatten", false)?, inputs.flag("ravel_inputs", false)?);
            let mut merged = Vec::new();
            for (_, value) in values {
                match value {
                    Value::List(_) if !no_flatten && ravel => flatten(value, &mut merged),
                    Value::List(items) if !no_flatten => merged.extend_from_slice(items),
                    value => merged.push(value.clone()),
                }
            }
            merged
        }
        Some("hstack") => rows(&values)?,
        Some(other) => return Err(BuiltinError::input("axis", format!("expected vstack or hstack, got {other:?}"))),
    };
    Ok(Outcome::one("out", Value::List(merged)))
}

/// `in1`, `in2`, ... `in10` by number; as soon as one has another name, as the document has them.
fn in_order<'a>(mut values: Vec<(&'a str, &'a Value)>) -> Vec<(&'a str, &'a Value)> {
    let number = |name: &str| name.strip_prefix("in").and_then(|digits| digits.parse::<u32>().ok());
    if values.iter().all(|(name, _)| number(name).is_some()) {
        values.sort_by_key(|(name, _)| number(name));
    }
    values
}

fn flatten(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| flatten(item, into)),
        value => into.push(value.clone()),
    }
}

fn rows(values: &[(&str, &Value)]) -> Result<Vec<Value>, BuiltinError> {
    let columns: Vec<&[Value]> = values.iter().map(|(_, value)| as_items(value)).collect();
    let length = columns.first().map_or(0, |column| column.len());
    if let Some(odd) = columns.iter().position(|column| column.len() != length) {
        let message = format!(
            "it has {} items, `{}` has {length}; axis hstack pairs them, so the lengths must agree",
            columns[odd].len(),
            values[0].0
        );
        return Err(BuiltinError::input(values[odd].0, message));
    }
    Ok((0..length).map(|row| Value::List(columns.iter().map(|column| column[row].clone()).collect())).collect())
}

pub(super) fn split_signature(given: &Given<'_>) -> Signature {
    let signature = Signature::new(Builtin::Split)
        .required("inlist", list(Type::Any))
        .required("splits", list(Type::Int))
        .optional("squeeze", Type::Bool);
    let count = literal(given, "splits").map_or(0, |splits| as_items(splits).len());
    (1..=count).fold(signature, |signature, part| signature.output(&format!("out{part}"), Type::Any))
}

pub(super) fn split_check(given: &Given<'_>) -> Vec<Problem> {
    must_be_literal(given, "splits").into_iter().collect()
}

pub(super) fn split(inputs: Inputs<'_>) -> Result<Outcome, BuiltinError> {
    let mut rest = as_items(inputs.required("inlist")?);
    let squeeze = inputs.flag("squeeze", false)?;
    let (total, splits) = (rest.len(), inputs.integers("splits")?);
    let mut outputs = Vec::with_capacity(splits.len());
    for (index, length) in splits.iter().enumerate() {
        let part = usize::try_from(*length).ok().and_then(|length| rest.split_at_checked(length));
        let Some((part, tail)) = part else { return Err(uneven(&splits, total)) };
        let value = match part {
            [single] if squeeze => single.clone(),
            part => Value::List(part.to_vec()),
        };
        outputs.push((format!("out{}", index + 1), value));
        rest = tail;
    }
    if !rest.is_empty() {
        return Err(uneven(&splits, total));
    }
    Ok(Outcome { outputs, sinks: Vec::new() })
}

fn uneven(splits: &[i64], total: usize) -> BuiltinError {
    BuiltinError::input("splits", format!("{splits:?} must add up to the {total} items of `inlist`"))
}

pub(super) fn select_signature() -> Signature {
    Signature::new(Builtin::Select)
        .required("inlist", list(Type::Any))
        .required("index", Type::Any)
        .output("out", Type::Any)
}

pub(super) fn select(inputs: Inputs<'_>) -> Result<Outcome, BuiltinError> {
    let items = as_items(inputs.required("inlist")?);
    let pick = |index: i64| {
        // Negative indices count from the end, as in nipype.
        let from_end = if index < 0 { index.checked_add_unsigned(items.len() as u64) } else { Some(index) };
        let item = from_end.and_then(|index| usize::try_from(index).ok()).and_then(|index| items.get(index));
        item.cloned().ok_or_else(|| {
            BuiltinError::input("index", format!("{index} is outside `inlist`, which has {} items", items.len()))
        })
    };
    let mut picked: Vec<Value> = inputs.integers("index")?.into_iter().map(pick).collect::<Result<_, _>>()?;
    let out = match picked.len() {
        1 => picked.remove(0),
        _ => Value::List(picked),
    };
    Ok(Outcome::one("out", out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pial_core::interface::Interface;

    fn value(json: &str) -> Value {
        serde_json::from_str::<serde_json::Value>(json).unwrap().into()
    }

    /// Runs a built-in on `name=json` inputs; the outputs as JSON, or the error's text.
    fn run(name: &str, inputs: &[(&str, &str)]) -> Result<String, String> {
        let inputs: Vec<_> = inputs.iter().map(|(name, json)| ((*name).to_owned(), value(json))).collect();
        let outcome = Builtin::from_name(name).unwrap().run(&inputs, "/nowhere".as_ref()).map_err(|e| e.to_string())?;
        Ok(outcome
            .outputs
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_json()))
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn values_come_out_as_nipype_gives_them() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("identity", &[("b", "1"), ("a", "[null]")], "b=1 a=[null]"),
            ("identity", &[], ""),
            ("merge", &[], "out=[]"),
            ("merge", &[("in1", "1"), ("in2", "[2, 5]"), ("in3", "3")], "out=[1,2,5,3]"),
            ("merge", &[("in10", "10"), ("in2", "2"), ("in1", "1")], "out=[1,2,10]"),
            ("merge", &[("z", "1"), ("in2", "2"), ("in1", "3")], "out=[1,2,3]"),
            ("merge", &[("in1", "null"), ("in2", "[null, 2]")], "out=[null,2]"),
            ("merge", &[("in1", "[1, [2, 5], 3]")], "out=[1,[2,5],3]"),
            ("merge", &[("in1", "[1, [2, [5]], 3]"), ("ravel_inputs", "true")], "out=[1,2,5,3]"),
            ("merge", &[("in1", "[1, [2, 5], 3]"), ("no_flatten", "true")], "out=[[1,[2,5],3]]"),
            ("merge", &[("in1", "[1, 2]"), ("in2", "[3, 4]"), ("axis", "\"hstack\"")], "out=[[1,3],[2,4]]"),
            ("merge", &[("in1", "1"), ("in2", "[3]"), ("axis", "\"hstack\"")], "out=[[1,3]]"),
            ("split", &[("inlist", "[1, 2, 3]"), ("splits", "[2, 1]")], "out1=[1,2] out2=[3]"),
            ("split", &[("inlist", "[1, 2]"), ("splits", "[2, 0]")], "out1=[1,2] out2=[]"),
            ("split", &[("inlist", "[1, 2]"), ("splits", "[1, 1]"), ("squeeze", "true")], "out1=1 out2=2"),
            ("select", &[("inlist", "[1, 2, 3, 4, 5]"), ("index", "[3]")], "out=4"),
            ("select", &[("inlist", "[1, 2, 3, 4, 5]"), ("index", "3")], "out=4"),
            ("select", &[("inlist", "[1, 2, 3]"), ("index", "[2, 0, -1]")], "out=[3,1,3]"),
            ("select", &[("inlist", "\"one\""), ("index", "0")], "out=\"one\""),
            ("select", &[("inlist", "[1]"), ("index", "[]")], "out=[]"),
        ];
        for (name, inputs, outputs) in cases {
            assert_eq!(run(name, inputs).as_deref(), Ok(*outputs), "{name} {inputs:?}");
        }
    }

    #[test]
    fn errors_name_the_input_and_the_remedy() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: &[Case<'_>] = &[
            ("merge", &[("axis", "\"up\"")], "input `axis`: expected vstack or hstack, got \"up\""),
            ("merge", &[("no_flatten", "1")], "input `no_flatten`: expected true or false, got 1"),
            (
                "merge",
                &[("a", "[1]"), ("b", "[1, 2]"), ("axis", "\"hstack\"")],
                "input `b`: it has 2 items, `a` has 1; axis hstack pairs them, so the lengths must agree",
            ),
            ("split", &[("inlist", "[1]")], "input `splits`: it is needed but not given"),
            (
                "split",
                &[("inlist", "[1]"), ("splits", "[2]")],
                "input `splits`: [2] must add up to the 1 items of `inlist`",
            ),
            (
                "split",
                &[("inlist", "[1]"), ("splits", "[]")],
                "input `splits`: [] must add up to the 1 items of `inlist`",
            ),
            (
                "split",
                &[("inlist", "[1]"), ("splits", "[2, -1]")],
                "input `splits`: [2, -1] must add up to the 1 items of `inlist`",
            ),
            ("select", &[("inlist", "[1]"), ("index", "1")], "input `index`: 1 is outside `inlist`, which has 1 items"),
            (
                "select",
                &[("inlist", "[1]"), ("index", "-2")],
                "input `index`: -2 is outside `inlist`, which has 1 items",
            ),
            ("select", &[("inlist", "[1]"), ("index", "\"a\"")], "input `index`: expected a whole number, got \"a\""),
        ];
        for (name, inputs, error) in cases {
            assert_eq!(run(name, inputs), Err((*error).to_owned()), "{name} {inputs:?}");
        }
    }

    #[test]
    fn ports_follow_what_is_given() {
        let splits = value("[1, 2, 3]");
        let signature = split_signature(&[("splits", Some(&splits))]);
        let names: Vec<_> = signature.outputs().iter().map(|port| port.name.as_str()).collect();
        assert_eq!(names, ["out1", "out2", "out3"]);
        assert_eq!(split_check(&[("splits", None)]).len(), 1);

        let signature = identity_signature(&[("b", None), ("a", None)]);
        assert_eq!(signature.inputs().len(), 2);
        assert!(signature.open_inputs);
    }
}
