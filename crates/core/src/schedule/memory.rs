//! How much memory a step is granted: asked for, learned or assumed, and more after it ran out; knows no process.

/// Sizes between two powers of two: a learned request is rounded up by an eighth at most, so that ready steps stand in
/// few classes.
const SIZES_PER_DOUBLING: u64 = 8;

/// No learned request is less, in bytes: a process has a program, a stack and libraries.
const LEAST_BYTES: u64 = 1 << 20;

/// How many times as much is granted after what was too little.
pub const TOO_LITTLE_FACTOR: u64 = 2;

/// Who says how much memory a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The document.
    Asked,
    /// Peaks of earlier steps.
    Learned,
    /// Nobody: it counts as nipype's default does.
    Default,
}

/// The memory that a step is granted for one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Bytes, never more than the whole budget.
    pub bytes: u64,
    /// Who says so. A larger request after one that was too small has the source of the first.
    pub source: Source,
}

/// Bytes rounded up to one of few sizes.
pub fn rounded(bytes: u64) -> u64 {
    let bytes = bytes.max(LEAST_BYTES);
    let unit = (1 << bytes.ilog2()) / SIZES_PER_DOUBLING;
    bytes.checked_next_multiple_of(unit).unwrap_or(bytes)
}

/// What to grant after `granted` bytes were too few for a step that was seen to use `used`; `None` when it had or used all
/// that the run has.
pub(super) fn more(granted: u64, used: u64, whole: u64) -> Option<u64> {
    let more = granted.saturating_mul(TOO_LITTLE_FACTOR).max(used.saturating_add(used / 2));
    (granted < whole && used < whole).then(|| rounded(more).min(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_few_and_never_less() {
        let mut distinct = std::collections::BTreeSet::new();
        for bytes in (0..64_000_000_000_u64).step_by(7_654_321) {
            let size = rounded(bytes);
            assert!(size >= bytes && size <= bytes.max(LEAST_BYTES) + bytes / 8 + 1, "{bytes}: {size}");
            assert_eq!(rounded(size), size);
            distinct.insert(size);
        }
        assert!(distinct.len() < 120, "{}", distinct.len());
        assert_eq!(rounded(u64::MAX), u64::MAX);
    }

    #[test]
    fn more_is_more_until_all_was_granted() {
        assert_eq!(more(100 << 20, 0, 8 << 30), Some(208 << 20));
        assert_eq!(more(100 << 20, 400 << 20, 8 << 30), Some(640 << 20));
        assert_eq!(more(5 << 30, 5 << 30, 8 << 30), Some(8 << 30));
        assert_eq!(more(8 << 30, 0, 8 << 30), None);
        assert_eq!(more(100 << 20, 8 << 30, 8 << 30), None);
        assert_eq!(more(0, 0, 8 << 30), Some(LEAST_BYTES));
    }
}
