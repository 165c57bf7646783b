//! What a person reads of trouble and at the end of a run.

use std::path::PathBuf;

use pial_engine::observe::{Report, Summary};
use pial_interfaces::quote;

use super::asked::Asked;
use super::fit::printable;
use super::frame::{Colour, Look};
use crate::quantity::{bytes, duration};

/// How many failures the end of a run repeats.
const MOST_FAILURES: usize = 10;

/// How many outputs of the workflow the end of a run tells, and how long each may be, in characters.
const MOST_OUTPUTS: usize = 20;
const LONGEST_OUTPUT: usize = 300;

/// What the end of a run tells besides its summary.
#[derive(Debug, Default)]
pub struct Ending {
    work: PathBuf,
    failures: Vec<(String, String)>,
    more: usize,
    outputs: Vec<(String, String)>,
    asked: Asked,
}

impl Ending {
    /// Takes note of what the end will tell.
    pub fn note(&mut self, report: &Report<'_>) {
        match report {
            Report::Started { work, .. } => self.work = work.to_path_buf(),
            Report::NodeFailed { retry: false, .. } if self.failures.len() == MOST_FAILURES => self.more += 1,
            Report::NodeFailed { node, message, retry: false, .. } => {
                self.failures.push(((*node).to_owned(), printable(message).into_owned()));
            }
            Report::NodeDone { node, used: Some(used), .. } => self.asked.note(node, used),
            Report::Output { name, value } if self.outputs.len() < MOST_OUTPUTS && !value.is_null() => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let cut = text.char_indices().nth(LONGEST_OUTPUT).map_or(text.len(), |(at, _)| at);
                let end = if cut < text.len() { "..." } else { "" };
                self.outputs.push(((*name).to_owned(), format!("{}{end}", printable(&text[..cut]))));
            }
            _ => {}
        }
    }

    /// The end: a summary, the first failures and how to see more of them, where results are.
    pub fn lines(&self, summary: &Summary, look: Look) -> Vec<String> {
        let mut lines = vec![self::summary(summary)];
        lines.extend(self.asked.lines());
        lines.extend(memory(summary));
        for (node, message) in &self.failures {
            lines.push(format!("  {} {}: {message}", look.paint("failed", Colour::Red), printable(node)));
            lines.push(format!("    pial crash {}{}", quote(node), self.work_option()));
        }
        if self.more > 0 {
            lines.push(format!("  and {} more failed", self.more));
        }
        for (name, value) in &self.outputs {
            lines.push(format!("output {}: {value}", printable(name)));
        }
        if summary.counts.done + summary.counts.cached > 0 {
            lines.push(format!("results in {}", printable(&self.work.to_string_lossy())));
        }
        lines
    }

    /// What a command needs to find a working directory that is not the usual one.
    fn work_option(&self) -> String {
        match self.work.to_string_lossy() {
            work if work == "work" => String::new(),
            work => format!(" --work {}", quote(&work)),
        }
    }
}

/// What the run used in all, when that is known and of note.
fn memory(summary: &Summary) -> Option<String> {
    const OF_NOTE: u64 = 1_000_000_000;
    let peak = summary.tree_peak_bytes.filter(|peak| *peak >= OF_NOTE)?;
    let interpreter =
        summary.interpreter_peak_rss_bytes.map(|peak| format!(", the Python interpreter {}", bytes(peak)));
    let (engine, interpreter) = (bytes(summary.engine_peak_rss_bytes), interpreter.unwrap_or_default());
    Some(format!("memory of all processes at most {} (pial itself {engine}{interpreter})", bytes(peak)))
}

/// The last line of a run.
fn summary(summary: &Summary) -> String {
    let counts = summary.counts;
    let time = duration(summary.wall_s);
    if counts.cached == counts.total {
        return format!("nothing to do: all {} nodes were done before ({time})", counts.total);
    }
    let parts =
        [(counts.done, "done"), (counts.cached, "done before"), (counts.failed, "failed"), (counts.skipped, "skipped")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let begin = if summary.interrupted { "interrupted: " } else { "" };
    format!("{begin}{} in {time}", parts.join(", "))
}

/// A report of something that went wrong, as a line.
pub fn trouble(report: &Report<'_>, look: Look) -> Option<String> {
    match report {
        Report::NodeFailed { node, message, crash, retry } => {
            let end = match (*retry, *crash) {
                (true, _) => "; trying again".to_owned(),
                // A full disk has no room for the file; that was told.
                (false, "") => String::new(),
                (false, crash) => format!(" ({crash})"),
            };
            let failed = look.paint("failed:", Colour::Red);
            Some(format!("{failed} {}: {}{}", printable(node), printable(message), printable(&end)))
        }
        Report::Warning(message) => Some(format!("{} {}", look.paint("warning:", Colour::Yellow), printable(message))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pial_core::schedule::Counts;

    use super::*;

    const PLAIN: Look = Look { colour: false, unicode: true };

    fn ended(total: u32, done: u32, cached: u32, failed: u32, skipped: u32) -> Summary {
        let counts = Counts { total, done, cached, failed, skipped };
        Summary { counts, wall_s: 200.0, ..Summary::default() }
    }

    #[test]
    fn summaries() {
        let table = [
            (ended(525, 500, 20, 1, 4), "500 done, 20 done before, 1 failed, 4 skipped in 3 min 20 s"),
            (ended(3, 3, 0, 0, 0), "3 done in 3 min 20 s"),
            (ended(3, 0, 3, 0, 0), "nothing to do: all 3 nodes were done before (3 min 20 s)"),
            (Summary { interrupted: true, ..ended(3, 1, 0, 0, 2) }, "interrupted: 1 done, 2 skipped in 3 min 20 s"),
        ];
        for (ended, expected) in table {
            assert_eq!(summary(&ended), expected);
        }
    }

    #[test]
    fn the_end_tells_the_first_failures_and_where_results_are() {
        let mut ending = Ending::default();
        ending.note(&Report::Started { nodes: 12, work: Path::new("my work"), memory: None });
        for number in 1..=12 {
            let node = format!("a[n={number}]");
            let report =
                Report::NodeFailed { node: &node, message: "exit\ncode 3", crash: "crash/x.txt", retry: number == 2 };
            ending.note(&report);
        }
        let lines = ending.lines(&ended(13, 1, 0, 12, 0), PLAIN);
        let expected = [
            "1 done, 12 failed in 3 min 20 s",
            "  failed a[n=1]: exit\\ncode 3",
            "    pial crash 'a[n=1]' --work 'my work'",
            "  failed a[n=3]: exit\\ncode 3",
        ];
        assert_eq!(lines[..4], expected);
        assert_eq!(lines[lines.len() - 2..], ["  and 1 more failed", "results in my work"]);
    }

    #[test]
    fn trouble_is_told_in_a_line() {
        let failed = |retry| Report::NodeFailed { node: "a", message: "exit code 3", crash: "crash/x.txt", retry };
        let table = [
            (failed(false), Some("failed: a: exit code 3 (crash/x.txt)")),
            (failed(true), Some("failed: a: exit code 3; trying again")),
            (Report::Warning("two\nlines"), Some("warning: two\\nlines")),
            (Report::Interrupted, None),
        ];
        for (report, expected) in table {
            assert_eq!(trouble(&report, PLAIN).as_deref(), expected);
        }
        let coloured = Look { colour: true, unicode: true };
        assert_eq!(trouble(&Report::Warning("x"), coloured).as_deref(), Some("\x1b[33mwarning:\x1b[0m x"));
    }
}
