//! `pial why`: what changed since the last result of a node.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use clap::Args;
use pial_core::plan::Plan;
use pial_core::schedule::Step;
use pial_engine::clock::utc;
use pial_engine::dry::{Dry, Reason, Verdict};
use pial_engine::history::{History, Past, State};
use pial_engine::store::Store;
use pial_engine::why::{Aspect, Change, Fact, Facts, changes, length, output_changes, short};
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::load::{SettingArguments, from_run, load_or, work_directory};
use crate::nodes;
use crate::progress::print;
use crate::text::{one_line, size, table};

/// As many nodes are explained at once.
const MOST: usize = 20;

/// Tell why a node would run, or why its last run was needed
///
/// Names each input, file, tool version, executable, variable or command that changed, with its old and new value.
/// Without DOC the document of the last run is taken, as it is now, with the settings of that run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The node: `name`, `name[subject=sub-01]`, or an item of a map node `name#3`
    node: String,
    /// The workflow document
    #[arg(value_name = "DOC")]
    document: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What there is to tell of a node.
struct Told {
    node: String,
    /// `cached`, `would_run`, `waits` or `wrong`.
    state: &'static str,
    sentence: String,
    /// What it waits for in the end.
    waits_for: Option<String>,
    changes: Vec<Change>,
    /// When its last result was made, in seconds since 1970.
    since: Option<f64>,
    failed: Option<(String, String)>,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let work = work_directory(&arguments.settings.work)?;
    let history = History::open(&work)?;
    let loaded =
        load_or(&arguments.document, &arguments.settings, || from_run(&work, history.run.clone(), "after the node"))?;
    let history = History::of_workflow(&work, &loaded.plan.name)?;
    let steps = nodes::steps(&loaded.plan, &arguments.node)?;
    let mut store = Store::open(&work, false, &loaded.plan, &loaded.interfaces)?;
    let root = store.root().to_owned();
    let mut dry = Dry::new(&mut store, &history);
    let mut told = Vec::new();
    for step in steps.iter().take(MOST) {
        dry.up_to(step.node)?;
        told.push(tell(&loaded.plan, &mut dry, &history, &root, *step)?);
    }
    let sizes = sizes(&told, &work)?;
    if arguments.json {
        print(&format!("{:#}\n", told.iter().map(|told| as_json(told, &sizes)).collect::<Json>()));
        return Ok(ExitCode::SUCCESS);
    }
    let texts: Vec<String> = told.iter().map(|told| as_text(told, &sizes)).collect();
    print(&texts.join("\n"));
    if steps.len() > MOST {
        eprintln!("these are {MOST} of {} nodes; name the one you mean", steps.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(plan: &Plan, dry: &mut Dry<'_, '_>, history: &History, root: &str, step: Step) -> Result<Told, Failure> {
    let node = match step.item {
        None => plan.node_name(step.node),
        Some(item) => format!("{}#{item}", plan.node_name(step.node)),
    };
    let past = history.steps.get(node.as_str()).cloned().unwrap_or_default();
    let since = history.with_result(past.result, |done| done.time)?;
    let failed = match past.failure > past.result {
        true => history.with_failure(past.failure, |f| (f.message.to_string(), f.crash.to_string()))?,
        false => None,
    };
    let mut told =
        Told { node, state: "cached", sentence: String::new(), waits_for: None, changes: Vec::new(), since, failed };
    let verdict = match step.item {
        Some(_) => dry.item(step)?,
        None => dry.verdict(step.node).clone(),
    };
    match verdict {
        Verdict::Cached => tell_cached(&mut told, &past, history, root)?,
        Verdict::Runs(reason) => tell_runs(&mut told, &reason),
        Verdict::Wrong(message) => (told.state, told.sentence) = ("wrong", format!("cannot run: {message}")),
        Verdict::After(above) => tell_waits(&mut told, plan, dry, above),
    }
    Ok(told)
}

/// A node with a result that stands: why that was made, told from the result before it.
fn tell_cached(told: &mut Told, past: &Past, history: &History, root: &str) -> Result<(), Failure> {
    let since = told.since.map_or_else(String::new, |time| format!(" since {}", utc(time)));
    told.sentence = format!("is done{since}; nothing it depends on has changed");
    let facts = |place| history.with_result(place, |done| Facts::of_result(done, root, history));
    let (Some(new), Some(old)) = (facts(past.result)?.transpose()?, facts(past.previous)?.transpose()?) else {
        return Ok(());
    };
    told.changes = changes(&old, &new);
    if told.changes.is_empty() {
        return tell_same(told, past, history, root);
    }
    told.sentence += ".\nIts result before that was for other inputs, tools or code";
    Ok(())
}

/// Two results for the same inputs, tools and code, as far as those are recorded: only a key that is the same tells
/// that files were lost. A finder and a map node have their keys from what they found and gathered.
fn tell_same(told: &mut Told, past: &Past, history: &History, root: &str) -> Result<(), Failure> {
    let side = |place| {
        history.with_result(place, |done| {
            let items = if done.inputs.is_empty() { length(&done.out) } else { None };
            (done.key.clone().into_owned(), items, Facts::of_outputs(done, root))
        })
    };
    let (Some(new), Some(old)) = (side(past.result)?, side(past.previous)?) else { return Ok(()) };
    let why = match (old.1, new.1) {
        _ if old.0 == new.0 => {
            "Its result before that was for the same inputs, tools and code: its files were missing or changed"
                .to_owned()
        }
        (Some(before), Some(now)) if before != now => format!("The list of items was {before}, is {now}"),
        (Some(_), Some(_)) => "What it gathered changed".to_owned(),
        _ => "What it found changed".to_owned(),
    };
    if old.0 != new.0 {
        told.changes = output_changes(&old.2, &new.2);
    }
    told.sentence += &format!(".\n{why}");
    Ok(())
}

fn tell_runs(told: &mut Told, reason: &Reason) {
    told.state = "would_run";
    told.sentence = match reason {
        Reason::New => "would run: it has no result yet".to_owned(),
        Reason::FailedBefore => "would run: it has no result, and failed when it was last tried".to_owned(),
        Reason::Changed(changes) if changes.iter().all(|change| change.aspect == Aspect::Output) => {
            "would run: what it found has changed".to_owned()
        }
        Reason::Changed(_) => "would run: its last result was for other inputs, tools or code".to_owned(),
        Reason::Output(path) => format!("would run: its output {path} is missing or was changed by something else"),
        Reason::BehindFailed(node) => {
            told.state = "waits";
            told.waits_for = Some(node.to_string());
            reason.tell()
        }
        Reason::Overwrite => "would run: it has `overwrite: true` and so runs every time".to_owned(),
        Reason::Items { .. } | Reason::Gathering => format!("would run: {}", reason.tell()),
    };
    told.changes = changes_in(reason);
}

fn changes_in(reason: &Reason) -> Vec<Change> {
    match reason {
        Reason::Changed(changes) => changes.clone(),
        Reason::Items { first: (_, reason), .. } => changes_in(reason),
        _ => Vec::new(),
    }
}

fn tell_waits(told: &mut Told, plan: &Plan, dry: &Dry<'_, '_>, above: pial_core::arena::NodeId) {
    let (root, verdict) = dry.root_of(above);
    let failed = dry.failed_last(root);
    let root = plan.node_name(root);
    let why = match verdict {
        Verdict::Runs(reason) => {
            told.changes = changes_in(reason);
            format!("would run: {}", reason.tell())
        }
        Verdict::Wrong(message) => format!("cannot run: {message}"),
        Verdict::Cached | Verdict::After(_) => "would run".to_owned(),
    };
    told.state = "waits";
    told.sentence = match failed {
        true => format!("waits for {root}, which failed last time"),
        false => format!("waits for {}; {root} {why}", plan.node_name(above)),
    };
    told.waits_for = Some(root);
}

/// Sizes of the files among changes by the beginning of their digest, as far as the log has them.
fn sizes(told: &[Told], work: &Path) -> Result<HashMap<String, u64>, Failure> {
    let facts = told.iter().flat_map(|told| &told.changes).flat_map(|change| [&change.old, &change.new]).flatten();
    let wanted: Vec<&str> = facts.filter_map(|fact| Some(fact.file.as_ref()?.1.as_str())).collect();
    let mut sizes = HashMap::new();
    if wanted.is_empty() {
        return Ok(sizes);
    }
    pial_engine::log::read(work, |_, line| {
        if wanted.iter().any(|digest| line.contains(digest)) {
            note_sizes(line, &wanted, &mut sizes);
        }
    })?;
    Ok(sizes)
}

fn note_sizes(line: &str, wanted: &[&str], sizes: &mut HashMap<String, u64>) {
    use pial_engine::record::{Content, Record};
    let mut note = |Content(_, size, _, digest): &Content<'_>| {
        if *size > 0 && wanted.contains(&short(digest).as_str()) {
            sizes.insert(short(digest), *size);
        }
    };
    match serde_json::from_str(line) {
        Ok(Record::File { content }) => note(&content),
        Ok(Record::Done(done)) => done.files.iter().for_each(note),
        _ => {}
    }
}

fn as_text(told: &Told, sizes: &HashMap<String, u64>) -> String {
    let mut text = format!("{} {}.\n", told.node, told.sentence);
    if !told.changes.is_empty() {
        if let (Some(node), true) = (&told.waits_for, told.state == "waits") {
            text += &format!("Changed for {node}:\n");
        }
        let rows = told.changes.iter().flat_map(|change| {
            let side = |label: &str, fact: &Option<Fact>, now: bool| {
                let fact = fact.as_ref().map_or_else(|| "(none)".to_owned(), |fact| fact_text(fact, sizes, now));
                vec![label.to_owned(), fact]
            };
            let is_now = told.state != "cached";
            [
                vec![format!("  {}", change.subject())],
                side("    was", &change.old, false),
                side("    is", &change.new, is_now),
            ]
        });
        text += &told_rows(&rows.collect::<Vec<_>>());
    }
    if let Some((message, crash)) = &told.failed {
        text += &format!("It failed when it was last tried: {} ({crash})\n", one_line(message));
    }
    text
}

/// A heading line stays out of the alignment of the values below it.
fn told_rows(rows: &[Vec<String>]) -> String {
    rows.chunks(3).map(|rows| format!("{}{}", table(&rows[..1]), table(&rows[1..]))).collect()
}

fn fact_text(fact: &Fact, sizes: &HashMap<String, u64>, now: bool) -> String {
    let Some((path, digest)) = &fact.file else { return one_line(&fact.text) };
    let mut parts = vec![format!("content {digest}")];
    let on_disk = std::fs::metadata(path).ok().filter(|_| now);
    let bytes = on_disk.as_ref().filter(|m| m.is_file()).map(std::fs::Metadata::len);
    parts.extend(bytes.or_else(|| sizes.get(digest).copied()).map(size));
    parts.extend(on_disk.as_ref().and_then(modified).map(|time| format!("modified {}", utc(time))));
    format!("{} ({})", one_line(&fact.text), parts.join(", "))
}

/// Seconds since 1970 at the last change of a file.
fn modified(metadata: &std::fs::Metadata) -> Option<f64> {
    Some(metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

fn as_json(told: &Told, sizes: &HashMap<String, u64>) -> Json {
    let fact = |fact: &Option<Fact>| match fact {
        None => Json::Null,
        Some(Fact { text, file: None }) => json!({"value": text}),
        Some(Fact { text, file: Some((path, digest)) }) => {
            json!({"value": text, "path": path, "digest": digest, "bytes": sizes.get(digest)})
        }
    };
    let change = |change: &Change| {
        json!({
            "aspect": change.aspect.name(), "name": change.name,
            "old": fact(&change.old), "new": fact(&change.new),
        })
    };
    let failed = told.failed.as_ref().map(|(message, crash)| json!({"message": message, "crash": crash}));
    json!({
        "node": told.node, "state": told.state, "why": told.sentence, "waits_for": told.waits_for,
        "changes": told.changes.iter().map(change).collect::<Json>(), "result_time": told.since, "failed": failed,
    })
}

/// For people: what became of a step in the last run.
pub fn state_name(state: State, busy: bool) -> &'static str {
    match state {
        State::Untouched => "not touched by the last run",
        State::Started if busy => "running",
        State::Started => "was running when the last run ended",
        State::Done => "done in the last run",
        State::Failed => "failed in the last run",
        State::Skipped => "skipped in the last run",
    }
}
