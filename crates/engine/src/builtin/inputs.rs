//! Typed reading of a built-in's inputs; a null input counts as not given.

use pial_core::value::{Type, Value};

use super::error::BuiltinError;
use super::signature::text;

/// The inputs of one run, in document order.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a>(pub &'a [(String, Value)]);

impl<'a> Inputs<'a> {
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(known, value)| known == name && *value != Value::Null).map(|(_, value)| value)
    }

    pub fn required(self, name: &str) -> Result<&'a Value, BuiltinError> {
        self.get(name).ok_or_else(|| BuiltinError::input(name, "it is needed but not given"))
    }

    pub fn flag(self, name: &str, default: bool) -> Result<bool, BuiltinError> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(expected(name, "true or false", other)),
        }
    }

    pub fn text(self, name: &str) -> Result<Option<&'a str>, BuiltinError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => text(value).map(Some).ok_or_else(|| expected(name, "text", value)),
        }
    }

    pub fn required_text(self, name: &str) -> Result<&'a str, BuiltinError> {
        let value = self.required(name)?;
        text(value).ok_or_else(|| expected(name, "text", value))
    }

    /// A list, or one value that stands for a list of one.
    pub fn items(self, name: &str) -> Option<&'a [Value]> {
        self.get(name).map(as_items)
    }

    /// Texts in a list, or one text.
    pub fn texts(self, name: &str) -> Result<Option<Vec<&'a str>>, BuiltinError> {
        let Some(items) = self.items(name) else { return Ok(None) };
        items
            .iter()
            .map(|item| text(item).ok_or_else(|| expected(name, "text", item)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Whole numbers in a list, or one.
    pub fn integers(self, name: &str) -> Result<Vec<i64>, BuiltinError> {
        as_items(self.required(name)?)
            .iter()
            .map(|item| match Type::Int.coerce(item.clone()) {
                Ok(Value::Int(number)) => Ok(number),
                _ => Err(expected(name, "a whole number", item)),
            })
            .collect()
    }

    pub fn entries(self, name: &str) -> Result<&'a [(String, Value)], BuiltinError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Map(entries)) => Ok(entries),
            Some(other) => Err(expected(name, "names with a value each", other)),
        }
    }

    /// The inputs that are not settings, nulls among them.
    pub fn others(self, settings: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let inputs = self.0.iter().map(|(name, value)| (name.as_str(), value));
        inputs.filter(move |(name, _)| !settings.contains(name))
    }
}

/// The error of a value of the wrong kind.
pub(super) fn expected(input: &str, what: &str, got: &Value) -> BuiltinError {
    BuiltinError::input(input, format!("expected {what}, got {}", got.excerpt()))
}

/// The items of a list, or the value as its only item.
pub(super) fn as_items(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        single => std::slice::from_ref(single),
    }
}
