//! What a step that ended used at most, and whether it was ended for its memory.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use pial_core::schedule::Reason;
use pial_measure::cgroup::Version;

use super::Engine;
use super::watch::{By, Watch, gigabytes};
use crate::record::Method;
use crate::sys;

/// A step that was ended for its memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutOfMemory {
    pub by: By,
    /// What it was allowed, in bytes, when that was the reason.
    pub limit: Option<u64>,
    /// What it used, in bytes.
    pub used: u64,
}

impl OutOfMemory {
    /// What happened and what to do; `key` is where more memory is asked for, `whole` what the run may use, in bytes.
    pub fn message(&self, key: &str, whole: u64) -> String {
        let (used, limit) = (gigabytes(self.used), gigabytes(self.limit.unwrap_or_default()));
        match self.by {
            By::Pial => format!(
                "out of memory: it used {used}, more than its limit of {limit}, and pial ended it; give it more in `{key}`"
            ),
            By::Limit => format!(
                "out of memory: it wanted more than its limit of {limit}, and the kernel ended it (control group); give it more \
                 in `{key}`"
            ),
            By::Kernel => format!(
                "out of memory: the kernel ended it (SIGKILL) for want of memory on the machine or in a control group above; it \
                 had used {used}; the run may use {}",
                gigabytes(whole)
            ),
        }
    }
}

impl Engine<'_> {
    /// Whether a step was ended for its memory: by the engine, at the limit of its group, or by the kernel for the whole machine.
    pub(super) fn out_of_memory(
        &mut self,
        memory: &Watch,
        status: ExitStatus,
        stopped: Option<Reason>,
        peak: u64,
    ) -> Option<OutOfMemory> {
        // 137 is what a shell makes of a command's SIGKILL.
        let killed = status.signal() == Some(libc::SIGKILL) || status.code() == Some(128 + libc::SIGKILL);
        let in_group = memory.group.as_ref().is_some_and(|group| group.oom_kills() > 0);
        let by = match memory.ended_by {
            _ if stopped.is_some() => None,
            Some(by) => Some(by),
            None if in_group => Some(By::Limit),
            None if killed && self.memory.kernel_killed() => Some(By::Kernel),
            None => None,
        }?;
        let limit = memory.limit.filter(|_| by != By::Kernel);
        // Pages that the kernel refused were not used.
        let used = if by == By::Limit { limit.map_or(peak, |limit| peak.max(limit)) } else { peak };
        Some(OutOfMemory { by, limit, used })
    }
}

/// What a step used at most, in bytes, how that was found, and what was charged to its group. `largest` is the kernel's mark of
/// its largest process.
pub(super) fn peak(memory: &Watch, largest: u64) -> (u64, Method, Option<u64>) {
    let largest = match memory.forked {
        true => (largest.saturating_sub(memory.inherited), Method::Growth),
        false => (largest, Method::MaxRss),
    };
    let charged = memory.group.as_ref().and_then(|group| {
        let method = if group.version() == Version::One { Method::Group1 } else { Method::Group2 };
        // Pages of files stay charged when a process ends, so there were hardly more of them at the peak.
        Some((group.peak_bytes()?, group.cache_bytes()?, method))
    });
    let needed = charged.map(|(peak, cache, method)| (peak.saturating_sub(cache), method));
    let known = [memory.seen, needed].into_iter().flatten().max_by_key(|(bytes, _)| *bytes);
    // The mark of the largest process starts at the engine's own size, and what is below that says nothing.
    let telling = || largest.0 > sys::own_peak_rss_bytes() || memory.forked;
    let (bytes, method) = known.filter(|(bytes, _)| *bytes >= largest.0 || !telling()).unwrap_or(largest);
    (bytes, method, charged.map(|(peak, ..)| peak))
}
