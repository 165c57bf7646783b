//! Ends what a step left running: processes of its group, and those that left the group (daemons).

use std::fs;
use std::time::Duration;

use super::Engine;
use crate::guardian::{MARK, STEP, has_variable};
use crate::sys;

/// How often the children are looked at again after some were killed, as their own children then become ours.
const MOST_LOOKS: u32 = 100;

impl Engine<'_> {
    /// Ends what is left of a step whose process ended, or of the whole run (`None`). Gives how many it ended.
    pub(super) fn end_strays(&mut self, step: Option<(u32, &str)>) -> u32 {
        let mut ended = 0;
        if let Some((group, _)) = step {
            ended += u32::from(sys::signal_group(group, true));
        }
        for _ in 0..MOST_LOOKS {
            let strays = self.strays(step.map(|(_, name)| name));
            if strays.is_empty() {
                break;
            }
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
    fn strays(&self, step: Option<&str>) -> Vec<u32> {
        let guardian = self.guardian.as_ref().map(|guardian| guardian.pid);
        let stray = |pid: &u32| {
            Some(*pid) != guardian
                && !self.not_ours.contains(pid)
                && !self.active.contains_key(pid)
                && step.is_none_or(|name| {
                    // One without the mark, which cleared its environment, can be anyone's while others run.
                    has_variable(*pid, &format!("{STEP}={name}"))
                        || self.active.is_empty() && !has_variable(*pid, &format!("{MARK}={}", self.mark))
                })
        };
        children().into_iter().filter(stray).collect()
    }
}

/// The processes that are children of this one now.
pub(super) fn children() -> Vec<u32> {
    let own = std::process::id();
    let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
