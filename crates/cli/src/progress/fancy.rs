//! The display on a terminal: what runs now in a region at the bottom, trouble in lines that stay above it.

use std::fs;
use std::time::Duration;

use pial_engine::observe::{Observer, Report, Status};
use pial_engine::sys::terminal_size;

use super::ending::{Ending, trouble};
use super::fit::printable;
use super::frame::{Look, Running, View, frame};
use super::region::{Region, show_cursor};

/// A run that ends sooner shows its end only.
const FIRST_FRAME_S: f64 = 0.2;

/// Draws at 10 Hz at most.
#[derive(Debug)]
pub struct Fancy {
    look: Look,
    region: Region,
    /// Lines that are to stay and are not written yet.
    above: Vec<String>,
    ending: Ending,
    interrupts: u32,
}

impl Fancy {
    /// A display that has shown nothing yet. However this process ends by itself, the cursor is visible again.
    pub fn new(look: Look) -> Fancy {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            super::print_error(show_cursor());
            hook(panic);
        }));
        Fancy { look, region: Region::default(), above: Vec::new(), ending: Ending::default(), interrupts: 0 }
    }

    /// Everything that changed, in one write.
    fn draw(&mut self, lines: &[String], columns: usize) {
        super::print_error(&self.region.draw(&self.above, lines, columns));
        self.above.clear();
    }

    fn view<'a>(&self, status: &'a Status<'_>, rows: usize) -> View<'a> {
        let running = status.running.iter().enumerate().map(|(index, (node, seconds, pid))| Running {
            node: printable(node),
            seconds: *seconds,
            // What has no room is not read.
            rss_bytes: if index < rows { rss_bytes(*pid) } else { None },
        });
        View {
            counts: status.counts,
            running: running.collect(),
            elapsed_s: status.elapsed_s,
            left_s: status.left_s,
            interrupts: self.interrupts,
            look: self.look,
        }
    }
}

impl Observer for Fancy {
    fn report(&mut self, report: &Report<'_>) {
        self.ending.note(report);
        self.above.extend(trouble(report, self.look));
        match report {
            Report::Interrupted => self.interrupts += 1,
            Report::GaveUp(_) => {}
            Report::Finished(summary) => {
                self.above.extend(self.ending.lines(summary, self.look));
                self.draw(&[], size().0);
            }
            _ => {}
        }
    }

    fn tick(&mut self, status: &Status<'_>) {
        let (columns, rows) = size();
        if status.elapsed_s < FIRST_FRAME_S {
            return self.draw(&[], columns);
        }
        // The last column stays free: in it the cursor would wait to go to the next line, and terminals differ on
        // what clearing does then. The first row stays free for the lines above.
        let rows = rows.saturating_sub(1).max(1);
        let lines = frame(&self.view(status, rows), columns.saturating_sub(1).max(1), rows);
        self.draw(&lines, columns);
    }

    fn every(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }
}

impl Drop for Fancy {
    fn drop(&mut self) {
        self.draw(&[], size().0);
    }
}

/// Columns and rows, read at each frame; those of a VT100 when the terminal does not tell.
fn size() -> (usize, usize) {
    let (columns, rows) = terminal_size().unwrap_or((80, 24));
    (columns, if rows == 0 { 24 } else { rows })
}

/// The resident set of a process now: `VmRSS` in `/proc/PID/status` (proc(5)), which is in kB for any page size.
fn rss_bytes(pid: u32) -> Option<u64> {
    rss_of_status(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn rss_of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_sets_are_read() {
        assert_eq!(rss_of_status("Name:\tsleep\nVmRSS:\t    1536 kB\nRssAnon:\t 96 kB\n"), Some(1_572_864));
        // A process that ended and was not waited for has no memory.
        assert_eq!(rss_of_status("Name:\tsleep\nState:\tZ (zombie)\n"), None);
        assert!(rss_bytes(std::process::id()).is_some_and(|bytes| bytes > 100_000));
    }
}
