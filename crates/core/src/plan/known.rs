//! What is known of the inputs of a built-in node before anything runs: they decide which ports it has.

use std::collections::HashMap;

use super::Binding;
use super::state::Bound;
use crate::document::{Expression, ExpressionKind, Piece};
use crate::value::Value;

/// The value of an expression before names of nodes are looked up; `None` when it varies or comes from a node.
///
/// In a mapping, texts are kept as written, for they may be templates with names of their own, such as
/// `{t1w: "{subject}/T1w.nii"}`, whether or not a parameter is called so too.
pub(super) fn expression(expression: &Expression, parameters: &HashMap<String, Bound>) -> Option<Value> {
    match &expression.kind {
        ExpressionKind::Value(value) => Some(value.clone()),
        ExpressionKind::Text(pieces) => text(pieces, parameters),
        ExpressionKind::From(_) | ExpressionKind::Broken => None,
        ExpressionKind::List(items) => {
            items.iter().map(|item| self::expression(item, parameters)).collect::<Option<_>>().map(Value::List)
        }
        ExpressionKind::Map(entries) => {
            let entry = |item: &Expression| match &item.kind {
                ExpressionKind::Text(pieces) => Value::String(pieces.iter().map(as_written).collect()),
                _ => self::expression(item, parameters).unwrap_or(Value::Null),
            };
            Some(Value::Map(entries.iter().map(|(key, item)| (key.clone(), entry(item))).collect()))
        }
    }
}

fn text(pieces: &[Piece], parameters: &HashMap<String, Bound>) -> Option<Value> {
    let part = |piece: &Piece| match piece {
        Piece::Placeholder(name) => match parameters.get(name) {
            None => Some(Value::String(as_written(piece))),
            Some(Bound::Binding(Binding::Value(value))) => Some(value.clone()),
            Some(_) => None,
        },
        Piece::Literal(text) => Some(Value::String(text.clone())),
    };
    match pieces {
        [piece] => part(piece),
        pieces => {
            let parts = pieces.iter().map(|piece| part(piece).map(|value| value.to_string()));
            parts.collect::<Option<String>>().map(Value::String)
        }
    }
}

fn as_written(piece: &Piece) -> String {
    match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Placeholder(name) => format!("{{{name}}}"),
    }
}

/// The value of a binding; in a mapping, what varies is left out of its text.
pub(super) fn binding(binding: &Binding) -> Option<Value> {
    match binding {
        Binding::Value(value) => Some(value.clone()),
        Binding::Field { .. } | Binding::Text(_) | Binding::Output { .. } => None,
        Binding::List(items) => items.iter().map(self::binding).collect::<Option<_>>().map(Value::List),
        Binding::Map(entries) => {
            Some(Value::Map(entries.iter().map(|(key, item)| (key.clone(), partial(item))).collect()))
        }
    }
}

fn partial(binding: &Binding) -> Value {
    match binding {
        Binding::Text(parts) => {
            let known = parts.iter().filter_map(self::binding);
            Value::String(known.map(|value| value.to_string()).collect())
        }
        Binding::Field { .. } => Value::String(String::new()),
        other => self::binding(other).unwrap_or(Value::Null),
    }
}
