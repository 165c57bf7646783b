//! Carries out a plan: performs the scheduler's actions and feeds back what happened.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pial_core::arena::{NodeId, TemplateId};
use pial_core::plan::{Items, Plan};
use pial_core::schedule::{Action, Budget, Ending, Event, Force, Reason, Scheduler, Settings, Step};
use pial_core::value::Value;

use crate::catalogue::Interfaces;
use crate::clock::seconds_since_1970;
use crate::digest::Digests;
use crate::guardian::Guardian;
use crate::launch::{Capture, Captures};
use crate::learned::Learned;
use crate::log::{LogError, Place};
use crate::observe::{Observer, Report, Status, Summary};
use crate::record::{End, Record, Run, Start};
use crate::store::{Store, StoreError};
use crate::sys::{self, Signal, Signals};
use crate::task::Task;
use crate::work::{KEPT_DOCUMENT, Work, WorkError};
use devices::Devices;
use strays::Children;

mod devices;
mod ending;
mod errand;
mod failing;
mod memory;
mod nipype;
mod out_of_memory;
mod python;
pub(crate) mod start;
mod strays;
mod visits;
mod watch;

pub use errand::{builtin_errand, digest_errand};
pub use watch::MemoryOptions;
pub(crate) use watch::gigabytes;

/// The engine looks about at least so often, in seconds.
const LONGEST_WAIT_S: f64 = 3600.0;

/// How a run is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// The working directory.
    pub work: PathBuf,
    /// The document's absolute path, or `-`; for the log.
    pub document: String,
    /// The text of a document that has no file, which is then kept in the working directory.
    pub document_text: Option<String>,
    /// Parameters set from outside; for the log.
    pub settings: Vec<(String, serde_json::Value)>,
    /// The directory that relative paths in settings start from; for the log.
    pub directory: String,
    /// What the run may use.
    pub budget: Budget,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// Seconds between asking a step to end and killing it.
    pub grace_s: f64,
    /// The absolute path of the directory for crash files, when it is not `crash` in the working directory.
    pub crash_directory: Option<String>,
    /// The file in which peaks of memory are kept for later runs; without one nothing is learned.
    pub peaks: Option<PathBuf>,
    /// What is done about memory.
    pub memory: MemoryOptions,
    /// The pial executable, started for the guardian and for errands.
    pub helper: PathBuf,
}

/// Why the engine could not work.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The working directory.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A call to the system.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried, and on what.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl EngineError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> EngineError {
        let what = what.into();
        move |source| EngineError::Io { what, source }
    }
}

/// Runs a plan to its end.
///
/// # Errors
/// [`EngineError`] when the run cannot go on; steps that were running are ended.
pub fn run(
    plan: &Plan,
    interfaces: &Interfaces,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Summary, EngineError> {
    let signals = Signals::take_over().map_err(EngineError::io("take over signals"))?;
    sys::adopt_orphans();
    let mut work = Work::take(&options.work)?;
    if let Some(mark) = &work.unfinished {
        // Steps of an engine that was killed must not write while this run makes their directories anew.
        crate::guardian::end_left(mark);
    }
    let mark = format!("{}-{:x}", std::process::id(), seconds_since_1970().to_bits());
    work.note(&mark).map_err(EngineError::io("write the lock"))?;
    let mut store = Store::open(&work.path, true, plan, interfaces)?;
    std::env::set_current_dir(&work.path).map_err(EngineError::io("enter the working directory"))?;
    store.is_current_directory();
    let (mut learned, warning) = Learned::open(plan, interfaces, options.peaks.as_deref());
    let settings = Settings {
        budget: options.budget.clone(),
        fail_fast: options.fail_fast,
        grace_s: options.grace_s,
        estimates: store.estimates(),
        memory: learned.least(),
    };
    for warning in warning.into_iter().chain(learned.warnings()) {
        observer.report(&Report::Warning(&warning));
    }
    let captures = Captures::new(work.path.join(".pial/capture")).map_err(EngineError::io("open /dev/null"))?;
    let mut children = Children::open();
    let mut engine = Engine {
        plan,
        options,
        scheduler: Scheduler::new(plan, settings),
        store,
        learned,
        alone: HashSet::new(),
        captures,
        signals,
        guardian: None,
        devices: Devices::new(options.budget.gpus),
        memory: watch::Memory::default(),
        python: python::Python::default(),
        mark,
        maps: HashMap::new(),
        planned: HashMap::new(),
        sinks: HashMap::new(),
        active: HashMap::new(),
        not_ours: children.now(),
        children,
        had_strays: false,
        events: VecDeque::from([Event::Begin]),
        began: Instant::now(),
        interrupted: false,
        next_tick: 0.0,
        work,
        observer,
    };
    engine.run()
}

struct Engine<'r> {
    plan: &'r Plan,
    options: &'r Options,
    scheduler: Scheduler<'r>,
    store: Store<'r>,
    learned: Learned<'r>,
    /// Templates of which it was told that they need more memory than there is.
    alone: HashSet<TemplateId>,
    captures: Captures,
    signals: Signals,
    guardian: Option<Guardian>,
    devices: Devices,
    memory: watch::Memory,
    python: python::Python,
    mark: String,
    maps: HashMap<NodeId, MapRun>,
    /// Commands of nipype's nodes that wait for memory.
    planned: HashMap<Step, nipype::Planned>,
    /// Which node has written which file outside the working directory.
    sinks: HashMap<String, String>,
    /// By process.
    active: HashMap<u32, Active>,
    /// Children that were there before the run: a shell's that became pial by `exec`.
    not_ours: Vec<u32>,
    children: Children,
    /// Whether any step left processes behind.
    had_strays: bool,
    events: VecDeque<Event>,
    began: Instant,
    interrupted: bool,
    next_tick: f64,
    work: Work,
    observer: &'r mut dyn Observer,
}

/// A map node whose items are running.
struct MapRun {
    inputs: Vec<(String, Value)>,
    digests: Digests,
    items: Items,
    places: Vec<Place>,
}

/// A process of the run.
struct Active {
    step: Step,
    attempt: u32,
    name: String,
    began: f64,
    capture: Capture,
    phase: Phase,
    stopped: Option<Reason>,
    /// Whether it stays when its step ended, for another.
    stays: bool,
    memory: watch::Watch,
}

/// What a process does for its step.
enum Phase {
    /// It is the step's own command.
    Command(Box<Task>),
    /// It is a Python function: its task, its number with the interpreter, what was asked.
    Function(Box<Task>, u64, Box<python::Ask>),
    /// It is the command of a node of nipype's.
    Ran(Box<nipype::Running>),
    /// It carries out a built-in that moves data.
    Builtin(Box<Task>),
    /// It reads large inputs before the step can be looked up.
    ReadingInputs,
    /// It reads large outputs before they can be recorded.
    ReadingOutputs(Box<Task>, Vec<(String, Value)>, ending::Usage),
}

impl Engine<'_> {
    fn run(&mut self) -> Result<Summary, EngineError> {
        if let Some(text) = &self.options.document_text {
            self.work.keep_document(text).map_err(EngineError::io("keep the document"))?;
        }
        self.store.log.append(&Record::Run(Box::new(self.run_record())))?;
        let (nodes, memory) = (self.plan.len() as u32, self.options.memory.origin.as_deref());
        self.observer.report(&Report::Started { nodes, work: &self.options.work, memory });
        while !self.perform_all()? {
            self.tick_if_due();
            self.observer.pause(&self.scheduler.counts());
            let deadline = self.scheduler.next_deadline();
            let tick = self.observer.every().map(|_| self.next_tick);
            let wake =
                [deadline, tick, self.held_until(), self.memory.deadline()].into_iter().flatten().reduce(f64::min);
            let timeout = wake.map(|at| Duration::from_secs_f64((at - self.now()).clamp(0.0, LONGEST_WAIT_S)));
            for signal in
                self.signals.wait(timeout, self.python.descriptor()).map_err(EngineError::io("wait for children"))?
            {
                match signal {
                    Signal::Interrupt => self.interrupt(),
                    Signal::Child | Signal::Window => {}
                }
            }
            self.hear_python()?;
            self.reap_all()?;
            self.release_held()?;
            self.look_if_due();
            self.events.push_back(Event::Tick);
        }
        self.finish()
    }

    fn run_record(&self) -> Run<'static> {
        let kept = self.options.document_text.is_some();
        Run {
            document: if kept { KEPT_DOCUMENT.into() } else { self.options.document.clone().into() },
            settings: self.options.settings.iter().map(|(k, v)| (k.clone().into(), v.clone())).collect(),
            directory: self.options.directory.clone().into(),
            nodes: self.plan.len() as u32,
            pid: std::process::id(),
            host: crate::work::host().into(),
            time: seconds_since_1970(),
        }
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Feeds waiting events to the scheduler and performs what it wants; whether the run is finished.
    fn perform_all(&mut self) -> Result<bool, EngineError> {
        let mut actions = Vec::new();
        while let Some(event) = self.events.pop_front() {
            self.scheduler.on(event, self.now(), &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Start(step, attempt, _) => self.start(step, attempt)?,
                    Action::Collate(node) => self.collate(node)?,
                    Action::Stop(step, force, reason) => self.stop(step, force, reason),
                    Action::Skipped(node, because) => self.skipped(node, because)?,
                    Action::Finished => return Ok(true),
                }
            }
            self.tick_if_due();
        }
        Ok(false)
    }

    fn skipped(&mut self, node: NodeId, because: NodeId) -> Result<(), EngineError> {
        let (node, because) = (self.plan.node_name(node), self.plan.node_name(because));
        self.store.log.append(&Record::Skip { node: node.as_str().into(), because: because.as_str().into() })?;
        self.observer.report(&Report::NodeSkipped { node: &node, because: &because });
        Ok(())
    }

    fn stop(&mut self, step: Step, force: Force, reason: Reason) {
        for (pid, active) in self.active.iter_mut().filter(|(_, active)| active.step == step) {
            active.stopped = Some(reason);
            sys::signal_group(*pid, force == Force::Kill);
            sys::continue_group(*pid);
        }
        self.stop_unbegun(step, reason);
    }

    fn interrupt(&mut self) {
        self.interrupted = true;
        self.observer.report(&Report::Interrupted);
        self.events.push_back(Event::Interrupted);
    }

    fn reap_all(&mut self) -> Result<(), EngineError> {
        loop {
            match sys::reap() {
                Ok(Some(ended)) => match self.active.remove(&ended.pid) {
                    Some(active) => self.ended(&ended, active)?,
                    None if self.python.pid() == Some(ended.pid) => self.interpreter_ended(&ended)?,
                    None if self.guardian.as_ref().is_some_and(|g| g.pid == ended.pid) => self.guardian = None,
                    None => {}
                },
                Ok(None) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return self.children_vanished(),
                Err(error) => return Err(EngineError::io("wait for children")(error)),
            }
        }
    }

    /// There is no child left although some were not seen to end: whoever waited for them, they are named.
    fn children_vanished(&mut self) -> Result<(), EngineError> {
        for pid in self.active.keys().copied().collect::<Vec<_>>() {
            if let Some(active) = self.active.remove(&pid) {
                self.vanished(&active)?;
            }
        }
        Ok(())
    }

    fn guardian(&mut self) -> Result<&mut Guardian, EngineError> {
        if self.guardian.is_none() {
            // A file of this run alone: the guardian of a killed run may still read its own while this one begins.
            let groups = self.work.path.join(format!(".pial/capture/groups.{}", self.mark));
            let started = Guardian::start(&self.options.helper, &self.mark, &groups);
            let mut guardian = started.map_err(EngineError::io("start the guardian process"))?;
            self.active.keys().for_each(|pid| guardian.began(*pid));
            self.guardian = Some(guardian);
        }
        match &mut self.guardian {
            Some(guardian) => Ok(guardian),
            None => Err(EngineError::io("start the guardian process")(io::ErrorKind::NotFound.into())),
        }
    }

    /// Shows where the run stands, also while many steps end one after the other without a wait.
    fn tick_if_due(&mut self) {
        let Some(every) = self.observer.every() else { return };
        let now = self.now();
        if now >= self.next_tick {
            self.tick(now);
            self.next_tick = now + every.as_secs_f64();
        }
    }

    fn tick(&mut self, now: f64) {
        let mut running: Vec<(String, f64, u32)> =
            self.active.iter().map(|(pid, active)| (active.name.clone(), now - active.began, *pid)).collect();
        running.sort_by(|a, b| b.1.total_cmp(&a.1));
        // The scheduler counts a step as left until it ends.
        let under_way = running.iter().map(|(_, seconds, _)| seconds).sum::<f64>() / self.options.budget.cpus.max(1.0);
        let left_s = self.scheduler.estimated_seconds_left().map(|left| (left - under_way).max(0.0));
        self.observer.tick(&Status { counts: self.scheduler.counts(), running: &running, elapsed_s: now, left_s });
    }

    fn event(&mut self, step: Step, ending: Ending) {
        self.events.push_back(Event::Ended(step, ending));
    }

    fn finish(&mut self) -> Result<Summary, EngineError> {
        // Only what puts items together can still run, in a run that was ended.
        self.active.clear();
        self.note_interpreter();
        self.end_python();
        self.end_strays(None);
        if self.had_strays {
            // The kernel's list of children can miss one while others come and go; a look at all processes does not.
            crate::guardian::end_marked(&self.mark);
        }
        self.memory.end();
        self.tell_outputs()?;
        let summary = Summary {
            counts: self.scheduler.counts(),
            interrupted: self.interrupted,
            wall_s: self.now(),
            engine_peak_rss_bytes: sys::own_peak_rss_bytes(),
            interpreter_peak_rss_bytes: known(self.memory.interpreter_peak_bytes),
            tree_peak_bytes: known(self.memory.tree_peak_bytes),
        };
        self.store.log.append(&Record::End(End {
            done: summary.counts.done,
            cached: summary.counts.cached,
            failed: summary.counts.failed,
            skipped: summary.counts.skipped,
            interrupted: summary.interrupted,
            wall_s: summary.wall_s,
            engine_peak_rss_bytes: summary.engine_peak_rss_bytes,
            interpreter_peak_rss_bytes: summary.interpreter_peak_rss_bytes,
            tree_peak_bytes: summary.tree_peak_bytes,
            time: seconds_since_1970(),
        }))?;
        // What a dead engine left there is of no use; what is left of this run is empty.
        let _ = std::fs::remove_dir_all(self.work.path.join(".pial/capture"));
        if let Some(guardian) = self.guardian.take() {
            guardian.farewell();
        }
        self.work.note("").map_err(EngineError::io("write the lock"))?;
        self.observer.report(&Report::Finished(&summary));
        self.learned.keep();
        Ok(summary)
    }

    /// Tells the outputs of the workflow; nothing stands for what has no value as its node failed.
    fn tell_outputs(&mut self) -> Result<(), EngineError> {
        let plan = self.plan;
        for output in &plan.outputs {
            let mut digests = Digests::new();
            let mut values = Vec::new();
            for value in plan.output(output, &mut |node, port| self.store.output(node, port, &mut digests)) {
                values.push(match value {
                    Ok(value) => value.to_json(),
                    Err(StoreError::Log(error)) => return Err(error.into()),
                    Err(_) => serde_json::Value::Null,
                });
            }
            let varies = !plan.spaces.spaces[output.space].axes.is_empty();
            let value = if varies { values.into() } else { values.pop().unwrap_or_default() };
            self.observer.report(&Report::Output { name: &output.name, value: &value });
        }
        Ok(())
    }

    fn note_start(&mut self, name: &str, pid: u32, attempt: u32) -> Result<(), EngineError> {
        let start = Start { node: name.into(), pid, time: seconds_since_1970() };
        self.store.log.append(&Record::Start(start))?;
        self.observer.report(&Report::NodeStarted { node: name, pid, attempt });
        Ok(())
    }

    fn absolute(&self, relative: &str) -> PathBuf {
        self.work.path.join(relative)
    }

    fn helper(&self) -> &Path {
        &self.options.helper
    }
}

/// A figure that is there at all.
fn known(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}
