//! `pial resources`: what steps asked for beside what they used, and a file that says what to ask for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pial_core::plan::Plan;
use pial_core::schedule::DEFAULT_MEMORY_BYTES;
use pial_engine::history::History;
use pial_engine::learned::file;
use pial_engine::learned::log::of_log;
use pial_engine::learned::model::Peaks;
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::load::from_run;
use crate::memory::{Memory, Source};
use crate::progress::print;
use crate::text::{one_line, size, table};

/// The first line of a file that this command wrote, and may write again.
const MARK: &str =
    "# Written by `pial resources`. To change a line for good, put it into the workflow or another file.";

/// Tell what memory steps asked for and what they used, and write it into a resource file
///
/// With a working directory: each node of the document of its last run, by its log. Without: all that is known of what
/// your runs used, by what they ran; that is what steps are granted that ask for nothing. It is kept in the file PIAL_PEAKS,
/// by default $XDG_DATA_HOME/pial/peaks or ~/.local/share/pial/peaks; nothing is kept when PIAL_PEAKS is empty, or with
/// `pial run --no-learn`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A working directory; with --forget, names of what is to be forgotten
    #[arg(value_name = "WORK")]
    named: Vec<String>,
    /// A working directory
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Forget what is known of the interfaces that are named as they are told without a working directory; of all when none is
    /// named. Logs of working directories stay as they are
    #[arg(long, conflicts_with_all = ["work", "write"])]
    forget: bool,
    /// Write a resource file: what each node, or without a working directory each interface, is to ask for. A document names
    /// it as `resource_file`, a command line as --resource-file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was used under one name.
struct Row {
    name: String,
    steps: u64,
    /// What the document or a file asks for.
    asked: Option<Memory>,
    /// Bytes of the highest peak.
    peak: u64,
    /// Bytes at which a step was ended for memory, when it needs more than that.
    more_than: Option<u64>,
    /// Bytes of input files, least and most.
    inputs: (u64, u64),
    /// What would be asked for by this, for the largest inputs.
    learned: u64,
    cpus: Option<f64>,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.forget {
        return forget(&arguments.named, arguments.json);
    }
    let work = work(arguments)?;
    let rows = match &work {
        Some(work) => of_work(work)?,
        None => of_user()?,
    };
    if arguments.json {
        let rows: Json = rows.iter().map(Row::to_json).collect();
        print(&format!("{rows:#}\n"));
    } else if rows.is_empty() {
        print("nothing is known yet: no step was run whose memory was measured\n");
    } else {
        print(&as_text(&rows));
    }
    if let Some(path) = &arguments.write {
        write(path, &rows, work.is_some())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The working directory, as an argument or as `--work`.
fn work(arguments: &Arguments) -> Result<Option<PathBuf>, Failure> {
    match (&arguments.work, arguments.named.as_slice()) {
        (work, []) => Ok(work.clone()),
        (None, [work]) => Ok(Some(PathBuf::from(work))),
        _ => Err(Failure::usage("one working directory at a time: give it once")),
    }
}

/// Forgets what is known of kinds of steps.
fn forget(names: &[String], json: bool) -> Result<ExitCode, Failure> {
    let Some(path) = crate::peaks::file() else {
        return Err(Failure::usage("nothing is kept, as PIAL_PEAKS is empty: there is nothing to forget"));
    };
    let (contents, _) = file::read(&path).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(unknown) = names.iter().find(|name| !contents.kinds.contains_key(*name)) {
        let known = contents.kinds.keys().map(String::as_str);
        let hint = pial_core::document::suggest(unknown, known);
        return Err(Failure::usage(format!(
            "nothing is known of `{unknown}` and nothing was forgotten; `pial resources` tells what is known{hint}"
        )));
    }
    let is_meant = |kind: &str| names.is_empty() || names.iter().any(|name| name == kind);
    let forgotten = file::forget(&path, is_meant);
    let forgotten = forgotten
        .map_err(|e| Failure::Engine(format!("cannot forget what is in {}: {e}; try again", path.display())))?;
    if json {
        print(&format!("{:#}\n", json!({ "forgotten": forgotten })));
    } else if forgotten.is_empty() {
        print("nothing is known: there is nothing to forget\n");
    } else {
        forgotten.iter().for_each(|kind| print(&format!("forgot {}\n", one_line(kind))));
    }
    Ok(ExitCode::SUCCESS)
}

/// By node of the document of a working directory.
fn of_work(work: &Path) -> Result<Vec<Row>, Failure> {
    let history = History::open(work)?;
    if history.run.is_none() {
        return Err(Failure::usage(format!("nothing was run in {}; give another working directory", work.display())));
    }
    let used = of_log(work)?;
    // Without its document it is only unknown what was asked for.
    let plan = from_run(work, history.run, "too").ok().map(|loaded| loaded.plan);
    let row = |(name, used): (String, pial_engine::learned::log::NodeUse)| {
        let asked = plan.as_ref().and_then(|plan| asked(plan, &name));
        row(name, &used.peaks, used.inputs, asked, Some(used.cpus))
    };
    Ok(used.into_iter().filter_map(row).collect())
}

fn asked(plan: &Plan, name: &str) -> Option<Memory> {
    let template = plan.templates.values().iter().find(|template| template.name == name)?;
    let bytes = plan.requests[template.request].memory_bytes?;
    let source = template.memory_from.as_ref().map_or(Source::Asked, |file| Source::File(file.to_string()));
    Some(Memory { bytes: (bytes, bytes), source })
}

/// By what was run, whoever ran it where.
fn of_user() -> Result<Vec<Row>, Failure> {
    let Some(path) = crate::peaks::file() else {
        return Err(Failure::usage("nothing is kept, as PIAL_PEAKS is empty; give a working directory"));
    };
    let (contents, _) = file::read(&path).map_err(|error| Failure::usage(error.to_string()))?;
    let kinds: BTreeMap<String, Peaks> = contents.kinds.into_iter().collect();
    let row = |(kind, peaks): (String, Peaks)| {
        let inputs = peaks.iter().map(|(input, _)| input).chain(peaks.floors().map(|(input, _)| input));
        let inputs = inputs.fold((u64::MAX, 0), |(least, most), input| (input.min(least), input.max(most)));
        row(kind, &peaks, inputs, None, None)
    };
    Ok(kinds.into_iter().filter_map(row).collect())
}

fn row(name: String, peaks: &Peaks, inputs: (u64, u64), asked: Option<Memory>, cpus: Option<f64>) -> Option<Row> {
    let (peak, learned) = (peaks.highest()?, peaks.need(inputs.1).unwrap_or(DEFAULT_MEMORY_BYTES));
    Some(Row { name, steps: peaks.count(), asked, peak, more_than: peaks.more_than(), inputs, learned, cpus })
}

impl Row {
    /// Too much or too little, when it is so much that it matters.
    fn verdict(&self) -> String {
        let Some(asked) = self.asked.as_ref().map(|memory| memory.bytes.1) else { return String::new() };
        match asked {
            asked if self.more_than.is_some_and(|bytes| bytes >= asked) => "too little".to_owned(),
            asked if asked < self.peak => format!("{} too little", size(self.peak - asked)),
            asked if asked > 2 * self.learned => format!("{} more than it needs", size(asked - self.learned)),
            _ => String::new(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let inputs = match (size(self.inputs.0), size(self.inputs.1)) {
            (least, most) if least == most => most,
            (least, most) => format!("{least} to {most}"),
        };
        let asked = self.asked.as_ref().map_or_else(|| "-".to_owned(), |memory| size(memory.bytes.1));
        let (steps, learned) = (self.steps.to_string(), size(self.learned));
        let peak = match self.more_than {
            Some(bytes) => format!("at least {}, ended for memory", size(bytes.max(self.peak))),
            None => size(self.peak),
        };
        vec![one_line(&self.name), steps, inputs, asked, peak, learned, self.verdict()]
    }

    fn to_json(&self) -> Json {
        json!({
            "name": self.name, "steps": self.steps, "asked": self.asked.as_ref().map(Memory::to_json),
            "peak_bytes": self.peak, "ended_at_bytes": self.more_than, "learned_bytes": self.learned,
            "least_input_bytes": self.inputs.0, "most_input_bytes": self.inputs.1, "cpus": self.cpus,
        })
    }
}

fn as_text(rows: &[Row]) -> String {
    let head = ["node or interface", "steps", "inputs", "asked", "used", "to ask", ""];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(Row::cells));
    table(&cells)
}

/// Writes what to ask for. A file that people wrote is left alone.
fn write(path: &Path, rows: &[Row], by_node: bool) -> Result<(), Failure> {
    let foreign = fs::read_to_string(path).is_ok_and(|text| !text.is_empty() && !text.starts_with(MARK));
    if foreign {
        let message =
            format!("{} was not written by this command, and is left alone; give another name", path.display());
        return Err(Failure::usage(message));
    }
    let mut needs: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        if let Some(name) = if by_node { Some(row.name.clone()) } else { interface(&row.name) } {
            let most = needs.entry(name).or_default();
            *most = row.learned.max(*most);
        }
    }
    let mut text = format!("{MARK}\npial_resources: 1\n{}:\n", if by_node { "nodes" } else { "interfaces" });
    for (name, bytes) in needs {
        // A JSON string is one of YAML, whatever is in it.
        text += &format!("  {}: {{memory: {}MB}}\n", Json::from(name), bytes.div_ceil(1_000_000));
    }
    let written = fs::write(path, text);
    written.map_err(|e| Failure::Engine(format!("cannot write the resource file {}: {e}", path.display())))
}

/// How a resource file names what was run; nothing for what only a node's name tells.
fn interface(kind: &str) -> Option<String> {
    if let Some(class) = kind.strip_prefix("nipype ") {
        return Some(class.to_owned());
    }
    if let Some(function) = kind.strip_prefix("function ") {
        return function.contains(':').then(|| function.to_owned());
    }
    if let Some(command) = kind.strip_prefix("command ") {
        return command.split(' ').next().filter(|program| !program.contains(['{', '\''])).map(str::to_owned);
    }
    (!kind.starts_with("shell ")).then(|| kind.split(' ').next().unwrap_or(kind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_their_names_in_a_resource_file() {
        let table = [
            ("mrtrix3/dwidenoise 3.0", Some("mrtrix3/dwidenoise")),
            ("nipype nipype.interfaces.fsl.BET", Some("nipype.interfaces.fsl.BET")),
            ("function os.path:getsize", Some("os.path:getsize")),
            ("function mean 0a1b2c3d", None),
            ("command fslmaths {} -bin {}", Some("fslmaths")),
            ("command {} x", None),
            ("shell a | b", None),
        ];
        for (kind, expected) in table {
            assert_eq!(interface(kind).as_deref(), expected, "{kind}");
        }
    }
}
