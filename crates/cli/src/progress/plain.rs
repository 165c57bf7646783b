//! Plain lines, for files and pipes.

use pial_engine::observe::{Observer, Report};

/// Writes a line for each step that ran, and a summary.
#[derive(Debug)]
pub struct Plain {
    /// Whether only trouble is told.
    pub quiet: bool,
}

impl Observer for Plain {
    fn report(&mut self, report: &Report<'_>) {
        if let Some(line) = super::trouble(report) {
            eprintln!("{line}");
        }
        if self.quiet {
            return;
        }
        match report {
            Report::NodeStarted { node, .. } => eprintln!("start: {node}"),
            Report::NodeDone { node, used: Some(used), .. } => eprintln!("done: {node} ({:.1} s)", used.wall_s),
            Report::NodeDone { node, used: None, .. } => eprintln!("done: {node}"),
            Report::Finished(summary) => eprintln!("{}", super::summary(summary)),
            _ => {}
        }
    }
}
