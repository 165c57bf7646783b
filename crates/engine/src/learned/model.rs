//! How much memory steps of one kind need by the size of their inputs: a line above all peaks; knows no file.

use std::collections::BTreeMap;

use pial_core::schedule::{DEFAULT_MEMORY_BYTES, TOO_LITTLE_FACTOR};

/// Peaks are kept for as many sizes of inputs.
const MOST_SIZES: usize = 64;

/// Inputs smaller than this (bytes) are one size: they decide no peak.
const SMALL: u64 = 4096;

/// Sizes kept between two powers of two, until there are too many.
const FINEST: u32 = 8;

/// What is added to a peak, when it was seen a few times and when hardly: the next may be larger.
const MARGIN: (f64, f64) = (0.25, 0.5);

/// With fewer peaks than this, the larger margin.
const FEW: u64 = 3;

/// No margin is less, in bytes: interpreters and libraries differ by that from machine to machine.
const LEAST_MARGIN: f64 = 16.0 * 1024.0 * 1024.0;

/// By how many bytes a peak is taken to grow with each byte of input, at most, where growth was not seen: a voxel of two
/// bytes, compressed to one, is eight as a double, and a tool holds it twice.
const STEEPEST: f64 = 16.0;

/// Growth is known when this many sizes were seen, and the largest is as many times the smallest.
const SPREAD: (usize, f64) = (4, 4.0);

/// Peaks by the size of inputs, few enough to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Peaks {
    /// Of steps that ended well, by bytes of input, rounded down to one of few sizes.
    sizes: BTreeMap<u64, Peak>,
    /// Of steps that failed, by the same: the line is not drawn by them, as they may have ended early.
    floors: BTreeMap<u64, Floor>,
    /// Sizes between two powers of two.
    per_doubling: u32,
}

/// The highest of several peaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// Bytes.
    pub bytes: u64,
    /// How many there were.
    pub count: u64,
}

/// What steps that failed were seen to use at most, in bytes: no request is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    /// By steps that failed of themselves, or that were ended for memory before one with as much input ended well.
    pub seen: u64,
    /// By steps that were ended for memory, and none with as much input has ended well since that used no less: they need more
    /// than this.
    pub more_than: u64,
}

impl Floor {
    fn highest(self, other: Floor) -> Floor {
        Floor { seen: self.seen.max(other.seen), more_than: self.more_than.max(other.more_than) }
    }

    /// Bytes to ask for after this.
    fn need(self) -> u64 {
        let seen = if self.seen > 0 { with_margin(self.seen as f64, MARGIN.0) } else { 0 };
        seen.max(self.more_than.saturating_mul(TOO_LITTLE_FACTOR))
    }
}

impl Default for Peaks {
    fn default() -> Peaks {
        Peaks { sizes: BTreeMap::new(), floors: BTreeMap::new(), per_doubling: FINEST }
    }
}

impl Peaks {
    /// Takes in a peak of steps with `input` bytes of input files that ended well. Those with as much or less that were ended
    /// for memory at no more say no longer that more is needed. One that used less says nothing of them: what decides a
    /// step's memory may be no file.
    pub fn note(&mut self, input: u64, peak: Peak) {
        let input = rounded_down(input, self.per_doubling);
        let known = self.floors.range_mut(..=input).map(|(_, floor)| floor);
        for floor in known.filter(|floor| floor.more_than <= peak.bytes) {
            *floor = Floor { seen: floor.seen.max(floor.more_than), more_than: 0 };
        }
        let kept = self.sizes.entry(input).or_insert(Peak { bytes: 0, count: 0 });
        *kept = Peak { bytes: kept.bytes.max(peak.bytes), count: kept.count.saturating_add(peak.count) };
        self.coarsen();
    }

    /// Takes in what a step with `input` bytes of input files was seen to use before it failed.
    pub fn note_failed(&mut self, input: u64, floor: Floor) {
        let kept = self.floors.entry(rounded_down(input, self.per_doubling)).or_default();
        *kept = kept.highest(floor);
        self.coarsen();
    }

    fn coarsen(&mut self) {
        while self.sizes.len().max(self.floors.len()) > MOST_SIZES && self.per_doubling > 1 {
            self.per_doubling /= 2;
            let mut coarse = Peaks { per_doubling: self.per_doubling, ..Peaks::default() };
            self.iter().for_each(|(input, peak)| coarse.note(input, peak));
            self.floors().for_each(|(input, floor)| coarse.note_failed(input, floor));
            *self = coarse;
        }
    }

    /// Each size of inputs in bytes, a little too small, with the highest peak.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Peak)> {
        self.sizes.iter().map(|(input, peak)| (*input, *peak))
    }

    /// Each size of inputs in bytes, a little too small, with what steps that failed were seen to use.
    pub fn floors(&self) -> impl Iterator<Item = (u64, Floor)> {
        self.floors.iter().map(|(input, floor)| (*input, *floor))
    }

    /// Bytes that the step used that was ended for memory with most of it, of those that are still known to need more.
    pub fn more_than(&self) -> Option<u64> {
        self.floors.values().map(|floor| floor.more_than).filter(|bytes| *bytes > 0).max()
    }

    /// How many peaks of steps that ended well were noted.
    pub fn count(&self) -> u64 {
        self.sizes.values().fold(0, |sum, peak| sum.saturating_add(peak.count))
    }

    /// The most that any step was seen to use, in bytes.
    pub fn highest(&self) -> Option<u64> {
        let floors = self.floors.values().map(|floor| floor.seen.max(floor.more_than));
        self.sizes.values().map(|peak| peak.bytes).chain(floors).max()
    }

    /// The bytes to ask for, for a step with `input` bytes of input files: more than every peak seen with so much or less,
    /// more for more, and clearly more than what a step was ended for. `None` when nothing was seen, or only failures that ask
    /// for no more than what a step counts for of which nothing is known.
    pub fn need(&self, input: u64) -> Option<u64> {
        let at = rounded_down(input, self.per_doubling);
        let floor = self.floors.range(..=at).map(|(_, floor)| floor.need()).max();
        if !self.sizes.is_empty() {
            return self.need_by(&self.sizes, at).map(|need| need.max(floor.unwrap_or(0)));
        }
        // Without a success the ends for memory are all that is known of sizes in between.
        let ended = self.floors.iter().filter(|(_, floor)| floor.more_than > 0);
        let ended = ended.map(|(input, floor)| (*input, Peak { bytes: floor.more_than, count: 0 })).collect();
        self.need_by(&ended, at).max(floor).filter(|need| *need > DEFAULT_MEMORY_BYTES)
    }

    fn need_by(&self, sizes: &BTreeMap<u64, Peak>, at: u64) -> Option<u64> {
        let line = Line::above(sizes)?;
        let (first, last) = (*sizes.keys().next()? as f64, *sizes.keys().next_back()? as f64);
        let at = (at as f64).max(first);
        let beyond = (at - last).max(0.0) * growth(sizes.len(), &line, first, last);
        let level = line.at(at.min(last)) + beyond;
        Some(with_margin(level, if self.count() < FEW { MARGIN.1 } else { MARGIN.0 }))
    }
}

fn with_margin(level: f64, margin: f64) -> u64 {
    (level + (level * margin).max(LEAST_MARGIN)).ceil() as u64
}

/// Bytes of peak for each byte of input beyond what was seen, with so many sizes.
fn growth(sizes: usize, line: &Line, first: f64, last: f64) -> f64 {
    if sizes >= SPREAD.0 && last >= SPREAD.1 * first.max(SMALL as f64) {
        return line.slope;
    }
    line.slope.max((line.at(last) / last.max(1.0)).min(STEEPEST))
}

/// `level + slope * input`, in bytes.
struct Line {
    level: f64,
    slope: f64,
}

impl Line {
    /// The lowest line, at the middle of the sizes, that no peak is above and that does not fall: the side of the upper
    /// convex hull over that middle.
    fn above(sizes: &BTreeMap<u64, Peak>) -> Option<Line> {
        let points: Vec<(f64, f64)> = sizes.iter().map(|(x, peak)| (*x as f64, peak.bytes as f64)).collect();
        let highest = points.iter().map(|point| point.1).reduce(f64::max)?;
        let middle = points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64;
        let hull = upper_hull(&points);
        let side = hull.windows(2).find(|side| side[1].0 >= middle);
        let slope = side.map_or(0.0, |side| (side[1].1 - side[0].1) / (side[1].0 - side[0].0));
        match side {
            Some(side) if slope > 0.0 => Some(Line { level: side[0].1 - slope * side[0].0, slope }),
            _ => Some(Line { level: highest, slope: 0.0 }),
        }
    }

    fn at(&self, input: f64) -> f64 {
        self.level + self.slope * input
    }
}

/// Those of the points, sorted by their first number, that no line between others passes above (Andrew's monotone chain).
fn upper_hull(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in points {
        while let [.., a, b] = hull[..]
            && (b.0 - a.0) * (point.1 - a.1) >= (b.1 - a.1) * (point.0 - a.0)
        {
            hull.pop();
        }
        hull.push(*point);
    }
    hull
}

fn rounded_down(input: u64, per_doubling: u32) -> u64 {
    if input < SMALL {
        return 0;
    }
    let unit = (1 << input.ilog2()) / u64::from(per_doubling);
    input - input % unit
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn peaks(points: &[(u64, u64)]) -> Peaks {
        let mut peaks = Peaks::default();
        points.iter().for_each(|(input, bytes)| peaks.note(*input, Peak { bytes: *bytes, count: 1 }));
        peaks
    }

    /// Numbers that are the same in every run.
    fn numbers(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) % below
        }
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        assert_eq!(Peaks::default().need(5), None);
    }

    #[test]
    fn one_peak_is_taken_with_a_large_margin_and_more_input_with_more() {
        let one = peaks(&[(100 * MB, 1000 * MB)]);
        assert_eq!(one.need(100 * MB).unwrap() / MB, 1500);
        assert_eq!(one.need(0).unwrap() / MB, 1500);
        assert!((2900..3200).contains(&(one.need(200 * MB).unwrap() / MB)));
        assert_eq!(peaks(&[(100 * MB, 1000 * MB); 5]).need(MB).unwrap(), 1250 * MB);
        // 200 MB of interpreter are not a hundred times as many for a hundred times an input of a few kilobytes.
        assert!(peaks(&[(9000, 200 * MB)]).need(900_000).unwrap() < 400 * MB);
        assert_eq!(peaks(&[(0, MB)]).need(0).unwrap(), MB + (16 << 20));
    }

    #[test]
    fn growth_that_was_seen_goes_on() {
        let grows = peaks(&[(10 * MB, 200 * MB), (20 * MB, 300 * MB), (40 * MB, 500 * MB), (80 * MB, 900 * MB)]);
        let need = grows.need(160 * MB).unwrap() / MB;
        assert!((1700 * 5 / 4..1800 * 5 / 4).contains(&need), "{need}");
        let flat = peaks(&[(10 * MB, 200 * MB), (20 * MB, 201 * MB), (40 * MB, 199 * MB), (80 * MB, 200 * MB)]);
        assert!(flat.need(1000 * MB).unwrap() < 260 * MB);
    }

    #[test]
    fn a_need_is_above_all_that_was_seen_with_as_much_and_grows_with_the_input() {
        for seed in 0..300 {
            let mut number = numbers(seed);
            let largest = 1 << number(45);
            let seen: Vec<(u64, u64)> =
                (0..number(200) + 1).map(|_| (number(largest + 1), number(20_000 * MB))).collect();
            let peaks = peaks(&seen);
            assert!(peaks.sizes.len() <= MOST_SIZES);
            assert_eq!(peaks.count(), seen.len() as u64);
            for (input, peak) in &seen {
                assert!(peaks.need(*input).unwrap() > *peak, "seed {seed}, {input}: {peak}");
            }
            let mut at: Vec<u64> = (0..100).map(|_| number(2 * largest + 2)).collect();
            at.sort_unstable();
            for pair in at.windows(2) {
                assert!(peaks.need(pair[0]) <= peaks.need(pair[1]), "seed {seed}: {pair:?}");
            }
        }
    }

    #[test]
    fn what_a_step_was_ended_at_is_doubled_until_one_with_as_much_input_ends_well() {
        let ended = |bytes| Floor { more_than: bytes, ..Floor::default() };
        let mut peaks = peaks(&[(MB, 300 * MB)]);
        peaks.note_failed(10 * MB, ended(1000 * MB));
        assert_eq!((peaks.need(10 * MB), peaks.more_than()), (Some(2000 * MB), Some(1000 * MB)));
        assert!(peaks.need(MB).unwrap() < 500 * MB, "one with little input goes on as before");
        // One with less input says nothing of it, nor one that happened to use less.
        peaks.note(5 * MB, Peak { bytes: 600 * MB, count: 1 });
        peaks.note(20 * MB, Peak { bytes: 700 * MB, count: 1 });
        assert_eq!(peaks.need(10 * MB), Some(2000 * MB));
        peaks.note(11 * MB, Peak { bytes: 1100 * MB, count: 1 });
        assert_eq!(peaks.more_than(), None);
        assert!((1250 * MB..1700 * MB).contains(&peaks.need(10 * MB).unwrap()));
        // It can be ended again.
        peaks.note_failed(10 * MB, ended(1500 * MB));
        assert_eq!(peaks.need(10 * MB), Some(3000 * MB));
    }

    #[test]
    fn a_failure_alone_lowers_nothing() {
        let mut failed = Peaks::default();
        failed.note_failed(0, Floor { seen: 5 * MB, more_than: 0 });
        failed.note_failed(0, Floor { seen: 0, more_than: 40 * MB });
        assert_eq!(failed.need(MB), None, "the default is more");
        failed.note_failed(0, Floor { seen: 3000 * MB, more_than: 0 });
        assert_eq!(failed.need(MB), Some(3750 * MB));
        // One that failed early with much input does not make the line flat.
        let seen = [(10 * MB, 200 * MB), (20 * MB, 300 * MB), (40 * MB, 500 * MB), (80 * MB, 900 * MB)];
        let (before, mut after) = (peaks(&seen), peaks(&seen));
        after.note_failed(800 * MB, Floor { seen: 5 * MB, more_than: 0 });
        assert_eq!(after.need(400 * MB), before.need(400 * MB));
    }

    /// Whatever comes in whatever order: never below what was seen with as much or less, twice what a step was ended at since
    /// the last success with as much, and no less for more input.
    #[test]
    fn needs_hold_with_failures_among_the_peaks() {
        for seed in 0..300 {
            let mut number = numbers(seed);
            let largest = 1 << (13 + number(32));
            let mut peaks = Peaks::default();
            let mut seen = Vec::new();
            let mut ended = Vec::<(u64, u64)>::new();
            for _ in 0..number(150) + 1 {
                let (input, bytes) = (number(largest + 1), number(20_000 * MB) + 1);
                match number(3) {
                    0 => {
                        peaks.note(input, Peak { bytes, count: 1 });
                        // Sizes are rounded: what is nearly as much may count as as much.
                        ended.retain(|(other, ended)| *other / 2 > input || *ended > bytes);
                    }
                    1 => peaks.note_failed(input, Floor { seen: bytes, more_than: 0 }),
                    _ => {
                        peaks.note_failed(input, Floor { seen: 0, more_than: bytes });
                        ended.push((input, bytes));
                    }
                }
                seen.push((input, bytes));
            }
            assert!(peaks.sizes.len() <= MOST_SIZES && peaks.floors.len() <= MOST_SIZES);
            let need = |input| peaks.need(input).unwrap_or(DEFAULT_MEMORY_BYTES);
            for (input, bytes) in &seen {
                assert!(need(*input) > *bytes, "seed {seed}, {input}: {bytes}");
            }
            for (input, bytes) in &ended {
                assert!(need(*input) >= 2 * bytes, "seed {seed}, {input}: {bytes}");
            }
            let mut at: Vec<u64> = (0..100).map(|_| number(2 * largest + 2)).collect();
            at.sort_unstable();
            for pair in at.windows(2) {
                assert!(need(pair[0]) <= need(pair[1]), "seed {seed}: {pair:?}");
            }
        }
    }

    #[test]
    fn extremes_do_no_harm() {
        let peaks = peaks(&[(u64::MAX, u64::MAX), (0, 0), (u64::MAX - 1, 0), (1 << 63, 1)]);
        assert!(peaks.need(u64::MAX).is_some());
        let mut counted = Peaks::default();
        (0..3).for_each(|_| counted.note(1, Peak { bytes: 1, count: u64::MAX }));
        assert_eq!(counted.count(), u64::MAX);
    }
}
