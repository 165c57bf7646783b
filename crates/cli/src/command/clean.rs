//! `pial clean`: removes from a working directory what is of no use, and what is asked for.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pial_engine::clean::{Found, Orphans, Useless, Wish, carry_out, find};
use pial_engine::dry::Dry;
use pial_engine::history::History;
use pial_engine::log::LOG;
use pial_engine::store::Store;
use pial_engine::work::Work;
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::load::{Loaded, SettingArguments, last_run, load_or};
use crate::progress::print;
use crate::text::{count, one_line, size, table};

/// Remove what is of no use from a working directory
///
/// Without options only what is certainly useless goes: directories and output of steps that were ended in the
/// middle, and lines of the log that nothing reads any more. Results of nodes stay. Nothing is removed that pial did
/// not make, nothing outside the working directory, and nothing while a run is going on.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The workflow document; without it, that of the last run as it is now, with the settings of that run
    #[arg(value_name = "DOC")]
    document: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingArguments,
    /// Also directories and crash files of failed nodes
    #[arg(long)]
    failed: bool,
    /// Also directories of nodes that are no longer in the document; those of other workflows stay
    #[arg(long)]
    orphans: bool,
    /// Everything that pial made in the working directory; the next run does everything again
    #[arg(long)]
    all: bool,
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
    /// A line for each directory that --all removes, instead of one for each node of the document
    #[arg(long, short)]
    verbose: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Removes it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let path = &arguments.settings.work;
    if !path.join(LOG).is_file() {
        let message = format!("{} is no working directory of pial's; give --work DIR", path.display());
        return Err(Failure::usage(message));
    }
    let mut work = Work::take(path)?;
    if let Some(mark) = work.unfinished.take() {
        // What a killed engine left running is for the next run to end.
        work.note(&mark).map_err(|e| Failure::Engine(format!("cannot write the lock of {}: {e}", path.display())))?;
    }
    let loaded = load_or(&arguments.document, &arguments.settings, || last_run(&work.path));
    let given =
        arguments.document.is_some() || !arguments.settings.set.is_empty() || arguments.settings.parameters.is_some();
    let loaded = match loaded {
        Err(failure) if arguments.orphans || given => return Err(failure),
        loaded => loaded.ok(),
    };
    let plan = loaded.as_ref().map(|loaded| &loaded.plan);
    let wanted = loaded.as_ref().filter(|_| arguments.orphans);
    let needed = wanted.map(|loaded| needed(loaded, &work.path)).transpose()?.unwrap_or_default();
    let orphans = wanted.map(|loaded| Orphans { plan: &loaded.plan, needed: &needed });
    let wish = Wish { failed: arguments.failed, orphans, all: arguments.all };
    let found = find(&work.path, plan, wish)?;
    let failed = if arguments.dry_run { Vec::new() } else { carry_out(&work.path, &found)? };
    print(&if arguments.json { as_json(&found, arguments) } else { as_text(&found, arguments) });
    for (path, error) in &failed {
        eprintln!("pial: cannot remove {}: {error}", Path::new(path).display());
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Directories and files of the results that stand, relative to the working directory.
fn needed(loaded: &Loaded, work: &Path) -> Result<HashSet<String>, Failure> {
    let history = History::of_workflow(work, &loaded.plan.name)?;
    let mut store = Store::open(work, false, &loaded.plan, &loaded.interfaces)?;
    let mut dry = Dry::new(&mut store, &history);
    dry.everything()?;
    let mut needed = HashSet::new();
    for place in dry.places() {
        history.with_result(*place, |done| {
            needed.insert(done.dir.clone().into_owned());
            needed.extend(done.files.iter().map(|file| file.0.clone().into_owned()));
        })?;
    }
    Ok(needed)
}

/// A row for each path, or for the directories of each node of the document together.
fn rows(found: &Found, together: bool) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut groups: BTreeMap<(String, &str), (u64, usize)> = BTreeMap::new();
    for useless in &found.paths {
        let folder = useless.path.split('/').next().unwrap_or_default();
        let name = match &useless.step {
            Some(step) if together => format!("{folder}: {}", step.split(['[', '#']).next().unwrap_or(step)),
            None if together && useless.why == "crash file" => format!("{folder}/"),
            _ => {
                rows.push(vec![size(useless.bytes), one_line(&useless.path), useless.why.to_owned()]);
                continue;
            }
        };
        let (bytes, number) = groups.entry((name, useless.why)).or_default();
        (*bytes, *number) = (*bytes + useless.bytes, *number + 1);
    }
    rows.extend(groups.into_iter().map(|((name, why), (bytes, number))| {
        let what = if why == "crash file" { count(number, why) } else { dir_count(number, why) };
        vec![size(bytes), one_line(&name), what]
    }));
    rows
}

fn dir_count(number: usize, why: &str) -> String {
    let noun = if number == 1 { "directory" } else { "directories" };
    format!("{number} {noun} {why}")
}

fn as_text(found: &Found, arguments: &Arguments) -> String {
    let mut rows = rows(found, arguments.all && !arguments.verbose);
    if arguments.all {
        rows.push(vec![String::new(), ".pial".to_owned(), "the log and the lock".to_owned()]);
    } else if found.log_bytes > 0 {
        rows.push(vec![size(found.log_bytes), LOG.to_owned(), "lines that nothing reads any more".to_owned()]);
    }
    if rows.is_empty() {
        return "nothing to remove\n".to_owned();
    }
    let done = if arguments.dry_run { "would be freed" } else { "freed" };
    format!("{}{} {done}\n", table(&rows), size(found.bytes()))
}

fn as_json(found: &Found, arguments: &Arguments) -> String {
    let one = |useless: &Useless| json!({"path": useless.path, "why": useless.why, "bytes": useless.bytes});
    let json = json!({
        "removed": !arguments.dry_run,
        "paths": found.paths.iter().map(one).collect::<Json>(),
        "log_bytes": found.log_bytes,
        "bytes": found.bytes(),
    });
    format!("{json:#}\n")
}
