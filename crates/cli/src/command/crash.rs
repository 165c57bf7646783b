//! `pial crash`: the crash files of a working directory, listed or one of them shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pial_core::document::suggest;
use pial_engine::crash::{Crash, elsewhere};

use crate::failure::Failure;
use crate::progress::print;
use crate::text::{one_line, table};

/// List the crash files, newest first, or show one
///
/// A crash file tells all about a failure: what happened, the command, where it ran, the end of what it printed, and
/// a line for a shell that does the same again.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show the newest crash of this node, or this crash file
    #[arg(value_name = "NODE|FILE")]
    which: Option<String>,
    /// The working directory
    #[arg(long, value_name = "DIR", default_value = "work")]
    work: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let crashes = match &arguments.which {
        Some(name) => vec![find(name, &arguments.work)?],
        None => all(&arguments.work)?,
    };
    let text = match (&arguments.which, arguments.json) {
        (Some(_), true) => crashes.first().map(|(_, crash)| json(crash)).transpose()?.unwrap_or_default(),
        (Some(_), false) => crashes.first().map(|(_, crash)| crash.text()).unwrap_or_default(),
        (None, true) => listed_json(&crashes),
        (None, false) if crashes.is_empty() => format!("no crash files in {}\n", arguments.work.display()),
        (None, false) => listed(&crashes),
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

fn json(crash: &Crash) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(crash);
    json.map(|json| json + "\n").map_err(|e| Failure::Engine(format!("cannot write JSON: {e}")))
}

fn listed(crashes: &[(PathBuf, Crash)]) -> String {
    let row = |(file, crash): &(PathBuf, Crash)| {
        let file = file.with_extension("txt").to_string_lossy().into_owned();
        vec![crash.time.clone(), one_line(&crash.node), one_line(&crash.message), file]
    };
    table(&crashes.iter().map(row).collect::<Vec<_>>())
}

fn listed_json(crashes: &[(PathBuf, Crash)]) -> String {
    let one = |(file, crash): &(PathBuf, Crash)| {
        serde_json::json!({
            "time": crash.time, "node": crash.node, "attempt": crash.attempt, "message": crash.message,
            "file": file.with_extension("txt"),
        })
    };
    format!("{:#}\n", crashes.iter().map(one).collect::<serde_json::Value>())
}

/// All crash files of a working directory, newest first.
pub fn all(work: &Path) -> Result<Vec<(PathBuf, Crash)>, Failure> {
    let directory = work.join("crash");
    let mut paths: Vec<PathBuf> = match fs::read_dir(&directory) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::Engine(format!("cannot read {}: {error}", directory.display()))),
    };
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.extend(elsewhere(work)?);
    // A file that is just being written is no crash file yet.
    let mut crashes: Vec<(PathBuf, Crash)> =
        paths.into_iter().filter_map(|path| read(&path).ok().map(|crash| (path, crash))).collect();
    let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    crashes.sort_by_cached_key(|(path, crash)| std::cmp::Reverse((crash.time.clone(), modified(path), crash.attempt)));
    Ok(crashes)
}

fn read(path: &Path) -> Result<Crash, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{} is no crash file: {e}", path.display()))
}

fn find(name: &str, work: &Path) -> Result<(PathBuf, Crash), Failure> {
    let file = Path::new(name);
    if file.extension().is_some_and(|e| e == "txt" || e == "json") {
        let places = [file.to_owned(), work.join(file), work.join("crash").join(file)];
        let known = places.into_iter().map(|place| place.with_extension("json")).chain(elsewhere(work)?);
        let named = |place: &PathBuf| place.file_stem() == file.file_stem() && place.is_file();
        if let Some(path) = known.into_iter().find(named) {
            return read(&path).map(|crash| (path, crash)).map_err(Failure::usage);
        }
    }
    let mut crashes = all(work)?;
    let of_node = |crash: &Crash| crash.node == name;
    let of_template = |crash: &Crash| crash.node.split(['[', '#']).next() == Some(name);
    let at = crashes.iter().position(|(_, crash)| of_node(crash));
    match at.or_else(|| crashes.iter().position(|(_, crash)| of_template(crash))) {
        Some(at) => Ok(crashes.swap_remove(at)),
        None => {
            let hint = suggest(name, crashes.iter().map(|(_, crash)| crash.node.as_str()));
            Err(Failure::usage(format!("there is no crash file of `{name}` in {}{hint}", work.display())))
        }
    }
}
