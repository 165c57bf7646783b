//! Ends what a run left behind when its engine is gone, however it went.
//!
//! The guardian is a process of its own that holds a pipe from the engine. The engine keeps the process groups that are
//! running in a file, so that the guardian sleeps while steps come and go; when the pipe closes without a farewell, the
//! guardian ends those groups, and every process that carries the run's mark in its environment, which reaches those
//! that left their group.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// The environment variable that marks every process of a run.
pub const MARK: &str = "PIAL_RUN";
/// The environment variable that names the step a process belongs to.
pub const STEP: &str = "PIAL_STEP";

const FAREWELL: u8 = b'.';

/// The engine's end of the pipe, and the groups that are running.
#[derive(Debug)]
pub struct Guardian {
    /// The guardian's process.
    pub pid: u32,
    pipe: ChildStdin,
    file: File,
    /// The group in each place of the file; 0 for none.
    groups: Vec<u32>,
}

impl Guardian {
    /// Starts the guardian of a run; `helper` is the pial executable, `groups` the file for the running groups.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(helper: &Path, mark: &str, groups: &Path) -> io::Result<Guardian> {
        let file = File::create(groups)?;
        let mut command = Command::new(helper);
        command.args(["__guardian", mark]).arg(groups).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child: Child = command.spawn()?;
        let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Guardian { pid: child.id(), pipe, file, groups: Vec::new() })
    }

    /// Notes a process group that began.
    pub fn began(&mut self, group: u32) {
        let place = self.groups.iter().position(|known| *known == 0).unwrap_or(self.groups.len());
        self.note(place, group);
    }

    /// Notes a process group that ended.
    pub fn ended(&mut self, group: u32) {
        if let Some(place) = self.groups.iter().position(|known| *known == group) {
            self.note(place, 0);
        }
    }

    fn note(&mut self, place: usize, group: u32) {
        if place == self.groups.len() {
            self.groups.push(0);
        }
        self.groups[place] = group;
        // A group that a full disk keeps from the file is still found by the mark.
        let _ = self.file.write_all_at(&group.to_le_bytes(), place as u64 * 4);
    }

    /// Lets the guardian go: nothing is left.
    pub fn farewell(mut self) {
        // A guardian that is gone needs no farewell.
        let _ = self.pipe.write_all(&[FAREWELL]);
    }
}

/// The guardian's own life: sleeps until standard input closes.
pub fn guard(mark: &str, groups: &Path) {
    crate::sys::ignore_terminal_signals();
    let mut message = [0];
    if io::stdin().lock().read_exact(&mut message).is_ok() {
        return;
    }
    for group in fs::read(groups).unwrap_or_default().chunks_exact(4) {
        crate::sys::signal_group(u32::from_le_bytes([group[0], group[1], group[2], group[3]]), true);
    }
    end_left(mark);
}

/// The name of the directory for the control groups of a run.
pub(crate) fn groups_of(mark: &str) -> String {
    format!("pial-{mark}")
}

/// Ends all that a run whose engine was killed left, and removes its control groups.
pub fn end_left(mark: &str) {
    end_marked(mark);
    let groups = groups_of(mark);
    // A group knows its processes, also those that cleared their environment.
    pial_measure::cgroup::processes_left(&groups).into_iter().for_each(crate::sys::kill);
    pial_measure::cgroup::remove_left(&groups);
}

/// Kills every process with the mark until a look at all processes finds none, as one may have forked meanwhile.
pub fn end_marked(mark: &str) {
    let wanted = format!("{MARK}={mark}");
    let mut none_before = false;
    for _ in 0..200 {
        let found = processes_with(&wanted);
        // One that is just in `exec` has no environment for a moment, so that a single look can miss it.
        if found.is_empty() && none_before {
            return;
        }
        none_before = found.is_empty();
        found.into_iter().for_each(crate::sys::kill);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn processes_with(entry: &str) -> Vec<u32> {
    let own = std::process::id();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| *pid != own);
    pids.filter(|pid| has_variable(*pid, entry) && !is_zombie(*pid)).collect()
}

/// Whether `NAME=value` is in the environment a process was started with.
pub fn has_variable(pid: u32, entry: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}
