//! Boutiques descriptors and input values to validated command lines and expected outputs; does no I/O.
//!
//! [`Descriptor::parse`] reads [Boutiques](https://boutiques.github.io) schema 0.5 and the additions niwrap
//! publishes as `0.5+styx`: an input whose `type` is a command of its own (an object) or one of several (a list of
//! objects), `stdout-output` and `stderr-output`. [`Descriptor::command_line`] then gives an argument vector.
//!
//! # How values become words
//!
//! No shell is involved. The `command-line` is split by POSIX quoting rules once, when the descriptor is read;
//! values are put in afterwards, so nothing in a value can end a word or start a command.
//!
//! - A value-key alone in a word becomes no word (absent), one, or several (a list, a sub-command, a flag with its
//!   value). `list-separator` joins a list into one word; `command-line-flag-separator` joins flag and value.
//!   A separator of white space is the same as none: separate words.
//! - Elsewhere in a word it is replaced in place, a list joined by its separator or a space. The word goes when it
//!   has value-keys and none has a value.
//! - Several inputs may share a value-key: they are written in declaration order.
//! - Shell syntax in a template is a problem, unless the descriptor sets `shell`: then the argument vector is
//!   `[shell, "-c", text]`, with every value quoted.
//!
//! # Decisions where Boutiques leaves room or pial differs
//!
//! - In a path template, a file gives its last component without the listed extensions (at the end only). Outputs
//!   belong in the step's working directory.
//! - An output whose template needs an absent value is not expected, and its port is not mandatory.
//! - A default yields to an input that was given and excludes it (exclusive group, `disables-inputs`).
//! - `file-template` lines get values as they are (Boutiques quotes them) and each ends in a newline.
//! - `"pial-type": "directory"` on an input or output file of type `File` makes it a directory.
//! - An output named by an input's text may hold directories or `..`: what to allow is the engine's decision.
//! - A value-key that nobody declares is a problem; within a sub-command, only for those who choose it.
//! - Unknown keys are ignored, unless nearly a known one.
//! - A sub-command is given as `{"@type": "affine", "step": 0.1}`, `{"affine": {"step": 0.1}}`, plain `affine` when
//!   it needs nothing, or just its inputs when there is one alternative.
//! - `resolve-parent`, `mutable`, `tests`, `error-codes`, `tags` and an output's `uses-absolute-path` have no effect.
//!
//! # Example
//!
//! ```
//! use pial_core::value::Value;
//! use pial_interfaces::{Descriptor, OutputSource};
//!
//! let bet = Descriptor::parse(r#"{
//!     "name": "bet", "schema-version": "0.5", "command-line": "bet [IN] [OUT] [FRAC]",
//!     "inputs": [
//!         {"id": "in", "name": "Image", "type": "File", "value-key": "[IN]"},
//!         {"id": "frac", "name": "Threshold", "type": "Number", "value-key": "[FRAC]",
//!          "command-line-flag": "-f", "optional": true, "minimum": 0, "maximum": 1}],
//!     "output-files": [
//!         {"id": "brain", "name": "Brain", "value-key": "[OUT]", "path-template": "[IN]_brain.nii.gz",
//!          "path-template-stripped-extensions": [".nii.gz", ".nii"]}]
//! }"#).expect("a descriptor");
//!
//! let values = [("in".to_owned(), Value::Path("/data/T1.nii.gz".to_owned())), ("frac".to_owned(), Value::Float(0.4))];
//! let line = bet.command_line(&values).expect("values that fit");
//! assert_eq!(line.argv, ["bet", "/data/T1.nii.gz", "T1_brain.nii.gz", "-f", "0.4"]);
//! assert_eq!(line.outputs[0].source, OutputSource::Path("T1_brain.nii.gz".to_owned()));
//! ```
#![forbid(unsafe_code)]

mod arguments;
mod check;
mod command;
mod condition;
mod descriptor;
mod facts;
mod given;
mod output;
mod parameter;
mod paths;
mod problem;
mod reader;
mod scope;
mod shell;
mod template;

use pial_core::value::Type;

pub use command::{Command, Group};
pub use descriptor::Descriptor;
pub use facts::{Container, ContainerKind, Suggested};
pub use parameter::{Bound, ListRule, Parameter};
pub use problem::DescriptorProblem;
pub use shell::quote;

/// What to run, and what to expect of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandLine {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables to set: name, value.
    pub environment: Vec<(String, String)>,
    /// Files to write before the run: path relative to the working directory, content.
    pub files: Vec<(String, String)>,
    /// What the run leaves. An output of [`Descriptor`]'s ports that is not here does not exist for these values.
    pub outputs: Vec<ExpectedOutput>,
}

/// One output of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedOutput {
    /// The port.
    pub name: String,
    /// The port's type.
    pub kind: Type,
    /// Whether the tool may leave it out.
    pub optional: bool,
    /// Where its value is found.
    pub source: OutputSource,
}

/// Where an output's value is found. Paths are relative to the step's working directory unless absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputSource {
    /// A file or directory.
    Path(String),
    /// The files that match a pattern; special characters that come from values are in brackets (`[*]`).
    Glob(String),
    /// What the tool writes to its standard output.
    Stdout,
    /// What the tool writes to its standard error.
    Stderr,
    /// What each of these gives, in order: the same output of a sub-command given several times.
    Each(Vec<OutputSource>),
}
