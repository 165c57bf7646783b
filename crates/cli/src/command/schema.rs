//! `pial schema`: the JSON Schema of workflow documents.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;

const SCHEMA: &str = include_str!("../../../../schema/workflow.schema.json");

/// Print the JSON Schema of workflow documents
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints it.
pub fn run(_: &Arguments) -> Result<ExitCode, Failure> {
    crate::progress::print(SCHEMA);
    Ok(ExitCode::SUCCESS)
}
