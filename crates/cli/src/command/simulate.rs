//! `pial __simulate`: expands a document and plays its run without processes, for `bench/`.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use pial_core::schedule::{Action, Ending, Event, Scheduler, Settings};

use crate::failure::Failure;
use crate::load::{DocumentArguments, load};

/// Expand a document and play its run without processes
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    document: DocumentArguments,
}

/// Prints one line of JSON.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let loaded = load(&arguments.document)?;
    let expand_s = began.elapsed().as_secs_f64();
    let budget = pial_engine::budget::detect();
    let settings = Settings { budget, fail_fast: false, grace_s: 5.0, estimates: Vec::new(), memory: Vec::new() };
    let mut scheduler = Scheduler::new(&loaded.plan, settings);
    let mut waiting = std::collections::VecDeque::from([Event::Begin]);
    let mut actions = Vec::new();
    while let Some(event) = waiting.pop_front() {
        scheduler.on(event, began.elapsed().as_secs_f64(), &mut actions);
        waiting.extend(actions.drain(..).filter_map(|action| match action {
            Action::Start(step, ..) => Some(Event::Ended(step, Ending::Succeeded)),
            _ => None,
        }));
    }
    let line = serde_json::json!({
        "nodes": loaded.plan.len(),
        "done": scheduler.counts().done,
        "expand_s": expand_s,
        "run_s": began.elapsed().as_secs_f64() - expand_s,
        "peak_rss_bytes": pial_engine::sys::own_peak_rss_bytes(),
        "vm_bytes": pial_engine::sys::own_vm_bytes(),
    });
    crate::progress::print(&format!("{line}\n"));
    Ok(ExitCode::SUCCESS)
}
