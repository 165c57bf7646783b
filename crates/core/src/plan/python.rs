//! Values as Python writes them, and as nipype then cuts them for the names of directories.

use std::fmt::Write as _;

use crate::value::Value;

/// Keys of mappings that stand for what only Python has.
const TUPLE: &str = "$tuple";
const PATHLIB: &str = "$pathlib";
const PICKLE: &str = "$pickle";

/// As many hexadecimal digits of a digest stand for what has no text.
const DIGITS: usize = 8;

/// What Python's `str()` gives.
pub(super) fn str_of(value: &Value) -> String {
    let mut text = String::new();
    match (value, tagged(value)) {
        (Value::String(s) | Value::Path(s), _) | (_, Some((PATHLIB, Value::String(s) | Value::Path(s)))) => {
            text.push_str(s);
        }
        _ => write_repr(value, &mut text),
    }
    text
}

/// What Python's `repr()` gives.
pub(super) fn repr_of(value: &Value) -> String {
    let mut text = String::new();
    write_repr(value, &mut text);
    text
}

/// The text of a value in the name of a node: what only Python has as Python writes it, all else as on a command line.
pub(super) fn write_name(value: &Value, text: &mut String) {
    match tagged(value) {
        Some(_) => text.push_str(&str_of(value)),
        None => value.write_to(text),
    }
}

/// The first hexadecimal digits of a digest.
pub(super) fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..DIGITS].to_owned()
}

/// Takes out of a text what nipype does (`_get_valid_pathstr`), and what no name of a file can hold.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '/' => clean.push_str(".."),
            ',' => clean.push('.'),
            c if is_dropped(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Whether a text is left as it is by [`clean`].
pub(super) fn is_clean(text: &str) -> bool {
    !text.contains(|c| matches!(c, '/' | ',') || is_dropped(c))
}

fn is_dropped(c: char) -> bool {
    "][ (){}?:<>#!|\"';\0".contains(c)
}

/// A mapping of one key that stands for what only Python has.
fn tagged(value: &Value) -> Option<(&'static str, &Value)> {
    let Value::Map(entries) = value else { return None };
    let [(key, inner)] = entries.as_slice() else { return None };
    let tag = [TUPLE, PATHLIB, PICKLE].into_iter().find(|tag| tag == key)?;
    let fits = match inner {
        Value::List(_) => tag == TUPLE,
        Value::String(_) | Value::Path(_) => tag != TUPLE,
        _ => false,
    };
    fits.then_some((tag, inner))
}

fn write_repr(value: &Value, text: &mut String) {
    match (value, tagged(value)) {
        (_, Some((TUPLE, Value::List(items)))) => {
            write_items(items, '(', if items.len() == 1 { ",)" } else { ")" }, text);
        }
        (_, Some((PATHLIB, Value::String(path) | Value::Path(path)))) => {
            text.push_str("PosixPath(");
            write_quoted(path, text);
            text.push(')');
        }
        (_, Some((_, Value::String(pickle) | Value::Path(pickle)))) => text.push_str(&digest(pickle)),
        (Value::Null, _) => text.push_str("None"),
        (Value::Bool(b), _) => text.push_str(if *b { "True" } else { "False" }),
        (Value::Int(i), _) => text.push_str(&i.to_string()),
        (Value::Float(x), _) => write_float(*x, text),
        (Value::String(s) | Value::Path(s), _) => write_quoted(s, text),
        (Value::List(items), _) => write_items(items, '[', "]", text),
        (Value::Map(entries), _) => {
            text.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                write_quoted(key, text);
                text.push_str(": ");
                write_repr(value, text);
            }
            text.push('}');
        }
    }
}

fn write_items(items: &[Value], open: char, close: &str, text: &mut String) {
    text.push(open);
    for (at, item) in items.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        write_repr(item, text);
    }
    text.push_str(close);
}

/// The fewest digits that give the number back, with an exponent from 1e16 and below 1e-4 (`float_repr_style` "short").
fn write_float(x: f64, text: &mut String) {
    if !x.is_finite() {
        text.push_str(if x.is_nan() {
            "nan"
        } else if x > 0.0 {
            "inf"
        } else {
            "-inf"
        });
        return;
    }
    let shortest = format!("{x:e}");
    let digits = shortest.chars().take_while(|c| *c != 'e').filter(char::is_ascii_digit).count();
    // Of two numbers with so many digits that are as near, Python takes the even one, and Rust so only when asked for digits.
    let rounded = format!("{x:.*e}", digits - 1);
    let chosen = if rounded.parse() == Ok(x) { rounded } else { shortest };
    let (mantissa, exponent) = chosen.split_once('e').unwrap_or((&chosen, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Text written to memory does not fail.
    let _ = match (exponent, digits as i32 - 1 - exponent) {
        (-4..16, decimals @ 1..) => write!(text, "{x:.*}", decimals as usize),
        (-4..16, _) => write!(text, "{x:.1}"),
        _ => write!(text, "{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    };
}

fn write_quoted(s: &str, text: &mut String) {
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for c in s.chars() {
        let _ = match c {
            '\\' => write!(text, "\\\\"),
            '\n' => write!(text, "\\n"),
            '\r' => write!(text, "\\r"),
            '\t' => write!(text, "\\t"),
            c if c == quote => write!(text, "\\{c}"),
            c if is_printable(c) => write!(text, "{c}"),
            c if (c as u32) < 0x100 => write!(text, "\\x{:02x}", c as u32),
            c if (c as u32) < 0x1_0000 => write!(text, "\\u{:04x}", c as u32),
            c => write!(text, "\\U{:08x}", c as u32),
        };
    }
    text.push(quote);
}

/// As Python's `str.isprintable`: no control, format, private or separating character but the space. Characters that
/// Unicode has not given a meaning yet count as printable here, as which those are depends on the version.
fn is_printable(c: char) -> bool {
    !matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
        | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python 3.11 wrote the expected texts.
    #[test]
    fn texts_are_those_of_python() {
        let list = |items: Vec<Value>| Value::List(items);
        let text = |s: &str| Value::String(s.to_owned());
        let map = |key: &str, value| Value::Map(vec![(key.to_owned(), value)]);
        let table = [
            (Value::Float(0.1), "0.1"),
            (Value::Float(-0.0), "-0.0"),
            (Value::Float(1e15), "1000000000000000.0"),
            (Value::Float(1e16), "1e+16"),
            (Value::Float(123_456_789_012_345_680.0), "1.2345678901234568e+17"),
            (Value::Float(1e-4), "0.0001"),
            (Value::Float(149_227_437_347_870.12), "149227437347870.12"),
            (Value::Float(9_007_199_254_740_993.0), "9007199254740992.0"),
            (Value::Float(5e15), "5000000000000000.0"),
            (Value::Float(1e-5), "1e-05"),
            (Value::Float(5e-324), "5e-324"),
            (Value::Float(f64::NEG_INFINITY), "-inf"),
            (text("it's"), "it's"),
            (
                list(vec![text("it's"), text("\"'"), text("\n\\é\u{7}\u{a0}\u{200b}\u{f0000}")]),
                r#"["it's", '"\'', '\n\\é\x07\xa0\u200b\U000f0000']"#,
            ),
            (list(vec![Value::Null, Value::Bool(true), Value::Int(-3), list(vec![])]), "[None, True, -3, []]"),
            (map("k", list(vec![Value::Float(1.0)])), "{'k': [1.0]}"),
            (map(TUPLE, list(vec![Value::Int(1), text("a")])), "(1, 'a')"),
            (map(TUPLE, list(vec![map(TUPLE, list(vec![]))])), "((),)"),
            (map(TUPLE, Value::Int(1)), "{'$tuple': 1}"),
            (map(PATHLIB, Value::Path("/a b".to_owned())), "/a b"),
            (list(vec![map(PATHLIB, text("/a"))]), "[PosixPath('/a')]"),
        ];
        for (value, expected) in table {
            assert_eq!(str_of(&value), expected, "{value:?}");
        }
        assert_eq!(str_of(&map(PICKLE, text("gASV"))).len(), DIGITS);
    }
}
