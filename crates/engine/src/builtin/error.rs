//! Everything that can go wrong in a built-in, said with the input or path it is about and what would mend it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Why a built-in failed.
#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// An input is missing or cannot be used.
    #[error("input `{input}`: {message}")]
    Input {
        /// The input.
        input: String,
        /// What is wrong and what would mend it.
        message: String,
    },
    /// The system refused an operation.
    #[error("cannot {operation} {path:?}: {source}")]
    Io {
        /// A verb, such as "read".
        operation: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Files that should be there are not; all of them, not the first.
    #[error("{}", lines(.0))]
    Missing(Vec<Missing>),
    /// A file name that no document or log can hold.
    #[error("the name of {0:?} is not UTF-8; rename the file, or narrow the template so that it does not match")]
    NotUtf8(PathBuf),
    /// Two sources would overwrite each other.
    #[error(
        "{first:?} and {second:?} would both become {destination:?}; \
         give them different folders (`folder.@name`) or tell them apart with `substitutions`"
    )]
    Conflict {
        /// Where both would go.
        destination: PathBuf,
        /// One source.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A destination that is not below the base directory.
    #[error(
        "input `{input}`: {path:?} would leave the base directory {base:?}; \
         mend `container` or `substitutions`, or set `base_directory` to a directory above it"
    )]
    Outside {
        /// The input whose file it is.
        input: String,
        /// The destination, relative to `base`.
        path: String,
        /// The base directory.
        base: PathBuf,
    },
}

/// One thing looked for and not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The input or output it is for.
    pub field: String,
    /// What was looked for and what is there instead.
    pub message: String,
}

impl BuiltinError {
    pub(super) fn input(input: &str, message: impl Into<String>) -> BuiltinError {
        BuiltinError::Input { input: input.to_owned(), message: message.into() }
    }

    /// For `map_err`: an error of the system while doing `operation` to `path`.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuiltinError {
        move |source| BuiltinError::Io { operation, path: path.to_owned(), source }
    }
}

fn lines(missing: &[Missing]) -> String {
    let mut text = match missing.len() {
        1 => String::new(),
        count => format!("{count} things are missing:"),
    };
    for Missing { field, message } in missing {
        if !text.is_empty() {
            text.push_str("\n  ");
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "`{field}`: {message}");
    }
    text
}
