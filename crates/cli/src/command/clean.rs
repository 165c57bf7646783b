//! `pial clean`: removes from a working directory what is of no use, and what is asked for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pial_engine::clean::{Found, Useless, Wish, carry_out, find};
use pial_engine::log::LOG;
use pial_engine::work::Work;
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::load::last_run;
use crate::progress::print;
use crate::text::{one_line, size, table};

/// Remove what is of no use from a working directory
///
/// Without options only what is certainly useless goes: directories and output of steps that were ended in the
/// middle, and lines of the log that nothing reads any more. Results of nodes stay. Nothing is removed that pial did
/// not make, nothing outside the working directory, and nothing while a run is going on.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Also directories and crash files of failed nodes
    #[arg(long)]
    failed: bool,
    /// Also directories of nodes that are no longer in the document of the last run
    #[arg(long)]
    orphans: bool,
    /// Everything that pial made in the working directory; the next run does everything again
    #[arg(long)]
    all: bool,
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
    /// The working directory
    #[arg(long, value_name = "DIR", default_value = "work")]
    work: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Removes it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let path = &arguments.work;
    if !path.join(LOG).is_file() {
        let message = format!("{} is no working directory of pial's; give --work DIR", path.display());
        return Err(Failure::usage(message));
    }
    let mut work = Work::take(path)?;
    if let Some(mark) = work.unfinished.take() {
        // What a killed engine left running is for the next run to end.
        work.note(&mark).map_err(|e| Failure::Engine(format!("cannot write the lock of {}: {e}", path.display())))?;
    }
    let loaded = last_run(&work.path);
    let loaded = match (loaded, arguments.orphans) {
        (Err(failure), true) => return Err(failure),
        (loaded, _) => loaded.ok(),
    };
    let plan = loaded.as_ref().map(|loaded| &loaded.plan);
    let wish = Wish { failed: arguments.failed, orphans: plan.filter(|_| arguments.orphans), all: arguments.all };
    let found = find(&work.path, plan, wish)?;
    let failed = if arguments.dry_run { Vec::new() } else { carry_out(&work.path, &found)? };
    print(&if arguments.json { as_json(&found, arguments) } else { as_text(&found, arguments) });
    for (path, error) in &failed {
        eprintln!("pial: cannot remove {}: {error}", Path::new(path).display());
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn as_text(found: &Found, arguments: &Arguments) -> String {
    let row = |useless: &Useless| vec![size(useless.bytes), one_line(&useless.path), useless.why.to_owned()];
    let mut rows: Vec<Vec<String>> = found.paths.iter().map(row).collect();
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
