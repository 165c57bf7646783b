//! What the steps of a node are granted before a run: how many bytes, and who says so.

use pial_core::arena::TemplateId;
use pial_core::plan::{Plan, Work};
use pial_engine::learned::Learned;
use pial_engine::learned::model::Peaks;
use serde_json::{Value as Json, json};

use crate::text::size;

/// The memory that steps of a node of the document ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Bytes, the least and the most.
    pub bytes: (u64, u64),
    /// Who says so.
    pub source: Source,
}

/// Who says how much memory steps need.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The document.
    Asked,
    /// A resource file.
    File(String),
    /// So many steps that ran the same and ended well, and bytes at which one was ended for memory since.
    Learned(u64, Option<u64>),
    /// Nobody.
    Default,
}

impl Memory {
    /// Of a template's steps; nothing for one that runs within the engine. `inputs` are the bytes of input files of those that
    /// would run, where they are known; else those that were seen count.
    pub fn of(plan: &Plan, learned: &mut Learned<'_>, id: TemplateId, inputs: Option<(u64, u64)>) -> Option<Memory> {
        let template = &plan.templates[id];
        let request = &plan.requests[template.request];
        if matches!(template.work, Work::Builtin(_)) {
            return None;
        }
        if let Some(bytes) = request.memory_bytes.filter(|_| learned.is_asked(id)) {
            let source = template.memory_from.as_ref().map_or(Source::Asked, |file| Source::File(file.to_string()));
            return Some(Memory { bytes: (bytes, bytes), source });
        }
        let largest = |peaks: &Peaks| {
            let inputs = peaks.iter().map(|(input, _)| input).chain(peaks.floors().map(|(input, _)| input));
            inputs.max().unwrap_or(0)
        };
        let seen = learned.peaks(id).map(|peaks| (peaks.count(), peaks.more_than(), largest(peaks)));
        let default = request.memory();
        let (count, more_than, largest) = seen.unwrap_or_default();
        let (least, most) = inputs.unwrap_or((0, largest));
        let known = (learned.need(id, least), learned.need(id, most));
        if known == (None, None) {
            return Some(Memory { bytes: (default, default), source: Source::Default });
        }
        let bytes = (known.0.unwrap_or(default), known.1.unwrap_or(default));
        Some(Memory { bytes, source: Source::Learned(count, more_than) })
    }

    /// In a cell of a table: `1.2 GB learned`.
    pub fn tell(&self) -> String {
        let bytes = match (size(self.bytes.0), size(self.bytes.1)) {
            (least, most) if least == most => most,
            (least, most) => format!("{least} to {most}"),
        };
        match &self.source {
            Source::Asked => format!("{bytes} asked"),
            Source::File(path) => format!("{bytes} by {}", path.rsplit('/').next().unwrap_or(path)),
            Source::Learned(_, Some(ended)) => {
                format!("{bytes} learned (one was ended for memory at {})", size(*ended))
            }
            Source::Learned(_, None) => format!("{bytes} learned"),
            Source::Default => format!("{bytes} assumed"),
        }
    }

    /// For `--json`.
    pub fn to_json(&self) -> Json {
        let (source, file, steps, ended) = match &self.source {
            Source::Asked => ("asked", None, None, None),
            Source::File(path) => ("file", Some(path), None, None),
            Source::Learned(steps, ended) => ("learned", None, Some(steps), *ended),
            Source::Default => ("default", None, None, None),
        };
        json!({
            "least_bytes": self.bytes.0, "most_bytes": self.bytes.1, "source": source, "file": file, "steps": steps,
            "ended_at_bytes": ended,
        })
    }
}
