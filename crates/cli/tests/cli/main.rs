//! The subcommands that read, as a user meets them: real runs of small commands, and what is told of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod clean;
mod graph;
mod interface;
mod plan;
mod running;
mod show;
mod why;

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// Two subjects, one with a space and an accent; a map node; a join.
const SUBJECTS: &str = "
pial: 1
name: demo
parameters:
  s: [a é, b]
  width: 3
nodes:
  load:
    command: [cp, '{f}', '{out}']
    inputs: {f: {type: file, value: 'in/{s}.txt'}}
    outputs: {out: copy.txt}
  count:
    command: 'echo counting >&2; wc -c < {f}'
    shell: true
    inputs: {f: {type: file, from: load.out}}
    outputs: {n: {stdout: int}}
  all: {builtin: merge, join: s, inputs: {in1: {from: count.n}}}
  each:
    command: [echo, '{v}']
    map: v
    inputs: {v: {type: string, from: all.out}}
    outputs: {t: {stdout: string}}
  wide: {command: [echo, '{width}'], outputs: {t: {stdout: string}}}
outputs: {texts: {from: each.t}}
";

/// A directory of its own for a test, with a space and letters beyond ASCII in its name.
struct Place {
    directory: tempfile::TempDir,
}

/// What a command gave.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn empty() -> Place {
        Place { directory: tempfile::Builder::new().prefix("pial cli é ").tempdir().unwrap() }
    }

    /// A place with a document and two input files.
    fn with(document: &str) -> Place {
        let place = Place::empty();
        place.write("w.yaml", document);
        place.write("in/a é.txt", "hello\n");
        place.write("in/b.txt", "b\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pial"));
        command.args(arguments).current_dir(self.directory.path()).env_remove("PIAL_CATALOGUE");
        // Tests neither use nor change what the user's own runs learned.
        command.env("PIAL_PEAKS", "");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn pial(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap(), self)
    }

    /// The JSON that a command prints.
    fn json(&self, arguments: &[&str]) -> Json {
        let said = self.pial(&[arguments, &["--json"]].concat());
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", said.out))
    }

    fn run(&self, more: &[&str]) -> Said {
        self.pial(&[&["run", "w.yaml", "-j2", "-q"], more].concat())
    }

    fn begin(&self) -> Child {
        self.command(&["run", "w.yaml", "-j2", "-q"]).spawn().unwrap()
    }
}

impl Said {
    /// What is different each time is made the same: the place.
    fn of(output: Output, place: &Place) -> Said {
        let here = place.path("").to_string_lossy().trim_end_matches('/').to_owned();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&here, "HERE");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Waits for something that happens elsewhere, by looking often; fails after a time that no sound run takes.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::with(SUBJECTS);
    for arguments in [&["plan", "w.yaml"][..], &["graph", "w.yaml"], &["interface", "list"]] {
        let mut child = place.command(arguments).spawn().unwrap();
        drop(child.stdout.take());
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
}

#[test]
fn nothing_was_run_is_said() {
    let place = Place::with(SUBJECTS);
    for arguments in [&["status"][..], &["why", "load"], &["show", "load"], &["log", "load"], &["clean"]] {
        let said = place.pial(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
        assert!(!said.err.is_empty() && !place.path("work").exists(), "{arguments:?}");
    }
    assert_eq!(place.pial(&["crash"]).code, Some(0));
}
