//! `pial interface`: the catalogue of tools, and running one of them.

mod list;
mod run;
mod show;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use pial_engine::catalogue::{Found, Interfaces};
use pial_interfaces::Descriptor;
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::load::{catalogues, current_directory};
use crate::progress::print;

/// List, show, check or run interfaces of tools
///
/// An interface is a Boutiques descriptor: one that pial brings, one of your own in a directory that PIAL_CATALOGUE
/// names, or a file whose path ends in .json.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Check(CheckArguments),
    Run(run::Arguments),
}

/// Check descriptors and name every problem with its place
#[derive(Debug, Args)]
struct CheckArguments {
    /// The descriptors (Boutiques JSON)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Check(arguments) => check(arguments),
        Command::Run(arguments) => run::run(arguments),
    }
}

fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let (mut wrong, mut all) = (0, Vec::new());
    for file in &arguments.files {
        let text = fs::read_to_string(file);
        let text = text.map_err(|e| Failure::usage(format!("cannot read the descriptor {}: {e}", file.display())))?;
        let problems = Descriptor::parse(&text).err().unwrap_or_default();
        wrong += usize::from(!problems.is_empty());
        if !arguments.json {
            problems.iter().for_each(|problem| eprintln!("{}: {problem}", file.display()));
            if problems.is_empty() {
                print(&format!("{}: right\n", file.display()));
            }
        }
        let problems = problems.iter().map(|problem| json!({"place": problem.place, "message": problem.message}));
        all.push(json!({"file": file, "problems": problems.collect::<Json>()}));
    }
    if arguments.json {
        print(&format!("{:#}\n", Json::Array(all)));
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// An interface by name or path.
fn find(name: &str) -> Result<Found, Failure> {
    Interfaces::new(catalogues()).find(name, &current_directory()?).map_err(Failure::usage)
}
