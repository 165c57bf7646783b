//! `pial profile` of real commands: what it sees of them, and that they do not notice.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod behaves;
mod refused;
mod sees;

use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value as Json;

/// `pial profile` with options and a command.
fn pial(options: &[&str], command: &[&str]) -> Command {
    let mut pial = Command::new(env!("CARGO_BIN_EXE_pial"));
    pial.arg("profile").args(options).arg("--").args(command);
    pial
}

/// A script of Python, run by the interpreter itself: `python3` may be a script that starts others.
fn python(options: &[&str], script: &str) -> (Json, Output) {
    profile(options, &[interpreter(), "-S", "-E", "-c", script])
}

fn interpreter() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// The profile and what the command gave; the command's own output must not be JSON.
fn profile(options: &[&str], command: &[&str]) -> (Json, Output) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let output = pial(&[options, &["--json", path]].concat(), command).output().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}, {output:?}")), output)
}

/// Whether this machine lets a process trace its own child; said aloud where not.
fn traced(profile: &Json) -> bool {
    let traced = profile["method"].as_str().unwrap().contains("exact");
    if !traced {
        eprintln!("skipped: the kernel refuses ptrace here: {}", profile["notes"]);
    }
    traced
}

/// The processes of a profile whose command line begins so.
fn with<'a>(profile: &'a Json, part: &str) -> Vec<&'a Json> {
    let all = profile["processes"].as_array().unwrap().iter();
    all.filter(|process| process["command"].as_str().unwrap().starts_with(part)).collect()
}

/// For a shell that pial started: waits until whole samples were taken. The sampler is the youngest of pial's three threads, and
/// it sleeps once after each sample.
const SAMPLED: &str = r#"task=/proc/$PPID/task sampler=0
while set -- $task/*; [ $# -lt 3 ]; do :; done
for thread in $task/*; do [ ${thread##*/} -lt $sampler ] || sampler=${thread##*/}; done
sleeps() { while read -r name count; do case $name in voluntary_*) now=$count;; esac; done < $task/$sampler/status; }
sleeps; enough=$((now + 4))
while [ $now -lt $enough ]; do sleeps; done
"#;

const MB: u64 = 1 << 20;
