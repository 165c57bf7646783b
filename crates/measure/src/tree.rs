//! Which processes belong together: a snapshot of all of them, and the tree under one; knows no memory.

use std::collections::{HashMap, HashSet};
use std::fs;

use crate::process::{self, Identity, Stat};

/// All processes at about one moment, from one pass over `/proc`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    stats: HashMap<u32, Stat>,
    children: HashMap<u32, Vec<u32>>,
}

impl Snapshot {
    /// Looks at all processes that this user may see. What ends between listing and reading is left out.
    pub fn take() -> Snapshot {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Snapshot::of(pids.filter_map(process::stat))
    }

    fn of(stats: impl Iterator<Item = Stat>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for stat in stats {
            let pid = stat.identity.pid;
            snapshot.children.entry(stat.ppid).or_default().push(pid);
            snapshot.stats.insert(pid, stat);
        }
        snapshot
    }

    /// A process and all below it, parents before children; empty when the root is not there.
    pub fn tree(&self, root: u32) -> Vec<Stat> {
        let Some(first) = self.stats.get(&root) else { return Vec::new() };
        let mut found = vec![*first];
        // A number given again while this was taken could join a circle.
        let mut seen = HashSet::from([root]);
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            let children = self.children.get(&parent.identity.pid).into_iter().flatten();
            let born = children.filter(|child| seen.insert(**child)).filter_map(|child| self.stats.get(child));
            let born: Vec<Stat> = born.copied().collect();
            found.extend(born);
            next += 1;
        }
        found
    }

    /// Whether that very process is there, not another one with its number.
    pub fn holds(&self, identity: Identity) -> bool {
        self.stats.get(&identity.pid).is_some_and(|stat| stat.identity == identity)
    }
}

/// A process and all below it, parents before children. Reads only the tree where the kernel tells children
/// (`CONFIG_PROC_CHILDREN`), else all of `/proc`.
pub fn tree(root: u32) -> Vec<Stat> {
    let Some(stat) = process::stat(root) else { return Vec::new() };
    let Some(first) = process::children(root) else { return Snapshot::take().tree(root) };
    let mut first = Some(first);
    let mut found = vec![stat];
    let mut seen = HashSet::from([root]);
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let children = first.take().or_else(|| process::children(parent.identity.pid)).unwrap_or_default();
        let born: Vec<Stat> =
            children.into_iter().filter(|child| seen.insert(*child)).filter_map(process::stat).collect();
        found.extend(born);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: u32, ppid: u32, started_ticks: u64) -> Stat {
        Stat {
            identity: Identity { pid, started_ticks },
            ppid,
            group: 0,
            session: 0,
            state: 'S',
            threads: 1,
            cpu_ticks: 0,
            vm_bytes: 0,
            rss_bytes: 0,
        }
    }

    fn pids(stats: &[Stat]) -> Vec<u32> {
        stats.iter().map(|stat| stat.identity.pid).collect()
    }

    #[test]
    fn a_tree_has_all_below_its_root_and_nothing_else() {
        let all = [stat(1, 0, 1), stat(5, 1, 2), stat(6, 5, 3), stat(7, 1, 3), stat(8, 6, 4), stat(9, 5, 5)];
        let snapshot = Snapshot::of(all.into_iter());
        assert_eq!(pids(&snapshot.tree(5)), [5, 6, 9, 8]);
        assert_eq!(pids(&snapshot.tree(8)), [8]);
        assert_eq!(pids(&snapshot.tree(4)), []);
    }

    #[test]
    fn a_circle_of_numbers_given_again_ends() {
        let snapshot = Snapshot::of([stat(5, 6, 1), stat(6, 5, 2)].into_iter());
        assert_eq!(pids(&snapshot.tree(5)), [5, 6]);
    }

    #[test]
    fn a_number_given_again_is_another_process() {
        let snapshot = Snapshot::of([stat(5, 1, 9)].into_iter());
        assert!(snapshot.holds(Identity { pid: 5, started_ticks: 9 }));
        assert!(!snapshot.holds(Identity { pid: 5, started_ticks: 8 }));
    }
}
