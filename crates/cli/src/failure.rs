//! What went wrong, as a message and an exit code that scripts can rely on.

use std::fmt;
use std::process::ExitCode;

use pial_core::tree::Problem;
use pial_engine::log::LogError;
use pial_engine::run::EngineError;
use pial_engine::work::WorkError;

/// For `pial --help`.
pub const EXIT_CODES: &str = "Exit codes:
  0    all done
  1    some node failed
  2    the document or the command line is wrong; nothing ran
  3    the engine could not work (disk, lock, permission)
  130  interrupted";

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// The user can mend it in the document or on the command line.
    Usage(String),
    /// The problems of a document, by its name.
    Document(String, Vec<Problem>),
    /// The machine stands in the way.
    Engine(String),
}

impl Failure {
    /// A mistake on the command line or in what it names.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    /// Prints the message and gives the exit code.
    pub fn report(self) -> ExitCode {
        eprintln!("{self}");
        match self {
            Failure::Usage(_) | Failure::Document(..) => ExitCode::from(2),
            Failure::Engine(_) => ExitCode::from(3),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Engine(message) => write!(f, "pial: {message}"),
            Failure::Document(name, problems) => {
                for problem in problems {
                    let file = problem.file.as_deref().unwrap_or(name);
                    match problem.mark.line {
                        0 => writeln!(f, "{file}: {}", problem.message)?,
                        _ => writeln!(f, "{file}:{}: {}", problem.mark, problem.message)?,
                    }
                }
                let count = problems.len();
                write!(f, "pial: {count} problem{} in {name}; nothing ran", if count == 1 { "" } else { "s" })
            }
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        Failure::Engine(error.to_string())
    }
}

impl From<WorkError> for Failure {
    fn from(error: WorkError) -> Failure {
        Failure::Engine(error.to_string())
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        Failure::Engine(error.to_string())
    }
}
