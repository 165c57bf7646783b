//! How much memory this process may use, and who says so: the machine, its control groups, strict overcommit. Knows no batch
//! system and no workflow.

use std::fs;
use std::path::Path;

use crate::cgroup::{Own, Version};
use crate::pressure::meminfo;

/// Limits from here on are none: version 1 writes the largest number of pages for "no limit".
const NO_LIMIT: u64 = 1 << 60;

/// A limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// What of it is taken already and cannot be given back, in bytes.
    pub taken_bytes: u64,
}

/// Physical memory.
pub fn machine() -> Option<Limit> {
    Some(Limit { bytes: meminfo("MemTotal")?, taken_bytes: 0 })
}

/// The group, of this process's own and those above, that leaves the least.
pub fn group() -> Option<Limit> {
    let own = Own::find()?;
    own.and_above().filter_map(|directory| group_limit(own.version, directory)).min_by_key(|l| l.left())
}

fn group_limit(version: Version, directory: &Path) -> Option<Limit> {
    let (name, anonymous) = match version {
        Version::One => ("memory.limit_in_bytes", "total_rss"),
        Version::Two => ("memory.max", "anon"),
    };
    let text = fs::read_to_string(directory.join(name)).ok()?;
    // `max` is no number.
    let bytes = text.trim().parse::<u64>().ok().filter(|bytes| *bytes < NO_LIMIT)?;
    let stat = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
    let taken = stat.lines().find_map(|line| line.strip_prefix(anonymous)?.strip_prefix(' ')?.parse().ok());
    Some(Limit { bytes, taken_bytes: taken.unwrap_or(0) })
}

/// Under strict overcommit (`vm.overcommit_memory` of 2), what may be promised to programs in all (`CommitLimit`).
pub fn commit() -> Option<Limit> {
    let mode = fs::read_to_string("/proc/sys/vm/overcommit_memory").ok()?;
    let limit = || Some(Limit { bytes: meminfo("CommitLimit")?, taken_bytes: meminfo("Committed_AS")? });
    (mode.trim() == "2").then(limit)?
}

impl Limit {
    /// What is left of it, in bytes.
    pub fn left(&self) -> u64 {
        self.bytes.saturating_sub(self.taken_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_groups_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        assert_eq!(group_limit(Version::Two, directory.path()), None);
        write("memory.max", "max\n");
        assert_eq!(group_limit(Version::Two, directory.path()), None);
        write("memory.max", "8000000000\n");
        write("memory.stat", "anon 500000000\nfile 7\n");
        let limit = group_limit(Version::Two, directory.path()).unwrap();
        assert_eq!((limit.bytes, limit.taken_bytes, limit.left()), (8_000_000_000, 500_000_000, 7_500_000_000));
        write("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(group_limit(Version::One, directory.path()), None);
        write("memory.limit_in_bytes", "4096\n");
        write("memory.stat", "cache 1\nrss 5\ntotal_cache 1\ntotal_rss 6000\n");
        assert_eq!(group_limit(Version::One, directory.path()).unwrap().left(), 0);
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(machine().unwrap().left() > 1 << 28);
    }
}
