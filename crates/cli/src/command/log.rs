//! `pial log`: what a node printed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pial_engine::history::{History, Past, State};
use pial_engine::work::Work;
use serde_json::json;

use crate::failure::Failure;
use crate::nodes;
use crate::progress::print;

/// Print what a node wrote to its standard output and standard error
///
/// Of a node that is running, what it wrote so far. With one of --stdout and --stderr, that stream byte for byte;
/// otherwise both, labelled.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The node: `name`, `name[subject=sub-01]`, or an item of a map node `name#3`
    node: String,
    /// Only its standard error
    #[arg(long, conflicts_with = "stdout")]
    stderr: bool,
    /// Only its standard output
    #[arg(long)]
    stdout: bool,
    /// The working directory
    #[arg(long, value_name = "DIR", default_value = "work")]
    work: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where both streams are.
struct Streams {
    stdout: PathBuf,
    stderr: PathBuf,
    running: bool,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let busy = Work::is_busy(&arguments.work);
    let history = History::open(&arguments.work)?;
    let node = nodes::logged(&history, &arguments.node)?;
    let streams = streams(&history, &history.steps[node], &arguments.work, busy)?;
    if arguments.json {
        let text = |wanted: bool, path: &Path| wanted.then(|| read(path)).transpose();
        let json = json!({
            "node": node, "running": streams.running,
            "stdout": text(!arguments.stderr, &streams.stdout)?, "stderr": text(!arguments.stdout, &streams.stderr)?,
        });
        print(&format!("{json:#}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    match (arguments.stdout, arguments.stderr) {
        (true, _) => copy(&streams.stdout)?,
        (_, true) => copy(&streams.stderr)?,
        (false, false) => both(&streams)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn streams(history: &History, past: &Past, work: &Path, busy: bool) -> Result<Streams, Failure> {
    let running = past.started.filter(|_| busy && history.state_of(past) == State::Started);
    if let Some((pid, _)) = running
        && let Some(streams) = of_process(pid, work)
    {
        return Ok(streams);
    }
    let directory = match past.failure > past.result {
        true => history.with_failure(past.failure, |failed| failed.dir.to_string())?,
        false => history.with_result(past.result, |done| done.dir.to_string())?,
    };
    let Some(directory) = directory.map(|directory| work.join(directory)) else {
        return Err(Failure::usage("it has not ended yet, and its process cannot be looked at from here"));
    };
    Ok(Streams { stdout: directory.join("stdout"), stderr: directory.join("stderr"), running: false })
}

/// The files that a running step writes to, by `/proc/PID/fd`; only on the engine's machine and as its user.
fn of_process(pid: u32, work: &Path) -> Option<Streams> {
    let capture = work.join(".pial/capture").canonicalize().ok()?;
    let stream = |descriptor: u32| {
        let path = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
        path.starts_with(&capture).then_some(path)
    };
    // A step may have sent one of its streams elsewhere; the files of a step have the same number.
    let (stdout, stderr) = (stream(1), stream(2));
    let other = |path: &Option<PathBuf>, extension: &str| path.as_ref().map(|path| path.with_extension(extension));
    Some(Streams {
        stdout: stdout.clone().or_else(|| other(&stderr, "out"))?,
        stderr: stderr.or_else(|| other(&stdout, "err"))?,
        running: true,
    })
}

/// The whole of a stream; one that was never written is empty.
fn read(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    if let Some(mut file) = open(path)? {
        file.read_to_end(&mut bytes).map_err(|error| cannot_read(path, &error))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn open(path: &Path) -> Result<Option<File>, Failure> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_read(path, &error)),
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::Engine(format!("cannot read {}: {error}", path.display()))
}

/// Copies a stream to standard output, however large; a reader that went away is no failure.
fn copy(path: &Path) -> Result<(), Failure> {
    let Some(mut file) = open(path)? else { return Ok(()) };
    let mut buffer = [0; 64 * 1024];
    let mut out = io::stdout().lock();
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) if out.write_all(&buffer[..length]).is_err() => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(cannot_read(path, &error)),
        }
    }
}

fn both(streams: &Streams) -> Result<(), Failure> {
    for (name, path) in [("standard output", &streams.stdout), ("standard error", &streams.stderr)] {
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if length == 0 {
            print(&format!("--- {name}: nothing ---\n"));
            continue;
        }
        print(&format!("--- {name}: {} ---\n", path.display()));
        copy(path)?;
        if !ends_in_newline(path, length) {
            print("\n");
        }
    }
    Ok(())
}

fn ends_in_newline(path: &Path, length: u64) -> bool {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    File::open(path).and_then(|file| file.read_exact_at(&mut last, length - 1)).is_ok_and(|()| last == *b"\n")
}
