//! Whether memory is short: stalls that the kernel counts (PSI), memory that is available, processes that it killed.

use std::fs;
use std::path::Path;

use crate::cgroup::{self, Own, Version};

/// The share of the last ten seconds in which some process waited for memory, in percent: `some avg10` of
/// `/proc/pressure/memory` or of a group's `memory.pressure` (Linux 4.20, `accounting/psi.rst`). `None` where the kernel does
/// not count it.
pub fn stalled_percent(file: &Path) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

/// The same for this process's own group of version 2 (`memory.pressure`); `None` without one.
pub fn own_group_stalled_percent() -> Option<f64> {
    let own = Own::find().filter(|own| own.version == Version::Two)?;
    stalled_percent(&own.directory.join("memory.pressure"))
}

/// What programs can have without swapping, in bytes, by the kernel's estimate (`MemAvailable`, Linux 3.14).
pub fn available_bytes() -> Option<u64> {
    meminfo("MemAvailable")
}

/// A line of `/proc/meminfo`, in bytes.
pub fn meminfo(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// How many processes of this process's own group the kernel killed for memory so far, whoever ran short of it: a kill counts
/// where the victim was (version 2: or below). Where no group counts, those of the whole machine (`/proc/vmstat`). Both since
/// Linux 4.13.
pub fn oom_kills() -> u64 {
    let own = Own::find().and_then(|own| {
        let name = match own.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        cgroup::oom_kills(&own.directory.join(name))
    });
    own.or_else(|| cgroup::oom_kills(Path::new("/proc/vmstat"))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("memory");
        assert_eq!(stalled_percent(&file), None);
        fs::write(&file, "some avg10=12.34 avg60=1.00 avg300=0.00 total=9\nfull avg10=0.50 avg60=0 avg300=0 total=1\n")
            .unwrap();
        assert_eq!(stalled_percent(&file), Some(12.34));
    }

    #[test]
    fn the_machine_says_what_is_available() {
        let (all, available) = (meminfo("MemTotal").unwrap(), available_bytes().unwrap());
        assert!(available > 0 && available <= all);
        assert_eq!(meminfo("Mem"), None);
    }
}
