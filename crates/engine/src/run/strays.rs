//! Ends what a step left running: processes of its group, and those that left the group (daemons).

use std::fs;

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
                sys::reap_one(pid);
                ended += 1;
            }
        }
        ended
    }

    /// Children of the engine that it did not start: it adopts the orphans among its descendants.
    fn strays(&self, step: Option<&str>) -> Vec<u32> {
        let own = std::process::id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok());
        let guardian = self.guardian.as_ref().map(|guardian| guardian.pid);
        let stray = |pid: &u32| {
            Some(*pid) != guardian
                && !self.active.contains_key(pid)
                && step.is_none_or(|name| {
                    has_variable(*pid, &format!("{STEP}={name}"))
                        || !has_variable(*pid, &format!("{MARK}={}", self.mark))
                })
        };
        pids.filter(stray).collect()
    }
}
