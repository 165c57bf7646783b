//! Samples of a tree over time, kept within bounds however long it runs; knows nothing of how they were read.

use crate::charge::Charge;
use crate::process::{Identity, Peaks};

/// What a process or a tree uses at a moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory, shared pages divided by their users.
    pub pss_bytes: u64,
    /// Resident memory, shared pages in full for each.
    pub rss_bytes: u64,
    /// Address space.
    pub vm_bytes: u64,
    /// Private writable mappings: about what the kernel counts against its commit limit.
    pub commit_bytes: u64,
    /// Swapped out.
    pub swap_bytes: u64,
}

impl Usage {
    fn plus(self, other: Usage) -> Usage {
        Usage {
            pss_bytes: self.pss_bytes + other.pss_bytes,
            rss_bytes: self.rss_bytes + other.rss_bytes,
            vm_bytes: self.vm_bytes + other.vm_bytes,
            commit_bytes: self.commit_bytes + other.commit_bytes,
            swap_bytes: self.swap_bytes + other.swap_bytes,
        }
    }

    fn larger(self, other: Usage) -> Usage {
        Usage {
            pss_bytes: self.pss_bytes.max(other.pss_bytes),
            rss_bytes: self.rss_bytes.max(other.rss_bytes),
            vm_bytes: self.vm_bytes.max(other.vm_bytes),
            commit_bytes: self.commit_bytes.max(other.commit_bytes),
            swap_bytes: self.swap_bytes.max(other.swap_bytes),
        }
    }
}

/// A process in a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its place in [`Timeline::seen`].
    pub process: usize,
    /// What it used.
    pub usage: Usage,
}

/// The tree at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Microseconds after the profile began.
    pub at_us: u64,
    /// How many processes.
    pub processes: usize,
    /// Of all together.
    pub total: Usage,
    /// The largest of them.
    pub parts: Vec<Part>,
}

/// A process that was seen in samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub identity: Identity,
    /// Its parent when first seen.
    pub ppid: u32,
    /// The last command line seen.
    pub command: String,
    /// Microseconds after the profile began.
    pub first_us: u64,
    /// The same of the last sample it was in.
    pub last_us: u64,
    /// The largest of the kernel's marks seen.
    pub peak: Peaks,
}

/// All samples.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// What is kept of them.
    pub samples: Vec<Sample>,
    /// Processes in the order they were seen.
    pub seen: Vec<Seen>,
    /// The largest of each figure over all samples, whether kept or not.
    pub peak: Usage,
    /// What was charged to the group when its peak had last risen.
    pub charge: Charge,
    /// Samples taken.
    pub taken: u64,
    /// Samples a second that were asked for.
    pub rate_hz: f64,
    /// Seconds from the first sample to the end.
    pub span_s: f64,
    /// Processor time that taking them cost, in seconds; `None` where the kernel does not count it.
    pub cost_s: Option<f64>,
    /// Readings of processes that may not be looked into.
    pub hidden: u64,
}

/// Samples that are kept at most; beyond them, of each two the larger one stays.
const SAMPLES_MAX: usize = 4096;
/// Processes that are kept of a sample.
const PARTS_MAX: usize = 48;

impl Sample {
    /// A sample of these processes.
    pub fn new(at_us: u64, mut parts: Vec<Part>) -> Sample {
        let total = parts.iter().fold(Usage::default(), |sum, part| sum.plus(part.usage));
        let processes = parts.len();
        if processes > PARTS_MAX {
            parts.sort_by_key(|part| std::cmp::Reverse(part.usage.pss_bytes));
            parts.truncate(PARTS_MAX);
            parts.shrink_to_fit();
        }
        Sample { at_us, processes, total, parts }
    }
}

impl Timeline {
    /// An empty one.
    pub fn new(rate_hz: f64) -> Timeline {
        Timeline { rate_hz, ..Timeline::default() }
    }

    /// Samples a second that were really taken.
    pub fn real_rate(&self) -> f64 {
        if self.span_s > 0.0 && self.taken > 1 { self.taken as f64 / self.span_s } else { 0.0 }
    }

    /// The share of one processor that taking them cost; `None` where the kernel does not count it.
    pub fn cost_share(&self) -> Option<f64> {
        self.cost_s.filter(|_| self.span_s > 0.0).map(|cost| cost / self.span_s)
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: Sample, charge: Charge) {
        self.peak = self.peak.larger(sample.total);
        if charge.peak_bytes > self.charge.peak_bytes {
            self.charge = charge;
        }
        self.taken += 1;
        self.samples.push(sample);
        if self.samples.len() > SAMPLES_MAX {
            let mut halved = Vec::with_capacity(SAMPLES_MAX);
            let mut all = std::mem::take(&mut self.samples).into_iter();
            while let Some(one) = all.next() {
                halved.push(match all.next() {
                    Some(other) if other.total.pss_bytes > one.total.pss_bytes => other,
                    _ => one,
                });
            }
            self.samples = halved;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(process: usize, pss_bytes: u64) -> Part {
        Part { process, usage: Usage { pss_bytes, vm_bytes: 2 * pss_bytes, ..Usage::default() } }
    }

    #[test]
    fn a_sample_keeps_the_largest_and_counts_all() {
        let sample = Sample::new(7, (0..1000).map(|n| part(n, n as u64)).collect());
        assert_eq!((sample.processes, sample.total.pss_bytes, sample.total.vm_bytes), (1000, 499_500, 999_000));
        assert_eq!((sample.parts.len(), sample.parts[0].process), (PARTS_MAX, 999));
    }

    #[test]
    fn however_many_samples_the_peak_stays() {
        let mut timeline = Timeline::new(20.0);
        for at in 0..100_000_u64 {
            let bytes = if at == 54_321 { 1_000_000 } else { at };
            timeline.add(Sample::new(at, vec![part(0, bytes)]), Charge::default());
        }
        assert_eq!((timeline.taken, timeline.peak.pss_bytes), (100_000, 1_000_000));
        assert!(timeline.samples.len() <= SAMPLES_MAX);
        assert!(timeline.samples.iter().any(|sample| sample.total.pss_bytes == 1_000_000));
        assert!(timeline.samples.is_sorted_by_key(|sample| sample.at_us));
    }
}
