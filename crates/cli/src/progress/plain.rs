//! Plain lines on standard error, for files and pipes: few enough to be read, never silent for long.

use std::time::{Duration, Instant};

use pial_core::schedule::Counts;
use pial_engine::observe::{Observer, Report, Status, Summary};

use super::ending::{Ending, trouble};
use super::fit::printable;
use super::frame::Look;
use crate::quantity::duration;

/// Lines are for files: no colours.
const LOOK: Look = Look { colour: false, unicode: true };

/// Seconds without a line until one tells that the run goes on.
const SILENCE_S: f64 = 30.0;

/// A step that took as many seconds has its line in any case.
const LONG_S: f64 = 1.0;

/// A run of as many nodes has a line for each step.
const ALL: u32 = 1000;

/// In larger runs so many lines about short steps may come at once, and one more each second.
const BURST: f64 = 20.0;

/// How many running steps a sign of life names.
const NAMED: usize = 3;

/// Writes lines.
#[derive(Debug)]
pub struct Plain {
    quiet: bool,
    lines: Lines,
    began: Instant,
}

impl Plain {
    /// Lines for steps that were done, for trouble, and for the end.
    pub fn new() -> Plain {
        Plain { quiet: false, lines: Lines::default(), began: Instant::now() }
    }

    /// Lines for trouble only.
    pub fn quiet() -> Plain {
        Plain { quiet: true, ..Plain::new() }
    }
}

impl Observer for Plain {
    fn report(&mut self, report: &Report<'_>) {
        let mut lines: Vec<String> = trouble(report, LOOK).into_iter().collect();
        if !self.quiet {
            lines.extend(self.lines.report(report, !lines.is_empty(), self.began.elapsed().as_secs_f64()));
        }
        super::print_error(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }

    fn tick(&mut self, status: &Status<'_>) {
        if let Some(line) = self.lines.sign_of_life(status, self.began.elapsed().as_secs_f64()) {
            super::print_error(&format!("{line}\n"));
        }
    }

    fn pause(&mut self, counts: &Counts) {
        self.lines.ended = counts.total - counts.left();
    }

    fn every(&self) -> Option<Duration> {
        (!self.quiet).then_some(Duration::from_secs(5))
    }
}

/// Which lines to write; knows the time only as it is told, in seconds.
#[derive(Debug)]
struct Lines {
    ending: Ending,
    nodes: u32,
    ended: u32,
    /// How many lines about short steps may be written.
    room: f64,
    room_at: f64,
    last_line_at: f64,
    /// How many lines were not written.
    left_out: u32,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines {
            ending: Ending::default(),
            nodes: 0,
            ended: 0,
            room: BURST,
            room_at: 0.0,
            last_line_at: 0.0,
            left_out: 0,
        }
    }
}

impl Lines {
    /// Lines for a report; `told` if trouble was written for it.
    fn report(&mut self, report: &Report<'_>, told: bool, now: f64) -> Vec<String> {
        self.ending.note(report);
        self.count(report);
        let lines = match report {
            Report::Started { nodes, memory, .. } => {
                self.nodes = *nodes;
                memory.iter().map(|memory| (*memory).to_owned()).collect()
            }
            Report::NodeDone { node, used, .. } => {
                let took = used.map_or(0.0, |used| used.wall_s);
                self.done(node, took, now).into_iter().collect()
            }
            Report::GaveUp(_) => Vec::new(),
            Report::Interrupted => vec!["interrupted: ending what runs".to_owned()],
            Report::Finished(summary) => self.end(summary),
            _ => Vec::new(),
        };
        if told || !lines.is_empty() {
            self.last_line_at = now;
        }
        lines
    }

    fn end(&self, summary: &Summary) -> Vec<String> {
        let mut lines = self.ending.lines(summary, LOOK);
        match self.left_out {
            0 => {}
            1 => lines.push("1 line about a short step was left out".to_owned()),
            number => lines.push(format!("{number} lines about short steps were left out")),
        }
        lines
    }

    /// Counts ended nodes until the next pause tells exactly; an item of a map node is not a node.
    fn count(&mut self, report: &Report<'_>) {
        match report {
            Report::NodeDone { node, .. }
            | Report::NodeCached { node }
            | Report::NodeFailed { node, retry: false, .. }
                if !node.contains('#') =>
            {
                self.ended += 1;
            }
            Report::NodeSkipped { .. } => self.ended += 1,
            _ => {}
        }
    }

    fn done(&mut self, node: &str, took: f64, now: f64) -> Option<String> {
        if self.nodes <= ALL {
            return Some(self.line(node, took));
        }
        self.room = (self.room + now - self.room_at).min(BURST);
        self.room_at = now;
        if took < LONG_S && self.room < 1.0 {
            self.left_out += 1;
            return None;
        }
        self.room = (self.room - 1.0).max(0.0);
        Some(self.line(node, took))
    }

    fn line(&self, node: &str, took: f64) -> String {
        format!("{} done {} {}", self.progress(), printable(node), duration(took))
    }

    /// A line when there was none for long.
    fn sign_of_life(&mut self, status: &Status<'_>, now: f64) -> Option<String> {
        if now - self.last_line_at < SILENCE_S {
            return None;
        }
        self.last_line_at = now;
        let name = |(node, seconds, _): &(String, f64, u32)| format!("{} {}", printable(node), duration(*seconds));
        let mut names: Vec<String> = status.running.iter().take(NAMED).map(name).collect();
        if status.running.len() > NAMED {
            names.push(format!("and {} more", status.running.len() - NAMED));
        }
        let time = duration(status.elapsed_s);
        let running = if names.is_empty() { String::new() } else { format!(", running: {}", names.join(", ")) };
        Some(format!("{} after {time}{running}", self.progress()))
    }

    fn progress(&self) -> String {
        let nodes = self.nodes.to_string();
        format!("[{:>width$}/{nodes}]", self.ended, width = nodes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pial_engine::record::{Method, Used};

    use super::*;

    fn started(nodes: u32) -> Lines {
        let mut lines = Lines::default();
        assert!(lines.report(&Report::Started { nodes, work: Path::new("work"), memory: None }, false, 0.0).is_empty());
        lines
    }

    fn done(lines: &mut Lines, node: &str, wall_s: f64, now: f64) -> Option<String> {
        let used = Used {
            wall_s,
            user_s: 0.0,
            system_s: 0.0,
            peak_rss_bytes: 0,
            method: Method::MaxRss,
            charged_bytes: None,
            asked_bytes: None,
        };
        lines.report(&Report::NodeDone { node, used: Some(used), directory: "" }, false, now).pop()
    }

    #[test]
    fn a_line_tells_how_far_the_run_is() {
        let mut lines = started(500);
        lines.ended = 11;
        let line = done(&mut lines, "dwi.denoise[subject=sub-01]", 1.24, 2.0);
        assert_eq!(line.as_deref(), Some("[ 12/500] done dwi.denoise[subject=sub-01] 1.2 s"));
        assert_eq!(done(&mut lines, "map#3", 0.5, 2.0).as_deref(), Some("[ 12/500] done map#3 0.5 s"));
    }

    #[test]
    fn many_short_steps_do_not_fill_a_file() {
        let mut lines = started(10_000);
        let written = (0..1000).filter(|n| done(&mut lines, "a", 0.01, f64::from(*n) * 0.01).is_some()).count();
        assert_eq!(written, 20 + 9);
        assert!(done(&mut lines, "long", 1.0, 10.0).is_some());
        let summary = Summary { wall_s: 1.0, ..Summary::default() };
        let last = lines.report(&Report::Finished(&summary), false, 11.0).pop();
        assert_eq!(last.as_deref(), Some("971 lines about short steps were left out"));
    }

    #[test]
    fn a_run_of_moderate_size_has_every_line() {
        let mut lines = started(1000);
        assert!((0..1000).all(|_| done(&mut lines, "a", 0.01, 0.5).is_some()));
    }

    #[test]
    fn a_sign_of_life_comes_after_a_silence() {
        let mut lines = started(9);
        let step = |n: u32| (format!("step{n}"), 60.0 - f64::from(n), n);
        let running: Vec<(String, f64, u32)> = (0..5).map(step).collect();
        let status = Status { counts: Counts::default(), running: &running, elapsed_s: 65.0, left_s: None };
        done(&mut lines, "a", 1.0, 5.0);
        assert_eq!(lines.sign_of_life(&status, 34.0), None);
        let expected = "[1/9] after 1 min 05 s, running: step0 1 min 00 s, step1 59.0 s, step2 58.0 s, and 2 more";
        assert_eq!(lines.sign_of_life(&status, 35.0).as_deref(), Some(expected));
        assert_eq!(lines.sign_of_life(&status, 40.0), None);
    }
}
