//! Splits a command-line template into words by POSIX shell quoting rules, once, when a descriptor is read; runs no shell.

use crate::problem::hint;

/// One word of a command line, before values are put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word {
    pub(crate) pieces: Vec<Piece>,
    quoted: bool,
}

/// A part of a word or of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Stands for itself.
    Text(String),
    /// A value-key, replaced by what the inputs (or outputs) that carry it give.
    Key(String),
}

impl Word {
    /// The value-key when the word is that key alone and unquoted: it may become any number of words.
    pub(crate) fn sole_key(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Key(key)] if !self.quoted => Some(key),
            _ => None,
        }
    }

    /// The word as literal text, value-keys as written.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|(Piece::Text(text) | Piece::Key(text))| text.as_str()).collect()
    }
}

/// Splits `text` into words: `'..'`, `".."` and `\` quote as in a POSIX shell, white space separates.
///
/// Value-keys are looked for first, also within quotes, as Boutiques replaces them before a shell sees the text.
///
/// # Errors
/// Every place where a shell would do more than split words, or an unfinished quote.
pub(crate) fn words(text: &str, keys: &[String]) -> Result<Vec<Word>, Vec<String>> {
    let mut lexer = Lexer::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(key) = key_at(rest, keys) {
            lexer.push_key(key);
            rest = &rest[key.len()..];
        } else {
            lexer.push(first, &rest[first.len_utf8()..]);
            rest = &rest[first.len_utf8()..];
        }
    }
    lexer.finish()
}

/// Splits `text` at its value-keys; no quoting (paths, lines of files).
pub(crate) fn pieces(text: &str, keys: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match key_at(rest, keys) {
            Some(key) => {
                pieces.push(Piece::Key(key.to_owned()));
                key.len()
            }
            None => {
                push_text(&mut pieces, first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    pieces
}

/// Texts like `[NAME]` that are no value-key: a key nobody declares.
pub(crate) fn undeclared(pieces: &[Piece], keys: &[String]) -> Vec<String> {
    let mut messages = Vec::new();
    for piece in pieces {
        let Piece::Text(text) = piece else { continue };
        for candidate in text.split('[').skip(1).filter_map(|part| part.split_once(']')).map(|(name, _)| name) {
            let like_a_key = candidate.starts_with(|c: char| c.is_ascii_uppercase())
                && candidate.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if like_a_key {
                let candidate = format!("[{candidate}]");
                let hint = hint(&candidate, keys.iter().map(String::as_str));
                messages.push(format!("no input or output has the value-key {candidate}{hint}"));
            }
        }
    }
    messages
}

/// The longest key that `text` starts with.
pub(crate) fn key_at<'k>(text: &str, keys: &'k [String]) -> Option<&'k str> {
    keys.iter().filter(|key| text.starts_with(key.as_str())).max_by_key(|key| key.len()).map(String::as_str)
}

fn push_text(pieces: &mut Vec<Piece>, c: char) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(c),
        _ => pieces.push(Piece::Text(c.to_string())),
    }
}

#[derive(Default)]
struct Lexer {
    words: Vec<Word>,
    current: Option<Word>,
    quote: Option<char>,
    escaped: bool,
    problems: Vec<String>,
}

impl Lexer {
    fn push_key(&mut self, key: &str) {
        let quoted = self.quote.is_some();
        self.escaped = false;
        let word = self.word();
        word.quoted |= quoted;
        word.pieces.push(Piece::Key(key.to_owned()));
    }

    fn push(&mut self, c: char, rest: &str) {
        if self.escaped {
            self.escaped = false;
            return self.literal(c);
        }
        match (self.quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
            (Some('\''), _) => self.literal(c),
            // Within double quotes a backslash quotes these four only (POSIX 2.2.3).
            (Some(_), '\\') => match rest.chars().next() {
                Some('$' | '`' | '"' | '\\') => self.escaped = true,
                _ => self.literal('\\'),
            },
            (None, '\\') => {
                self.word();
                self.escaped = true;
            }
            (None, '\'' | '"') => {
                self.quote = Some(c);
                self.word().quoted = true;
            }
            (None, c) if c.is_whitespace() => self.words.extend(self.current.take()),
            (None, '|' | '>' | '<' | ';' | '&') => self.refuse(&format!("{c:?}")),
            (_, '`') => self.refuse("a command in backquotes"),
            (_, '$') if rest.starts_with('(') => self.refuse("\"$(\""),
            (_, '$') if rest.starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()) => {
                self.refuse("a shell variable");
            }
            _ => self.literal(c),
        }
    }

    fn finish(mut self) -> Result<Vec<Word>, Vec<String>> {
        if self.quote.is_some() || self.escaped {
            self.problems.push("a quote is not closed".to_owned());
        }
        self.words.extend(self.current.take());
        if self.problems.is_empty() { Ok(self.words) } else { Err(self.problems) }
    }

    fn refuse(&mut self, what: &str) {
        let message = format!("{what} needs a shell, and pial runs none; quote it, or set \"shell\" in the descriptor");
        if !self.problems.contains(&message) {
            self.problems.push(message);
        }
    }

    fn literal(&mut self, c: char) {
        push_text(&mut self.word().pieces, c);
    }

    fn word(&mut self) -> &mut Word {
        self.current.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, Vec<String>> {
        let keys = ["[A]".to_owned(), "[AB]".to_owned(), "<in|out>".to_owned()];
        words(text, &keys).map(|words| words.iter().map(Word::text).collect())
    }

    #[test]
    fn splits_as_a_posix_shell() {
        for (text, expected) in [
            ("bet [A] [AB]", &["bet", "[A]", "[AB]"][..]),
            ("  a\t b\nc ", &["a", "b", "c"]),
            ("a'b c'd \"e f\" '' \"\"", &["ab cd", "e f", "", ""]),
            (r#"a\ b \' "\"\$\x" '\'"#, &["a b", "'", "\"$\\x", "\\"]),
            ("--in=[A],[AB] x[A]", &["--in=[A],[AB]", "x[A]"]),
            ("'a|b>c;d&e$(f)`g`' a\\|b", &["a|b>c;d&e$(f)`g`", "a|b"]),
            ("cmd <in|out> 5$ a*b step(x)", &["cmd", "<in|out>", "5$", "a*b", "step(x)"]),
            ("é \"日 本\"", &["é", "日 本"]),
        ] {
            assert_eq!(split(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_only_a_shell_does() {
        for text in
            ["a | b", "a > b", "a < b", "a; b", "a && b", "a $(b)", "\"$(b)\"", "`b`", "$HOME/a", "\"${A}\"", "a &"]
        {
            let problems = split(text).expect_err(text);
            assert!(problems[0].contains("pial runs none"), "{text}: {problems:?}");
        }
        for text in ["'a", "\"a", "a\\"] {
            assert_eq!(split(text).expect_err(text), ["a quote is not closed"], "{text}");
        }
    }

    #[test]
    fn finds_keys_nobody_declares() {
        let keys = ["[AB]".to_owned()];
        let found = undeclared(&pieces("[AB][ABC] [x] [0..3] [", &keys), &keys);
        assert_eq!(found, ["no input or output has the value-key [ABC]; did you mean \"[AB]\"?"]);
    }

    #[test]
    fn a_quoted_key_is_one_word() {
        let keys = ["[A]".to_owned()];
        let words = words("[A] \"[A]\" '[A]' [A]x", &keys).expect("template");
        assert_eq!(words.iter().map(|w| w.sole_key().is_some()).collect::<Vec<_>>(), [true, false, false, false]);
    }
}
