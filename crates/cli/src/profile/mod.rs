//! A profile: runs a command under both methods and puts together what they found; knows no output.

pub mod html;
pub mod json;
pub mod start;
pub mod summary;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::mpsc;
use std::time::Instant;

use pial_engine::sys;
use pial_measure::cgroup::{self, Group, Groups};
use pial_measure::charge::Charge;
use pial_measure::process::Peaks;
use pial_measure::record::{Birth, Exit, How, Image, Known, Record, Remark, Start, larger};
use pial_measure::sample::{self, Marks};
use pial_measure::timeline::{Timeline, Usage};
use pial_measure::{program, trace};

use crate::failure::Failure;
use start::{Refused, Waiting};

/// Which methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// By `ptrace`, at births, `exec` and ends.
    pub exact: bool,
    /// By samples.
    pub sampled: bool,
}

/// What to profile and how.
#[derive(Debug, Clone)]
pub struct Settings {
    pub command: Vec<OsString>,
    pub method: Method,
    pub rate_hz: f64,
    pub budget_bytes: Option<u64>,
    pub wait: bool,
}

/// All that was found.
#[derive(Debug)]
pub struct Profile {
    pub command: Vec<String>,
    pub wall_s: f64,
    /// What was really done, after what was not possible.
    pub method: Method,
    pub budget_bytes: Option<u64>,
    /// What the user should know of how far the figures go.
    pub notes: Vec<String>,
    /// Every process, in the order of their births.
    pub records: Vec<Record>,
    pub timeline: Option<Timeline>,
    /// For each process seen in the timeline, its place among the records.
    pub places: Vec<usize>,
    pub charge: Option<Charge>,
}

/// The share of one processor that samples may take.
const COST_SHARE: f64 = 0.02;

/// Runs the command to its end. Gives the profile and the exit code, or why the command could not be run.
pub fn measure(settings: &Settings) -> Result<Result<(Profile, u8), Refused>, Failure> {
    let mut notes = Vec::new();
    let mut method = settings.method;
    sys::adopt_orphans();
    // The groups are removed with the value, however this ends.
    let charged = charged();
    let mut waiting =
        Waiting::start(&settings.command, charged.as_ref().ok().map(|(_, group)| group.door()).as_deref())?;
    let root = waiting.pid;
    // Not before, as what is held back stays so in what is started.
    let held = sys::Held::hold();
    let command = sys::ChildHandle::of(root);
    std::thread::spawn(move || held.hand_on(&command));
    let charged = charged.and_then(|charged| {
        waiting.entered().map_err(|e| format!("cannot put the command into one: {e}"))?;
        Ok(charged)
    });
    let charged = charged.map_err(|why| notes.push(format!("no figure of a control group: {why}"))).ok();
    let marks = Marks::default();
    let began = Instant::now();
    let mut trace = trace::Trace::new(sys::Tracer, root, &marks, began);
    if method.exact
        && let Err(why) = traceable(settings).and_then(|()| trace.seize().map_err(|e| untraced(&e)))
    {
        notes.push(why);
        method = Method { exact: false, sampled: true };
    }
    let options = sample::Options { rate_hz: settings.rate_hz, cost_share: COST_SHARE, same_memory: sys::same_memory };
    let (end, ended) = mpsc::channel();
    let mut ended = Some(ended);
    let (followed, timeline) = std::thread::scope(|scope| {
        let mut sampler = None;
        let (group, marks) = (charged.as_ref().map(|(_, group)| group), &marks);
        let mut sample = || {
            if let Some(ended) = ended.take().filter(|_| method.sampled) {
                let own = std::process::id();
                sampler = Some(scope.spawn(move || sample::follow(own, options, began, marks, group, &ended)));
            }
        };
        waiting.go();
        if !method.exact {
            waiting.settled();
            sample();
        }
        let followed = trace.follow(settings.wait, sample);
        drop(end);
        (followed, sampler.and_then(|sampler| sampler.join().ok()))
    });
    let wall_s = began.elapsed().as_secs_f64();
    let (records, exit) = followed.map_err(|e| Failure::Engine(format!("cannot wait for the command: {e}")))?;
    if let Some(refused) = waiting.refused() {
        return Ok(Err(refused));
    }
    let charge = charged.as_ref().map(|(_, group)| charge(group, timeline.as_ref()));
    let command = settings.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut profile = Profile {
        command,
        wall_s,
        method,
        budget_bytes: settings.budget_bytes,
        notes,
        records,
        timeline,
        places: Vec::new(),
        charge,
    };
    profile.join(root, exit);
    profile.remark(settings.wait);
    Ok(Ok((profile, code(exit))))
}

/// A group for the command alone, in which what it starts is born; other processes stay where they are.
fn charged() -> Result<(Groups, Group), String> {
    let mut groups = Groups::open_in_place(&format!("pial-{}", std::process::id())).map_err(|e| ungrouped(&e))?;
    let group = groups.make().map_err(|e| format!("cannot make a control group: {e}"))?;
    Ok((groups, group))
}

fn ungrouped(refused: &cgroup::Refused) -> String {
    match refused {
        cgroup::Refused::Absent => "no control group with the memory controller is mounted".to_owned(),
        cgroup::Refused::Denied { directory, source } if source.kind() == std::io::ErrorKind::Unsupported => {
            let shown = directory.display();
            format!("{shown} keeps no peak: the memory controller is not delegated, or Linux is before 5.19")
        }
        cgroup::Refused::Denied { directory, source } => {
            format!("cannot make the control group {}: {source}", directory.display())
        }
    }
}

/// The group's peak at the end, with what it was made of when it was last seen to rise.
fn charge(group: &Group, timeline: Option<&Timeline>) -> Charge {
    let sampled = timeline.map(|timeline| timeline.charge).filter(|charge| charge.peak_bytes > 0);
    let mut charge = sampled.or_else(|| Charge::read(group)).unwrap_or_default();
    charge.peak_bytes = group.peak_bytes().unwrap_or(charge.peak_bytes);
    charge
}

/// Why a command should not be traced, if so: it would not be given the rights that its file asks for.
fn traceable(settings: &Settings) -> Result<(), String> {
    let file = settings.command.first().and_then(start::find);
    let first = settings.command.get(1).map(|word| word.as_encoded_bytes());
    let facts = file
        .as_deref()
        .and_then(|file| Some(program::look(file, sys::has_capabilities)?.as_started(file, first)))
        .unwrap_or_default();
    let name = file.unwrap_or_default();
    match facts {
        program::Facts { privileged: true, .. } => {
            let what = if sys::has_capabilities(&name) { "has file capabilities" } else { "is set-user-id" };
            Err(format!("sampled only: {} {what}, which a traced process is not given", name.display()))
        }
        program::Facts { traces: true, .. } => {
            Err(format!("sampled only: {} traces processes itself, and a process has one tracer", name.display()))
        }
        _ => Ok(()),
    }
}

fn untraced(error: &std::io::Error) -> String {
    let setting = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let why = match setting.trim() {
        "2" | "3" => "; kernel.yama.ptrace_scope forbids it",
        _ => "; a container or security policy forbids it",
    };
    format!("sampled only: this process may not trace ({error}{why}), so births and short-lived peaks are not seen")
}

fn code(exit: Option<Exit>) -> u8 {
    match exit {
        Some(Exit::Code(code)) => code as u8,
        Some(Exit::Signal(signal)) => 128_u8.saturating_add(signal as u8),
        None => 3,
    }
}

impl Profile {
    /// Finds the processes of the samples among the records; one that was not traced becomes a record.
    fn join(&mut self, root: u32, exit: Option<Exit>) {
        let Some(timeline) = &self.timeline else { return };
        let mut known: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, record) in self.records.iter().enumerate() {
            known.entry(record.identity.pid).or_default().push(place);
        }
        for seen in &timeline.seen {
            let candidates = known.get(&seen.identity.pid).into_iter().flatten().copied();
            let same = candidates.rev().find(|place| self.records[*place].identity == seen.identity);
            let place = same.unwrap_or(self.records.len());
            self.places.push(place);
            if same.is_none() {
                self.records.push(unseen(seen, (seen.identity.pid == root).then_some(exit).flatten()));
            } else if self.records[place].remark == Some(Remark::Tracer)
                && let Some(image) = self.records[place].images.last_mut()
            {
                image.peak = larger(image.peak, seen.peak);
            }
        }
    }

    fn remark(&mut self, wait: bool) {
        for (remark, text) in [
            (Remark::Tracer, "traces processes itself, so it and what it starts were sampled only"),
            (
                Remark::Privileges,
                "asks for rights that a traced process is not given; it may have failed for that. \
                Use --method sampled",
            ),
        ] {
            let marked: Vec<&Record> = self.records.iter().filter(|record| record.remark == Some(remark)).collect();
            if let Some(first) = marked.first() {
                let more = if marked.len() > 1 { format!(" (and {} more)", marked.len() - 1) } else { String::new() };
                self.notes.push(format!(
                    "process {} `{}`{more} {text}",
                    first.identity.pid,
                    short(first.command(), 60)
                ));
            }
        }
        let left = self.records.iter().filter(|record| self.method.exact && record.end_us.is_none()).count();
        if left > 0 {
            self.notes.push(match wait {
                true => format!("{left} still ran when waiting for them was interrupted"),
                false => format!("{left} still ran when the command had ended; --wait goes on until they end"),
            });
        }
        if let Some(timeline) = self.timeline.as_ref().filter(|timeline| timeline.hidden > 0) {
            let hidden = timeline.hidden;
            self.notes
                .push(format!("{hidden} readings of processes that may not be looked into count their own pages only"));
        }
    }

    /// The largest figures of the tree that are certain: samples, raised by the kernel's marks of single processes and by
    /// forks, at which parent and copy had the same at once. `None` where nothing tells.
    pub fn peaks(&self) -> (Option<u64>, Usage) {
        let pss = self.timeline.as_ref().map(|timeline| timeline.peak.pss_bytes);
        let mut peaks = self.timeline.as_ref().map(|timeline| timeline.peak).unwrap_or_default();
        for record in &self.records {
            let (own, _) = record.peak();
            let twice = |bytes: u64| if record.birth.how == How::Fork { 2 * bytes } else { 0 };
            peaks.rss_bytes = peaks.rss_bytes.max(own.rss_bytes);
            peaks.vm_bytes = peaks.vm_bytes.max(own.vm_bytes).max(twice(record.birth.start.vm_bytes));
            peaks.commit_bytes = peaks.commit_bytes.max(twice(record.copied_bytes()));
        }
        (pss, peaks)
    }

    /// The largest single process by each of the kernel's marks.
    pub fn largest(&self) -> Peaks {
        self.records.iter().fold(Peaks::default(), |sum, record| larger(sum, record.peak().0))
    }

    /// `exact`, `sampled` or `exact+sampled`.
    pub fn method_name(&self) -> &'static str {
        match (self.method.exact, self.method.sampled) {
            (true, true) => "exact+sampled",
            (true, false) => "exact",
            _ => "sampled",
        }
    }

    /// Births that copied memory, the largest first.
    pub fn copies(&self) -> Vec<&Record> {
        let mut copies: Vec<&Record> = self.records.iter().filter(|record| record.copied_bytes() > 0).collect();
        copies.sort_by_key(|record| std::cmp::Reverse((record.copied_bytes(), record.birth.start.vm_bytes)));
        copies
    }
}

fn unseen(seen: &pial_measure::timeline::Seen, exit: Option<Exit>) -> Record {
    let image = Image {
        command: seen.command.clone(),
        from_us: seen.first_us,
        start: Start::default(),
        peak: seen.peak,
        known: Known::Before,
        shared: false,
    };
    Record {
        identity: seen.identity,
        ppid: seen.ppid,
        start_us: seen.first_us,
        end_us: Some(seen.last_us),
        birth: Birth { how: How::Unseen, start: Start::default(), shared: false },
        images: vec![image],
        exit,
        remark: None,
    }
}

/// A command line no longer than that many characters.
pub fn short(command: &str, most: usize) -> String {
    let line: String = command.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}
