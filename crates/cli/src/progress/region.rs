//! Lines that stay at the bottom of a terminal while others scroll away above: the escape sequences (ECMA-48), as
//! text to write.

use super::fit::width;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_LINE: &str = "\x1b[2K";
const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
const CLEAR_TO_END_OF_SCREEN: &str = "\x1b[J";

/// What stands at the bottom now. The cursor is in the first column of its last line: an echoed `^C` is overwritten.
#[derive(Debug, Default)]
pub struct Region {
    /// The width of each line.
    shown: Vec<usize>,
    /// The terminal's columns when it was drawn.
    columns: usize,
    cursor_hidden: bool,
}

impl Region {
    /// The text that replaces what is shown by `lines`, below new lines that stay. `columns` are the terminal's now.
    pub fn draw(&mut self, above: &[String], lines: &[String], columns: usize) -> String {
        if above.is_empty() && lines.is_empty() && self.shown.is_empty() {
            return String::new();
        }
        let mut text = self.to_top(columns);
        if self.cursor_hidden == lines.is_empty() {
            text += if lines.is_empty() { SHOW_CURSOR } else { HIDE_CURSOR };
            self.cursor_hidden = !self.cursor_hidden;
        }
        // A line that was broken stays marked as going on in the next one, until it is cleared as a whole.
        let begin = if self.columns == columns { "" } else { CLEAR_LINE };
        for line in above {
            text += &format!("{begin}{line}{}\r\n", self.clear_after(line, columns));
        }
        for (index, line) in lines.iter().enumerate() {
            let next = if index > 0 { "\r\n" } else { "" };
            text += &format!("{next}{begin}{line}{}", self.clear_after(line, columns));
        }
        // Not before the lines: tmux takes clearing from the first row on as the wish to keep what is cleared.
        text += if lines.is_empty() { CLEAR_TO_END_OF_SCREEN } else { "\x1b[J\r" };
        self.shown = lines.iter().map(|line| width(line)).collect();
        self.columns = columns;
        text
    }

    /// Moves to the region's first line. A terminal that became narrower has broken lines that were too long.
    fn to_top(&self, columns: usize) -> String {
        let before_last = self.shown.len().saturating_sub(1);
        let rows: usize = self.shown[..before_last].iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        if rows == 0 { "\r".to_owned() } else { format!("\r\x1b[{rows}A") }
    }

    /// Clears what a line leaves of its last row; after a full row the cursor may still be in it.
    fn clear_after(&self, line: &str, columns: usize) -> &'static str {
        let full = width(line) > 0 && width(line).is_multiple_of(columns.max(1));
        if full || self.shown.is_empty() { "" } else { CLEAR_TO_END_OF_LINE }
    }
}

/// The text that makes the cursor visible again, whatever else happened.
pub fn show_cursor() -> &'static str {
    SHOW_CURSOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn nothing_is_written_for_nothing() {
        assert_eq!(Region::default().draw(&[], &[], 80), "");
    }

    #[test]
    fn lines_are_replaced_in_place() {
        let mut region = Region { columns: 80, ..Region::default() };
        let table: [(&[&str], &[&str], &str); 6] = [
            (&[], &["one", "two"], "\r\x1b[?25lone\r\ntwo\x1b[J\r"),
            (&[], &["three"], "\r\x1b[1Athree\x1b[K\x1b[J\r"),
            (&["stays"], &["four", "five"], "\rstays\x1b[K\r\nfour\x1b[K\r\nfive\x1b[K\x1b[J\r"),
            (&["end"], &[], "\r\x1b[1A\x1b[?25hend\x1b[K\r\n\x1b[J"),
            (&[], &[], ""),
            (&["after"], &[], "\rafter\r\n\x1b[J"),
        ];
        for (above, below, expected) in table {
            assert_eq!(region.draw(&lines(above), &lines(below), 80), expected);
        }
    }

    #[test]
    fn a_full_row_is_not_cleared() {
        let mut region = Region { columns: 4, shown: vec![1], ..Region::default() };
        assert_eq!(region.draw(&lines(&["01234567"]), &[], 4), "\r01234567\r\n\x1b[J");
    }

    #[test]
    fn a_narrower_terminal_has_broken_lines() {
        let mut region = Region::default();
        region.draw(&[], &lines(&["0123456789", "01234", "0123456789"]), 80);
        // Three rows for the first line and two for the second; the cursor stays at the start of the third.
        assert_eq!(region.draw(&[], &lines(&["x"]), 4), "\r\x1b[5A\x1b[2Kx\x1b[K\x1b[J\r");
    }
}
