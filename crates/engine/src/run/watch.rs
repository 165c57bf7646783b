//! Looks at the memory of running steps: what they use, whether that is more than they asked for or may have.
//!
//! A look reads a step's tree of processes. Looks are as many as cost no more than [`MOST_SHARE`] of a processor; steps with a
//! limit that the kernel does not keep are looked at when they could first be above it.

use std::collections::HashSet;
use std::path::PathBuf;

use pial_core::arena::{NodeId, TemplateId};
use pial_core::schedule::{Event, Source, Step};
use pial_measure::cgroup::{Group, Groups, Version};
use pial_measure::process::{self, Stat};
use pial_measure::{limits, pressure, tree};

use super::{Active, Engine, Phase};
use crate::guardian::{STEP, groups_of, has_variable};
use crate::observe::Report;
use crate::record::Method;
use crate::sys;

/// Seconds from the start of a step to the first look at it.
const FIRST_S: f64 = 0.1;

/// Seconds between looks at a step, at least.
const PERIOD_S: f64 = 0.25;

/// The share of one processor that looks may take.
const MOST_SHARE: f64 = 0.01;

/// As fast can processes fill memory, in bytes per second: the kernel clears a page in 0.25 µs or more, for each processor.
const FILLED_PER_S: f64 = 4e9;

/// Seconds between looks at a step that is near its limit, at least.
const NEAR_S: f64 = 0.005;

/// The share of one processor that looks at steps with a limit that the engine keeps may take.
const GUARD_SHARE: f64 = 0.05;

/// A step that was given so much by name or by what was learned has a control group of its own where there can be one, in
/// bytes. To make, enter, leave and remove one costs 0.2 ms and, for version 2, waits of the kernel's.
const LARGE: u64 = 500_000_000;

/// What a node of nipype's may use whatever it asked for, in bytes. Programs ask 0.01 GB for nodes that are thought to need
/// nothing, and each holds a share of the interpreter.
const LEAST_OF_NIPYPE: u64 = 200_000_000;

/// Seconds between looks at the state of the machine, at least.
const FEEL_S: f64 = 0.5;

/// Percent of the time in which some process waited for memory, from which on no step starts, and below which steps start again.
const PRESSED: (f64, f64) = (10.0, 5.0);

/// What memory of a run is to be done with.
#[derive(Debug, Clone, Default)]
pub struct MemoryOptions {
    /// Whether a step is ended that uses more than it asked for, or is known to need.
    pub kill: bool,
    /// Whether no control groups are to be used.
    pub no_groups: bool,
    /// Who says how much memory the run may use, when it is not the machine.
    pub origin: Option<String>,
    /// What is read in place of the kernel's `memory.pressure`.
    pub pressure: Option<PathBuf>,
}

/// Who ended a step for its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The engine, by what it saw.
    Pial,
    /// The kernel, by the limit of the step's control group.
    Limit,
    /// The kernel, for want of memory on the machine or in a group above.
    Kernel,
}

impl By {
    /// For people.
    pub fn tell(self) -> &'static str {
        match self {
            By::Pial => "pial",
            By::Limit => "the kernel, at the limit of its control group",
            By::Kernel => "the kernel, for want of memory",
        }
    }
}

/// What is known of the memory of a running step.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub group: Option<Group>,
    /// What the document asks for, in bytes.
    pub asked: Option<u64>,
    /// What it may use before that is told, in bytes.
    pub told_above: Option<u64>,
    /// What it may use, in bytes.
    pub limit: Option<u64>,
    /// What its tree was seen to use at most, in bytes, and how that was found.
    pub seen: Option<(u64, Method)>,
    /// What it used when it was seen last, in bytes.
    pub now: u64,
    /// What a fork had when it began, in bytes, which it shares with the interpreter.
    pub inherited: u64,
    /// Whether it was forked from the interpreter.
    pub forked: bool,
    pub ended_by: Option<By>,
    next: f64,
}

/// The memory of a run.
#[derive(Debug)]
pub(super) struct Memory {
    groups: Option<Groups>,
    tried_groups: bool,
    /// Templates of which it was told that a step uses more than it asked for.
    over: HashSet<TemplateId>,
    /// When something is next to be looked at; never when infinite.
    next: f64,
    /// Seconds that a look at one step takes, by the last ones.
    look_s: f64,
    /// What engine and interpreter use, in bytes, and when that was read.
    own: (Option<f64>, u64),
    felt: f64,
    pressed: bool,
    /// Kills for want of memory that the kernel counted, and how many of the later ones no step was told of.
    kills: (u64, u64),
    /// What all processes of the run used at most, as they were seen, in bytes.
    pub tree_peak_bytes: u64,
    /// `VmHWM` of the interpreter, the largest when there were several, in bytes.
    pub interpreter_peak_bytes: u64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            groups: None,
            tried_groups: false,
            over: HashSet::new(),
            next: f64::INFINITY,
            look_s: 0.0,
            own: (None, 0),
            felt: 0.0,
            pressed: false,
            kills: (pressure::oom_kills(), 0),
            tree_peak_bytes: 0,
            interpreter_peak_bytes: 0,
        }
    }
}

impl Memory {
    /// When the next look is due, in seconds of the run.
    pub fn deadline(&self) -> Option<f64> {
        self.next.is_finite().then_some(self.next)
    }

    /// Whether the kernel killed a process for want of memory, no group's own, that no step was told of yet.
    pub fn kernel_killed(&mut self) -> bool {
        let now = pressure::oom_kills();
        self.kills = (now, self.kills.1 + now.saturating_sub(self.kills.0));
        let any = self.kills.1 > 0;
        self.kills.1 = self.kills.1.saturating_sub(1);
        any
    }

    /// Removes the group of a step that ended.
    pub fn remove(&mut self, group: Group) {
        if let Some(groups) = &mut self.groups {
            groups.remove(group);
        }
    }

    /// Forgets all groups: nothing of the run is left.
    pub fn end(&mut self) {
        self.groups = None;
    }
}

impl Engine<'_> {
    /// What is to be watched of a step that is about to start.
    pub(super) fn watch(&mut self, step: Step) -> Watch {
        let grant = self.scheduler.grant(step);
        let told = grant.filter(|grant| grant.source != Source::Default).map(|grant| grant.bytes);
        let template = self.plan.locate(step.node).0;
        let asked = self.plan.requests[template.request].memory_bytes;
        let least = if template.nipype.is_some() { LEAST_OF_NIPYPE } else { 0 };
        let limit = told.filter(|_| self.options.memory.kill).map(|bytes| bytes.max(least));
        Watch { asked, told_above: asked.map(|bytes| bytes.max(least)), limit, ..Watch::default() }
    }

    /// The same for a step that is forked from the interpreter.
    pub(super) fn watch_fork(&mut self, step: Step) -> Watch {
        Watch { forked: true, ..self.watch(step) }
    }

    /// The same for a step with a process of its own, which has a group if that is worth it and can be.
    pub(super) fn watch_in_group(&mut self, step: Step) -> Watch {
        let mut watch = self.watch(step);
        let told = self.scheduler.grant(step).filter(|grant| grant.source != Source::Default);
        if watch.limit.is_some() || told.is_some_and(|grant| grant.bytes >= LARGE) {
            watch.group = self.groups().and_then(|groups| groups.make().ok());
        }
        watch
    }

    fn groups(&mut self) -> Option<&mut Groups> {
        if !self.memory.tried_groups && !self.options.memory.no_groups {
            match Groups::open(&groups_of(&self.mark)) {
                Ok(groups) => self.memory.groups = Some(groups),
                Err(why) if self.options.memory.kill => {
                    let message = format!("{why}; limits of memory are kept by looking at the processes");
                    self.observer.report(&Report::Warning(&message));
                }
                Err(_) => {}
            }
        }
        self.memory.tried_groups = true;
        self.memory.groups.as_mut()
    }

    /// Does `start` from within a step's group, so that what it starts is born there, and then sets the limit: the engine is
    /// never in a group with a limit.
    pub(super) fn within<T>(&mut self, watch: &Watch, start: impl FnOnce(&mut Self) -> T) -> T {
        let entered = watch.group.as_ref().is_some_and(|group| group.enter().is_ok());
        let result = start(self);
        if entered
            && let Some(groups) = &self.memory.groups
            && let Err(error) = groups.leave()
        {
            let message = format!("cannot leave the control group of a step: {error}; its figures count the engine");
            self.observer.report(&Report::Warning(&message));
        }
        result
    }

    /// Begins to watch a step whose process began; its watch is in its place already.
    pub(super) fn begin_watch(&mut self, watch: &mut Watch) {
        if let (Some(group), Some(limit)) = (&watch.group, watch.limit)
            && group.limit(limit).is_err()
        {
            // It has more already, or cannot be limited: the engine looks.
            watch.group.take().into_iter().for_each(|group| self.memory.remove(group));
        }
        let after = if is_guarded(watch) { until_full(watch, 0).min(FIRST_S) } else { FIRST_S };
        watch.next = self.now() + after;
        self.memory.next = self.memory.next.min(watch.next);
    }

    /// Looks at the steps whose time has come.
    pub(super) fn look_if_due(&mut self) {
        let now = self.now();
        if now < self.memory.next {
            return;
        }
        let period = (self.active.len() as f64 * self.memory.look_s / MOST_SHARE).max(PERIOD_S);
        let guarded = self.active.values().filter(|active| is_guarded(&active.memory)).count();
        let least = self.memory.look_s * guarded as f64 / GUARD_SHARE;
        // What is due soon is looked at as well, so that the engine wakes once for all.
        let soon = |watch: &Watch| now + if is_guarded(watch) { least } else { period } / 4.0;
        let is_due = |active: &Active| active.memory.next <= soon(&active.memory);
        let due: Vec<u32> = self.active.iter().filter(|(_, active)| is_due(active)).map(|(pid, _)| *pid).collect();
        let orphans = if due.is_empty() { Vec::new() } else { self.orphans() };
        for pid in due {
            let began = sys::own_cpu_s();
            let Some(mut active) = self.active.remove(&pid) else { continue };
            self.look(pid, &mut active, &orphans);
            let took = sys::own_cpu_s() - began;
            self.memory.look_s += (took - self.memory.look_s) / 8.0;
            let least = least.max(took / GUARD_SHARE);
            active.memory.next = self.now() + next_look(&active.memory, least, period);
            self.active.insert(pid, active);
        }
        self.add_up(now);
        self.feel_pressure(now);
        let next = self.active.values().map(|active| active.memory.next).fold(f64::INFINITY, f64::min);
        self.memory.next = if self.active.is_empty() { f64::INFINITY } else { next };
    }

    /// Children of the engine that none of its steps' processes is: daemons, and others whose parents ended.
    fn orphans(&mut self) -> Vec<u32> {
        let ours = [self.guardian.as_ref().map(|guardian| guardian.pid), self.python.pid()];
        let mut children = self.children.now();
        children.retain(|pid| {
            !ours.contains(&Some(*pid)) && !self.active.contains_key(pid) && !self.not_ours.contains(pid)
        });
        children
    }

    fn look(&mut self, pid: u32, active: &mut Active, orphans: &[u32]) {
        if matches!(active.phase, Phase::ReadingInputs | Phase::ReadingOutputs(..)) {
            return;
        }
        let watch = &mut active.memory;
        let mark = format!("{STEP}={}", active.name);
        let of_step = |orphan: &&u32| {
            process::stat(**orphan).is_some_and(|stat| stat.group == pid) || has_variable(**orphan, &mark)
        };
        let mut processes = tree::tree(pid);
        orphans.iter().filter(of_step).for_each(|orphan| processes.extend(tree::tree(*orphan)));
        let resident: u64 = processes.iter().map(|stat| stat.rss_bytes).sum();
        let known = watch.seen.map_or(0, |(bytes, _)| bytes);
        let is_single = processes.len() == 1 && !watch.forked;
        let guarded = watch.limit.filter(|_| watch.group.is_none());
        let (used, method) = if is_single {
            (resident, Method::TreeRss)
        } else if resident <= known && guarded.is_none_or(|limit| resident <= limit) {
            // Shared pages counted once make it no more, and finding them is dear.
            (resident.min(watch.now), Method::TreeRss)
        } else {
            let of_one = |stat: &Stat| match process::rollup(stat.identity.pid) {
                Some(rollup) => (rollup.pss_bytes + rollup.swap_pss_bytes + rollup.hugetlb_bytes, true),
                None => (stat.rss_bytes, stat.is_zombie() || stat.rss_bytes == 0),
            };
            let figures: Vec<(u64, bool)> = processes.iter().map(of_one).collect();
            let all = figures.iter().all(|(_, shared)| *shared);
            (figures.iter().map(|(bytes, _)| bytes).sum(), if all { Method::TreePss } else { Method::TreeRss })
        };
        watch.now = used;
        if used > known {
            watch.seen = Some((used, method));
        }
        if guarded.is_some_and(|limit| used > limit) {
            self.end_for_memory(pid, active, &processes, By::Pial);
        } else if active.memory.limit.is_some()
            && active
                .memory
                .group
                .as_ref()
                .is_some_and(|group| group.version() == Version::One && group.oom_kills() > 0)
        {
            // Version 1 kills one process and leaves those that wait for it.
            self.end_for_memory(pid, active, &processes, By::Limit);
        } else {
            self.tell_if_over(active, used);
        }
    }

    fn end_for_memory(&mut self, pid: u32, active: &mut Active, processes: &[Stat], by: By) {
        active.memory.ended_by = Some(by);
        sys::signal_group(pid, true);
        processes.iter().for_each(|stat| sys::kill(stat.identity.pid));
    }

    fn tell_if_over(&mut self, active: &Active, used: u64) {
        let Some(asked) = active.memory.asked.filter(|_| active.memory.told_above.is_some_and(|most| used > most))
        else {
            return;
        };
        let template = self.plan.template_of(active.step.node);
        if self.memory.over.insert(template) {
            let message = format!(
                "{} uses {} of memory and asked for {}; give it more in `{}`",
                active.name,
                gigabytes(used),
                gigabytes(asked),
                self.memory_key(active.step.node)
            );
            self.observer.report(&Report::Warning(&message));
        }
    }

    /// Where a node asks for memory.
    pub(super) fn memory_key(&self, node: NodeId) -> &'static str {
        if self.plan.locate(node).0.nipype.is_some() { "mem_gb" } else { "resources: {memory: ...}" }
    }

    /// What all processes of the run use now.
    fn add_up(&mut self, now: f64) {
        let (read, mut own) = self.memory.own;
        // Reading the interpreter's own is dear, and it changes little.
        if read.is_none_or(|read| now >= read + PERIOD_S) {
            own = process::stat(std::process::id()).map_or(0, |stat| stat.rss_bytes);
            if let Some(pid) = self.python.pid() {
                // Its steps count their share of what it shares with them.
                own += process::rollup(pid).map_or(0, |rollup| rollup.pss_bytes);
                self.note_interpreter();
            }
            self.memory.own = (Some(now), own);
        }
        let steps: u64 = self.active.values().map(|active| active.memory.now).sum();
        self.memory.tree_peak_bytes = self.memory.tree_peak_bytes.max(own + steps);
    }

    /// Takes note of the interpreter's own peak, for as long as it is there.
    pub(super) fn note_interpreter(&mut self) {
        let peak = self.python.pid().and_then(process::peaks).map_or(0, |peaks| peaks.rss_bytes);
        self.memory.interpreter_peak_bytes = self.memory.interpreter_peak_bytes.max(peak);
    }

    /// Bytes that running steps were granted and do not use yet.
    fn promised(&self) -> u64 {
        let of = |active: &Active| {
            let granted = self.scheduler.grant(active.step).map_or(0, |grant| grant.bytes);
            granted.saturating_sub(active.memory.now)
        };
        self.active.values().map(of).fold(0, u64::saturating_add)
    }

    /// Holds back new steps for which there is no memory while the machine, or the run's own group, is short of it.
    fn feel_pressure(&mut self, now: f64) {
        if now < self.memory.felt + FEEL_S && self.memory.felt > 0.0 {
            return;
        }
        self.memory.felt = now;
        let file = self.options.memory.pressure.clone().unwrap_or_else(|| "/proc/pressure/memory".into());
        let stalls = [pressure::stalled_percent(&file), pressure::own_group_stalled_percent()];
        let stalled = stalls.into_iter().flatten().fold(0.0, f64::max);
        let group = limits::group().map(|limit| limit.left());
        let available = [pressure::available_bytes(), group].into_iter().flatten().min();
        let least = pressure::meminfo("MemTotal").unwrap_or(0) / 50;
        let is_low = available.is_some_and(|available| available < least);
        let pressed = is_low || stalled > if self.memory.pressed { PRESSED.1 } else { PRESSED.0 };
        let was = std::mem::replace(&mut self.memory.pressed, pressed);
        let room = available.unwrap_or(0).saturating_sub(least).saturating_sub(self.promised());
        if pressed {
            // What there is changes while it is short.
            self.events.push_back(Event::Pressure(Some(room)));
        } else if was {
            self.events.push_back(Event::Pressure(None));
        }
        if pressed == was {
            return;
        }
        let there = gigabytes(available.unwrap_or(0));
        let message = match (pressed, is_low) {
            (true, true) => format!("memory is short ({there} available): no step starts beside others"),
            (true, false) => format!(
                "memory is short (processes waited for it {stalled:.0} % of the last 10 s): steps start beside others only if \
                 what they ask for is there, and {there} are available"
            ),
            (false, _) => "memory is short no more: steps start again".to_owned(),
        };
        self.observer.report(&Report::Warning(&message));
    }
}

/// Whether the engine keeps the limit.
fn is_guarded(watch: &Watch) -> bool {
    watch.limit.is_some() && watch.group.is_none()
}

/// Seconds until a step can first be above its limit.
fn until_full(watch: &Watch, used: u64) -> f64 {
    let processors = sys::affinity_cpus().unwrap_or(1) as f64;
    let room = watch.limit.unwrap_or(u64::MAX).saturating_sub(used);
    (room as f64 / (FILLED_PER_S * processors)).max(NEAR_S)
}

/// Seconds until a step is looked at again, of which looks that the engine keeps a limit by may be `least` apart.
fn next_look(watch: &Watch, least: f64, period: f64) -> f64 {
    match watch.ended_by {
        None if is_guarded(watch) => until_full(watch, watch.now).min(period).max(least),
        _ => period,
    }
}

/// Bytes as people read them.
pub(crate) fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
