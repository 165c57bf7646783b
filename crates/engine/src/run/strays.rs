//! Ends what a step left running: processes of its group, and those that left the group (daemons).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::Engine;
use crate::guardian::{MARK, STEP, has_variable};
use crate::sys;

/// How often the children are looked at again after some were killed, as their own children then become ours.
const MOST_LOOKS: u32 = 100;

impl Engine<'_> {
    /// Ends what is left of a step that ended, with the group that its process led unless that stays, or of the whole run
    /// (`None`). Gives how many it ended.
    pub(super) fn end_strays(&mut self, step: Option<(Option<u32>, &str)>) -> u32 {
        let mut ended = 0;
        if let Some((Some(group), _)) = step {
            ended += u32::from(sys::signal_group(group, true));
        }
        for _ in 0..MOST_LOOKS {
            let strays = self.strays(step.map(|(_, name)| name));
            if strays.is_empty() {
                break;
            }
            self.had_strays = true;
            for pid in strays {
                sys::signal_group(pid, true);
                sys::kill(pid);
                ended += u32::from(sys::reap_one(pid));
            }
            // One that is in the kernel ends when the kernel lets it; the engine has others to look after.
            std::thread::sleep(Duration::from_millis(1));
        }
        ended
    }

    /// Children of the engine that it did not start: it adopts the orphans among its descendants.
    fn strays(&mut self, step: Option<&str>) -> Vec<u32> {
        let now = self.children.now();
        let guardian = self.guardian.as_ref().map(|guardian| guardian.pid);
        let (interpreter, asked) = (self.python.pid(), self.python.is_asked());
        let stray = |pid: &u32| {
            Some(*pid) != guardian
                && Some(*pid) != interpreter
                && !self.not_ours.contains(pid)
                && !self.active.contains_key(pid)
                && step.is_none_or(|name| {
                    // One without the mark, which cleared its environment, can be anyone's while others run.
                    has_variable(*pid, &format!("{STEP}={name}"))
                        || self.active.is_empty() && !asked && !has_variable(*pid, &format!("{MARK}={}", self.mark))
                })
        };
        now.into_iter().filter(stray).collect()
    }
}

/// The list of this process's children that the kernel keeps (`/proc/PID/task/TID/children`, Linux 3.5); a kernel
/// without it shows none, and only process groups are ended.
#[derive(Debug)]
pub(super) struct Children {
    file: Option<File>,
    text: Vec<u8>,
}

impl Children {
    /// The list, kept open as it is read at the end of every step.
    pub fn open() -> Children {
        let own = std::process::id();
        Children { file: File::open(format!("/proc/{own}/task/{own}/children")).ok(), text: vec![0; 4096] }
    }

    /// The processes that are children of this one now.
    pub fn now(&mut self) -> Vec<u32> {
        let Some(file) = &self.file else { return Vec::new() };
        let mut length = 0;
        while let Ok(read @ 1..) = file.read_at(&mut self.text[length..], length as u64) {
            length += read;
            if length == self.text.len() {
                self.text.resize(length * 2, 0);
            }
        }
        let text = std::str::from_utf8(&self.text[..length]).unwrap_or_default();
        text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }
}
