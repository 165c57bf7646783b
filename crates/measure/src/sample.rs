//! The sampled method: what a tree of processes uses, read at a rate that gives way when reading costs too much.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cgroup::Group;
use crate::charge::Charge;
use crate::process::{self, Identity, Peaks, Stat, Status};
use crate::record::larger;
use crate::timeline::{Part, Sample, Seen, Timeline, Usage};
use crate::tree;

/// How to sample.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Samples a second.
    pub rate_hz: f64,
    /// The share of one processor that reading may take; beyond it, samples become rarer.
    pub cost_share: f64,
    /// Whether two processes have the same memory; `None` where the kernel does not tell.
    pub same_memory: fn(u32, u32) -> Option<bool>,
}

/// The kernel's marks of processes that live, as last read: what is left of an image that is gone.
#[derive(Debug, Default)]
pub struct Marks(Mutex<HashMap<u32, Peaks>>);

impl Marks {
    /// What was last read of a process; zeros for one that was never read.
    pub fn get(&self, pid: u32) -> Peaks {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&pid).copied().unwrap_or_default()
    }

    /// The same, and forgets it.
    pub fn take(&self, pid: u32) -> Peaks {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid).unwrap_or_default()
    }

    fn set(&self, read: HashMap<u32, Peaks>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }
}

/// Samples all processes below `ancestor`, which is left out itself, until `end` says so or is dropped.
pub fn follow(
    ancestor: u32,
    options: Options,
    began: Instant,
    marks: &Marks,
    group: Option<&Group>,
    end: &Receiver<()>,
) -> Timeline {
    let mut sampler =
        Sampler { ancestor, options, marks, group, timeline: Timeline::new(options.rate_hz), known: HashMap::new() };
    let (began_cpu, first) = (own_cpu_s(), Instant::now());
    let mut cost_s = 0.0;
    loop {
        let start = Instant::now();
        let before = own_cpu_s();
        sampler.sample(began.elapsed());
        let cost = before.zip(own_cpu_s()).map_or_else(|| start.elapsed().as_secs_f64(), |(before, now)| now - before);
        // Some passes read more than others, and the clock of a thread moves in steps.
        cost_s = if cost_s == 0.0 { cost } else { 0.8 * cost_s + 0.2 * cost };
        let pause = (1.0 / options.rate_hz).max(cost_s / options.cost_share).min(60.0);
        let pause = Duration::from_secs_f64(pause).saturating_sub(start.elapsed());
        if end.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    let mut timeline = sampler.timeline;
    timeline.span_s = first.elapsed().as_secs_f64();
    timeline.cost_s = began_cpu.zip(own_cpu_s()).map(|(before, now)| now - before);
    timeline
}

struct Sampler<'a> {
    ancestor: u32,
    options: Options,
    marks: &'a Marks,
    group: Option<&'a Group>,
    timeline: Timeline,
    /// Places of the processes in the timeline.
    known: HashMap<Identity, usize>,
}

impl Sampler<'_> {
    fn sample(&mut self, at: Duration) {
        let at_us = at.as_micros() as u64;
        let processes = tree::tree(self.ancestor);
        let mut read = HashMap::new();
        let mut statuses: HashMap<u32, Status> = HashMap::new();
        let mut borrowers = HashSet::new();
        let mut parts = Vec::new();
        for stat in processes.iter().skip(1).filter(|stat| !stat.is_zombie()) {
            let pid = stat.identity.pid;
            let Some(status) = process::status(pid) else { continue };
            let parent = statuses.get(&stat.ppid).copied();
            statuses.insert(pid, status);
            if parent.is_some_and(|parent| self.borrows(&parent, &status, stat)) {
                // Between vfork and exec there is one memory with two names.
                borrowers.insert(pid);
                continue;
            }
            read.insert(pid, status.peaks);
            let Some(usage) = self.usage(pid, &status) else { continue };
            parts.push(Part { process: self.seen(stat, &status, at_us), usage });
        }
        self.marks.set(read);
        self.settle(&mut parts);
        let charge = self.group.and_then(Charge::read);
        self.timeline.add(Sample::new(at_us, parts), charge.unwrap_or_default());
    }

    /// Processes that begin to share pages while they are read one after the other would have these counted more than once.
    /// So what would be a new peak is read again, and the smaller figure of each process stands.
    fn settle(&self, parts: &mut [Part]) {
        let total: u64 = parts.iter().map(|part| part.usage.pss_bytes).sum();
        if parts.len() < 2 || total <= self.timeline.peak.pss_bytes {
            return;
        }
        for part in parts {
            let pid = self.timeline.seen[part.process].identity.pid;
            if let Some(again) = process::rollup(pid) {
                part.usage.pss_bytes = part.usage.pss_bytes.min(again.pss_bytes + again.hugetlb_bytes);
            }
        }
    }

    fn borrows(&self, parent: &Status, child: &Status, stat: &Stat) -> bool {
        let like = (parent.vm_bytes, parent.peaks.vm_bytes, parent.private_bytes)
            == (child.vm_bytes, child.peaks.vm_bytes, child.private_bytes);
        like && (self.options.same_memory)(stat.ppid, stat.identity.pid).unwrap_or(parent.rss_bytes == child.rss_bytes)
    }

    /// What a process uses; `None` when it ended meanwhile.
    fn usage(&mut self, pid: u32, status: &Status) -> Option<Usage> {
        let rollup = process::rollup(pid);
        if rollup.is_none() {
            process::status(pid)?;
            self.timeline.hidden += 1;
        }
        Some(Usage {
            // Of a process that may not be looked into, its own pages are known at least.
            pss_bytes: rollup
                .map_or(status.anonymous_bytes - status.swap_bytes, |sums| sums.pss_bytes + sums.hugetlb_bytes),
            rss_bytes: status.rss_bytes.max(rollup.unwrap_or_default().rss_bytes),
            vm_bytes: status.vm_bytes,
            commit_bytes: status.private_bytes,
            swap_bytes: status.swap_bytes,
        })
    }

    fn seen(&mut self, stat: &Stat, status: &Status, at_us: u64) -> usize {
        let seen = &mut self.timeline.seen;
        let place = *self.known.entry(stat.identity).or_insert_with(|| {
            let command = String::new();
            seen.push(Seen {
                identity: stat.identity,
                ppid: stat.ppid,
                command,
                first_us: at_us,
                last_us: 0,
                peak: Peaks::default(),
            });
            seen.len() - 1
        });
        let seen = &mut seen[place];
        // The mark of address space starts anew at exec.
        if seen.command.is_empty() || seen.peak.vm_bytes != status.peaks.vm_bytes {
            seen.command = process::command(stat.identity.pid).unwrap_or_default();
        }
        seen.last_us = at_us;
        seen.peak = larger(seen.peak, status.peaks);
        place
    }
}

/// Processor time of this thread, in seconds (first number of `schedstat`); `None` where the kernel keeps no count.
fn own_cpu_s() -> Option<f64> {
    let text = process::read_file(Path::new("/proc/thread-self/schedstat"))?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? * 1e-9)
}
