//! `pial show`: all that is known of a node.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pial_core::plan::{Plan, Request, Work as Runs};
use pial_core::schedule::Step;
use pial_core::value::Value;
use pial_engine::builtin::natural_order;
use pial_engine::clock::utc;
use pial_engine::dry::{Dry, Reason, Verdict};
use pial_engine::history::{History, State, split_item};
use pial_engine::record::{Done, Failed, Logged, OutOfMemory, Used};
use pial_engine::store::Store;
use pial_engine::task::Task;
use pial_engine::work::Work;
use pial_interfaces::quote;
use serde_json::{Value as Json, json};

use super::why::state_name;
use crate::failure::Failure;
use crate::load::{SettingArguments, from_run, load_or, work_directory};
use crate::nodes;
use crate::progress::print;
use crate::text::{count, duration, one_line, size, table};

/// As many nodes of a template are listed.
const MOST_LISTED: usize = 50;

/// As many items of a list are shown.
const MOST_ITEMS: usize = 20;

/// Show all about a node: state, directory, command, inputs, outputs, resources
///
/// A name without [..] that stands for several nodes lists them with their states. Without DOC the document of the
/// last run is taken, as it is now, with the settings of that run.
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

/// What there is to show of a step.
struct Shown {
    name: String,
    state: State,
    busy: bool,
    verdict: String,
    /// Whether the last result, or the last failure, need not be of what would run now.
    outdated: bool,
    directory: String,
    work: String,
    request: Request,
    time_s: Option<f64>,
    retries: u32,
    /// The step as it would run now, or why that is not known.
    task: Result<Box<Task>, String>,
    result: Option<LastResult>,
    results: u32,
    failed: Option<LastFailure>,
    started: Option<(u32, f64)>,
}

/// The last failure of a step, when it has no result since.
struct LastFailure {
    message: String,
    crash: String,
    directory: String,
    used: Option<Used>,
    out_of_memory: Option<OutOfMemory<'static>>,
}

/// The last result of a step.
struct LastResult {
    key: String,
    directory: String,
    time: f64,
    used: Option<Used>,
    outputs: Vec<(String, Value)>,
    inputs: Vec<(String, Value)>,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let busy = Work::is_busy(&arguments.settings.work);
    let work = work_directory(&arguments.settings.work)?;
    let history = History::open(&work)?;
    let loaded =
        load_or(&arguments.document, &arguments.settings, || from_run(&work, history.run.clone(), "after the node"))?;
    let history = History::of_workflow(&work, &loaded.plan.name)?;
    let steps = nodes::steps(&loaded.plan, &arguments.node)?;
    let text = match steps.as_slice() {
        [step] => {
            let mut store = Store::open(&work, false, &loaded.plan, &loaded.interfaces)?;
            let root = store.root().to_owned();
            let mut dry = Dry::new(&mut store, &history);
            let shown = shown(&loaded.plan, &mut dry, &history, &root, *step, busy)?;
            if arguments.json { format!("{:#}\n", as_json(&shown, &work)) } else { as_text(&shown, &work) }
        }
        steps => listing(&loaded.plan, &history, &work, steps, busy, arguments.json),
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// The nodes of a template with their states.
fn listing(plan: &Plan, history: &History, work: &Path, steps: &[Step], busy: bool, json: bool) -> String {
    let mut names: Vec<String> = steps.iter().map(|step| plan.node_name(step.node)).collect();
    names.sort_unstable_by(|a, b| natural_order(a, b));
    let state = |name: &str| {
        let has_result = history.steps.get(name).is_some_and(|past| past.results > 0);
        match history.state(name) {
            State::Untouched if has_result => "has a result",
            State::Untouched => "no result",
            state => state_name(state, busy),
        }
    };
    if json {
        let directories: HashMap<String, String> =
            steps.iter().map(|step| (plan.node_name(step.node), plan.node_directory(step.node))).collect();
        let directory = |name: &str| directories.get(name).map(|directory| work.join(directory));
        let all = names.iter().map(|name| json!({"node": name, "state": state(name), "directory": directory(name)}));
        return format!("{:#}\n", all.collect::<Json>());
    }
    let rows: Vec<Vec<String>> =
        names.iter().take(MOST_LISTED).map(|name| vec![one_line(name), state(name).to_owned()]).collect();
    let more = names.len().saturating_sub(MOST_LISTED);
    let more = if more > 0 { format!("and {more} more (all of them with --json)\n") } else { String::new() };
    format!("{}\n{}{more}", count(names.len(), "node"), table(&rows))
}

fn shown(
    plan: &Plan,
    dry: &mut Dry<'_, '_>,
    history: &History,
    root: &str,
    step: Step,
    busy: bool,
) -> Result<Shown, Failure> {
    dry.up_to(step.node)?;
    let verdict = match step.item {
        Some(_) => dry.item(step)?,
        None => dry.verdict(step.node).clone(),
    };
    let stands = verdict == Verdict::Cached;
    let verdict = match verdict {
        Verdict::Cached => "its result stands".to_owned(),
        Verdict::Runs(reason) if matches!(*reason, Reason::BehindFailed(_)) => reason.tell(),
        Verdict::Runs(reason) => format!("would run: {}", reason.tell()),
        Verdict::After(above) => format!("waits for {}", plan.node_name(above)),
        Verdict::Wrong(message) => format!("cannot run: {message}"),
    };
    let (template, _) = plan.locate(step.node);
    let node = plan.node_name(step.node);
    let name = step.item.map_or_else(|| node.clone(), |item| format!("{node}#{item}"));
    let past = history.steps.get(name.as_str()).cloned().unwrap_or_default();
    let task = dry.task(step)?;
    let result = history.with_result(past.result, |done| result(done, root))?;
    let failed = history.with_failure(past.failure, failure)?.filter(|_| past.failure > past.result);
    let logged = match (&failed, &result) {
        (Some(failed), _) => Some(failed.directory.clone()),
        (None, result) => result.as_ref().map(|result| result.directory.clone()),
    };
    let own = template.name.rsplit('.').next().unwrap_or(&template.name);
    let directory = plan.node_directory(step.node);
    let other_key = match (&task, &result) {
        (Ok(task), Some(result)) => task.key != result.key,
        _ => false,
    };
    Ok(Shown {
        outdated: !stands && task.is_ok() && (failed.is_some() || other_key),
        state: if template.map.is_some() && step.item.is_none() {
            map_state(history, &name, history.state_of(&past))
        } else {
            history.state_of(&past)
        },
        busy,
        verdict,
        directory: match (logged, step.item) {
            (Some(logged), _) => logged,
            (None, None) => directory,
            (None, Some(item)) => format!("{directory}/mapflow/_{own}{item}"),
        },
        work: match &template.work {
            Runs::Interface(_) => "interface".to_owned(),
            Runs::Command(_) => "command".to_owned(),
            Runs::Function(call) => format!("function {}", call.function.label()),
            Runs::Builtin(name) => format!("built-in {name}"),
        },
        request: plan.requests[template.request].clone(),
        time_s: template.time_s,
        retries: template.retries,
        task,
        result,
        results: past.results,
        failed,
        started: past.started.filter(|_| busy && history.state_of(&past) == State::Started),
        name,
    })
}

/// A map node fails and runs with its items.
fn map_state(history: &History, name: &str, own: State) -> State {
    let items = history.steps.iter().filter(|(step, _)| matches!(split_item(step), (node, Some(_)) if node == name));
    let states: Vec<State> = items.map(|(_, past)| history.state_of(past)).collect();
    let found = [State::Started, State::Failed].into_iter().find(|state| states.contains(state));
    if own == State::Untouched { found.unwrap_or(own) } else { own }
}

fn failure(failed: &Failed<'_>) -> LastFailure {
    LastFailure {
        message: failed.message.to_string(),
        crash: failed.crash.to_string(),
        directory: failed.dir.to_string(),
        used: failed.used,
        out_of_memory: failed
            .out_of_memory
            .as_ref()
            .map(|out| OutOfMemory { ended_by: out.ended_by.as_ref().map(|by| by.to_string().into()), ..*out }),
    }
}

fn result(done: &Done<'_>, root: &str) -> LastResult {
    LastResult {
        key: done.key.clone().into_owned(),
        directory: done.dir.clone().into_owned(),
        time: done.time,
        used: done.used,
        outputs: done.out.iter().map(|(name, value)| (name.clone().into_owned(), value.to_value(root))).collect(),
        inputs: done.inputs.iter().map(|(name, value, _)| (name.clone().into_owned(), value.to_value(root))).collect(),
    }
}

impl Shown {
    /// The command line as a shell would take it.
    fn command(&self) -> Option<String> {
        let job = self.task.as_ref().ok()?.job.as_ref()?;
        let words =
            std::iter::once(job.program.to_string_lossy()).chain(job.arguments.iter().map(|a| a.as_str().into()));
        Some(words.map(|word| quote(&word)).collect::<Vec<_>>().join(" "))
    }

    /// The inputs now, else those of the last result.
    fn inputs(&self) -> &[(String, Value)] {
        match (&self.task, &self.result) {
            (Ok(task), _) => &task.inputs,
            (Err(_), Some(result)) => &result.inputs,
            (Err(_), None) => &[],
        }
    }
}

fn as_text(shown: &Shown, work: &Path) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), one_line(&value)]);
    row("node", shown.name.clone());
    row("state", format!("{}; {}", state_name(shown.state, shown.busy), shown.verdict));
    if let Some((pid, since)) = shown.started {
        row("process", format!("{pid}, since {}", utc(since)));
    }
    if let Some(failed) = &shown.failed {
        row("failed", format!("{} ({})", failed.message, failed.crash));
        failed.used.into_iter().for_each(|used| row("it had used", used_text(used)));
        failed.out_of_memory.iter().for_each(|out| row("ended for memory", ended_text(out, failed.used)));
    }
    row("directory", work.join(&shown.directory).to_string_lossy().into_owned());
    row("runs", shown.work.clone());
    match (shown.command(), &shown.task) {
        (Some(command), _) if shown.outdated => row("command it would run now", command),
        (Some(command), _) => row("command", command),
        (None, Err(why)) => row("command", format!("not known: {why}")),
        (None, Ok(_)) => {}
    }
    row("asked", asked(shown));
    if let Some(used) = shown.result.as_ref().and_then(|result| result.used) {
        row(if shown.failed.is_some() { "its last result used" } else { "used" }, used_text(used));
    }
    if let Some(result) = &shown.result {
        row("result", format!("of {}, {} so far", utc(result.time), count(shown.results as usize, "result")));
        row("key", result.key.clone());
    }
    let mut text = table(&rows);
    match (&shown.result, shown.outdated) {
        (Some(result), true) => {
            text += &values("inputs it would take now", shown.inputs());
            text += &values("inputs of its last result", &result.inputs);
        }
        _ => text += &values("inputs", shown.inputs()),
    }
    let outputs = if shown.outdated { "outputs of its last result" } else { "outputs" };
    text += &values(outputs, shown.result.as_ref().map_or(&[], |result| &result.outputs));
    text
}

fn asked(shown: &Shown) -> String {
    let request = &shown.request;
    let mut parts = vec![format!("{} cpus", request.cpus)];
    parts.extend(request.memory_bytes.map(|bytes| format!("{} memory", size(bytes))));
    parts.extend((request.gpus > 0).then(|| format!("{} gpus", request.gpus)));
    parts.extend(request.named.iter().map(|(name, number)| format!("{number} {name}")));
    parts.extend(shown.time_s.map(|limit| format!("at most {}", duration(limit))));
    parts.extend((shown.retries > 0).then(|| format!("{} retries", shown.retries)));
    parts.join(", ")
}

fn used_text(used: Used) -> String {
    let Used { wall_s, user_s, system_s, peak_rss_bytes, method, charged_bytes, asked_bytes: _ } = used;
    let charged = charged_bytes.map(|bytes| format!("; {} with page cache", size(bytes)));
    format!(
        "{} (user {}, system {}), {} memory at its peak ({}{})",
        duration(wall_s),
        duration(user_s),
        duration(system_s),
        size(peak_rss_bytes),
        method.tell(),
        charged.unwrap_or_default()
    )
}

/// Limit, what was asked for, and who ended it.
fn ended_text(out: &OutOfMemory<'_>, used: Option<Used>) -> String {
    let by = out.ended_by.as_ref().map_or_else(|| "itself, as it was refused memory".to_owned(), ToString::to_string);
    let mut parts = vec![format!("by {by}")];
    parts.extend(out.limit_bytes.map(|bytes| format!("its limit was {}", size(bytes))));
    let asked = used.and_then(|used| used.asked_bytes);
    parts
        .push(asked.map_or_else(|| "it asked for nothing".to_owned(), |bytes| format!("it asked for {}", size(bytes))));
    parts.push(format!("it needs more than {}", size(out.more_than_bytes)));
    parts.join("; ")
}

fn values(title: &str, values: &[(String, Value)]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut rows = Vec::new();
    for (name, value) in values {
        match value {
            Value::List(items) if items.len() > 1 => {
                rows.push(vec![format!("  {name}"), count(items.len(), "item")]);
                rows.extend(items.iter().take(MOST_ITEMS).map(|item| vec![String::new(), one_line(&item.to_string())]));
                if items.len() > MOST_ITEMS {
                    rows.push(vec![String::new(), format!("and {} more", items.len() - MOST_ITEMS)]);
                }
            }
            value => rows.push(vec![format!("  {name}"), one_line(&value.to_string())]),
        }
    }
    format!("{title}\n{}", table(&rows))
}

/// Values as the log has them, but with absolute paths: `{"$path": ...}` and `{"$map": [[name, value], ...]}`.
fn tagged(values: &[(String, Value)]) -> Json {
    values.iter().map(|(name, value)| (name.clone(), json!(Logged::of(value, "")))).collect()
}

fn as_json(shown: &Shown, work: &Path) -> Json {
    let map = |values: &[(String, Value)]| {
        values.iter().map(|(n, v)| (n.clone(), v.to_json())).collect::<serde_json::Map<_, _>>()
    };
    let job = shown.task.as_ref().ok().and_then(|task| task.job.as_ref());
    let argv = job.map(|job| {
        let program = job.program.to_string_lossy().into_owned();
        std::iter::once(program).chain(job.arguments.iter().cloned()).collect::<Vec<_>>()
    });
    let request = &shown.request;
    json!({
        "node": shown.name,
        "state": state_name(shown.state, shown.busy),
        "now": shown.verdict,
        "directory": work.join(&shown.directory),
        "runs": shown.work,
        "command": argv,
        "outdated": shown.outdated,
        "environment": job.map(|job| &job.environment),
        "asked": {
            "cpus": request.cpus, "memory_bytes": request.memory_bytes, "gpus": request.gpus,
            "named": request.named, "time_s": shown.time_s, "retries": shown.retries,
        },
        "used": shown.result.as_ref().and_then(|result| result.used),
        "key": shown.task.as_ref().map(|task| task.key.clone()).ok(),
        "result_key": shown.result.as_ref().map(|result| &result.key),
        "result_time": shown.result.as_ref().map(|result| result.time),
        "results": shown.results,
        "inputs": map(shown.inputs()),
        "result_inputs": shown.result.as_ref().map(|result| map(&result.inputs)),
        "outputs": shown.result.as_ref().map(|result| map(&result.outputs)),
        "values": shown.result.as_ref().map(|result| tagged(&result.outputs)),
        "failed": shown.failed.as_ref().map(|failed| json!({
            "message": failed.message, "crash": failed.crash, "used": failed.used, "out_of_memory": failed.out_of_memory,
        })),
        "pid": shown.started.map(|(pid, _)| pid),
    })
}
