//! Python's regular expressions and replacement texts, in the part that file names need.

use regex_lite::{Captures, Regex};

/// A pattern or replacement that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegexpError {
    #[error("pattern {pattern:?}: {reason}; look-around and back-references are not supported")]
    Pattern { pattern: String, reason: String },
    #[error("replacement {replacement:?}: {pattern:?} has no group {group:?}")]
    Group { replacement: String, pattern: String, group: String },
    #[error("replacement {replacement:?}: unfinished {part:?}; write \\\\ for a plain backslash")]
    Replacement { replacement: String, part: String },
}

/// Compiles a pattern; `(?P<name>...)` names a group as in Python.
pub(super) fn compile(pattern: &str) -> Result<Regex, RegexpError> {
    let error =
        |error: regex_lite::Error| RegexpError::Pattern { pattern: pattern.to_owned(), reason: error.to_string() };
    Regex::new(pattern).map_err(error)
}

/// One `[pattern, replacement]` pair of `regexp_substitutions`.
#[derive(Debug)]
pub(super) struct Substitution {
    pattern: Regex,
    replacement: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Number(usize),
    Name(String),
}

impl Substitution {
    /// Reads `\1`, `\g<1>`, `\g<name>`, `\n`, `\t` and `\\` in the replacement.
    pub fn new(pattern: &str, replacement: &str) -> Result<Substitution, RegexpError> {
        let regex = compile(pattern)?;
        let mut pieces = Vec::new();
        let mut rest = replacement;
        while let Some((before, after)) = rest.split_once('\\') {
            pieces.push(Piece::Text(before.to_owned()));
            let (piece, tail) = piece(after).ok_or_else(|| RegexpError::Replacement {
                replacement: replacement.to_owned(),
                part: format!("\\{}", after.chars().take(3).collect::<String>()),
            })?;
            pieces.push(piece);
            rest = tail;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        for piece in &pieces {
            let group = match piece {
                Piece::Number(number) if *number >= regex.captures_len() => number.to_string(),
                Piece::Name(name) if !regex.capture_names().flatten().any(|known| known == name) => name.clone(),
                _ => continue,
            };
            let (replacement, pattern) = (replacement.to_owned(), pattern.to_owned());
            return Err(RegexpError::Group { replacement, pattern, group });
        }
        Ok(Substitution { pattern: regex, replacement: pieces })
    }

    /// The text with every match replaced; a group that took no part is empty.
    pub fn apply(&self, text: &str) -> String {
        let replace = |captures: &Captures<'_>| {
            let piece = |piece: &Piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Number(number) => captures.get(*number).map_or("", |found| found.as_str()).to_owned(),
                Piece::Name(name) => captures.name(name).map_or("", |found| found.as_str()).to_owned(),
            };
            self.replacement.iter().map(piece).collect::<String>()
        };
        self.pattern.replace_all(text, replace).into_owned()
    }
}

/// What follows a backslash, and the rest.
fn piece(text: &str) -> Option<(Piece, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return Some((Piece::Number(text[..digits].parse().ok()?), &text[digits..]));
    }
    if let Some((group, rest)) = text.strip_prefix("g<").and_then(|text| text.split_once('>')) {
        let piece = group.parse().map_or_else(|_| Piece::Name(group.to_owned()), Piece::Number);
        return Some((piece, rest));
    }
    let plain = match text.chars().next()? {
        '\\' => "\\",
        'n' => "\n",
        't' => "\t",
        c if c.is_ascii_alphabetic() => return None,
        c => return Some((Piece::Text(format!("\\{c}")), &text[c.len_utf8()..])),
    };
    Some((Piece::Text(plain.to_owned()), &text[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_as_python_does() {
        let cases = [
            (r"_subject_id_(\w+)", r"sub-\1", "/_subject_id_01/T1", "/sub-01/T1"),
            (r"(?P<a>\d)(?P<b>\d)", r"\g<b>\g<a>\g<0>", "12", "2112"),
            (r"_run_id_\d+/", "", "/_run_id_3/_run_id_4/f", "/f"),
            (r"(a)|(b)", r"[\1\2]", "ab", "[a][b]"),
            (r"x", r"$1\\\.é", "axb", r"a$1\\.éb"),
            (r"é+", r"e", "éé", "e"),
        ];
        for (pattern, replacement, text, result) in cases {
            assert_eq!(Substitution::new(pattern, replacement).unwrap().apply(text), result, "{pattern}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |pattern: &str, replacement: &str| Substitution::new(pattern, replacement).unwrap_err().to_string();
        assert!(error("(", "").starts_with("pattern \"(\": "));
        assert!(error("(?=x)", "").ends_with("look-around and back-references are not supported"));
        assert_eq!(error("x", r"\1"), "replacement \"\\\\1\": \"x\" has no group \"1\"");
        assert_eq!(error("x", r"\g<a>"), "replacement \"\\\\g<a>\": \"x\" has no group \"a\"");
        assert!(error("x", r"\g<a").contains("unfinished"));
        assert!(error("x", "\\").contains("unfinished"));
    }
}
