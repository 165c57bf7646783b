//! Reads YAML and JSON into one tree whose every part knows its line; knows nothing of what a document means.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::value::Value;

/// A place in a document. Lines and columns count from 1; line 0 means unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mark {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Something wrong in a document, where, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// The nested document it is in; `None` in the main one.
    pub file: Option<Rc<str>>,
    /// Where; line 0 when it is no place in a document.
    pub mark: Mark,
    /// What is wrong, and the remedy when one is known.
    pub message: String,
}

/// A part of a document.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Where it starts.
    pub mark: Mark,
    /// What it holds.
    pub kind: Kind,
}

/// What a part of a document holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Tree>),
    /// A mapping in document order; a key may stand twice, which the reader reports.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where the key starts.
    pub mark: Mark,
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Tree,
}

/// Aliases may repeat a part; a document may not grow beyond this many parts by them.
const MOST_ALIASED_PARTS: usize = 1_000_000;

/// Reads JSON at full speed, without places: fit for documents that turn out to be right.
///
/// # Errors
/// Where the text stops being JSON.
pub fn parse_json(text: &str) -> Result<Tree, Problem> {
    serde_json::from_str(text).map_err(|e| {
        Problem::at(Mark { line: e.line() as u32, column: e.column() as u32 }, format!("not valid JSON: {e}"))
    })
}

/// Reads YAML 1.2, and so nearly all JSON, with places.
///
/// # Errors
/// Where the text stops being YAML.
pub fn parse_yaml(text: &str) -> Result<Tree, Problem> {
    let mut events = Parser::new_from_str(text);
    let mut anchors = Anchors::default();
    loop {
        let Some(next) = events.next() else {
            return Err(Problem::at(Mark { line: 1, column: 1 }, "the document is empty"));
        };
        let (event, span) = next.map_err(scan_problem)?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => {
                return Err(problem(&span, "the document is empty"));
            }
            event => {
                let tree = read(event, span, &mut events, &mut anchors)?;
                return only_document(&mut events).map(|()| tree);
            }
        }
    }
}

type Events<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

#[derive(Default)]
struct Anchors {
    trees: Vec<(usize, Tree)>,
    aliased_parts: usize,
}

fn only_document(events: &mut Events<'_>) -> Result<(), Problem> {
    for next in events {
        if let (Event::DocumentStart(_), span) = next.map_err(scan_problem)? {
            return Err(problem(&span, "a second document starts here; a file holds one workflow"));
        }
    }
    Ok(())
}

fn read<'a>(event: Event<'a>, span: Span, events: &mut Events<'a>, anchors: &mut Anchors) -> Result<Tree, Problem> {
    let mark = mark(&span);
    let (kind, anchor) = match event {
        Event::Scalar(text, style, anchor, tag) => {
            let plain = style == ScalarStyle::Plain && tag.is_none();
            (if plain { resolve(text) } else { Kind::Text(text.into_owned()) }, anchor)
        }
        Event::SequenceStart(anchor, _) => (read_list(events, anchors)?, anchor),
        Event::MappingStart(anchor, _) => (read_map(events, anchors)?, anchor),
        Event::Alias(anchor) => return alias(anchor, &span, anchors),
        _ => return Err(problem(&span, "the document ends in the middle of a value")),
    };
    let tree = Tree { mark, kind };
    if anchor != 0 {
        anchors.trees.push((anchor, tree.clone()));
    }
    Ok(tree)
}

fn read_list(events: &mut Events<'_>, anchors: &mut Anchors) -> Result<Kind, Problem> {
    let mut items = Vec::new();
    loop {
        let (event, span) = next(events)?;
        if event == Event::SequenceEnd {
            return Ok(Kind::List(items));
        }
        items.push(read(event, span, events, anchors)?);
    }
}

fn read_map(events: &mut Events<'_>, anchors: &mut Anchors) -> Result<Kind, Problem> {
    let mut entries = Vec::new();
    loop {
        let (event, span) = next(events)?;
        let key = match event {
            Event::MappingEnd => return Ok(Kind::Map(entries)),
            Event::Scalar(text, ..) => text.into_owned(),
            _ => return Err(problem(&span, "a key must be text")),
        };
        let (event, value_span) = next(events)?;
        let value = read(event, value_span, events, anchors)?;
        entries.push(Entry { mark: mark(&span), key, value });
    }
}

fn alias(anchor: usize, span: &Span, anchors: &mut Anchors) -> Result<Tree, Problem> {
    let Some((_, tree)) = anchors.trees.iter().rev().find(|(id, _)| *id == anchor) else {
        return Err(problem(span, "this alias stands inside its own anchor"));
    };
    anchors.aliased_parts += tree.parts();
    if anchors.aliased_parts > MOST_ALIASED_PARTS {
        return Err(problem(span, "aliases make this document larger than a million parts"));
    }
    Ok(tree.clone())
}

fn next<'a>(events: &mut Events<'a>) -> Result<(Event<'a>, Span), Problem> {
    match events.next() {
        Some(next) => next.map_err(scan_problem),
        None => Err(Problem::at(Mark::default(), "the document ends in the middle of a value")),
    }
}

/// A plain scalar by the YAML 1.2 core schema, save that `007` stays text: it is a subject, not the number 7.
fn resolve(text: Cow<'_, str>) -> Kind {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Kind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        _ => {}
    }
    let digits = text.trim_start_matches(['+', '-']);
    let label = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if label || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Kind::Text(text.into_owned());
    }
    let radix = |prefix: &str, radix| text.strip_prefix(prefix).and_then(|t| i64::from_str_radix(t, radix).ok());
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| text.parse().ok()) {
        return Kind::Int(number);
    }
    match text.parse() {
        Ok(number) => Kind::Float(number),
        Err(_) => Kind::Text(text.into_owned()),
    }
}

fn scan_problem(error: saphyr_parser::ScanError) -> Problem {
    let at = error.marker();
    let mark = Mark { line: at.line() as u32, column: at.col() as u32 + 1 };
    Problem::at(mark, format!("not valid YAML: {}", error.info()))
}

fn problem(span: &Span, message: &str) -> Problem {
    Problem::at(mark(span), message)
}

fn mark(span: &Span) -> Mark {
    Mark { line: span.start.line() as u32, column: span.start.col() as u32 + 1 }
}

impl Problem {
    /// A problem at a place in the main document.
    pub fn at(mark: Mark, message: impl Into<String>) -> Problem {
        Problem { file: None, mark, message: message.into() }
    }

    /// Problems by file and place, each once.
    pub fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
        problems.sort_by(|a, b| (&a.file, a.mark).cmp(&(&b.file, b.mark)));
        let mut seen = std::collections::HashSet::with_capacity(problems.len());
        problems.retain(|problem| seen.insert((problem.file.clone(), problem.mark, problem.message.clone())));
        problems
    }
}

impl Tree {
    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As a value, strings as plain text.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Int(i) => Value::Int(*i),
            Kind::Float(x) => Value::Float(*x),
            Kind::Text(s) => Value::String(s.clone()),
            Kind::List(items) => Value::List(items.iter().map(Tree::to_value).collect()),
            Kind::Map(entries) => Value::Map(entries.iter().map(|e| (e.key.clone(), e.value.to_value())).collect()),
        }
    }

    /// What it is, for messages.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a truth value",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    fn parts(&self) -> usize {
        1 + match &self.kind {
            Kind::List(items) => items.iter().map(Tree::parts).sum(),
            Kind::Map(entries) => entries.iter().map(|e| 1 + e.value.parts()).sum(),
            _ => 0,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        Ok(Tree { mark: Mark::default(), kind: deserializer.deserialize_any(KindVisitor)? })
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Kind, E> {
        Ok(Kind::Int(i))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Kind, E> {
        Ok(i64::try_from(u).map_or(Kind::Float(u as f64), Kind::Int))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Kind, E> {
        Ok(Kind::Float(x))
    }

    fn visit_str<E>(self, s: &str) -> Result<Kind, E> {
        Ok(Kind::Text(s.to_owned()))
    }

    fn visit_string<E>(self, s: String) -> Result<Kind, E> {
        Ok(Kind::Text(s))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry()? {
            entries.push(Entry { mark: Mark::default(), key, value });
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_read_the_same() {
        let yaml = "a: 1\nb: [x, 'y z', 2.5, true, ~]\nc: {d: \"q\\u00e9\"}\n";
        let json = r#"{"a": 1, "b": ["x", "y z", 2.5, true, null], "c": {"d": "qé"}}"#;
        let expected = parse_json(json).unwrap().to_value();
        assert_eq!(parse_yaml(yaml).unwrap().to_value(), expected);
        assert_eq!(parse_yaml(json).unwrap().to_value(), expected);
    }

    #[test]
    fn plain_scalars_follow_the_core_schema_but_keep_leading_zeros() {
        for (text, value) in [
            ("007", Value::String("007".into())),
            ("-12", Value::Int(-12)),
            ("0x1f", Value::Int(31)),
            ("1e3", Value::Float(1000.0)),
            ("yes", Value::String("yes".into())),
            ("1.2.3", Value::String("1.2.3".into())),
            ("'1'", Value::String("1".into())),
        ] {
            assert_eq!(parse_yaml(text).unwrap().to_value(), value, "{text}");
        }
    }

    #[test]
    fn every_part_knows_its_place() {
        let tree = parse_yaml("a: 1\nb:\n  - x\n  -   y\n").unwrap();
        let Kind::Map(entries) = tree.kind else { panic!() };
        assert_eq!((entries[1].mark.line, entries[1].mark.column), (2, 1));
        let Kind::List(items) = &entries[1].value.kind else { panic!() };
        assert_eq!((items[1].mark.line, items[1].mark.column), (4, 7));
    }

    #[test]
    fn aliases_repeat_but_do_not_explode() {
        assert_eq!(
            parse_yaml("a: &x [1, 2]\nb: *x\n").unwrap().to_value(),
            parse_json(r#"{"a":[1,2],"b":[1,2]}"#).unwrap().to_value()
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let item = format!("*a{}, ", i - 1).repeat(10);
            bomb += &format!("a{i}: &a{i} [{}]\n", item.trim_end_matches(", "));
        }
        assert!(parse_yaml(&bomb).unwrap_err().message.contains("million parts"));
    }

    #[test]
    fn broken_text_is_named_with_its_line() {
        assert_eq!(parse_yaml("a: 1\nb: [1, 2\n").unwrap_err().mark.line, 3);
        assert_eq!(parse_json("{\n\"a\": }").unwrap_err().mark.line, 2);
        assert!(parse_yaml("").is_err());
        assert!(parse_yaml("a: 1\n---\nb: 2\n").unwrap_err().message.contains("second document"));
    }
}
