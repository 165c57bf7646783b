//! Times and sizes as people read them; knows nothing of what they measure.

/// A duration: `0.4 s`, `12.3 s`, `3 min 20 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    // Rounded before it is split, so that 59.96 s is not told as 60.0 s.
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let whole = seconds.max(0.0).round() as u64;
    match (tenths, whole) {
        (0..600, _) => format!("{}.{} s", tenths / 10, tenths % 10),
        (_, 0..3600) => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// An estimate of a duration, no more exact than it deserves: `10 s`, `4 min`, `2 h 10 min`; `None` for nothing.
pub fn estimate(seconds: f64) -> Option<String> {
    let up_to = |step: f64| (seconds / step).ceil() as u64 * step as u64;
    match seconds {
        s if !s.is_finite() || s <= 0.0 => None,
        s if s <= 10.0 => Some(format!("{} s", up_to(1.0))),
        s if s <= 50.0 => Some(format!("{} s", up_to(5.0))),
        s if s <= 3540.0 => Some(format!("{} min", up_to(60.0) / 60)),
        _ => {
            let minutes = up_to(600.0) / 60;
            Some(format!("{} h {:02} min", minutes / 60, minutes % 60))
        }
    }
}

/// A size in decimal units: `512 B`, `12.3 MB`, `1.2 GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be told as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            (-1.0, "0.0 s"),
            (0.04, "0.0 s"),
            (0.4, "0.4 s"),
            (12.34, "12.3 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min 00 s"),
            (200.0, "3 min 20 s"),
            (3599.4, "59 min 59 s"),
            (3599.5, "1 h 00 min"),
            (7500.0, "2 h 05 min"),
            (200_000.0, "55 h 33 min"),
        ];
        for (seconds, expected) in table {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn estimates() {
        let table = [
            (0.0, None),
            (f64::NAN, None),
            (0.2, Some("1 s")),
            (9.5, Some("10 s")),
            (41.0, Some("45 s")),
            (51.0, Some("1 min")),
            (170.0, Some("3 min")),
            (3540.0, Some("59 min")),
            (3541.0, Some("1 h 00 min")),
            (7300.0, Some("2 h 10 min")),
        ];
        for (seconds, expected) in table {
            assert_eq!(estimate(seconds).as_deref(), expected, "{seconds}");
        }
    }

    #[test]
    fn sizes() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_949_999, "999.9 MB"),
            (999_960_000, "1.0 GB"),
            (1_200_000_000, "1.2 GB"),
            (5_000_000_000_000_000, "5000.0 TB"),
        ];
        for (count, expected) in table {
            assert_eq!(bytes(count), expected, "{count}");
        }
    }
}
