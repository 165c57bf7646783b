//! A profile in some lines for the terminal.

use std::fmt::Write;

use pial_measure::record::{Exit, Known, Record};

use super::{Profile, json, short};
use crate::quantity::{bytes, duration};

/// Lines that processes and forks take at most.
const MOST: usize = 10;

/// The summary, every figure with its measure and what it is of.
pub fn text(profile: &Profile) -> String {
    let mut out = String::new();
    let processes = profile.records.len();
    let plural = if processes == 1 { "" } else { "es" };
    let command = short(&profile.command.join(" "), 70);
    let wall = if profile.wall_s < 10.0 { format!("{:.3} s", profile.wall_s) } else { duration(profile.wall_s) };
    let _ =
        writeln!(out, "pial profile: `{command}` took {wall}, {processes} process{plural}; {}", profile.method_name());
    peaks(&mut out, profile);
    fattest(&mut out, profile);
    copies(&mut out, profile);
    if let Some(timeline) = &profile.timeline {
        let cost =
            timeline.cost_share().map_or(String::new(), |share| format!(", {:.1} % of one processor", 100.0 * share));
        let (rate, asked) = (timeline.real_rate(), timeline.rate_hz);
        let _ = match timeline.taken {
            // One has no rate, and its cost is spread over no time.
            ..=1 => writeln!(out, "sampled once (asked {asked} a second); --rate takes more"),
            taken => writeln!(out, "sampled {taken} times, {rate:.1} a second (asked {asked}){cost}"),
        };
    }
    for note in &profile.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

fn peaks(out: &mut String, profile: &Profile) {
    let (pss, peaks) = profile.peaks();
    let from = match (profile.method.exact, profile.method.sampled) {
        (true, true) => "samples, single processes exact",
        (true, false) => "largest process or fork, exact",
        _ => "samples",
    };
    let _ = writeln!(out, "  peak of the whole tree");
    if let Some(charge) = profile.charge {
        let (cache, kernel) = (bytes(charge.cache_bytes), bytes(charge.kernel_bytes));
        let all = bytes(charge.peak_bytes);
        let _ = writeln!(
            out,
            "    {all:>9}  control group: all charged, of it {cache} page cache, {kernel} kernel (exact)"
        );
    }
    // What lies between two samples is not seen, so a sampled figure only bounds the peak from below.
    let least = |figure: u64| match profile.method.sampled {
        true => format!("{:>11}", format!(">={}", bytes(figure))),
        false => format!("{:>11}", bytes(figure)),
    };
    if let Some(pss) = pss {
        let _ = writeln!(out, "  {}  PSS: resident, shared pages counted once (samples)", least(pss));
    }
    let _ = writeln!(out, "  {}  RSS: resident, shared pages counted for each ({from})", least(peaks.rss_bytes));
    let _ = writeln!(out, "  {}  commit: private writable memory, touched or not ({from})", least(peaks.commit_bytes));
    let _ = writeln!(out, "  {}  address space ({from})", least(peaks.vm_bytes));
    if peaks.swap_bytes > 0 {
        let _ = writeln!(out, "  {}  swapped out (samples)", least(peaks.swap_bytes));
    }
    if let Some(budget) = profile.budget_bytes {
        let used = pss.unwrap_or(profile.largest().rss_bytes).max(profile.largest().rss_bytes);
        let word = if used > budget { "over" } else { "within" };
        let _ = writeln!(out, "    {:>9}  {word} the budget of {}", bytes(used), bytes(budget));
    }
}

fn fattest(out: &mut String, profile: &Profile) {
    let mut all: Vec<&Record> = profile.records.iter().collect();
    all.sort_by_key(|record| std::cmp::Reverse(record.peak().0.rss_bytes));
    let _ = writeln!(out, "  processes by peak RSS (peak RSS, address space, each process alone)");
    for record in all.iter().take(MOST) {
        let (peak, known) = record.peak();
        let sign = if known == Known::Before { ">=" } else { "" };
        let (rss, vm) = (format!("{sign}{}", bytes(peak.rss_bytes)), bytes(peak.vm_bytes));
        let end = match record.exit {
            Some(Exit::Signal(signal)) => format!("  [signal {signal}]"),
            Some(Exit::Code(code)) if code != 0 => format!("  [exit {code}]"),
            _ => String::new(),
        };
        let (pid, command) = (record.identity.pid, short(record.command(), 60));
        let _ = writeln!(out, "    {rss:>11} {vm:>9}  {pid:>7} {command}{end}");
    }
    if all.len() > MOST {
        let _ = writeln!(out, "    and {} smaller ones", all.len() - MOST);
    }
}

fn copies(out: &mut String, profile: &Profile) {
    if !profile.method.exact {
        return;
    }
    let copies = profile.copies();
    let borrowed = profile.records.iter().skip(1).filter(|record| record.birth.shared).count();
    if copies.is_empty() {
        let _ = writeln!(
            out,
            "  no fork copied memory; {borrowed} processes began by vfork or posix_spawn, which copy nothing"
        );
        return;
    }
    let _ = writeln!(out, "  forks that copied the most (private writable memory, of it touched; address space)");
    for record in copies.iter().take(MOST) {
        let start = record.birth.start;
        let (private, touched, vm) = (bytes(start.private_bytes), bytes(start.anonymous_bytes), bytes(start.vm_bytes));
        let born = json::how(record.birth.how).unwrap_or_default();
        let (pid, ppid) = (record.identity.pid, record.ppid);
        let (at, command) = (record.start_us as f64 * 1e-6, short(record.command(), 40));
        let _ = writeln!(out, "    {private:>9} {touched:>9} {vm:>9}  {born} at {at:.3} s by {ppid}: {pid} {command}");
    }
    if copies.len() > MOST || borrowed > 0 {
        let more = copies.len().saturating_sub(MOST);
        let _ = writeln!(out, "    and {more} more; {borrowed} began by vfork or posix_spawn, which copy nothing");
    }
}
