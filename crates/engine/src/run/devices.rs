//! Which step has which graphics processor: the scheduler counts them, here they have names.

use pial_core::schedule::Step;

/// The variable that CUDA programs choose their devices by (CUDA C++ Programming Guide, environment variables).
pub(super) const VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

/// The devices of a run and who has them.
#[derive(Debug)]
pub(super) struct Devices {
    names: Vec<(String, Option<Step>)>,
}

impl Devices {
    /// As many devices as the budget has: those that the engine may see, else numbers from 0.
    pub fn new(count: u32) -> Devices {
        let seen = std::env::var(VARIABLE).unwrap_or_default();
        let seen = seen.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let mut names: Vec<String> = seen.take(count as usize).collect();
        names.extend((names.len()..count as usize).map(|number| number.to_string()));
        Devices { names: names.into_iter().map(|name| (name, None)).collect() }
    }

    /// Gives a step its devices, as the value of [`VARIABLE`]; `None` when it asks for none.
    pub fn take(&mut self, step: Step, count: u32) -> Option<String> {
        let free = self.names.iter_mut().filter(|(_, holder)| holder.is_none()).take(count as usize);
        let taken: Vec<&str> = free
            .map(|(name, holder)| {
                *holder = Some(step);
                name.as_str()
            })
            .collect();
        (count > 0).then(|| taken.join(","))
    }

    /// Takes back what a step has.
    pub fn give_back(&mut self, step: Step) {
        self.names.iter_mut().filter(|(_, holder)| *holder == Some(step)).for_each(|(_, holder)| *holder = None);
    }
}
