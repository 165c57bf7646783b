//! What steps need by the peaks of earlier ones that ran the same; knows no scheduler and how no peak was measured.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pial_core::arena::TemplateId;
use pial_core::plan::Plan;

use crate::catalogue::Interfaces;

pub mod file;
mod kind;
pub mod log;
pub mod model;

pub use kind::kind;
use model::{Peak, Peaks};

/// What a run knows of the memory its steps need, and learns.
#[derive(Debug)]
pub struct Learned<'r> {
    plan: &'r Plan,
    interfaces: &'r Interfaces,
    file: Option<PathBuf>,
    known: HashMap<String, Peaks>,
    fresh: HashMap<String, Peaks>,
    /// By template, found when it is first wanted.
    kinds: HashMap<TemplateId, Option<String>>,
}

impl<'r> Learned<'r> {
    /// What earlier runs noted in a file; without one, nothing is known and nothing learned. Also what to warn of.
    pub fn open(plan: &'r Plan, interfaces: &'r Interfaces, file: Option<&Path>) -> (Learned<'r>, Option<String>) {
        let mut learned = Learned {
            plan,
            interfaces,
            file: file.map(Path::to_owned),
            known: HashMap::new(),
            fresh: HashMap::new(),
            kinds: HashMap::new(),
        };
        let warning = match file.map(file::read) {
            None => None,
            Some(Ok((contents, bad))) => {
                learned.known = contents.kinds;
                let path = || file.unwrap_or(Path::new("")).display();
                (bad > 0).then(|| {
                    format!("{bad} lines of {} make no sense and are ignored; remove it to be rid of them", path())
                })
            }
            Some(Err(error)) => {
                learned.file = None;
                Some(error.to_string())
            }
        };
        (learned, warning)
    }

    /// Bytes that the smallest step of each template needs, where that is known and nobody asked; empty when nothing is.
    pub fn least(&mut self) -> Vec<Option<u64>> {
        if self.known.is_empty() {
            return Vec::new();
        }
        self.plan.templates.ids().map(|id| if self.is_asked(id) { None } else { self.need(id, 0) }).collect()
    }

    /// Whether the document says what steps of a template need.
    fn is_asked(&self, id: TemplateId) -> bool {
        self.plan.requests[self.plan.templates[id].request].memory_bytes.is_some()
    }

    /// Whether anything is known of a template's steps.
    pub fn knows(&mut self, id: TemplateId) -> bool {
        self.peaks(id).is_some()
    }

    /// Bytes to ask for, for a step of a template with so many bytes of input files; `None` when nothing is known.
    pub fn need(&mut self, id: TemplateId, input_bytes: u64) -> Option<u64> {
        self.peaks(id)?.need(input_bytes)
    }

    /// The peaks of all that ran the same as a template.
    pub fn peaks(&mut self, id: TemplateId) -> Option<&Peaks> {
        if self.known.is_empty() {
            return None;
        }
        let kind = find_kind(&mut self.kinds, self.plan, self.interfaces, id)?;
        self.known.get(kind)
    }

    /// Takes in the peak of a step of a template.
    pub fn note(&mut self, id: TemplateId, input_bytes: u64, peak_bytes: u64) {
        if self.file.is_none() || peak_bytes == 0 {
            return;
        }
        let Some(kind) = find_kind(&mut self.kinds, self.plan, self.interfaces, id) else { return };
        let peak = Peak { bytes: peak_bytes, count: 1 };
        for peaks in [&mut self.known, &mut self.fresh] {
            if !peaks.contains_key(kind) {
                peaks.insert(kind.to_owned(), Peaks::default());
            }
            if let Some(peaks) = peaks.get_mut(kind) {
                peaks.note(input_bytes, peak);
            }
        }
    }

    /// Keeps what was learned for later runs. What cannot be kept is no loss: nothing is told of it.
    pub fn keep(&mut self) {
        if let Some(path) = &self.file {
            let _ = file::add(path, self.fresh.iter().map(|(kind, peaks)| (kind.as_str(), peaks)));
            self.fresh.clear();
        }
    }
}

fn find_kind<'k>(
    kinds: &'k mut HashMap<TemplateId, Option<String>>,
    plan: &Plan,
    interfaces: &Interfaces,
    id: TemplateId,
) -> Option<&'k str> {
    kinds.entry(id).or_insert_with(|| kind(&plan.templates[id], interfaces)).as_deref()
}
