//! `pial profile`: runs any command and tells what memory its processes took.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::profile::{self, Method, Settings};

/// Run a command and tell what memory its processes took, by the kernel's own figures
///
/// The command runs as without pial: same terminal, same signals, same exit code. A summary is written to standard
/// error when it ended. docs/profile.md says what each figure means.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  N    the command's own; 128 + N when signal N ended it
  2    the command line of pial is wrong; nothing ran
  3    the profile could not be made or written
  126  the command could not be run
  127  the command was not found")]
pub struct Arguments {
    /// How to measure: at births, exec and ends with ptrace; by samples; or both
    #[arg(long, value_enum, default_value_t = Wanted::Both)]
    method: Wanted,
    /// Samples a second; they become rarer when reading takes more than 2 % of a processor
    #[arg(long, value_name = "HZ", default_value_t = 20.0)]
    rate: f64,
    /// Write all figures as JSON to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with the figures over time, in one file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Memory the command was meant to stay within, such as 8GB: a line in the page, a word in the summary
    #[arg(long, value_name = "SIZE")]
    budget: Option<String>,
    /// Go on until every process that the command started has ended, daemons too
    #[arg(long)]
    wait: bool,
    /// No summary
    #[arg(long, short)]
    quiet: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    Exact,
    Sampled,
    Both,
}

/// What the helper that becomes the command is given.
#[derive(Debug, Args)]
pub struct Traced {
    channel: i32,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Runs the command and tells.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let settings = settings(arguments)?;
    if let (Some(json), Some(html)) = (&arguments.json, &arguments.html)
        && json == html
    {
        return Err(Failure::usage(format!("--json and --html both name {}; give two files", json.display())));
    }
    // Files are opened first, so that a name that cannot be written costs no run.
    let json = arguments.json.as_deref().filter(|path| *path != Path::new("-")).map(create).transpose()?;
    let html = arguments.html.as_deref().map(create).transpose()?;
    let (profile, exit) = match profile::measure(&settings)? {
        Ok(done) => done,
        Err(refused) => {
            eprintln!("pial: {}", refused.message);
            return Ok(ExitCode::from(refused.code));
        }
    };
    if !arguments.quiet {
        let _ = std::io::stderr().write_all(profile::summary::text(&profile).as_bytes());
    }
    if let (Some(path), file) = (&arguments.json, json) {
        let text = profile::json::text(&profile);
        match file {
            Some(file) => write(path, file, &text)?,
            None => crate::progress::print(&text),
        }
    }
    if let (Some(path), Some(file)) = (&arguments.html, html) {
        write(path, file, &profile::html::page(&profile))?;
    }
    Ok(ExitCode::from(exit))
}

/// Waits for the word and becomes the command.
pub fn become_command(arguments: &Traced) -> Result<ExitCode, Failure> {
    Ok(ExitCode::from(profile::start::become_command(arguments.channel, &arguments.command)))
}

fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    if !(arguments.rate.is_finite() && (0.01..=1000.0).contains(&arguments.rate)) {
        return Err(Failure::usage(format!("--rate {}: give between 0.01 and 1000 samples a second", arguments.rate)));
    }
    let budget = arguments.budget.as_deref().map(|text| {
        let bytes = pial_core::document::parse_memory(text);
        bytes.ok_or_else(|| Failure::usage(format!("--budget {text}: write it as 8GB or 500MiB")))
    });
    let method = match arguments.method {
        Wanted::Exact => Method { exact: true, sampled: false },
        Wanted::Sampled => Method { exact: false, sampled: true },
        Wanted::Both => Method { exact: true, sampled: true },
    };
    Ok(Settings {
        command: arguments.command.clone(),
        method,
        rate_hz: arguments.rate,
        budget_bytes: budget.transpose()?,
        wait: arguments.wait,
    })
}

fn create(path: &Path) -> Result<std::fs::File, Failure> {
    std::fs::File::create(path)
        .map_err(|e| Failure::usage(format!("cannot write {}: {e}; nothing ran", path.display())))
}

fn write(path: &Path, mut file: std::fs::File, text: &str) -> Result<(), Failure> {
    file.write_all(text.as_bytes()).map_err(|e| Failure::Engine(format!("cannot write {}: {e}", path.display())))
}
