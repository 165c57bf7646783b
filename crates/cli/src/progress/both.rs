//! A display, with the same run told as JSON events elsewhere.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use pial_core::schedule::Counts;
use pial_engine::observe::{Observer, Report, Status};

use super::json::Json;

/// Hands everything to a display, and what happened to a writer of events.
pub struct Both {
    display: Box<dyn Observer>,
    events: Json,
}

impl Both {
    /// The display, and events into a file.
    pub fn new(display: Box<dyn Observer>, events: File) -> Both {
        Both { display, events: Json::to(events) }
    }

    /// Events that cannot be written are given up; the run goes on.
    fn tell_error(&mut self) {
        if let Some(error) = self.events.error() {
            self.display.report(&Report::Warning(&format!("no more events are written: {error}")));
        }
    }
}

impl Observer for Both {
    fn report(&mut self, report: &Report<'_>) {
        self.events.report(report);
        self.tell_error();
        self.display.report(report);
    }

    fn tick(&mut self, status: &Status<'_>) {
        self.display.tick(status);
    }

    fn pause(&mut self, counts: &Counts) {
        self.events.pause(counts);
        self.tell_error();
        self.display.pause(counts);
    }

    fn every(&self) -> Option<Duration> {
        self.display.every()
    }
}

/// Opens where events go: a file, made anew, a FIFO, or a descriptor that this process was given (`/dev/fd/3`).
///
/// # Errors
/// What the system says.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening the name would not do: a socket cannot be opened, and a file would be written from its start.
    let number = path.strip_prefix("/dev/fd").ok().and_then(|number| number.to_str()?.parse().ok());
    match number {
        Some(number) => pial_engine::sys::inherited(number),
        None => OpenOptions::new().write(true).create(true).truncate(true).open(path),
    }
}
