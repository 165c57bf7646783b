//! Memory of a step about to start, by what was learned; what a step that ended adds to that.

use pial_core::schedule::{Event, Source, Step, rounded};

use super::Engine;
use crate::learned::model::{Floor, Peak};
use crate::observe::Report;
use crate::record::Used;
use crate::task::Task;

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

    /// Takes note of what a step used that ended well.
    pub(super) fn learn(&mut self, step: Step, task: &Task, used: &Used) {
        if task.builtin.is_none() {
            let peak = Peak { bytes: used.memory_bytes(), count: 1 };
            self.learned.note(self.plan.template_of(step.node), self.store.input_bytes(task), peak);
        }
    }

    /// Takes note of what a step used that failed, and of what was too little for it when that was the reason.
    pub(super) fn learn_failure(&mut self, step: Step, task: &Task, used_bytes: u64, too_little: Option<u64>) {
        if task.builtin.is_none() {
            let floor = match too_little {
                Some(more_than) => Floor { seen: 0, more_than: more_than.max(used_bytes) },
                None => Floor { seen: used_bytes, more_than: 0 },
            };
            self.learned.note_failed(self.plan.template_of(step.node), self.store.input_bytes(task), floor);
        }
    }
}
