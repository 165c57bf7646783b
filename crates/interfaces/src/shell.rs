//! The template of a descriptor that asks for a shell, and values quoted for it; starts none.
//!
//! A value is written in single quotes, which only protect it where the shell would start a quote. Every place
//! where it would not (inside quotes, backquotes, here-documents, comments, `${...}`, arithmetic) is refused when
//! the descriptor is read, so that no value can ever be read as shell text.

use crate::template::{Piece, key_at};

/// Splits a shell text at its value-keys.
///
/// # Errors
/// Keys in places where a quoted value would not be safe.
pub(crate) fn pieces(text: &str, keys: &[String]) -> Result<Vec<Piece>, Vec<String>> {
    let mut pieces = Vec::new();
    let mut problems = Vec::new();
    let mut reader = Reader::default();
    let mut start = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let Some(key) = key_at(&text[at..], keys) else {
            reader.read(c, &text[at..]);
            at += c.len_utf8();
            continue;
        };
        if let Some(place) = reader.unsafe_place() {
            problems.push(format!("{key} is {place}, where no quoting makes a value safe; pial quotes values itself"));
        }
        reader.previous = Some(']');
        if start < at {
            pieces.push(Piece::Text(text[start..at].to_owned()));
        }
        pieces.push(Piece::Key(key.to_owned()));
        at += key.len();
        start = at;
    }
    if start < text.len() {
        pieces.push(Piece::Text(text[start..].to_owned()));
    }
    problems.extend(reader.refused.iter().filter(|_| pieces.len() > 1).map(|what| (*what).to_owned()));
    problems.extend(crate::template::undeclared(&pieces, keys));
    if problems.is_empty() { Ok(pieces) } else { Err(problems) }
}

/// A text as one word of a POSIX shell.
pub fn quote(word: &str) -> String {
    // `a=b` could set a variable, `--a=b` cannot.
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./,:+@%".contains(c) || c == '=' && word.starts_with('-');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[derive(Default)]
struct Reader {
    quote: Option<char>,
    braces: usize,
    comment: bool,
    escaped: bool,
    previous: Option<char>,
    refused: Vec<&'static str>,
}

impl Reader {
    fn read(&mut self, c: char, rest: &str) {
        let previous = self.previous.replace(c);
        if self.escaped {
            self.escaped = false;
            // An escaped character starts nothing: not a comment, not `$[KEY]`.
            self.previous = Some('x');
            return;
        }
        if self.comment {
            self.comment = c != '\n';
            return;
        }
        match (self.quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
            (Some('\''), _) => {}
            (_, '\\') => self.escaped = true,
            (_, '`') => self.refuse("backquotes undo the quoting of values; use $(...)"),
            (_, '$') if rest.starts_with("$((") => self.refuse("values are not safe in arithmetic, $((...))"),
            (_, '$') if rest.starts_with("${") => self.braces += 1,
            (_, '}') => self.braces = self.braces.saturating_sub(1),
            (None, '\'' | '"') => self.quote = Some(c),
            (None, '<') if rest.starts_with("<<") => self.refuse("values are not safe in a here-document, <<"),
            (None, '(') if rest.starts_with("((") => self.refuse("values are not safe in arithmetic, ((...))"),
            (None, '#') => self.comment = previous.is_none_or(|p| p.is_whitespace() || ";&|()".contains(p)),
            _ => {}
        }
    }

    fn unsafe_place(&self) -> Option<&'static str> {
        match () {
            () if self.quote.is_some() => Some("inside quotes"),
            () if self.comment => Some("inside a comment"),
            () if self.braces > 0 => Some("inside ${...}"),
            () if self.escaped => Some("after a backslash"),
            () if self.previous == Some('$') => Some("after $"),
            () => None,
        }
    }

    fn refuse(&mut self, what: &'static str) {
        if !self.refused.contains(&what) {
            self.refused.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_and_unsafe_places() {
        let keys = ["[A]".to_owned()];
        for text in
            ["f [A] > out", "a=[A]; f \"$a\" '#' x#[A]", "f \\$ [A] | g", "x=$(f [A]) # note", "f [A][A]", "f `date`"]
        {
            assert!(pieces(text, &keys).is_ok(), "{text}: {:?}", pieces(text, &keys));
        }
        for text in [
            "f \"[A]\"",
            "f '[A]'",
            "f `g [A]`",
            "f # [A]",
            "f ${B:-[A]}",
            "f \\[A]",
            "f $[A]",
            "f $(( [A] ))",
            "f <<END\n[A]\nEND",
            "(( [A] ))",
            "f \"$(g [A])\"",
        ] {
            assert!(pieces(text, &keys).is_err(), "{text}");
        }
    }

    #[test]
    fn quoting() {
        for (word, expected) in [
            ("a/b-c.nii", "a/b-c.nii"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("~", "'~'"),
            ("a=b", "'a=b'"),
            ("--a=b", "--a=b"),
        ] {
            assert_eq!(quote(word), expected);
        }
    }
}
