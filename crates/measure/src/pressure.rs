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

/// How many processes the kernel killed for memory so far: on the machine (`oom_kill` of `/proc/vmstat`, Linux 4.13), and in
/// this process's own group and those above.
pub fn oom_kills() -> u64 {
    let machine = cgroup::oom_kills(Path::new("/proc/vmstat")).unwrap_or(0);
    let Some(own) = Own::find() else { return machine };
    let name = match own.version {
        Version::One => "memory.oom_control",
        Version::Two => "memory.events",
    };
    // In a container the machine's count may not be seen to move, and a group's is.
    machine + own.and_above().filter_map(|directory| cgroup::oom_kills(&directory.join(name))).sum::<u64>()
}

/// The process that a line of the kernel's log says was killed for memory.
pub fn killed_process(line: &str) -> Option<u32> {
    let (before, after) = line.split_once("Killed process ")?;
    let number: String = after.chars().take_while(char::is_ascii_digit).collect();
    before.to_lowercase().contains("out of memory").then(|| number.parse().ok())?
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

    #[test]
    fn killed_processes_are_named_in_the_kernels_log() {
        let table = [
            ("3,9,1,-;Out of memory: Killed process 123 (touch) total-vm:1kB", Some(123)),
            ("3,9,1,-;Memory cgroup out of memory: Killed process 7 (a b)", Some(7)),
            ("6,9,1,-;eth0: link up", None),
            ("6,9,1,-;Killed process 7 by someone", None),
        ];
        for (line, expected) in table {
            assert_eq!(killed_process(line), expected, "{line}");
        }
    }
}
