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
  3    the profile could not be made, or a file of it not be written; the others are
  126  the command could not be run
  127  the command was not found")]
pub struct Arguments {
    /// How to measure: at births, exec and ends with ptrace; by samples; or both
    #[arg(long, value_enum, default_value = "both")]
    method: Vec<Wanted>,
    /// Samples a second; they become rarer when reading takes more than 2 % of a processor
    #[arg(long, value_name = "HZ", default_value = "20")]
    rate: Vec<f64>,
    /// Write all figures as JSON to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Vec<PathBuf>,
    /// Write a page with the figures over time, in one file
    #[arg(long, value_name = "FILE")]
    html: Vec<PathBuf>,
    /// Memory the command was meant to stay within, such as 8GB: a line in the page, a word in the summary
    #[arg(long, value_name = "SIZE")]
    budget: Vec<String>,
    /// Go on until every process that the command started has ended, daemons too, or until Ctrl-C
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
    #[arg(long)]
    door: Option<PathBuf>,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Runs the command and tells.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let settings = settings(arguments)?;
    let (json_path, html_path) = (once("--json", &arguments.json)?, once("--html", &arguments.html)?);
    if let (Some(json), Some(html)) = (json_path, html_path)
        && json == html
    {
        return Err(Failure::usage(format!("--json and --html both name {}; give two files", json.display())));
    }
    // Files are opened first, so that a name that cannot be written costs no run.
    let json = json_path.map(PathBuf::as_path).filter(|path| *path != Path::new("-")).map(create).transpose()?;
    let html = html_path.map(|path| create(path)).transpose()?;
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
    let mut failed = Vec::new();
    match (json_path, json) {
        (Some(path), Some(file)) => failed.extend(write(path, file, &profile::json::text(&profile)).err()),
        (Some(_), None) => crate::progress::print(&profile::json::text(&profile)),
        _ => {}
    }
    if let (Some(path), Some(file)) = (html_path, html) {
        failed.extend(write(path, file, &profile::html::page(&profile)).err());
    }
    match failed.is_empty() {
        true => Ok(ExitCode::from(exit)),
        false => Err(Failure::Engine(format!("{}; the command ended with code {exit}", failed.join("; ")))),
    }
}

/// The value of an option that says one thing only.
fn once<'a, T>(option: &str, values: &'a [T]) -> Result<Option<&'a T>, Failure> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(Failure::usage(format!("{option} was given {} times; give it once; nothing ran", values.len()))),
    }
}

/// Waits for the word and becomes the command.
pub fn become_command(arguments: &Traced) -> Result<ExitCode, Failure> {
    Ok(ExitCode::from(profile::start::become_command(arguments.channel, arguments.door.as_deref(), &arguments.command)))
}

fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let rate_hz = once("--rate", &arguments.rate)?.copied().unwrap_or(f64::NAN);
    if !(0.01..=1000.0).contains(&rate_hz) {
        return Err(Failure::usage(format!("--rate {rate_hz}: give between 0.01 and 1000 samples a second")));
    }
    let budget = once("--budget", &arguments.budget)?.map(|text| {
        let bytes = pial_core::document::parse_memory(text);
        bytes.ok_or_else(|| Failure::usage(format!("--budget {text}: write it as 8GB or 500MiB")))
    });
    let method = match once("--method", &arguments.method)? {
        Some(Wanted::Exact) => Method { exact: true, sampled: false },
        Some(Wanted::Sampled) => Method { exact: false, sampled: true },
        Some(Wanted::Both) | None => Method { exact: true, sampled: true },
    };
    Ok(Settings {
        command: arguments.command.clone(),
        method,
        rate_hz,
        budget_bytes: budget.transpose()?,
        wait: arguments.wait,
    })
}

fn create(path: &Path) -> Result<std::fs::File, Failure> {
    std::fs::File::create(path)
        .map_err(|e| Failure::usage(format!("cannot write {}: {e}; nothing ran", path.display())))
}

fn write(path: &Path, mut file: std::fs::File, text: &str) -> Result<(), String> {
    file.write_all(text.as_bytes()).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
