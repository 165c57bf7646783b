//! Which nodes asked for far more memory than they used, or for less: what the end of a run tells of it.

use std::collections::BTreeMap;

use pial_engine::record::Used;

use super::fit::printable;
use crate::quantity::bytes;

/// How many nodes are named.
const MOST_NAMED: usize = 5;

/// A request is far off when what is not used of it is so much, in bytes, and no less than what is used.
const FAR_OFF: u64 = 500_000_000;

/// What the steps of each template asked for and used.
#[derive(Debug, Default)]
pub struct Asked {
    /// By the name of the template: steps, bytes asked for, the most that one used.
    templates: BTreeMap<String, (u32, u64, u64)>,
}

impl Asked {
    /// Takes note of a step that ended well.
    pub fn note(&mut self, node: &str, used: &Used) {
        let Some(asked) = used.asked_bytes else { return };
        let template = node.split(['[', '#']).next().unwrap_or(node);
        if let Some((steps, most_asked, most_used)) = self.templates.get_mut(template) {
            *steps += 1;
            *most_asked = asked.max(*most_asked);
            *most_used = used.peak_rss_bytes.max(*most_used);
        } else {
            self.templates.insert(template.to_owned(), (1, asked, used.peak_rss_bytes));
        }
    }

    /// A line for each request that was far off, the furthest first.
    pub fn lines(&self) -> Vec<String> {
        let is_off = |asked: u64, used: u64| used > asked || asked - used >= FAR_OFF.max(used);
        let mut off: Vec<_> = self.templates.iter().filter(|(_, (_, asked, used))| is_off(*asked, *used)).collect();
        off.sort_by_key(|(_, (_, asked, used))| std::cmp::Reverse(asked.abs_diff(*used)));
        let mut lines: Vec<String> = off.iter().take(MOST_NAMED).map(|(name, off)| line(name, **off)).collect();
        if off.len() > MOST_NAMED {
            lines.push(format!("and {} more requests for memory were far off", off.len() - MOST_NAMED));
        }
        lines
    }
}

fn line(name: &str, (steps, asked, used): (u32, u64, u64)) -> String {
    let most = if steps > 1 { format!(" at most, in {steps} steps") } else { String::new() };
    format!("{} asked for {} of memory and used {}{most}", printable(name), bytes(asked), bytes(used))
}

#[cfg(test)]
mod tests {
    use pial_engine::record::Method;

    use super::*;

    fn used(asked: u64, peak: u64) -> Used {
        Used {
            wall_s: 1.0,
            user_s: 0.0,
            system_s: 0.0,
            peak_rss_bytes: peak,
            method: Method::TreePss,
            charged_bytes: None,
            asked_bytes: (asked > 0).then_some(asked),
        }
    }

    #[test]
    fn requests_that_are_far_off_are_named() {
        let mut asked = Asked::default();
        asked.note("large[s=1]", &used(8_000_000_000, 900_000_000));
        asked.note("large[s=2]#3", &used(8_000_000_000, 1_200_000_000));
        asked.note("right", &used(1_000_000_000, 600_000_000));
        asked.note("small", &used(300_000_000, 20_000_000));
        asked.note("short", &used(1_000_000_000, 1_300_000_000));
        asked.note("nothing", &used(0, 5_000_000_000));
        let expected = [
            "large asked for 8.0 GB of memory and used 1.2 GB at most, in 2 steps",
            "short asked for 1.0 GB of memory and used 1.3 GB",
        ];
        assert_eq!(asked.lines(), expected);
    }

    #[test]
    fn not_all_are_named() {
        let mut asked = Asked::default();
        (1..=7).for_each(|n| asked.note(&format!("n{n}"), &used(n * 1_000_000_000, 0)));
        let lines = asked.lines();
        assert_eq!((lines.len(), lines[0].as_str()), (6, "n7 asked for 7.0 GB of memory and used 0 B"));
        assert_eq!(lines[5], "and 2 more requests for memory were far off");
    }
}
