//! `pial run`: runs a workflow.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use pial_core::plan::Plan;
use pial_core::schedule::{Budget, BudgetProblem};
use pial_core::tree::Problem;
use pial_engine::budget::{MACHINE, Memory};
use pial_engine::observe::{Observer, Report, Summary};
use pial_engine::run::{MemoryOptions, Options};

use crate::failure::Failure;
use crate::load::{DocumentArguments, Examined, Loaded, examine, examine_with_places, logged};
use crate::progress;

/// Run a workflow; what was done before and still stands is not done again
///
/// On a terminal, progress is a few lines that are kept up to date. Into a file or pipe each step has a line when it
/// is done; in a run of more than 1,000 nodes only steps of a second or more have one in any case, of the shorter
/// ones 20 at once and one more a second, and the last line tells how many were left out.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    document: DocumentArguments,
    #[command(flatten)]
    budget: BudgetArguments,
    /// End the run at the first failure; without it, all that does not depend on a failed node goes on
    #[arg(long, conflicts_with = "keep_going")]
    fail_fast: bool,
    /// Go on after a failure with all that does not depend on it (the default)
    #[arg(long)]
    keep_going: bool,
    /// Seconds between asking a step to end and killing it
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    grace: f64,
    /// One JSON event a line on standard output
    #[arg(long)]
    json: bool,
    /// Write JSON events, those of --json, to a file, a FIFO or /dev/fd/N as well
    #[arg(long, value_name = "PATH")]
    events: Option<PathBuf>,
    /// Where crash files go; by default the folder `crash` of the working directory
    #[arg(long, value_name = "DIR")]
    crash_dir: Option<PathBuf>,
    /// Neither use what earlier runs learned of the memory that steps need, nor learn from this one
    #[arg(long)]
    no_learn: bool,
    /// What to do with a step that uses more memory than it asked for, or than earlier runs learned that it needs
    #[arg(long, value_name = "POLICY", default_value = "warn")]
    memory_policy: MemoryPolicy,
    /// Use no control groups: measure and limit memory by looking at the processes
    #[arg(long)]
    no_cgroups: bool,
    /// Read this in place of the kernel's memory.pressure
    #[arg(long, value_name = "FILE", hide = true)]
    pressure_file: Option<PathBuf>,
    /// Say nothing but failures and warnings
    #[arg(long, short)]
    quiet: bool,
    /// Interrupt the run when this process, which started it, ends
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<u32>,
}

/// What happens to a step that uses too much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MemoryPolicy {
    /// It is named, and goes on
    Warn,
    /// It is ended with all its processes, as out of memory, and tried again with more where it may be
    Kill,
}

/// What the run may use.
#[derive(Debug, Clone, Args)]
pub struct BudgetArguments {
    /// Processors to use; by default those this process may use
    #[arg(short = 'j', long = "cpus", value_name = "N")]
    cpus: Option<f64>,
    /// Memory to use, such as 8GB; by default what this process may use
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Graphics processors to use
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// The stock of another resource that nodes ask for
    #[arg(long = "resource", value_name = "NAME=N")]
    resources: Vec<String>,
}

impl BudgetArguments {
    /// What this process may use, when the user does not say how much memory to use.
    pub fn memory(&self, plan: Option<&Plan>) -> Option<Memory> {
        self.memory.is_none().then(|| pial_engine::budget::memory(plan))
    }

    /// The budget: what was given, else what this process may use, less what pial needs for the plan.
    pub fn budget(&self, plan: Option<&Plan>) -> Result<Budget, Failure> {
        let mut budget = pial_engine::budget::detect();
        budget.memory_bytes = self.memory(plan).map_or(budget.memory_bytes, |memory| memory.bytes);
        if let Some(cpus) = self.cpus {
            if !(cpus.is_finite() && cpus >= 1.0) {
                return Err(Failure::usage(format!("-j {cpus}: give at least 1 processor")));
            }
            budget.cpus = cpus;
        }
        if let Some(text) = &self.memory {
            let bytes = pial_core::document::parse_memory(text);
            budget.memory_bytes =
                bytes.ok_or_else(|| Failure::usage(format!("--memory {text}: write it as 8GB or 500MiB")))?;
        }
        budget.gpus = self.gpus.unwrap_or(budget.gpus);
        for text in &self.resources {
            let (name, count) = text.split_once('=').unwrap_or((text, ""));
            let count = count.parse().map_err(|_| Failure::usage(format!("--resource {text}: write it as NAME=N")))?;
            budget.named.push((name.to_owned(), count));
        }
        Ok(budget)
    }
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.parent.is_some_and(|parent| !pial_engine::sys::end_with(parent)) {
        return Err(Failure::Engine("what started this run is gone".to_owned()));
    }
    let mut observer = observer(arguments)?;
    let done = perform(arguments, observer.as_mut());
    if let Err(failure) = &done {
        observer.report(&Report::GaveUp(&failure.to_string()));
    }
    done
}

fn perform(arguments: &Arguments, observer: &mut dyn Observer) -> Result<ExitCode, Failure> {
    let examined = examine(&arguments.document)?;
    let plan = examined.loaded.as_ref().map(|loaded| &loaded.plan);
    let budget = arguments.budget.budget(plan)?;
    let origin = arguments.budget.memory(plan).filter(|memory| memory.origin != MACHINE);
    let crash_directory = arguments.crash_dir.as_deref().map(crash_directory).transpose()?;
    let loaded = check(&arguments.document, examined, &budget, observer)?;
    let options = Options {
        work: arguments.document.settings.work.clone(),
        document: loaded.document.clone(),
        document_text: loaded.text.clone(),
        settings: loaded.settings.iter().map(|(name, setting)| (name.clone(), logged(setting))).collect(),
        directory: loaded.directory.clone(),
        budget,
        fail_fast: arguments.fail_fast,
        grace_s: arguments.grace,
        crash_directory,
        peaks: if arguments.no_learn { None } else { crate::peaks::file() },
        memory: MemoryOptions {
            kill: arguments.memory_policy == MemoryPolicy::Kill,
            no_groups: arguments.no_cgroups,
            origin: origin.map(|memory| memory.tell()),
            pressure: arguments.pressure_file.clone(),
        },
        helper: helper()?,
    };
    let summary = pial_engine::run::run(&loaded.plan, &loaded.interfaces, &options, observer)?;
    Ok(exit_code(&summary))
}

fn observer(arguments: &Arguments) -> Result<Box<dyn Observer>, Failure> {
    let display = progress::observer(arguments.json, arguments.quiet);
    let Some(path) = &arguments.events else { return Ok(display) };
    let file = progress::open(path);
    let file = file.map_err(|e| Failure::usage(format!("cannot write events to {}: {e}", path.display())))?;
    Ok(Box::new(progress::Both::new(display, file)))
}

/// The absolute path of a directory for crash files, as the log will have it.
fn crash_directory(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path)
        .map_err(|e| Failure::usage(format!("cannot put crash files into {}: {e}", path.display())))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|_| Failure::usage(format!("the path {} is not UTF-8; give another --crash-dir", path.display())))
}

fn exit_code(summary: &Summary) -> ExitCode {
    match summary {
        Summary { interrupted: true, .. } => ExitCode::from(130),
        Summary { counts, .. } if counts.failed > 0 || counts.skipped > 0 => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    }
}

/// What can be known to be wrong or missing before anything runs, all of it at once.
fn check(
    arguments: &DocumentArguments,
    mut examined: Examined,
    budget: &Budget,
    observer: &mut dyn Observer,
) -> Result<Loaded, Failure> {
    let Some(loaded) = &examined.loaded else { return examined.sound() };
    let sound = examined.problems.is_empty();
    let (missing, warnings) = beforehand(arguments, loaded, budget);
    examined.problems.extend(missing);
    // What a plan in parts says of itself may not be so once it is whole.
    for warning in warnings.iter().filter(|_| sound) {
        observer.report(&Report::Warning(warning));
    }
    examined.sound()
}

/// What this machine and the budget lack for a plan, and what a run of it should be warned of.
pub fn beforehand(arguments: &DocumentArguments, loaded: &Loaded, budget: &Budget) -> (Vec<Problem>, Vec<String>) {
    let (problems, warnings) = lacking(loaded, budget);
    if problems.iter().all(|problem| problem.mark.line > 0 || problem.file.is_some()) {
        return (problems, warnings);
    }
    match examine_with_places(arguments) {
        Some(loaded) => lacking(&loaded, budget),
        None => (problems, warnings),
    }
}

fn lacking(loaded: &Loaded, budget: &Budget) -> (Vec<Problem>, Vec<String>) {
    let mut problems = pial_engine::preflight::check(&loaded.plan, &loaded.interfaces);
    let mut warnings: Vec<String> = loaded.plan.empty_axes().map(empty_axis).collect();
    warnings.extend(loaded.plan.warnings.iter().cloned());
    for problem in budget.problems(&loaded.plan) {
        match problem {
            BudgetProblem::Alone { node, message } => warnings.push(format!("`{node}` {message}")),
            BudgetProblem::Impossible { node, message } => {
                let template = loaded.plan.templates.values().iter().find(|template| template.name == node);
                let (file, mark) = template.map(|template| (template.file.clone(), template.mark)).unwrap_or_default();
                problems.push(Problem { file, mark, message: format!("`{node}` {message}") });
            }
        }
    }
    (problems, warnings)
}

fn empty_axis(name: &str) -> String {
    format!("`{name}` has no values, so nothing that depends on it runs")
}

/// This executable, also when it was replaced while it runs.
fn helper() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|e| Failure::Engine(format!("cannot find the pial executable: {e}")))
}
