//! The command `pial`: arguments in, exit code out; everything else is in the libraries.

mod command;
mod failure;
mod graph;
mod load;
mod memory;
mod nodes;
mod peaks;
mod profile;
mod progress;
mod quantity;
mod text;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs neuroimaging workflows: a small engine, exact caching, nothing left behind.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_override_self = true, after_help = failure::EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(command::run::Arguments),
    Nipype(command::nipype::Arguments),
    Plan(command::plan::Arguments),
    Why(command::why::Arguments),
    Status(command::status::Arguments),
    Show(command::show::Arguments),
    Log(command::log::Arguments),
    Crash(command::crash::Arguments),
    Clean(command::clean::Arguments),
    Profile(command::profile::Arguments),
    Graph(command::graph::Arguments),
    Interface(command::interface::Arguments),
    Resources(command::resources::Arguments),
    Schema(command::schema::Arguments),
    #[command(name = "__guardian", hide = true)]
    Guardian {
        mark: String,
        groups: std::path::PathBuf,
    },
    #[command(name = "__digest", hide = true)]
    Digest {
        owner: String,
    },
    #[command(name = "__builtin", hide = true)]
    Builtin {
        name: String,
        directory: std::path::PathBuf,
    },
    #[command(name = "__traced", hide = true)]
    Traced(command::profile::Traced),
    #[command(name = "__simulate", hide = true)]
    Simulate(command::simulate::Arguments),
}

fn main() -> ExitCode {
    pial_engine::sys::keep_allocator_small();
    let result = match Arguments::parse().command {
        Command::Run(arguments) => command::run::run(&arguments),
        Command::Nipype(arguments) => command::nipype::run(&arguments),
        Command::Plan(arguments) => command::plan::run(&arguments),
        Command::Why(arguments) => command::why::run(&arguments),
        Command::Status(arguments) => command::status::run(&arguments),
        Command::Show(arguments) => command::show::run(&arguments),
        Command::Log(arguments) => command::log::run(&arguments),
        Command::Crash(arguments) => command::crash::run(&arguments),
        Command::Clean(arguments) => command::clean::run(&arguments),
        Command::Profile(arguments) => command::profile::run(&arguments),
        Command::Traced(arguments) => command::profile::become_command(&arguments),
        Command::Graph(arguments) => command::graph::run(&arguments),
        Command::Interface(arguments) => command::interface::run(&arguments),
        Command::Resources(arguments) => command::resources::run(&arguments),
        Command::Schema(arguments) => command::schema::run(&arguments),
        Command::Guardian { mark, groups } => {
            pial_engine::guardian::guard(&mark, &groups);
            Ok(ExitCode::SUCCESS)
        }
        Command::Digest { owner } => command::errand(pial_engine::run::digest_errand(&owner)),
        Command::Builtin { name, directory } => command::errand(pial_engine::run::builtin_errand(&name, &directory)),
        Command::Simulate(arguments) => command::simulate::run(&arguments),
    };
    result.unwrap_or_else(|failure| failure.report())
}
