//! Amounts as people write them: `2GB`, `90min`.

/// Bytes from `512`, `2GB` (powers of 1000), `2GiB` or `2G` (powers of 1024, as Slurm reads it).
pub fn parse_memory(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return None,
    };
    Some((number * factor) as u64)
}

/// Seconds from `90`, `90s`, `10min`, `2h`, `1d`, `MM:SS` or `HH:MM:SS`.
pub fn parse_time(text: &str) -> Option<f64> {
    if text.contains(':') {
        let parts: Vec<f64> = text.split(':').map(|p| p.trim().parse().ok()).collect::<Option<_>>()?;
        return (parts.len() <= 3 && parts.iter().all(|p| *p >= 0.0))
            .then(|| parts.iter().fold(0.0, |total, part| total * 60.0 + part));
    }
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "s" | "sec" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    Some(number * factor)
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..end].trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| (number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, bytes) in [("512", 512), ("2GB", 2_000_000_000), ("1.5 GiB", 1_610_612_736), ("4G", 4 << 30)] {
            assert_eq!(parse_memory(text), Some(bytes), "{text}");
        }
        for (text, seconds) in [("90", 90.0), ("10min", 600.0), ("1:30", 90.0), ("02:00:01", 7201.0), ("0.5h", 1800.0)]
        {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
        }
        for text in ["", "GB", "-1GB", "2 parsecs", "1:2:3:4", "nan"] {
            assert_eq!((parse_memory(text), parse_time(text)), (None, None), "{text}");
        }
    }
}
