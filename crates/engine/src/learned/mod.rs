//! What steps need by the peaks of earlier ones that ran the same; knows no scheduler and how no peak was measured.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pial_core::arena::TemplateId;
use pial_core::plan::Plan;

use crate::catalogue::Interfaces;
use crate::run::gigabytes;

pub mod file;
mod kind;
pub mod log;
pub mod model;

pub use kind::kind;
use model::{Floor, Peak, Peaks};

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

    /// Whether it stands what was asked for: by the document, or by a resource file, unless a step that asked for no more was
    /// ended for memory.
    pub fn is_asked(&mut self, id: TemplateId) -> bool {
        self.asked(id).is_some_and(|_| self.plan.templates[id].memory_from.is_none() || self.too_little(id).is_none())
    }

    /// Bytes that the document or a resource file asks for.
    fn asked(&self, id: TemplateId) -> Option<u64> {
        self.plan.requests[self.plan.templates[id].request].memory_bytes
    }

    /// Bytes at which a step of a template was ended for memory, when those are no less than what is asked for it: it would be
    /// ended again.
    pub fn too_little(&mut self, id: TemplateId) -> Option<u64> {
        let asked = self.asked(id)?;
        self.peaks(id)?.more_than().filter(|bytes| *bytes >= asked)
    }

    /// What to warn of before anything runs: nodes whose document asks for no more than one like them was ended at.
    pub fn warnings(&mut self) -> Vec<String> {
        let ids: Vec<TemplateId> = self.plan.templates.ids().collect();
        ids.into_iter().filter_map(|id| self.warning(id)).collect()
    }

    fn warning(&mut self, id: TemplateId) -> Option<String> {
        let (asked, ended, template) = (self.asked(id)?, self.too_little(id)?, &self.plan.templates[id]);
        let key = if template.nipype.is_some() { "mem_gb" } else { "resources: {memory: ...}" };
        let (asked, ended) = (gigabytes(asked), gigabytes(ended));
        template.memory_from.is_none().then(|| match asked == ended {
            true => format!(
                "`{}` was ended for memory at {ended}, which is what it asks for; ask for more in `{key}`",
                template.name
            ),
            false => format!(
                "`{}` was ended for memory at {ended} and asks for {asked}; ask for more in `{key}`",
                template.name
            ),
        })
    }

    /// Whether anything is known of a template's steps.
    pub fn knows(&mut self, id: TemplateId) -> bool {
        self.peaks(id).is_some()
    }

    /// Bytes to ask for, for a step of a template with so many bytes of input files; `None` when nothing is known.
    pub fn need(&mut self, id: TemplateId, input_bytes: u64) -> Option<u64> {
        let need = self.peaks(id)?.need(input_bytes)?;
        // A resource file says what is enough for the steps with less input.
        Some(need.max(self.asked(id).unwrap_or(0)))
    }

    /// The peaks of all that ran the same as a template.
    pub fn peaks(&mut self, id: TemplateId) -> Option<&Peaks> {
        if self.known.is_empty() {
            return None;
        }
        let kind = find_kind(&mut self.kinds, self.plan, self.interfaces, id)?;
        self.known.get(kind)
    }

    /// Takes in the peak of a step of a template that ended well.
    pub fn note(&mut self, id: TemplateId, input_bytes: u64, peak: Peak) {
        if peak.bytes > 0 {
            self.take_in(id, |peaks| peaks.note(input_bytes, peak));
        }
    }

    /// Takes in what a step of a template used that failed.
    pub fn note_failed(&mut self, id: TemplateId, input_bytes: u64, floor: Floor) {
        if floor != Floor::default() {
            self.take_in(id, |peaks| peaks.note_failed(input_bytes, floor));
        }
    }

    fn take_in(&mut self, id: TemplateId, note: impl Fn(&mut Peaks)) {
        if self.file.is_none() {
            return;
        }
        let Some(kind) = find_kind(&mut self.kinds, self.plan, self.interfaces, id) else { return };
        for peaks in [&mut self.known, &mut self.fresh] {
            if !peaks.contains_key(kind) {
                peaks.insert(kind.to_owned(), Peaks::default());
            }
            peaks.get_mut(kind).into_iter().for_each(&note);
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
