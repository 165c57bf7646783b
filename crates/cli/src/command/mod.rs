//! One file per subcommand.

pub mod clean;
pub mod crash;
pub mod graph;
pub mod interface;
pub mod log;
pub mod nipype;
pub mod plan;
pub mod profile;
pub mod resources;
pub mod run;
pub mod schema;
pub mod show;
pub mod simulate;
pub mod status;
pub mod why;

use std::process::ExitCode;

use crate::failure::Failure;

/// The end of an errand: a message on standard error is what the engine tells of it.
pub fn errand(result: Result<(), String>) -> Result<ExitCode, Failure> {
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(message) => {
            eprintln!("{message}");
            Ok(ExitCode::FAILURE)
        }
    }
}
