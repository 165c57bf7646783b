//! Crash files: one readable text and the same as JSON for each failure.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pial_interfaces::quote;
use serde::{Deserialize, Serialize};

use crate::launch::tail;
use crate::log::{self, LogError};
use crate::record::Used;

/// How much of the end of each stream a crash file holds, in bytes.
pub const TAIL: u64 = 8 * 1024;

/// As much of the last line of standard error stands in the message, in characters.
const LONGEST_WORDS: usize = 200;

/// How the message of a step that had too little memory begins.
pub const OUT_OF_MEMORY: &str = "out of memory";

/// The version of the JSON form.
const VERSION: u32 = 1;

/// A failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crash {
    /// The version of this form.
    pub pial_crash: u32,
    /// The node.
    pub node: String,
    /// What happened, in a line.
    pub message: String,
    /// When, in UTC.
    pub time: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// The program and its arguments; nothing for a built-in.
    pub command: Vec<String>,
    /// Where it worked; it is kept as the step left it.
    pub directory: String,
    /// Variables that were added to the environment.
    pub environment: Vec<(String, String)>,
    /// The exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it used.
    pub used: Option<Used>,
    /// Its limit of wall time, in seconds.
    pub time_limit_s: Option<f64>,
    /// What memory it might use, in bytes, when it was ended for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Who ended it for its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// A line for a shell that does the same again.
    pub reproduce: String,
    /// The Python function, as the interpreter is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<serde_json::Value>,
    /// The names and values it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<serde_json::Value>,
    /// What it was to return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<serde_json::Value>,
    /// The end of what it printed to standard output.
    pub stdout: String,
    /// The end of what it printed to standard error.
    pub stderr: String,
}

/// The JSON form of every crash file that the log of a working directory places outside it, last one first.
///
/// # Errors
/// [`LogError`].
pub fn elsewhere(work: &Path) -> Result<Vec<PathBuf>, LogError> {
    #[derive(Deserialize)]
    struct Head<'a> {
        e: &'a str,
        #[serde(borrow, default)]
        crash: Cow<'a, str>,
    }
    let mut files = Vec::new();
    if !work.join(log::LOG).exists() {
        return Ok(files);
    }
    log::read(work, |_, line| {
        if let Ok(Head { e: "failed", crash }) = serde_json::from_str(line)
            && crash.starts_with('/')
        {
            files.push(Path::new(&*crash).with_extension("json"));
        }
    })?;
    files.reverse();
    Ok(files)
}

impl Crash {
    /// Adds the line that reproduces the failure and the ends of both streams.
    pub fn complete(mut self, node_directory: &Path) -> Crash {
        self.pial_crash = VERSION;
        if self.stdout.is_empty() && self.stderr.is_empty() {
            self.stdout = tail(&node_directory.join("stdout"), TAIL).unwrap_or_default();
            self.stderr = tail(&node_directory.join("stderr"), TAIL).unwrap_or_default();
        }
        if !self.command.is_empty() {
            let variables: String = self.environment.iter().map(|(k, v)| format!("{k}={} ", quote(v))).collect();
            let words: Vec<String> = self.command.iter().map(|word| quote(word)).collect();
            let env = if variables.is_empty() { "" } else { "env " };
            self.reproduce = format!("cd {} && {env}{variables}{}", quote(&self.directory), words.join(" "));
        }
        self
    }

    /// Adds what a failed command said last to the message, as that is what people look for.
    pub fn with_last_words(mut self) -> Crash {
        let last = self.stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
        if let (true, Some(line)) = (self.exit_code.is_some(), last) {
            let words: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect();
            if self.message.contains(&words) {
                // An exception is told by what was raised already.
                return self;
            }
            self.message = format!("{}: {words}", self.message);
        }
        self
    }

    /// Names a failure for what it is when a program says that it was refused memory (C++, Python, the C library's `ENOMEM`);
    /// whether it is one.
    pub fn name_refusal(&mut self) -> bool {
        const WORDS: [&str; 4] = ["MemoryError", "std::bad_alloc", "Cannot allocate memory", "OutOfMemoryError"];
        const LAST: usize = 600;
        let start = self.stderr.char_indices().rev().nth(LAST).map_or(0, |(at, _)| at);
        let is_refusal =
            [&self.message, &self.stderr[start..]].iter().any(|text| WORDS.iter().any(|w| text.contains(w)));
        if is_refusal && !self.message.starts_with(OUT_OF_MEMORY) {
            self.message = format!("{OUT_OF_MEMORY}: it was refused: {}", self.message);
        }
        is_refusal
    }

    /// Writes both files into a directory, or none, and gives the name of the text.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, directory: &Path) -> io::Result<String> {
        fs::create_dir_all(directory)?;
        let plain = |c: char| if c.is_alphanumeric() || "-_.=[],#".contains(c) { c } else { '_' };
        let node: String = self.node.chars().map(plain).take(120).collect();
        let stamp: String = self.time.chars().filter(char::is_ascii_digit).collect();
        let stem = format!("crash-{stamp}-{node}-{}", self.attempt);
        let json = directory.join(format!("{stem}.json"));
        let mut crash = self.clone();
        if let (Some(_), Ok(python)) = (&self.function, crate::python::program()) {
            let words = [&python, &json].map(|path| quote(&path.to_string_lossy()));
            crash.reproduce = format!("{} -m pial.worker again {}", words[0], words[1]);
        }
        let text = directory.join(format!("{stem}.txt"));
        let written =
            fs::write(&json, serde_json::to_vec_pretty(&crash)?).and_then(|()| fs::write(&text, crash.text()));
        if written.is_err() {
            // The disk is full, as a rule, and half a file is none.
            [json, text].iter().for_each(|file| drop(fs::remove_file(file)));
        }
        written.map(|()| format!("{stem}.txt"))
    }

    /// The readable form.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{name:<12} {value}");
            }
        };
        line("node", &self.node);
        line("failed", &self.message);
        line("time", &self.time);
        line("attempt", &self.attempt.to_string());
        line("command", &self.command.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" "));
        line("directory", &self.directory);
        if let Some(used) = self.used {
            line(
                "wall time",
                &format!("{:.2} s (user {:.2} s, system {:.2} s)", used.wall_s, used.user_s, used.system_s),
            );
            line("peak memory", &format!("{:.1} MB ({})", used.peak_rss_bytes as f64 / 1e6, used.method.tell()));
            if let Some(bytes) = used.asked_bytes {
                line("asked for", &format!("{:.1} MB of memory", bytes as f64 / 1e6));
            }
        }
        if let Some(bytes) = self.memory_limit_bytes {
            line("memory limit", &format!("{:.1} MB", bytes as f64 / 1e6));
        }
        line("ended by", self.ended_by.as_deref().unwrap_or_default());
        if let Some(limit) = self.time_limit_s {
            line("time limit", &format!("{limit} s"));
        }
        line("reproduce", &self.reproduce);
        for (name, stream) in [("standard error", &self.stderr), ("standard output", &self.stdout)] {
            if !stream.is_empty() {
                let _ = write!(text, "\n--- end of {name} ---\n{}\n", stream.trim_end());
            }
        }
        text
    }
}
