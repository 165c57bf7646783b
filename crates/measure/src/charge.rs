//! What is charged to a memory control group and what it is made of; makes no group and sets no limit.

use crate::cgroup::{Group, Version};

/// What is charged to a group, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// The most that was charged so far.
    pub peak_bytes: u64,
    /// Charged when this was read.
    pub now_bytes: u64,
    /// Of it, pages of files that the kernel can drop.
    pub cache_bytes: u64,
    /// Of it, the kernel's own memory: page tables, stacks, inodes.
    pub kernel_bytes: u64,
}

impl Charge {
    /// Reads a group; `None` when it cannot be read.
    pub fn read(group: &Group) -> Option<Charge> {
        let kernel = match group.version() {
            Version::One => group.number("memory.kmem.usage_in_bytes"),
            // Since Linux 5.18.
            Version::Two => group.statistic("kernel"),
        };
        Some(Charge {
            now_bytes: group.now_bytes()?,
            cache_bytes: group.cache_bytes()?,
            kernel_bytes: kernel.unwrap_or(0),
            // Last, as it may rise meanwhile and is never below what was there before.
            peak_bytes: group.peak_bytes()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_versions_tell_cache_and_kernel_memory_apart() {
        let one = [
            ("memory.max_usage_in_bytes", "900\n"),
            ("memory.usage_in_bytes", "800\n"),
            ("memory.kmem.usage_in_bytes", "40\n"),
            ("memory.stat", "cache 300\nshmem 100\n"),
        ];
        let two = [
            ("memory.peak", "900\n"),
            ("memory.current", "800\n"),
            ("memory.stat", "anon 460\nfile 300\nkernel 40\nkernel_stack 5\nshmem 100\n"),
        ];
        for (version, files) in [(Version::One, &one[..]), (Version::Two, &two[..])] {
            let directory = tempfile::tempdir().unwrap();
            files.iter().for_each(|(name, text)| fs::write(directory.path().join(name), text).unwrap());
            let charge = Charge::read(&Group::at(version, directory.path().to_owned()));
            let expected = Charge { peak_bytes: 900, now_bytes: 800, cache_bytes: 200, kernel_bytes: 40 };
            assert_eq!(charge, Some(expected), "{version:?}");
        }
    }
}
