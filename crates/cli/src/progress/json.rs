//! One JSON event a line, for programs: on standard output or elsewhere.

use std::fs::File;
use std::io::{self, Write};

use pial_core::schedule::Counts;
use pial_engine::observe::{Observer, Report, Summary};
use pial_engine::record::Used;
use serde::Serialize;

/// Lines are written at latest when there are so many bytes of them.
const ENOUGH: usize = 8 * 1024;

/// Writes events: those that happen together in one piece, each before the engine waits for the next.
#[derive(Debug, Default)]
pub struct Json {
    lines: Vec<u8>,
    /// Where the lines go; standard output when nothing stands here.
    file: Option<File>,
    /// Whether nobody reads them any more.
    closed: bool,
    error: Option<io::Error>,
}

/// An event; the fields stand on the line in this order, after the event's name.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Started {
        nodes: u32,
    },
    NodeStarted {
        node: &'a str,
        pid: u32,
        attempt: u32,
    },
    NodeCached {
        node: &'a str,
    },
    NodeDone {
        node: &'a str,
        directory: &'a str,
        used: Option<Used>,
    },
    NodeFailed {
        node: &'a str,
        message: &'a str,
        crash: &'a str,
        retry: bool,
    },
    NodeSkipped {
        node: &'a str,
        because: &'a str,
    },
    Output {
        name: &'a str,
        value: &'a serde_json::Value,
    },
    Warning {
        message: &'a str,
    },
    Interrupted,
    GaveUp {
        message: &'a str,
    },
    Finished {
        done: u32,
        cached: u32,
        failed: u32,
        skipped: u32,
        wall_s: f64,
        engine_peak_rss_bytes: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        interpreter_peak_rss_bytes: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tree_peak_bytes: Option<u64>,
    },
}

impl Observer for Json {
    fn report(&mut self, report: &Report<'_>) {
        self.take_in(report);
        if self.lines.len() >= ENOUGH || matches!(report, Report::Finished(_)) {
            self.write();
        }
    }

    fn pause(&mut self, _counts: &Counts) {
        self.write();
    }
}

impl Json {
    /// Writes events to a file, a FIFO, a pipe or a socket.
    pub fn to(file: File) -> Json {
        Json { lines: Vec::new(), file: Some(file), closed: false, error: None }
    }

    /// Why events were given up, told once; a reader that went away is no reason to tell.
    pub fn error(&mut self) -> Option<io::Error> {
        self.error.take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    fn take_in(&mut self, report: &Report<'_>) {
        // Text and numbers written to memory do not fail.
        let _ = serde_json::to_writer(&mut self.lines, &event(report));
        self.lines.push(b'\n');
    }

    fn write(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        match &mut self.file {
            None => super::print_bytes(&self.lines),
            Some(_) if self.closed => {}
            Some(file) => {
                self.error = file.write_all(&self.lines).err();
                self.closed = self.error.is_some();
            }
        }
        self.lines.clear();
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        self.write();
    }
}

fn event<'a>(report: &Report<'a>) -> Event<'a> {
    match *report {
        Report::Started { nodes, .. } => Event::Started { nodes },
        Report::NodeStarted { node, pid, attempt } => Event::NodeStarted { node, pid, attempt },
        Report::NodeCached { node } => Event::NodeCached { node },
        Report::NodeDone { node, used, directory } => Event::NodeDone { node, directory, used },
        Report::NodeFailed { node, message, crash, retry } => Event::NodeFailed { node, message, crash, retry },
        Report::NodeSkipped { node, because } => Event::NodeSkipped { node, because },
        Report::Output { name, value } => Event::Output { name, value },
        Report::Warning(message) => Event::Warning { message },
        Report::Interrupted => Event::Interrupted,
        Report::GaveUp(message) => Event::GaveUp { message },
        Report::Finished(summary) => finished(summary),
    }
}

fn finished(summary: &Summary) -> Event<'static> {
    Event::Finished {
        done: summary.counts.done,
        cached: summary.counts.cached,
        failed: summary.counts.failed,
        skipped: summary.counts.skipped,
        wall_s: summary.wall_s,
        engine_peak_rss_bytes: summary.engine_peak_rss_bytes,
        interpreter_peak_rss_bytes: summary.interpreter_peak_rss_bytes,
        tree_peak_bytes: summary.tree_peak_bytes,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn fields_stand_in_the_order_of_the_contract() {
        let counts = Counts { total: 10, done: 4, cached: 3, failed: 2, skipped: 1 };
        let summary = Summary { counts, wall_s: 1.5, engine_peak_rss_bytes: 4096, ..Summary::default() };
        let table = [
            (Report::Started { nodes: 3, work: Path::new("work"), memory: None }, r#"{"event":"started","nodes":3}"#),
            (
                Report::NodeStarted { node: "a", pid: 7, attempt: 1 },
                r#"{"event":"node_started","node":"a","pid":7,"attempt":1}"#,
            ),
            (Report::NodeCached { node: "a" }, r#"{"event":"node_cached","node":"a"}"#),
            (
                Report::NodeDone { node: "a\n\"é", used: None, directory: "w/a" },
                r#"{"event":"node_done","node":"a\n\"é","directory":"w/a","used":null}"#,
            ),
            (
                Report::NodeFailed { node: "a", message: "exit code 3", crash: "crash/x.txt", retry: false },
                r#"{"event":"node_failed","node":"a","message":"exit code 3","crash":"crash/x.txt","retry":false}"#,
            ),
            (Report::NodeSkipped { node: "b", because: "a" }, r#"{"event":"node_skipped","node":"b","because":"a"}"#),
            (Report::Warning("careful"), r#"{"event":"warning","message":"careful"}"#),
            (Report::Interrupted, r#"{"event":"interrupted"}"#),
            (Report::GaveUp("no disk"), r#"{"event":"gave_up","message":"no disk"}"#),
            (
                Report::Finished(&summary),
                r#"{"event":"finished","done":4,"cached":3,"failed":2,"skipped":1,"wall_s":1.5,"engine_peak_rss_bytes":4096}"#,
            ),
        ];
        for (report, expected) in table {
            assert_eq!(serde_json::to_string(&event(&report)).unwrap(), expected);
        }
    }

    #[test]
    fn events_are_collected_as_lines() {
        let mut json = Json::default();
        json.take_in(&Report::Interrupted);
        json.take_in(&Report::Interrupted);
        assert_eq!(json.lines, b"{\"event\":\"interrupted\"}\n{\"event\":\"interrupted\"}\n");
        json.lines.clear();
    }
}
