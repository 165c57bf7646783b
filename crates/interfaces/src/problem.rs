//! What can be wrong with a descriptor; knows nothing of input values.

use std::cell::RefCell;

/// One fault of a descriptor, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct DescriptorProblem {
    /// A JSON pointer (`/inputs/3/type`), or `line L, column C` for text that is not JSON.
    pub place: String,
    /// What is wrong and what would mend it.
    pub message: String,
}

/// Collects problems while a descriptor is read, so that all are told at once.
#[derive(Debug, Default)]
pub(crate) struct Sink(RefCell<Vec<DescriptorProblem>>);

impl Sink {
    pub(crate) fn add(&self, place: &str, message: impl Into<String>) {
        let place = if place.is_empty() { "/" } else { place };
        self.0.borrow_mut().push(DescriptorProblem { place: place.to_owned(), message: message.into() });
    }

    pub(crate) fn into_problems(self) -> Vec<DescriptorProblem> {
        self.0.into_inner()
    }
}

/// The candidate most like `word`, if one is like it.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = plain(word);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().min(8) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, or nothing.
pub(crate) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_misses() {
        let known = ["command-line", "id", "list", "type", "inputs", "optional"];
        for (word, expected) in [
            ("comand-line", Some("command-line")),
            ("command_line", Some("command-line")),
            ("Command-Line", Some("command-line")),
            ("input", Some("inputs")),
            ("tpye", Some("type")),
            ("author", None),
            ("is", None),
            ("x-lab-notes", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
