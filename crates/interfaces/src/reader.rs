//! Typed access to a JSON object that reports every fault with its place; knows no descriptor key.

use serde_json::{Map, Value as Json};

use crate::problem::{Sink, nearest};

/// A JSON object at a known place. A `null` counts as absent everywhere.
pub(crate) struct Object<'a> {
    pub(crate) place: String,
    pub(crate) sink: &'a Sink,
    entries: &'a Map<String, Json>,
}

impl<'a> Object<'a> {
    /// Reports a value that is no object, and keys that look like misspelt ones of `known`.
    pub(crate) fn new(json: &'a Json, place: String, known: &[&str], sink: &'a Sink) -> Option<Object<'a>> {
        let Json::Object(entries) = json else {
            sink.add(&place, format!("expected an object, got {}", kind(json)));
            return None;
        };
        let object = Object { place, sink, entries };
        object.report_near_misses(known);
        Some(object)
    }

    /// Unknown keys are allowed by Boutiques; one that is nearly a known, absent key is a mistake.
    fn report_near_misses(&self, known: &[&str]) {
        for key in self.entries.keys().filter(|key| !known.contains(&key.as_str())) {
            let absent = known.iter().copied().filter(|name| !self.entries.contains_key(*name));
            if let Some(near) = nearest(key, absent) {
                self.problem(key, format!("unknown key {key:?}; did you mean {near:?}?"));
            }
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Json> {
        self.entries.get(key).filter(|json| !json.is_null())
    }

    /// Where `key` is, or would be.
    pub(crate) fn at(&self, key: &str) -> String {
        format!("{}/{}", self.place, key.replace('~', "~0").replace('/', "~1"))
    }

    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) {
        self.sink.add(&self.at(key), message);
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.typed(key, "text", Json::as_str)
    }

    /// Text, with an empty one counted as absent.
    pub(crate) fn some_text(&self, key: &str) -> Option<&'a str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// Text that must be there; empty after a problem was reported.
    pub(crate) fn required_text(&self, key: &str) -> &'a str {
        match self.get(key) {
            Some(Json::String(text)) if !text.trim().is_empty() => text,
            Some(Json::String(_)) => {
                self.problem(key, format!("{key:?} is empty"));
                ""
            }
            Some(_) => self.text(key).unwrap_or_default(),
            None => {
                self.sink.add(&self.place, format!("{key:?} is missing"));
                ""
            }
        }
    }

    pub(crate) fn truth(&self, key: &str) -> Option<bool> {
        self.typed(key, "true or false", Json::as_bool)
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.typed(key, "a number", Json::as_f64)
    }

    /// A whole number of things; `2.0` is taken as well.
    pub(crate) fn count(&self, key: &str) -> Option<usize> {
        self.typed(key, "a whole number of 0 or more", |json| {
            json.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0).map(|n| n as usize)
        })
    }

    pub(crate) fn items(&self, key: &str) -> &'a [Json] {
        self.typed(key, "a list", Json::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// A list of texts; one text counts as a list of one.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        if let Some(Json::String(text)) = self.get(key) {
            return vec![text.clone()];
        }
        let mut texts = Vec::new();
        for (index, item) in self.items(key).iter().enumerate() {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.problem(key, format!("item {index}: expected text, got {}", kind(item))),
            }
        }
        texts
    }

    /// The objects of a list.
    pub(crate) fn objects(&self, key: &str, known: &[&str]) -> Vec<Object<'a>> {
        let place = self.at(key);
        let objects = self.items(key).iter().enumerate();
        objects.filter_map(|(index, json)| Object::new(json, format!("{place}/{index}"), known, self.sink)).collect()
    }

    pub(crate) fn object(&self, key: &str, known: &[&str]) -> Option<Object<'a>> {
        Object::new(self.get(key)?, self.at(key), known, self.sink)
    }

    /// The entries in the order of their keys (JSON gives objects no order).
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().map(String::as_str)
    }

    fn typed<T>(&self, key: &str, expected: &str, read: impl Fn(&'a Json) -> Option<T>) -> Option<T> {
        let json = self.get(key)?;
        let value = read(json);
        if value.is_none() {
            self.problem(key, format!("expected {expected}, got {}", kind(json)));
        }
        value
    }
}

/// What a JSON value is, for messages.
pub(crate) fn kind(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        other => pial_core::value::Value::from(other.clone()).excerpt(),
    }
}
