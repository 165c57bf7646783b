//! A profile as JSON, version 1; docs/profile.md describes it.

use pial_measure::record::{Exit, How, Image, Known, Record, Remark};
use pial_measure::timeline::{Sample, Timeline};
use serde_json::{Value, json};

use super::Profile;

/// One object and a line end.
pub fn text(profile: &Profile) -> String {
    format!("{}\n", value(profile))
}

/// The same as a value.
pub fn value(profile: &Profile) -> Value {
    let (pss, peaks) = profile.peaks();
    let sampled = profile.timeline.is_some();
    let largest = profile.largest();
    json!({
        "profile": 1,
        "command": profile.command,
        "wall_s": profile.wall_s,
        "method": profile.method_name(),
        "peaks": {
            "pss_bytes": pss,
            "rss_bytes": peaks.rss_bytes,
            "vm_bytes": peaks.vm_bytes,
            "commit_bytes": (sampled || peaks.commit_bytes > 0).then_some(peaks.commit_bytes),
            "swap_bytes": sampled.then_some(peaks.swap_bytes),
            "cgroup_bytes": profile.charge.map(|charge| charge.peak_bytes),
        },
        "measures": measures(profile),
        "largest_process": {"vm_bytes": largest.vm_bytes, "rss_bytes": largest.rss_bytes},
        "cgroup": profile.charge.map(|charge| json!({
            "peak_bytes": charge.peak_bytes,
            "then_bytes": charge.now_bytes,
            "then_cache_bytes": charge.cache_bytes,
            "then_kernel_bytes": charge.kernel_bytes,
        })),
        "sampling": profile.timeline.as_ref().map(sampling),
        "budget_bytes": profile.budget_bytes,
        "notes": profile.notes,
        "processes": profile.records.iter().map(process).collect::<Vec<_>>(),
        "timeline": profile.timeline.iter().flat_map(|timeline| &timeline.samples).map(|s| sample(profile, s)).collect::<Vec<_>>(),
    })
}

/// What each figure of `peaks` is: its measure, of what, and how it was found.
fn measures(profile: &Profile) -> Value {
    let samples = profile
        .timeline
        .as_ref()
        .map_or(String::new(), |timeline| format!("samples at {:.1} Hz", timeline.real_rate()));
    let raised = match (profile.method.exact, profile.method.sampled) {
        (true, true) => {
            format!("{samples}, raised by the kernel's marks of single processes and by forks; a lower bound")
        }
        (true, false) => "the kernel's marks of single processes and forks; a lower bound".to_owned(),
        _ => format!("{samples}, raised by the kernel's marks of single processes; a lower bound"),
    };
    let sampled = if samples.is_empty() { "not measured".to_owned() } else { samples + "; a lower bound" };
    json!({
        "pss_bytes": {"measure": "PSS", "scope": "tree", "how": sampled},
        "rss_bytes": {"measure": "RSS, shared pages counted for each process", "scope": "tree", "how": raised},
        "vm_bytes": {"measure": "address space", "scope": "tree", "how": raised},
        "commit_bytes": {"measure": "private writable mappings (VmData + VmStk)", "scope": "tree", "how": raised},
        "swap_bytes": {"measure": "VmSwap", "scope": "tree", "how": sampled},
        "cgroup_bytes": {"measure": "all that was charged, page cache and kernel memory too", "scope": "control group",
            "how": if profile.charge.is_some() { "kernel, exact" } else { "not measured" }},
    })
}

fn sampling(timeline: &Timeline) -> Value {
    json!({
        "asked_hz": timeline.rate_hz,
        "real_hz": timeline.real_rate(),
        "samples": timeline.taken,
        "kept": timeline.samples.len(),
        "cpu_s": timeline.cost_s,
        "cpu_share": timeline.cost_share(),
    })
}

fn process(record: &Record) -> Value {
    let (peak, known) = record.peak();
    let start = record.birth.start;
    json!({
        "pid": record.identity.pid,
        "ppid": record.ppid,
        "command": record.command(),
        "start_s": seconds(record.start_us),
        "end_s": record.end_us.map(seconds),
        "birth": {
            "how": how(record.birth.how),
            "vm_bytes": start.vm_bytes,
            "private_bytes": start.private_bytes,
            "anonymous_bytes": start.anonymous_bytes,
            "shared": record.birth.shared,
            "copied_bytes": record.copied_bytes(),
        },
        "peak": {"vm_bytes": peak.vm_bytes, "rss_bytes": peak.rss_bytes, "known": known_name(known)},
        "images": record.images.iter().map(image).collect::<Vec<_>>(),
        "exit": record.exit.map(|exit| match exit {
            Exit::Code(code) => json!({"code": code}),
            Exit::Signal(signal) => json!({"signal": signal}),
        }),
        "remark": record.remark.map(|remark| match remark {
            Remark::Tracer => "tracer",
            Remark::Privileges => "privileges",
        }),
    })
}

fn image(image: &Image) -> Value {
    json!({
        "command": image.command,
        "from_s": seconds(image.from_us),
        "start": {
            "vm_bytes": image.start.vm_bytes,
            "private_bytes": image.start.private_bytes,
            "anonymous_bytes": image.start.anonymous_bytes,
        },
        "peak": {"vm_bytes": image.peak.vm_bytes, "rss_bytes": image.peak.rss_bytes, "known": known_name(image.known)},
        "shared": image.shared,
    })
}

fn sample(profile: &Profile, sample: &Sample) -> Value {
    let parts = sample.parts.iter().map(|part| {
        let usage = part.usage;
        json!({
            "process": profile.places[part.process],
            "pss_bytes": usage.pss_bytes,
            "rss_bytes": usage.rss_bytes,
            "vm_bytes": usage.vm_bytes,
            "commit_bytes": usage.commit_bytes,
        })
    });
    json!({
        "at_s": seconds(sample.at_us),
        "processes": sample.processes,
        "pss_bytes": sample.total.pss_bytes,
        "rss_bytes": sample.total.rss_bytes,
        "vm_bytes": sample.total.vm_bytes,
        "commit_bytes": sample.total.commit_bytes,
        "swap_bytes": sample.total.swap_bytes,
        "parts": parts.collect::<Vec<_>>(),
    })
}

/// The word of the JSON for a birth; `null` when nobody saw it.
pub fn how(how: How) -> Option<&'static str> {
    match how {
        How::Fork => Some("fork"),
        How::Vfork => Some("vfork"),
        How::Clone => Some("clone"),
        How::Spawn => Some("spawn"),
        How::Unseen => None,
    }
}

fn known_name(known: Known) -> &'static str {
    match known {
        Known::AtEnd => "exact",
        Known::WhenLeft => "so far",
        Known::Before => "lower bound",
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 * 1e-6
}
