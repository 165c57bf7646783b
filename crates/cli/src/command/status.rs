//! `pial status`: where the last run stands, from the log alone.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use pial_engine::builtin::natural_order;
use pial_engine::clock::seconds_since_1970;
use pial_engine::clock::utc;
use pial_engine::history::{History, LastRun, Past, State, is_item, split_item};
use pial_engine::work::{KEPT_DOCUMENT, Work, host};
use pial_measure::tree::tree;
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::progress::print;
use crate::text::{count, duration, one_line, size, table};

/// Tell where the last run stands, or the one that is going on
///
/// While it goes on, what was done before is told together with what waits: it is known at the end.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The working directory
    #[arg(long, value_name = "DIR", default_value = "work")]
    work: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How the last run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Running,
    Ended,
    Interrupted,
    Killed,
}

/// What became of the nodes in the last run. Items of map nodes count only where they run or failed.
#[derive(Default)]
struct Found<'h> {
    done: u32,
    cached: Option<u32>,
    failed: Vec<(&'h str, &'h Past)>,
    failed_nodes: u32,
    skipped: u32,
    running: Vec<(&'h str, u32, f64)>,
    /// Nodes with a step that runs, or that the end of the run interrupted; none of those that failed.
    running_nodes: u32,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    // Whether it runs is asked first: a run that ends in between has its end in the log.
    let busy = Work::is_busy(&arguments.work);
    let history = History::open(&arguments.work)?;
    let Some(run) = &history.run else {
        return Err(Failure::usage(format!("nothing was run in {}; give --work DIR", arguments.work.display())));
    };
    let standing = match &history.end {
        Some(end) if end.interrupted => Standing::Interrupted,
        Some(_) => Standing::Ended,
        None if busy => Standing::Running,
        None => Standing::Killed,
    };
    let found = find(&history);
    let failures = failures(&history, &found)?;
    if arguments.json {
        print(&format!("{:#}\n", as_json(run, &history, standing, &found, &failures)));
    } else {
        print(&as_text(run, &history, standing, &found, &failures));
    }
    Ok(ExitCode::SUCCESS)
}

fn find(history: &History) -> Found<'_> {
    let mut found = Found::default();
    for (step, past) in &history.steps {
        let item = is_item(step);
        match history.state_of(past) {
            State::Done if !item => found.done += 1,
            State::Skipped if !item => found.skipped += 1,
            State::Failed => {
                found.failed.push((step, past));
            }
            State::Started => {
                if let Some((pid, time)) = past.started {
                    found.running.push((step, pid, time));
                }
            }
            State::Done | State::Skipped | State::Untouched => {}
        }
    }
    found.failed.sort_by_key(|(_, past)| past.failure);
    found.running.sort_by(|a, b| a.2.total_cmp(&b.2).then_with(|| natural_order(a.0, b.0)));
    found.failed_nodes = nodes_of(found.failed.iter().map(|(step, _)| *step));
    let failed: HashSet<&str> = found.failed.iter().map(|(step, _)| split_item(step).0).collect();
    let running = found.running.iter().map(|(step, ..)| *step);
    found.running_nodes = nodes_of(running.filter(|step| !failed.contains(split_item(step).0)));
    if let Some(end) = &history.end {
        found.done = end.done;
        found.cached = Some(end.cached);
        found.failed_nodes = end.failed;
        // For the engine a step that was interrupted is one that was skipped.
        found.skipped = end.skipped.saturating_sub(found.running_nodes);
    }
    found
}

fn document(run: &LastRun) -> String {
    match run.document.as_str() {
        KEPT_DOCUMENT => format!("from standard input, kept as {KEPT_DOCUMENT}"),
        document => document.to_owned(),
    }
}

/// Node, message and crash file of each failure.
fn failures(history: &History, found: &Found<'_>) -> Result<Vec<(String, String, String)>, Failure> {
    let mut failures = Vec::new();
    for (step, past) in &found.failed {
        let told =
            history.with_failure(past.failure, |failed| (failed.message.to_string(), failed.crash.to_string()))?;
        let (message, crash) = told.unwrap_or_default();
        failures.push(((*step).to_owned(), message, crash));
    }
    Ok(failures)
}

fn as_text(
    run: &LastRun,
    history: &History,
    standing: Standing,
    found: &Found<'_>,
    failures: &[(String, String, String)],
) -> String {
    let now = seconds_since_1970();
    let state = match (standing, &history.end) {
        (Standing::Running, _) => {
            format!("running for {} (process {} on {})", duration(now - run.time), run.pid, run.host)
        }
        (Standing::Interrupted, Some(end)) => format!("interrupted after {}", duration(end.wall_s)),
        (_, Some(end)) => format!("ended after {}, at {}", duration(end.wall_s), utc(end.time)),
        (_, None) => {
            format!("was killed (process {} on {} is gone and left no end); run it again to go on", run.pid, run.host)
        }
    };
    let mut rows = vec![
        vec!["document".to_owned(), document(run)],
        vec!["begun".to_owned(), utc(run.time)],
        vec!["state".to_owned(), state],
        vec!["nodes".to_owned(), counts(run, standing, found)],
    ];
    rows.extend(memory(run, history, standing, found).map(|memory| vec!["memory".to_owned(), memory]));
    let mut text = table(&rows);
    if !found.running.is_empty() {
        text += if standing == Standing::Running { "\nrunning now\n" } else { "\ninterrupted\n" };
        let row = |(step, pid, time): &(&str, u32, f64)| match standing {
            Standing::Running => {
                let memory = resident(run, standing, *pid).map_or_else(String::new, size);
                vec![format!("  {}", one_line(step)), duration(now - time), memory, format!("process {pid}")]
            }
            _ => vec![format!("  {}", one_line(step)), format!("since {}", utc(*time))],
        };
        text += &table(&found.running.iter().map(row).collect::<Vec<_>>());
    }
    if !failures.is_empty() {
        text += "\nfailed\n";
        for (step, message, crash) in failures {
            text += &format!("  {}: {}\n    {crash}\n", one_line(step), one_line(message));
        }
    }
    text
}

/// What all processes of a run that ended used at most, or what the steps of one that goes on have resident now.
fn memory(run: &LastRun, history: &History, standing: Standing, found: &Found<'_>) -> Option<String> {
    if let Some(end) = &history.end {
        let engine = size(end.engine_peak_rss_bytes);
        return Some(match end.tree_peak_bytes {
            Some(peak) => format!("at most {} of all processes, pial itself {engine}", size(peak)),
            None => format!("pial itself at most {engine}; no step ran long enough to be looked at"),
        });
    }
    let steps: Vec<u64> = found.running.iter().filter_map(|(_, pid, _)| resident(run, standing, *pid)).collect();
    (!steps.is_empty()).then(|| format!("{} of running steps", size(steps.iter().sum())))
}

/// What a running step's processes have resident, in bytes; pages that they share count for each.
fn resident(run: &LastRun, standing: Standing, pid: u32) -> Option<u64> {
    let is_here = standing == Standing::Running && run.host == host();
    let bytes = is_here.then(|| tree(pid).iter().map(|stat| stat.rss_bytes).sum::<u64>())?;
    (bytes > 0).then_some(bytes)
}

fn counts(run: &LastRun, standing: Standing, found: &Found<'_>) -> String {
    let left = left(run, found);
    let (cached, rest) = match (found.cached, standing) {
        (Some(cached), _) => (cached, (left, "not reached")),
        (None, Standing::Running) => (0, (left, "waiting or done before")),
        (None, _) => (0, (left, "not reached or done before")),
    };
    let parts = [
        (found.done, "done"),
        (cached, "done before"),
        (found.failed_nodes, "failed"),
        (found.skipped, "skipped"),
        (found.running_nodes, if standing == Standing::Running { "running" } else { "interrupted" }),
        rest,
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    format!("{}: {}", count(run.nodes as usize, "node"), parts.join(", "))
}

/// How many nodes steps belong to; a map node runs and fails with its items.
fn nodes_of<'h>(steps: impl Iterator<Item = &'h str>) -> u32 {
    steps.map(|step| split_item(step).0).collect::<HashSet<_>>().len() as u32
}

fn left(run: &LastRun, found: &Found<'_>) -> u32 {
    let known = found.done + found.cached.unwrap_or(0) + found.failed_nodes + found.skipped + found.running_nodes;
    run.nodes.saturating_sub(known)
}

fn as_json(
    run: &LastRun,
    history: &History,
    standing: Standing,
    found: &Found<'_>,
    failures: &[(String, String, String)],
) -> Json {
    let now = seconds_since_1970();
    let state = match standing {
        Standing::Running => "running",
        Standing::Ended => "ended",
        Standing::Interrupted => "interrupted",
        Standing::Killed => "killed",
    };
    let is_running = standing == Standing::Running;
    let running = found.running.iter().map(|(step, pid, time)| {
        json!({
            "node": step, "pid": pid, "began": time, "seconds": (standing == Standing::Running).then_some(now - time),
            "resident_bytes": resident(run, standing, *pid),
        })
    });
    let failed =
        failures.iter().map(|(node, message, crash)| json!({"node": node, "message": message, "crash": crash}));
    json!({
        "state": state,
        "document": run.document, "began": run.time, "pid": run.pid, "host": run.host,
        "wall_s": history.end.map(|end| end.wall_s).or((standing == Standing::Running).then_some(now - run.time)),
        "counts": {
            "nodes": run.nodes, "done": found.done, "cached": found.cached, "failed": found.failed_nodes,
            "skipped": found.skipped, "running": if is_running { found.running_nodes } else { 0 },
            "interrupted": if is_running { 0 } else { found.running_nodes }, "left": left(run, found),
        },
        "memory": {
            "tree_peak_bytes": history.end.and_then(|end| end.tree_peak_bytes),
            "engine_peak_bytes": history.end.map(|end| end.engine_peak_rss_bytes),
            "interpreter_peak_bytes": history.end.and_then(|end| end.interpreter_peak_rss_bytes),
        },
        "running": running.collect::<Json>(),
        "failed": failed.collect::<Json>(),
    })
}
