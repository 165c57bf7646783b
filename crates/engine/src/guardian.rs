//! Ends what a run left behind when its engine is gone, however it went.
//!
//! The guardian is a process of its own that holds a pipe from the engine. The engine writes each process group it
//! starts and each that ended; when the pipe closes without a farewell, the guardian ends the groups that are left,
//! and every process that carries the run's mark in its environment, which reaches those that left their group.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// The environment variable that marks every process of a run.
pub const MARK: &str = "PIAL_RUN";
/// The environment variable that names the step a process belongs to.
pub const STEP: &str = "PIAL_STEP";

const STARTED: u8 = b'+';
const ENDED: u8 = b'-';
const FAREWELL: u8 = b'.';

/// The engine's end of the pipe.
#[derive(Debug)]
pub struct Guardian {
    /// The guardian's process.
    pub pid: u32,
    pipe: ChildStdin,
}

impl Guardian {
    /// Starts the guardian of a run; `helper` is the pial executable.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(helper: &Path, mark: &str) -> io::Result<Guardian> {
        let mut command = Command::new(helper);
        command.args(["__guardian", mark]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child: Child = command.spawn()?;
        let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Guardian { pid: child.id(), pipe })
    }

    /// Tells of a process group that began. A guardian that is gone is no reason to stop.
    pub fn began(&mut self, group: u32) {
        self.tell(STARTED, group);
    }

    /// Tells of a process group that ended.
    pub fn ended(&mut self, group: u32) {
        self.tell(ENDED, group);
    }

    /// Lets the guardian go: nothing is left.
    pub fn farewell(mut self) {
        self.tell(FAREWELL, 0);
    }

    fn tell(&mut self, what: u8, group: u32) {
        let [a, b, c, d] = group.to_le_bytes();
        // The guardian outlives the engine or the machine is in trouble that other calls will report.
        let _ = self.pipe.write_all(&[what, a, b, c, d]);
    }
}

/// The guardian's own life: reads standard input to its end.
pub fn guard(mark: &str) {
    crate::sys::ignore_terminal_signals();
    let mut groups = HashSet::new();
    let mut message = [0; 5];
    let mut input = io::stdin().lock();
    while input.read_exact(&mut message).is_ok() {
        let group = u32::from_le_bytes([message[1], message[2], message[3], message[4]]);
        match message[0] {
            STARTED => drop(groups.insert(group)),
            ENDED => drop(groups.remove(&group)),
            _ => return,
        }
    }
    for group in groups {
        crate::sys::signal_group(group, true);
    }
    end_marked(mark);
}

/// Kills every process with the mark until a look at all processes finds none, as one may have forked meanwhile.
pub fn end_marked(mark: &str) {
    let wanted = format!("{MARK}={mark}");
    for _ in 0..200 {
        let found = processes_with(&wanted);
        if found.is_empty() {
            return;
        }
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
