//! A profile as one page that needs nothing else; what is small is put together, so that a page stays quick.

use std::collections::BTreeSet;

use pial_measure::record::Record;
use pial_measure::timeline::{Sample, Timeline, Usage};
use serde_json::{Value, json};

use super::{Profile, json as words, short};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
/// Processes with a colour of their own, for each measure.
const LARGEST: usize = 10;
/// Moments in time: more than a screen has columns.
const MOMENTS: usize = 1500;
/// Marks of forks and exec.
const MARKS: usize = 400;
/// Rows of the table.
const ROWS: usize = 200;

/// The whole page.
pub fn page(profile: &Profile) -> String {
    // No text inside may end the script it stands in.
    let data = data(profile).to_string().replace('<', "\\u003c");
    PAGE.replace("/*SCRIPT*/", SCRIPT).replace("{\"data\":0}", &data)
}

fn data(profile: &Profile) -> Value {
    let empty = Timeline::default();
    let timeline = profile.timeline.as_ref().unwrap_or(&empty);
    let shown = largest(timeline);
    let places: Vec<usize> = shown.iter().copied().collect();
    let moments = thinned(&timeline.samples);
    let names = places.iter().map(|seen| name(&profile.records[profile.places[*seen]]));
    let mut summary = words::value(profile);
    for field in ["processes", "timeline"] {
        summary[field] = Value::Null;
    }
    let (marks, dropped) = marks(profile);
    let mut rows: Vec<&Record> = profile.records.iter().collect();
    rows.sort_by_key(|record| std::cmp::Reverse(record.peak().0.rss_bytes.max(record.copied_bytes())));
    json!({
        "summary": summary,
        "names": names.collect::<Vec<_>>(),
        "moments": moments.iter().map(|sample| moment(sample, &places)).collect::<Vec<_>>(),
        "marks": marks,
        "marks_dropped": dropped,
        "rows": rows.iter().take(ROWS).map(|record| row(record)).collect::<Vec<_>>(),
        "processes": profile.records.len(),
    })
}

/// The processes, as seen, that are among the largest by some measure.
fn largest(timeline: &Timeline) -> BTreeSet<usize> {
    let mut peaks = vec![[0_u64; 4]; timeline.seen.len()];
    for part in timeline.samples.iter().flat_map(|sample| &sample.parts) {
        let peak = &mut peaks[part.process];
        *peak = std::array::from_fn(|measure| peak[measure].max(four(part.usage)[measure]));
    }
    let mut chosen = BTreeSet::new();
    for measure in 0..4 {
        let mut order: Vec<usize> = (0..peaks.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(peaks[*place][measure]));
        chosen.extend(order.into_iter().take(LARGEST));
    }
    chosen
}

fn four(usage: Usage) -> [u64; 4] {
    [usage.pss_bytes, usage.rss_bytes, usage.vm_bytes, usage.commit_bytes]
}

/// Of neighbours the largest.
fn thinned(samples: &[Sample]) -> Vec<&Sample> {
    let each = samples.len().div_ceil(MOMENTS).max(1);
    samples.chunks(each).filter_map(|few| few.iter().max_by_key(|sample| sample.total.pss_bytes)).collect()
}

/// Seconds, processes, the totals of the four measures, and those of each shown process that is there.
fn moment(sample: &Sample, places: &[usize]) -> Value {
    let parts = sample.parts.iter().filter_map(|part| {
        let place = places.binary_search(&part.process).ok()?;
        let [pss, rss, vm, commit] = four(part.usage);
        Some(json!([place, pss, rss, vm, commit]))
    });
    json!([sample.at_us as f64 * 1e-6, sample.processes, four(sample.total), parts.collect::<Vec<_>>()])
}

/// Forks and exec, those with the most memory if there are too many, and how many were left out.
fn marks(profile: &Profile) -> (Vec<Value>, usize) {
    let mut all = Vec::new();
    for record in &profile.records {
        let how = words::how(record.birth.how);
        if let Some(how) = how.filter(|_| !profile.records.is_empty() && profile.method.exact) {
            all.push((record.copied_bytes(), record.start_us, how, record));
        }
        for image in record.images.iter().skip(1) {
            all.push((0, image.from_us, "exec", record));
        }
    }
    all.sort_by_key(|(bytes, at, ..)| (std::cmp::Reverse(*bytes), *at));
    let dropped = all.len().saturating_sub(MARKS);
    all.truncate(MARKS);
    let marks = all.iter().map(|(bytes, at, how, record)| json!([*at as f64 * 1e-6, how, bytes, name(record)]));
    (marks.collect(), dropped)
}

fn name(record: &Record) -> String {
    format!("{} {}", record.identity.pid, short(record.command(), 80))
}

fn row(record: &Record) -> Value {
    let (peak, _) = record.peak();
    json!([
        record.identity.pid,
        record.ppid,
        short(record.command(), 160),
        record.start_us as f64 * 1e-6,
        record.end_us.map(|us| us as f64 * 1e-6),
        words::how(record.birth.how),
        record.copied_bytes(),
        peak.rss_bytes,
        peak.vm_bytes,
    ])
}
