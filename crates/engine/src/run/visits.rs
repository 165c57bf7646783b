//! Visits of nipype's nodes that wait for a processor: more of them at once than there are processors end no sooner, and each
//! takes the memory that a fork writes to.

use super::{Active, Engine, EngineError, Phase};
use crate::sys;

/// A visit of nipype's that is younger counts as keeping a processor busy, in seconds; an older one is looked at.
const SHORT_S: f64 = 0.25;

/// A visit that is older is no reason for others to wait, whatever it does, in seconds.
const LONG_S: f64 = 2.0;

impl Active {
    /// Whether it is Python that was asked about a node of nipype's.
    pub(super) fn is_visit(&self) -> bool {
        matches!(&self.phase, Phase::Function(task, ..) if task.is_nipype)
    }
}

impl Engine<'_> {
    /// Asks for the visits that are held back, as far as there are processors.
    pub(super) fn release_held(&mut self) -> Result<(), EngineError> {
        while let Some(id) = self.python.held.first().copied()
            && self.busy_visits() < sys::affinity_cpus().unwrap_or(1)
        {
            self.python.held.remove(&id);
            match self.python.asked.get(&id).is_some_and(|active| active.stopped.is_some()) {
                true => self.end_unbegun(id, "it was ended before it began")?,
                false => self.ask(id)?,
            }
        }
        Ok(())
    }

    fn busy_visits(&self) -> usize {
        let asked = self.python.asked.iter().filter(|(id, active)| active.is_visit() && !self.python.held.contains(id));
        asked.count() + self.short_visits().count()
    }

    /// The ages of the visits that keep a processor busy, in seconds.
    fn short_visits(&self) -> impl Iterator<Item = f64> {
        let now = self.now();
        let visits = self.active.iter().filter(|(_, active)| active.is_visit());
        let ages = visits.map(move |(pid, active)| (*pid, now - active.began));
        ages.filter(|(pid, age)| *age < SHORT_S || *age < LONG_S && sys::is_runnable(*pid)).map(|(_, age)| age)
    }

    /// When to look again whether a visit that is held back may begin although none has ended, in seconds of the run.
    pub(super) fn held_until(&self) -> Option<f64> {
        let next = |age: f64| self.now() + (SHORT_S - age).max(0.05);
        (!self.python.held.is_empty()).then(|| self.short_visits().map(next).reduce(f64::min)).flatten()
    }
}
