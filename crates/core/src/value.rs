//! What travels between nodes: typed values; knows nothing of where they come from.

use std::fmt;

/// The type of a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// Anything; no check, no conversion.
    Any,
    /// `true` or `false`.
    Bool,
    /// A 64-bit signed integer.
    Int,
    /// A 64-bit float; an integer is accepted.
    Float,
    /// Text.
    String,
    /// One of these texts.
    Enum(Vec<String>),
    /// The path of a file; its content is part of the key.
    File,
    /// The path of a directory; its content is part of the key.
    Directory,
    /// Any number of values of one type.
    List(Box<Type>),
}

/// A value of a port.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing was given.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text that is not a path.
    String(String),
    /// The path of a file or directory whose content counts.
    Path(String),
    /// Values in order.
    List(Vec<Value>),
    /// Named values in order (the content of a JSON object).
    Map(Vec<(String, Value)>),
}

/// A value that does not fit its port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got}")]
pub struct Mismatch {
    /// The type of the port.
    pub expected: String,
    /// The value, shortened.
    pub got: String,
}

impl Type {
    /// Reads the document's spelling: `file`, `list[float]`, `enum[a, b]`, ...
    ///
    /// # Errors
    /// The text itself when it names no type.
    pub fn parse(text: &str) -> Result<Type, String> {
        let text = text.trim();
        let inner = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']'));
        Ok(match text {
            "any" => Type::Any,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "float" => Type::Float,
            "string" => Type::String,
            "file" => Type::File,
            "directory" => Type::Directory,
            "list" => Type::List(Box::new(Type::Any)),
            _ => match (inner("list["), inner("enum[")) {
                (Some(item), _) => Type::List(Box::new(Type::parse(item)?)),
                (_, Some(choices)) => Type::Enum(choices.split(',').map(|c| c.trim().to_owned()).collect()),
                _ => return Err(text.to_owned()),
            },
        })
    }

    /// The spellings [`Type::parse`] takes, for messages.
    pub const SPELLINGS: &[&str] =
        &["any", "bool", "int", "float", "string", "file", "directory", "list", "list[TYPE]", "enum[A, B]"];

    /// Whether values of this type are or hold paths.
    pub fn is_path(&self) -> bool {
        match self {
            Type::File | Type::Directory => true,
            Type::List(item) => item.is_path(),
            _ => false,
        }
    }

    /// Whether an output of this type may feed an input of type `input`.
    ///
    /// Only pairs that can never work are refused: `any` fits everywhere, text and numbers fit text.
    pub fn feeds(&self, input: &Type) -> bool {
        match (self, input) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::List(from), Type::List(to)) => from.feeds(to),
            (Type::List(_), _) | (_, Type::List(_)) => false,
            (Type::Int, Type::Float) => true,
            (Type::Enum(_), Type::Enum(_)) => true,
            (Type::String | Type::Enum(_), Type::String | Type::Enum(_) | Type::File | Type::Directory) => true,
            (Type::Int | Type::Float | Type::Bool | Type::File | Type::Directory, Type::String) => true,
            (from, to) => from == to,
        }
    }

    /// Converts a value to this type: an integer to a float, text to a path, and checks the rest.
    ///
    /// # Errors
    /// [`Mismatch`] when the value cannot be of this type. `Null` fits every type.
    pub fn coerce(&self, value: Value) -> Result<Value, Mismatch> {
        let value = match self {
            Type::Any => return Ok(value),
            _ => value.plain().map_err(|_| Mismatch {
                expected: self.to_string(),
                got: "a Python object, which only functions can take".to_owned(),
            })?,
        };
        Ok(match (self, value) {
            (_, Value::Null) => Value::Null,
            (Type::Any, value) => value,
            (Type::Bool, Value::Bool(b)) => Value::Bool(b),
            (Type::Int, Value::Int(i)) => Value::Int(i),
            (Type::Int, Value::Float(f)) if f.fract() == 0.0 && f.abs() < 9.0e15 => Value::Int(f as i64),
            (Type::Float, Value::Int(i)) => Value::Float(i as f64),
            (Type::Float, Value::Float(f)) => Value::Float(f),
            (Type::String, Value::String(s) | Value::Path(s)) => Value::String(s),
            (Type::String, value @ (Value::Int(_) | Value::Float(_) | Value::Bool(_))) => {
                Value::String(value.to_string())
            }
            (Type::Enum(choices), Value::String(s)) if choices.contains(&s) => Value::String(s),
            (Type::Enum(choices), value @ (Value::Int(_) | Value::Float(_)))
                if choices.contains(&value.to_string()) =>
            {
                Value::String(value.to_string())
            }
            (Type::File | Type::Directory, Value::String(s) | Value::Path(s)) => Value::Path(s),
            (Type::List(item), Value::List(items)) => {
                Value::List(items.into_iter().map(|v| item.coerce(v)).collect::<Result<_, _>>()?)
            }
            (_, value) => return Err(Mismatch { expected: self.to_string(), got: value.excerpt() }),
        })
    }

    /// Reads a value of this type from the text of a command line (`--set name=text`).
    /// Lists are JSON, or text separated by commas.
    ///
    /// # Errors
    /// [`Mismatch`] when the text is no such value.
    pub fn parse_value(&self, text: &str) -> Result<Value, Mismatch> {
        let json = || serde_json::from_str::<serde_json::Value>(text).ok().map(Value::from);
        let mismatch = || Mismatch { expected: self.to_string(), got: format!("{text:?}") };
        match self {
            Type::String | Type::File | Type::Directory | Type::Enum(_) => self.coerce(Value::String(text.to_owned())),
            Type::Any => Ok(json().unwrap_or_else(|| Value::String(text.to_owned()))),
            Type::Bool | Type::Int | Type::Float => self.coerce(json().ok_or_else(mismatch)?).map_err(|_| mismatch()),
            Type::List(item) => match json() {
                Some(list @ Value::List(_)) => self.coerce(list),
                _ => Ok(Value::List(text.split(',').map(|t| item.parse_value(t.trim())).collect::<Result<_, _>>()?)),
            },
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("any"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Float => f.write_str("float"),
            Type::String => f.write_str("string"),
            Type::Enum(choices) => write!(f, "enum[{}]", choices.join(", ")),
            Type::File => f.write_str("file"),
            Type::Directory => f.write_str("directory"),
            Type::List(item) => write!(f, "list[{item}]"),
        }
    }
}

/// The single key of a mapping that stands for a Python tuple: its items.
pub const TUPLE: &str = "$tuple";
/// The single key of a mapping that stands for a Python `pathlib.Path`: the path.
pub const PATHLIB: &str = "$pathlib";
/// The single key of a mapping that stands for another Python object: its pickle in base 64, or the file that holds it.
pub const PICKLE: &str = "$pickle";
/// A second key beside [`PICKLE`]: the number or text that the object is where only plain values can be taken.
pub const PLAIN: &str = "$plain";

/// A Python object that only Python can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Python object, which only functions can take; return text, numbers, lists or a path for it")]
pub struct Pickled;

impl Value {
    /// What a mapping that stands for a Python value holds, with its key.
    pub fn tagged(&self) -> Option<(&str, &Value)> {
        match self {
            Value::Map(entries) => match entries.as_slice() {
                [(key, value)] if [TUPLE, PATHLIB, PICKLE].contains(&key.as_str()) => Some((key, value)),
                [(pickle, _), (plain, value)] if pickle == PICKLE && plain == PLAIN => Some((plain, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a list or a Python tuple.
    pub fn items(&self) -> Option<&[Value]> {
        match (self, self.tagged()) {
            (Value::List(items), _) | (_, Some((TUPLE, Value::List(items)))) => Some(items),
            _ => None,
        }
    }

    /// The value without what only Python tells apart: a tuple is a list, a `pathlib.Path` a path.
    ///
    /// # Errors
    /// [`Pickled`] when there is a Python object in it.
    pub fn plain(self) -> Result<Value, Pickled> {
        match self.tagged() {
            Some((PICKLE, _)) => return Err(Pickled),
            Some((_, value)) => return value.clone().plain(),
            None => {}
        }
        Ok(match self {
            Value::List(items) => Value::List(items.into_iter().map(Value::plain).collect::<Result<_, _>>()?),
            Value::Map(entries) => {
                let plain = entries.into_iter().map(|(key, value)| Ok((key, value.plain()?)));
                Value::Map(plain.collect::<Result<_, Pickled>>()?)
            }
            value => value,
        })
    }

    /// The value in at most 60 characters, for messages.
    pub fn excerpt(&self) -> String {
        let text = match self {
            Value::String(s) | Value::Path(s) => format!("{s:?}"),
            other => other.to_string(),
        };
        match text.char_indices().nth(57) {
            Some((cut, _)) => format!("{}...", &text[..cut]),
            None => text,
        }
    }

    /// Adds the value's text, as [`fmt::Display`] has it.
    pub fn write_to(&self, text: &mut String) {
        match self {
            Value::String(s) | Value::Path(s) => text.push_str(s),
            other => text.push_str(&other.to_string()),
        }
    }

    /// Calls `visit` for every path in the value, in order.
    pub fn for_each_path<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            Value::Path(path) => visit(path),
            Value::List(items) => items.iter().for_each(|v| v.for_each_path(visit)),
            Value::Map(entries) => entries.iter().for_each(|(_, v)| v.for_each_path(visit)),
            _ => {}
        }
    }

    /// As JSON, a path as its text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(x) => (*x).into(),
            Value::String(s) | Value::Path(s) => s.as_str().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(k, v)| (k.clone(), v.to_json())).collect(),
        }
    }
}

impl fmt::Display for Value {
    /// As on a command line: text bare, a list or map as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::String(s) | Value::Path(s) => f.write_str(s),
            Value::List(_) | Value::Map(_) => write!(f, "{}", self.to_json()),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(i) => Value::Int(i),
                None => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(s) => Value::String(s),
            serde_json::Value::Array(items) => Value::List(items.into_iter().map(Value::from).collect()),
            serde_json::Value::Object(entries) => {
                Value::Map(entries.into_iter().map(|(k, v)| (k, Value::from(v))).collect())
            }
        }
    }
}
