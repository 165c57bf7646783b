//! A memory control group for one profile: made beside or below the own one, read, and removed; sets no limit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

/// A group; removed when dropped, if nothing is left in it.
#[derive(Debug)]
pub struct Group {
    directory: PathBuf,
    second: bool,
}

impl Group {
    /// Makes a group with the memory controller below this process's own.
    ///
    /// # Errors
    /// Why there is none, for the user.
    pub fn make() -> Result<Group, String> {
        let text = fs::read_to_string("/proc/self/cgroup").map_err(|e| format!("/proc/self/cgroup: {e}"))?;
        let group = match find(&text, &mounts()) {
            Some((directory, second)) => {
                Group { directory: directory.join(format!("pial-{}", std::process::id())), second }
            }
            None => return Err("no control group with the memory controller is mounted".to_owned()),
        };
        let shown = group.directory.display();
        fs::create_dir(&group.directory).map_err(|e| format!("cannot make the control group {shown}: {e}"))?;
        match fs::metadata(group.directory.join(group.peak_file())) {
            Ok(_) => Ok(group),
            Err(_) => {
                Err(format!("{shown} keeps no peak: the memory controller is not delegated, or Linux is before 5.19"))
            }
        }
    }

    /// Puts a process into it; what it starts is born there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
    }

    /// What is charged; `None` when it cannot be read.
    pub fn charge(&self) -> Option<Charge> {
        let stat = fs::read_to_string(self.directory.join("memory.stat")).ok()?;
        let stat = |wanted: &str| {
            let found = stat.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == wanted));
            found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0_u64)
        };
        let (now, cache, kernel) = match self.second {
            true => ("memory.current", stat("file"), stat("kernel")),
            false => {
                ("memory.usage_in_bytes", stat("total_cache"), self.number("memory.kmem.usage_in_bytes").unwrap_or(0))
            }
        };
        let shared = stat(if self.second { "shmem" } else { "total_shmem" });
        Some(Charge {
            now_bytes: self.number(now)?,
            cache_bytes: cache.saturating_sub(shared),
            kernel_bytes: kernel,
            peak_bytes: self.peak_bytes()?,
        })
    }

    /// The most that was ever charged.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.number(self.peak_file())
    }

    fn peak_file(&self) -> &'static str {
        if self.second { "memory.peak" } else { "memory.max_usage_in_bytes" }
    }

    fn number(&self, name: &str) -> Option<u64> {
        fs::read_to_string(self.directory.join(name)).ok()?.trim().parse().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes that outlive the profile keep it; it is empty when they are gone.
        let _ = fs::remove_dir(&self.directory);
    }
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// The own group in the hierarchy that has the memory controller, and whether that is of version 2.
fn find(own: &str, mounts: &str) -> Option<(PathBuf, bool)> {
    let mut second = None;
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        if controllers.split(',').any(|name| name == "memory") {
            return Some((directory(mounts, path, |kind, options| kind == "cgroup" && has(options, "memory"))?, false));
        }
        if controllers.is_empty() {
            second = directory(mounts, path, |kind, _| kind == "cgroup2");
        }
    }
    let directory = second?;
    Some((directory, true))
}

fn has(options: &str, wanted: &str) -> bool {
    options.split(',').any(|option| option == wanted)
}

/// Where a group is, by `proc_pid_mountinfo(5)`: the mount's root is taken off the group's path.
fn directory(mounts: &str, group: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let mut before = before.split(' ').skip(3);
        let (root, mount) = (before.next()?, before.next()?);
        let below = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
        wanted(kind, options).then(|| Path::new(mount).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_groups_of_both_versions() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/a/b\n0::/c\n";
        assert_eq!(find(own, mounts), Some((PathBuf::from("/sys/fs/cgroup/memory/a/b"), false)));
        assert_eq!(find("0::/c\n", mounts), Some((PathBuf::from("/sys/fs/cgroup/unified/c"), true)));
        assert_eq!(find("1:cpu:/\n", mounts), None);
        let container = "30 25 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(find("0::/docker/x/y\n", container), Some((PathBuf::from("/sys/fs/cgroup/y"), true)));
    }
}
