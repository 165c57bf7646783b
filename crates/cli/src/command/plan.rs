//! `pial plan`: what a run would do, why, and how much; starts nothing and writes nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use pial_core::arena::{NodeId, TemplateId};
use pial_core::plan::Plan;
use pial_core::schedule::{Budget, Step};
use pial_core::tree::Problem;
use pial_engine::dry::{Dry, Reason, Verdict};
use pial_engine::history::History;
use pial_engine::learned::Learned;
use pial_engine::record::Content;
use pial_engine::store::Store;
use serde_json::{Value as Json, json};

use super::run::{BudgetArguments, beforehand};
use crate::failure::Failure;
use crate::load::{DocumentArguments, Examined, Loaded, examine, work_directory};
use crate::memory::{Memory, Source};
use crate::progress::print;
use crate::text::{count, duration, size, table};

/// As many results of a template are looked at to tell how much it writes.
const SAMPLES: usize = 200;

/// Tell what a run would do and why, without running anything
///
/// A node is done before when its result stands: same inputs (by content), same tool, same code, and its files are
/// what they were. Every other node would run. One that only waits for others that would run may still turn out to
/// be done before, when they give the same as last time. Works while a run is going on. Exits with 2 when a run would
/// refuse to begin: a file or program is missing, or a node asks for more than there is.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    document: DocumentArguments,
    #[command(flatten)]
    budget: BudgetArguments,
    /// Tell of every node instead of a line for each node of the document
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What would become of the nodes of a template.
#[derive(Default)]
struct Group {
    cached: u32,
    runs: u32,
    after: u32,
    wrong: u32,
    steps: u32,
    memory: Option<Memory>,
    /// How often each reason is given, and an example in full.
    reasons: BTreeMap<String, (u32, String)>,
}

/// What is known of the cost of what would run.
struct Cost {
    /// Seconds of all steps together.
    seconds: f64,
    /// Templates without a recorded time.
    untimed: Vec<String>,
    bytes: u64,
    free_bytes: Option<u64>,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let examined = examine(&arguments.document)?;
    let plan = examined.loaded.as_ref().map(|loaded| &loaded.plan);
    let budget = arguments.budget.budget(plan)?;
    let memory = arguments.budget.memory(plan);
    let (loaded, refusals, mut warnings) = check(&arguments.document, examined, &budget)?;
    let work = work_directory(&arguments.document.settings.work)?;
    let history = History::of_workflow(&work, &loaded.plan.name)?;
    let mut store = Store::open(&work, false, &loaded.plan, &loaded.interfaces)?;
    let estimates = store.estimates();
    let mut dry = Dry::new(&mut store, &history);
    dry.everything()?;
    let mut groups = groups(&loaded.plan, &dry);
    let (mut learned, warning) = Learned::open(&loaded.plan, &loaded.interfaces, crate::peaks::file().as_deref());
    warnings.extend(warning);
    warnings.extend(learned.warnings());
    for id in loaded.plan.templates.ids() {
        let inputs = if learned.knows(id) { inputs(&loaded.plan, &mut dry, id)? } else { None };
        let memory = Memory::of(&loaded.plan, &mut learned, id, inputs);
        warnings.extend(memory.as_ref().and_then(|memory| beyond(&loaded.plan.templates[id].name, memory, &budget)));
        groups.entry(id).or_default().memory = memory;
    }
    let cost = cost(&loaded.plan, &groups, &estimates, &history, &work)?;
    if arguments.json {
        let json = as_json(&loaded.plan, &dry, &groups, &cost, &budget, (&refusals, &warnings), arguments.all);
        print(&format!("{json:#}\n"));
    } else {
        print(&as_text(&loaded.plan, &dry, &groups, &cost, &budget, arguments.all));
        memory.iter().for_each(|memory| print(&format!("{}\n", memory.tell())));
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        refusals.iter().for_each(|refusal| eprintln!("{refusal}"));
    }
    if refusals.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("pial: a run would refuse to begin: {}", count(refusals.len(), "problem"));
    Ok(ExitCode::from(2))
}

/// The least and the most bytes of input files of a template's nodes that would run; `None` where none is known.
fn inputs(plan: &Plan, dry: &mut Dry<'_, '_>, id: TemplateId) -> Result<Option<(u64, u64)>, Failure> {
    let mut found: Option<(u64, u64)> = None;
    for point in 0..plan.points(id) {
        let node = plan.node(id, point);
        if *dry.verdict(node) == Verdict::Cached || plan.templates[id].map.is_some() {
            continue;
        }
        let bytes = dry.input_bytes(Step { node, item: None })?;
        found = bytes.map(|b| found.map_or((b, b), |(least, most)| (least.min(b), most.max(b)))).or(found);
    }
    Ok(found)
}

/// What to warn of when steps need more than there is. What a document asks is told elsewhere.
fn beyond(node: &str, memory: &Memory, budget: &Budget) -> Option<String> {
    let most = memory.bytes.1;
    let told = matches!(memory.source, Source::Learned(..)) && most > budget.memory_bytes;
    told.then(|| {
        let (most, there) = (size(most), size(budget.memory_bytes));
        format!(
            "`{node}` needs {most} of memory by what steps like it used, and the run has {there}; it will run alone"
        )
    })
}

/// The plan of a right document, why a run would still refuse to begin, and what it would warn of; else all that is
/// wrong with the document and missing here.
fn check(
    arguments: &DocumentArguments,
    mut examined: Examined,
    budget: &Budget,
) -> Result<(Loaded, Vec<String>, Vec<String>), Failure> {
    let Some(loaded) = &examined.loaded else { return Err(examined.failure()) };
    let (missing, warnings) = beforehand(arguments, loaded, budget);
    if !examined.problems.is_empty() {
        examined.problems.extend(missing);
        return Err(examined.failure());
    }
    let refusals = Problem::sorted(missing).into_iter().map(|problem| {
        let file = problem.file.as_deref().unwrap_or(&loaded.document);
        format!("{file}:{}: {}", problem.mark, problem.message)
    });
    let refusals = refusals.collect();
    Ok((examined.sound()?, refusals, warnings))
}

fn groups(plan: &Plan, dry: &Dry<'_, '_>) -> HashMap<TemplateId, Group> {
    let mut groups: HashMap<TemplateId, Group> = HashMap::new();
    for id in plan.templates.ids() {
        let group = groups.entry(id).or_default();
        for point in 0..plan.points(id) {
            let node = plan.node(id, point);
            let (counter, kind) = match dry.verdict(node) {
                Verdict::Cached => {
                    group.cached += 1;
                    continue;
                }
                Verdict::Runs(reason) => {
                    group.steps += match **reason {
                        Reason::Items { runs, .. } => runs,
                        Reason::Gathering => 0,
                        _ => 1,
                    };
                    (&mut group.runs, reason.kind())
                }
                Verdict::After(above) => {
                    group.steps += 1;
                    let (root, _) = dry.root_of(*above);
                    let kind = match dry.failed_last(root) {
                        true => format!("waits for {}, which failed last time", plan.locate(root).0.name),
                        false => format!("after {}", plan.locate(*above).0.name),
                    };
                    (&mut group.after, kind)
                }
                Verdict::Wrong(message) => (&mut group.wrong, format!("cannot run: {message}")),
            };
            *counter += 1;
            let example = || format!("{}: {}", plan.node_name(node), tell(plan, dry, node));
            group.reasons.entry(kind).or_insert_with(|| (0, example())).0 += 1;
        }
    }
    groups
}

fn tell(plan: &Plan, dry: &Dry<'_, '_>, node: NodeId) -> String {
    match dry.verdict(node) {
        Verdict::Cached => "done before".to_owned(),
        Verdict::Runs(reason) if matches!(**reason, Reason::BehindFailed(_)) => reason.tell(),
        Verdict::Runs(reason) => format!("would run: {}", reason.tell()),
        Verdict::After(above) => {
            let (root, _) = dry.root_of(*above);
            match dry.failed_last(root) {
                true => format!("waits for {}, which failed last time", plan.node_name(root)),
                false => format!("would run after {}", plan.node_name(*above)),
            }
        }
        Verdict::Wrong(message) => format!("cannot run: {message}"),
    }
}

fn cost(
    plan: &Plan,
    groups: &HashMap<TemplateId, Group>,
    estimates: &[Option<f32>],
    history: &History,
    work: &Path,
) -> Result<Cost, Failure> {
    let mut cost = Cost { seconds: 0.0, untimed: Vec::new(), bytes: 0, free_bytes: free_bytes(work) };
    let sizes = sizes(history)?;
    for ((id, template), estimate) in plan.templates.iter().zip(estimates) {
        let steps = groups[&id].steps;
        let builtin = matches!(template.work, pial_core::plan::Work::Builtin(_));
        match estimate {
            Some(seconds) => cost.seconds += f64::from(*seconds) * f64::from(steps),
            None if steps > 0 && !builtin => cost.untimed.push(template.name.clone()),
            None => {}
        }
        cost.bytes += sizes.get(template.name.as_str()).map_or(0, |mean| mean * u64::from(steps));
    }
    Ok(cost)
}

/// Mean bytes of what the steps of each template left in earlier runs.
fn sizes(history: &History) -> Result<HashMap<&str, u64>, Failure> {
    let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
    for (step, past) in &history.steps {
        let template = step.split(['[', '#']).next().unwrap_or(step);
        let (sum, number) = sums.entry(template).or_default();
        if *number as usize >= SAMPLES {
            continue;
        }
        let made = |files: &[Content<'_>]| files.iter().filter(|file| file.2 != 0).map(|file| file.1).sum::<u64>();
        if let Some(bytes) = history.with_result(past.result, |done| made(&done.files))? {
            (*sum, *number) = (*sum + bytes, *number + 1);
        }
    }
    Ok(sums.into_iter().map(|(template, (sum, number))| (template, sum / number.max(1))).collect())
}

/// Of the nearest directory that is there.
fn free_bytes(work: &Path) -> Option<u64> {
    pial_engine::sys::free_bytes(work.ancestors().find(|above| above.exists())?)
}

fn total(groups: &HashMap<TemplateId, Group>, of: impl Fn(&Group) -> u32) -> u32 {
    groups.values().map(of).sum()
}

fn as_text(
    plan: &Plan,
    dry: &Dry<'_, '_>,
    groups: &HashMap<TemplateId, Group>,
    cost: &Cost,
    budget: &Budget,
    all: bool,
) -> String {
    let mut rows = Vec::new();
    for id in &plan.order {
        match all {
            true => rows.extend((0..plan.points(*id)).map(|point| node_row(plan, dry, plan.node(*id, point)))),
            false => rows.push(group_row(&plan.templates[*id].name, plan.points(*id), &groups[id])),
        }
    }
    if !all {
        rows.insert(0, ["node", "nodes", "done", "run", "memory", "why"].map(str::to_owned).to_vec());
    }
    format!("{}\n{}{}", table(&rows), totals(plan, groups), cost_text(cost, budget))
}

fn node_row(plan: &Plan, dry: &Dry<'_, '_>, node: NodeId) -> Vec<String> {
    vec![plan.node_name(node), tell(plan, dry, node)]
}

fn group_row(name: &str, points: u32, group: &Group) -> Vec<String> {
    let reasons: Vec<String> = match group.reasons.len() {
        0 => Vec::new(),
        1 => group.reasons.keys().cloned().collect(),
        _ => group.reasons.iter().map(|(reason, (number, _))| format!("{reason} ({number})")).collect(),
    };
    let runs = group.runs + group.after + group.wrong;
    let memory = group.memory.as_ref().map_or_else(|| "-".to_owned(), Memory::tell);
    vec![name.to_owned(), points.to_string(), group.cached.to_string(), runs.to_string(), memory, reasons.join("; ")]
}

fn totals(plan: &Plan, groups: &HashMap<TemplateId, Group>) -> String {
    let (cached, after) = (total(groups, |g| g.cached), total(groups, |g| g.after));
    let (runs, wrong) = (total(groups, |g| g.runs) + after, total(groups, |g| g.wrong));
    if runs + wrong == 0 {
        return format!("nothing to do: all {} nodes are done\n", plan.len());
    }
    let mut text = format!("{runs} of {} would run, {cached} done before", count(plan.len(), "node"));
    if after > 0 {
        text += &format!("; {after} of them only if what runs before gives something new");
    }
    if wrong > 0 {
        text += &format!("; {wrong} cannot run");
    }
    text + "\n"
}

fn cost_text(cost: &Cost, budget: &Budget) -> String {
    let mut text = String::new();
    if cost.seconds > 0.0 {
        let wall = duration(cost.seconds / budget.cpus);
        text += &format!("estimated time: {wall} on {} processors, from earlier runs\n", budget.cpus);
    }
    if !cost.untimed.is_empty() {
        text += &format!("no time is known yet for: {}\n", cost.untimed.join(", "));
    }
    if cost.bytes > 0 {
        let free = cost.free_bytes.map_or_else(String::new, |free| format!("; {} are free", size(free)));
        text += &format!("estimated space: {}, from earlier results{free}\n", size(cost.bytes));
    } else if let (Some(free), true) = (cost.free_bytes, cost.seconds > 0.0 || !cost.untimed.is_empty()) {
        text += &format!("free space: {}\n", size(free));
    }
    if cost.free_bytes.is_some_and(|free| free < cost.bytes) {
        text += "there may be too little space: free some, or give another working directory with --work\n";
    }
    text
}

fn as_json(
    plan: &Plan,
    dry: &Dry<'_, '_>,
    groups: &HashMap<TemplateId, Group>,
    cost: &Cost,
    budget: &Budget,
    (refusals, warnings): (&[String], &[String]),
    all: bool,
) -> Json {
    let templates = plan.order.iter().map(|id| {
        let group = &groups[id];
        let reasons = group.reasons.iter();
        let reasons = reasons.map(|(kind, (n, example))| json!({"reason": kind, "nodes": n, "example": example}));
        json!({
            "node": plan.templates[*id].name, "nodes": plan.points(*id), "cached": group.cached,
            "would_run": group.runs, "after": group.after, "wrong": group.wrong, "reasons": reasons.collect::<Json>(),
            "memory": group.memory.as_ref().map(Memory::to_json),
        })
    });
    let mut json = json!({
        "nodes": plan.len(),
        "cached": total(groups, |g| g.cached),
        "would_run": total(groups, |g| g.runs),
        "after": total(groups, |g| g.after),
        "wrong": total(groups, |g| g.wrong),
        "estimated_s": (cost.seconds > 0.0).then_some(cost.seconds / budget.cpus),
        "estimated_bytes": (cost.bytes > 0).then_some(cost.bytes),
        "free_bytes": cost.free_bytes,
        "untimed": cost.untimed,
        "templates": templates.collect::<Json>(),
        "refusals": refusals,
        "warnings": warnings,
    });
    if all {
        let nodes = plan.order.iter().flat_map(|id| (0..plan.points(*id)).map(|point| plan.node(*id, point)));
        json["all"] = nodes.map(|node| node_json(plan, node, dry.verdict(node))).collect();
    }
    json
}

fn node_json(plan: &Plan, node: NodeId, verdict: &Verdict) -> Json {
    let (state, reason) = match verdict {
        Verdict::Cached => ("cached", None),
        Verdict::Runs(reason) => ("would_run", Some(reason.tell())),
        Verdict::After(above) => ("after", Some(plan.node_name(*above))),
        Verdict::Wrong(message) => ("wrong", Some(message.to_string())),
    };
    json!({"node": plan.node_name(node), "state": state, "reason": reason})
}
