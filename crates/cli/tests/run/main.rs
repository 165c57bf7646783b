//! `pial run` as a user meets it: real processes, real files, real signals.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]
#![expect(missing_docs, reason = "a test says what it is by its name")]

mod cache;
mod contract;
mod examples;
mod faults;
mod kills;
mod learned;
mod memory;
mod options;
mod python;
mod shapes;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A directory of its own for a test, with a space and letters beyond ASCII in its name.
pub struct Place {
    directory: tempfile::TempDir,
}

/// What a run gave.
pub struct Ran {
    pub code: Option<i32>,
    pub events: Vec<serde_json::Value>,
    pub stderr: String,
}

impl Place {
    pub fn make() -> Place {
        Place { directory: tempfile::Builder::new().prefix("pial tést ").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The command `pial ARGUMENTS` in this place.
    pub fn pial(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pial"));
        command.args(arguments).current_dir(self.directory.path());
        // Tests neither use nor change what the user's own runs learned.
        command.env("PIAL_PEAKS", "");
        command.env("PIAL_PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/../../python"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the document with two processors and gives its events.
    pub fn run(&self, document: &str, more: &[&str]) -> Ran {
        self.write("w.yaml", document);
        self.again(more)
    }

    /// Runs the document that is there.
    pub fn again(&self, more: &[&str]) -> Ran {
        Ran::of(self.pial(&[&["run", "w.yaml", "-j2", "--json"], more].concat()).output().unwrap())
    }

    /// Begins a run and does not wait.
    pub fn begin(&self, document: &str, more: &[&str]) -> Child {
        self.write("w.yaml", document);
        self.pial(&[&["run", "w.yaml", "-j2", "--json"], more].concat()).spawn().unwrap()
    }
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let events = stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
        Ran {
            code: output.status.code(),
            events: events.collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `done cached failed skipped` of the last event.
    pub fn counts(&self) -> [u64; 4] {
        let last = self.events.last().unwrap_or_else(|| panic!("no events: {}", self.stderr));
        assert_eq!(last["event"], "finished", "{}", self.stderr);
        ["done", "cached", "failed", "skipped"].map(|key| last[key].as_u64().unwrap())
    }

    /// The message of a failed node.
    pub fn failure(&self, node: &str) -> String {
        let failed = self.events.iter().rfind(|e| e["event"] == "node_failed" && e["node"] == node);
        failed.unwrap_or_else(|| panic!("{node} did not fail: {:?}", self.events))["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// Waits for something that happens elsewhere, by looking often; fails after a time that no sound run takes.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::yield_now();
    }
}

/// Every process whose command line holds a text.
pub fn processes_with(text: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text) && *pid != std::process::id()
    })
    .collect()
}

/// Everything below a directory: path and content, pial's own folder left out.
pub fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name() != ".pial" {
                    open.push(path);
                }
            } else {
                let name = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
