//! What a run shows: JSON events, plain lines, or a display that a person likes.

mod json;
mod plain;

use std::io::{self, Write};

use pial_engine::observe::{Observer, Report};

/// The reader of a run's events that the user asked for.
pub fn observer(json: bool, quiet: bool) -> Box<dyn Observer> {
    match (json, quiet) {
        (true, _) => Box::new(json::Json::default()),
        (false, true) => Box::new(plain::Plain { quiet: true }),
        (false, false) => Box::new(plain::Plain { quiet: false }),
    }
}

/// Prints to standard output; a reader that went away is no failure.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A report of something that went wrong, as lines for standard error.
fn trouble(report: &Report<'_>) -> Option<String> {
    match report {
        Report::NodeFailed { node, message, crash, retry } => {
            let end = if *retry { "; trying again".to_owned() } else { format!(" ({crash})") };
            Some(format!("failed: {node}: {message}{end}"))
        }
        Report::Warning(message) => Some(format!("warning: {message}")),
        _ => None,
    }
}

/// The last line of a run.
fn summary(summary: &pial_engine::observe::Summary) -> String {
    let counts = summary.counts;
    let time = format!("{:.1} s", summary.wall_s);
    if counts.cached == counts.total {
        return format!("nothing to do: all {} nodes were done before ({time})", counts.total);
    }
    let parts =
        [(counts.done, "done"), (counts.cached, "done before"), (counts.failed, "failed"), (counts.skipped, "skipped")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let end = if summary.interrupted { ", interrupted" } else { "" };
    format!("{} in {time}{end}", parts.join(", "))
}
