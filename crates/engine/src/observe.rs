//! What a run tells while it goes on; displays, JSON events and tests are its readers.

use std::path::Path;
use std::time::Duration;

use pial_core::schedule::Counts;

use crate::record::Used;

/// Something that happened.
#[derive(Debug)]
pub enum Report<'a> {
    /// The run begins.
    Started {
        /// How many nodes there are.
        nodes: u32,
        /// The working directory as the user named it.
        work: &'a Path,
        /// Who limits the memory of the run, in a line, when it is not the machine.
        memory: Option<&'a str>,
    },
    /// A step was launched.
    NodeStarted {
        /// The node, with the item of a map node as `#3`.
        node: &'a str,
        /// Its process; 0 for a built-in.
        pid: u32,
        /// From 1.
        attempt: u32,
    },
    /// A step was done before.
    NodeCached {
        /// The node.
        node: &'a str,
    },
    /// A step ended well.
    NodeDone {
        /// The node.
        node: &'a str,
        /// What it used; nothing for a built-in.
        used: Option<Used>,
        /// Its directory, relative to the working directory.
        directory: &'a str,
    },
    /// A step failed.
    NodeFailed {
        /// The node.
        node: &'a str,
        /// What happened, in a line.
        message: &'a str,
        /// The crash file, relative to the working directory.
        crash: &'a str,
        /// Whether it will be tried again.
        retry: bool,
    },
    /// A node will not run.
    NodeSkipped {
        /// The node.
        node: &'a str,
        /// The node that failed.
        because: &'a str,
    },
    /// An output of the workflow, at the end of the run.
    Output {
        /// Its name.
        name: &'a str,
        /// Its value, paths as text; a list with an item for each point it has values at, when there are several.
        value: &'a serde_json::Value,
    },
    /// Something the user should know.
    Warning(&'a str),
    /// The user asked for the end.
    Interrupted,
    /// The run does not begin or go on; the message is also printed.
    GaveUp(&'a str),
    /// The run ended.
    Finished(&'a Summary),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// How many nodes ended how.
    pub counts: Counts,
    /// Whether the user ended it.
    pub interrupted: bool,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Peak resident set of the engine's process, in bytes.
    pub engine_peak_rss_bytes: u64,
    /// Peak resident set of the warm interpreter, in bytes, when there was one.
    pub interpreter_peak_rss_bytes: Option<u64>,
    /// What all processes of the run used at most, in bytes, summed whenever steps were looked at.
    pub tree_peak_bytes: Option<u64>,
}

/// Where a run stands.
#[derive(Debug)]
pub struct Status<'a> {
    /// How many nodes are in which state.
    pub counts: Counts,
    /// What runs, longest first: name, seconds since its start, process.
    pub running: &'a [(String, f64, u32)],
    /// Seconds since the run began.
    pub elapsed_s: f64,
    /// Seconds left by the times of earlier runs, when known.
    pub left_s: Option<f64>,
}

/// A reader of what happens.
pub trait Observer {
    /// Takes in what happened.
    fn report(&mut self, report: &Report<'_>);

    /// Takes in where the run stands, every [`Observer::every`].
    fn tick(&mut self, _status: &Status<'_>) {}

    /// Takes in that all there was to report is reported and the engine is about to wait: the moment to write.
    fn pause(&mut self, _counts: &Counts) {}

    /// How often [`Observer::tick`] is wanted; never when `None`.
    fn every(&self) -> Option<Duration> {
        None
    }
}
