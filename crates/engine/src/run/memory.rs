//! Memory of a step about to start, by what was learned; what a step that ended adds to that.

use pial_core::schedule::{Event, Source, Step, rounded};

use super::Engine;
use crate::observe::Report;
use crate::record::{Method, Used};
use crate::task::Task;

/// A command that a node of nipype's ran is told from its visits only when it used so much more, in bytes.
const CLEARLY_MORE: u64 = 100_000_000;

impl Engine<'_> {
    /// Tells the scheduler what a step needs, if that is known and the document does not say; whether that is more than it was
    /// granted, so that it must wait.
    pub(super) fn waits_for_memory(&mut self, step: Step, task: &Task) -> bool {
        let template = self.plan.template_of(step.node);
        let Some(grant) = self.scheduler.grant(step).filter(|grant| grant.source != Source::Asked) else {
            return false;
        };
        if task.builtin.is_some() || !self.learned.knows(template) {
            return false;
        }
        let Some(need) = self.learned.need(template, self.store.input_bytes(task)) else { return false };
        let whole = self.options.budget.memory_bytes;
        if need > whole && self.alone.insert(template) {
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            let (name, need, whole) = (&self.plan.templates[template].name, gigabytes(need), gigabytes(whole));
            let message = format!(
                "`{name}` needs {need:.1} GB of memory by what steps like it used, and the run has {whole:.1} GB; it will run \
                 alone"
            );
            self.observer.report(&Report::Warning(&message));
        }
        let needed = rounded(need).min(whole);
        if needed != grant.bytes || grant.source == Source::Default {
            self.events.push_back(Event::Needs(step, need));
        }
        needed > grant.bytes
    }

    /// Takes note of what a step used.
    pub(super) fn learn(&mut self, step: Step, task: &Task, used: &Used) {
        let own = match (task.call.is_some(), used.method) {
            (true, Method::MaxRss) => own_bytes(used.memory_bytes(), task.is_nipype, self.interpreter_bytes()),
            _ => Some(used.memory_bytes()),
        };
        if let Some(own) = own {
            self.learn_bytes(step, task, own);
        }
    }

    /// The same by a number of bytes.
    pub(super) fn learn_bytes(&mut self, step: Step, task: &Task, used_bytes: u64) {
        if task.builtin.is_none() {
            self.learned.note(self.plan.template_of(step.node), self.store.input_bytes(task), used_bytes);
        }
    }

    /// Private memory of the warm interpreter, which each of its forks shares with it and has in its high-water mark.
    fn interpreter_bytes(&self) -> u64 {
        let status = self.python.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let anonymous = status.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("RssAnon:")));
        let kilobytes = anonymous.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }
}

/// What a fork of the interpreter used beside what it shares. Of a node of nipype's the peak may be that of a command, which
/// shares nothing.
fn own_bytes(peak: u64, is_nipype: bool, interpreter: u64) -> Option<u64> {
    match is_nipype {
        true => (peak > interpreter + CLEARLY_MORE).then_some(peak),
        false => Some(peak.saturating_sub(interpreter)),
    }
}
