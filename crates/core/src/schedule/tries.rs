//! What a step was tried with and is tried with next: attempts, and memory that was too little or was learned.

use super::memory::{self, Grant, Source, rounded};
use super::{Action, Ending, Scheduler, State, Step};
use crate::arena::{Id, RequestId, TemplateId};

/// How often a step was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tries {
    /// Counts from 1.
    pub attempt: u32,
    /// How many of the node's retries were spent.
    spent: u32,
    /// What it is granted, when that is not what its template says.
    grant: Option<Grant>,
}

impl Default for Tries {
    fn default() -> Tries {
        Tries { attempt: 1, spent: 0, grant: None }
    }
}

impl Scheduler<'_> {
    /// Whether a running step that ends so is tried again.
    pub fn will_try_again(&self, step: Step, ending: Ending) -> bool {
        self.next_try(step, ending).is_some()
    }

    /// What a running step was granted; less than [`Action::Start`] said if it needs less.
    pub fn grant(&self, step: Step) -> Option<Grant> {
        self.queue.grant(step)
    }

    /// The request that a step waits with.
    pub(super) fn request(&mut self, step: Step, template: TemplateId) -> RequestId {
        let request = self.plan.templates[template].request;
        let grant = self.tries.get(&step).and_then(|tries| tries.grant).or_else(|| self.learned(template));
        grant.map_or(request, |grant| self.queue.variant(request, grant))
    }

    /// What steps of a template need at least by what was learned, unless what was asked for stands.
    fn learned(&self, template: TemplateId) -> Option<Grant> {
        let before = self.settings.memory.get(template.index()).copied().flatten();
        let bytes = self.needs.get(&template).copied().or(before)?;
        let template = &self.plan.templates[template];
        let asked = self.plan.requests[template.request].memory_bytes;
        // What a resource file says gives way to what is known to be more than it.
        let is_free = asked.is_none_or(|asked| template.memory_from.is_some() && bytes > asked);
        is_free.then(|| Grant { bytes: rounded(bytes), source: Source::Learned })
    }

    /// How a step that ended is tried again; `None` when it is not.
    pub(super) fn next_try(&self, step: Step, ending: Ending) -> Option<Tries> {
        let tries = self.tries.get(&step).copied().unwrap_or_default();
        let left = tries.spent < self.plan.locate(step.node).0.retries;
        let next = Tries { attempt: tries.attempt + 1, ..tries };
        match ending {
            _ if self.ending => None,
            Ending::Succeeded | Ending::FailedForGood => None,
            Ending::Failed => left.then_some(Tries { spent: tries.spent + 1, ..next }),
            Ending::OutOfMemory { used_bytes } => {
                let grant = self.queue.grant(step)?;
                let bytes = memory::more(grant.bytes, used_bytes, self.settings.budget.memory_bytes)?;
                let spent = tries.spent + u32::from(grant.source == Source::Asked);
                let guessed = grant.source != Source::Asked;
                (left || guessed).then_some(Tries { spent, grant: Some(Grant { bytes, ..grant }), ..next })
            }
        }
    }

    pub(super) fn try_again(&mut self, step: Step, tries: Tries) {
        self.tries.insert(step, tries);
        if step.item.is_none() {
            self.states[step.node.index()] = State::Ready;
        }
        self.enqueue(step);
    }

    /// A step that is not launched yet needs so many bytes.
    pub(super) fn needs(&mut self, step: Step, bytes: u64, actions: &mut Vec<Action>) {
        let template = self.plan.template_of(step.node);
        let Some(granted) = self.queue.grant(step).filter(|grant| grant.source != Source::Asked) else { return };
        let tries = self.tries.get(&step).copied().unwrap_or_default();
        let least = self.needs.entry(template).or_insert(bytes);
        *least = bytes.min(*least);
        // What was too little for it once is too little.
        let tried = tries.grant.filter(|_| tries.attempt > 1).map_or(0, |grant| grant.bytes);
        let bytes = rounded(bytes).max(tried).min(self.settings.budget.memory_bytes);
        let grant = Grant { bytes, source: Source::Learned };
        if bytes > granted.bytes {
            if self.ending {
                return self.ended(step, Ending::FailedForGood, actions);
            }
            self.queue.withdraw(step);
            self.try_again(step, Tries { grant: Some(grant), ..tries });
        } else if grant != granted {
            let request = self.queue.variant(self.plan.templates[template].request, grant);
            self.queue.regrant(step, request);
        }
    }
}
