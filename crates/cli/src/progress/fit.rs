//! Text made to fit the columns of a terminal: widths, shortening, characters that must not reach it.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that text takes, colours not counted.
pub fn width(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let first = parts.next().map_or(0, UnicodeWidthStr::width);
    first + parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).width()).sum::<usize>()
}

/// Text with control characters written as escapes, so that a name or message cannot steer the terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Text in at most `columns`, with `mark` in place of its middle if it is longer: both ends of a node's name tell.
pub fn shorten<'t>(text: &'t str, columns: usize, mark: &str) -> Cow<'t, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let room = columns.saturating_sub(mark.width());
    let head = prefix(text.chars(), room.div_ceil(2));
    let tail = prefix(text.chars().rev(), room - room.div_ceil(2));
    let (head, tail) = (head.chars().collect::<String>(), tail.chars().rev().collect::<String>());
    Cow::Owned(format!("{head}{}{tail}", prefix(mark.chars(), columns)))
}

/// Text in at most `columns`, its end cut off if it is longer.
pub fn cut<'t>(text: &'t str, columns: usize, mark: &str) -> Cow<'t, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let head = prefix(text.chars(), columns.saturating_sub(mark.width()));
    Cow::Owned(format!("{head}{}", prefix(mark.chars(), columns)))
}

/// As many characters as fit.
fn prefix(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut taken = 0;
    let fits = |c: &char| {
        taken += c.width().unwrap_or(0);
        taken <= columns
    };
    characters.take_while(fits).collect()
}

/// Text with blanks after it up to `columns`.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Text with blanks before it up to `columns`.
pub fn aligned_right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_leave_colours_out() {
        for (text, expected) in [("", 0), ("abc", 3), ("\x1b[32mab\x1b[0mc", 3), ("脳", 2), ("e\u{301}", 1)] {
            assert_eq!(width(text), expected, "{text:?}");
        }
    }

    #[test]
    fn shortened_in_the_middle() {
        let table = [
            ("short", 5, "short"),
            ("dwi.denoise[subject=sub-01]", 15, "dwi.den…sub-01]"),
            ("abcdef", 4, "ab…f"),
            ("abcdef", 1, "…"),
            ("abcdef", 0, ""),
            ("脳画像解析手順", 9, "脳画…手順"),
            ("脳画像解析手順", 8, "脳画…順"),
            ("", 0, ""),
        ];
        for (text, columns, expected) in table {
            let short = shorten(text, columns, "…");
            assert_eq!(short, expected, "{text} in {columns}");
            assert!(short.width() <= columns);
        }
        assert_eq!(shorten("abcdefgh", 6, ".."), "ab..gh");
    }

    #[test]
    fn cut_at_the_end() {
        for (text, columns, expected) in
            [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("脳画像", 4, "脳…"), ("abc", 0, "")]
        {
            assert_eq!(cut(text, columns, "…"), expected, "{text} in {columns}");
        }
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("sub-01 é脳"), "sub-01 é脳");
        assert_eq!(printable("a\nb\x1b[2J\u{9b}1m"), "a\\nb\\u{1b}[2J\\u{9b}1m");
    }

    #[test]
    fn columns_of_wide_text() {
        assert_eq!(padded("脳", 4) + "|", "脳  |");
        assert_eq!(aligned_right("1.0 s", 7), "  1.0 s");
    }
}
