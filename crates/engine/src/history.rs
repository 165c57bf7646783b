//! What the log tells of the last run and of every node, also while a run writes it; knows no plan.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::log::{Log, LogError, Place};
use crate::record::{Done, End, Failed, Record};

/// The past of a working directory.
#[derive(Debug)]
pub struct History {
    log: RefCell<Log>,
    /// The last run that began.
    pub run: Option<LastRun>,
    /// How it ended; `None` while it goes on, and when it was killed.
    pub end: Option<End>,
    /// The past of each step, by name; an item of a map node has `#3` at its end.
    pub steps: HashMap<Box<str>, Past>,
    whats: HashMap<Box<str>, Place>,
    /// The number of the last run; nothing when that was one of another workflow.
    last: Option<u32>,
}

/// A run that began: the same as [`crate::record::Run`], owned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LastRun {
    /// The document's absolute path; `.pial/document` for one from standard input, kept in the working directory, and
    /// `-` for one that earlier versions did not keep.
    pub document: String,
    /// Parameters set from outside.
    pub settings: Vec<(String, serde_json::Value)>,
    /// The directory that relative paths in settings, and in a document from standard input, start from.
    pub directory: String,
    /// How many nodes there are.
    pub nodes: u32,
    /// The engine's process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Seconds since 1970.
    pub time: f64,
}

/// The past of a step. Places are those of lines in the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Its last result.
    pub result: Place,
    /// The result before that.
    pub previous: Place,
    /// How many results there were.
    pub results: u32,
    /// Its last failure.
    pub failure: Place,
    /// What became of it in the last run.
    pub state: State,
    /// Its last process, and when that began in seconds since 1970.
    pub started: Option<(u32, f64)>,
    /// The run that `state` belongs to, from 1.
    run: u32,
    handle: u64,
    time: f64,
}

/// What became of a step in the last run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing so far: it was done before, or was not reached.
    #[default]
    Untouched,
    /// It was started and did not end.
    Started,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
    /// It did not run because another failed.
    Skipped,
}

/// The fields that lines about steps have, read without the rest.
#[derive(Deserialize)]
struct Head<'a> {
    e: &'a str,
    #[serde(borrow, default)]
    node: Cow<'a, str>,
    #[serde(borrow, default)]
    dir: Cow<'a, str>,
    #[serde(default)]
    h: &'a str,
    #[serde(default)]
    what: &'a str,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    retry: bool,
    #[serde(default)]
    time: f64,
}

impl History {
    /// Reads the log of a working directory; there being none is an empty past.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(work: &Path) -> Result<History, LogError> {
        History::read(work, Reader::default())
    }

    /// The same, with the steps of one workflow alone: several may share a working directory and names of nodes.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn of_workflow(work: &Path, name: &str) -> Result<History, LogError> {
        History::read(work, Reader { folder: Some(format!("{name}/")), ..Reader::default() })
    }

    fn read(work: &Path, mut reader: Reader) -> Result<History, LogError> {
        let log = Log::open_to_read(work, |place, line| reader.line(place, line))?;
        let Reader { run, end, steps, whats, runs, foreign, .. } = reader;
        Ok(History { log: RefCell::new(log), run, end, steps, whats, last: (!foreign).then_some(runs) })
    }

    /// What became of a step in the last run.
    pub fn state(&self, step: &str) -> State {
        self.steps.get(step).map_or(State::Untouched, |past| self.state_of(past))
    }

    /// What became of a step in the last run, by its past.
    pub fn state_of(&self, past: &Past) -> State {
        if self.last == Some(past.run) { past.state } else { State::Untouched }
    }

    /// Whether the last that is known of a step is a failure.
    pub fn failed_last(&self, step: &str) -> bool {
        self.steps.get(step).is_some_and(|past| past.failure > past.result)
    }

    /// The named parts of what a result ran, by the digest in the result.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn parts(&self, what: &str) -> Result<Vec<(String, String)>, LogError> {
        let Some(place) = self.whats.get(what) else { return Ok(Vec::new()) };
        let line = self.log.borrow_mut().line_at(*place)?;
        let Ok(Record::What(what)) = serde_json::from_str(&line) else { return Ok(Vec::new()) };
        Ok(what.parts.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Gives the result at a place to `read`; `None` when there is none.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn with_result<T>(&self, place: Place, read: impl FnOnce(&Done<'_>) -> T) -> Result<Option<T>, LogError> {
        if place == Place::NONE {
            return Ok(None);
        }
        let line = self.log.borrow_mut().line_at(place)?;
        let Ok(Record::Done(done)) = serde_json::from_str(&line) else { return Ok(None) };
        Ok(Some(read(&done)))
    }

    /// Gives the failure at a place to `read`; `None` when there is none.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn with_failure<T>(&self, place: Place, read: impl FnOnce(&Failed<'_>) -> T) -> Result<Option<T>, LogError> {
        if place == Place::NONE {
            return Ok(None);
        }
        let line = self.log.borrow_mut().line_at(place)?;
        let Ok(Record::Failed(failed)) = serde_json::from_str(&line) else { return Ok(None) };
        Ok(Some(read(&failed)))
    }
}

/// Whether a name is that of an item of a map node. Names of nodes hold no `#` outside their brackets.
pub fn is_item(step: &str) -> bool {
    !step.ends_with(']') && step.contains('#')
}

/// The node and the item of a step's name.
pub fn split_item(step: &str) -> (&str, Option<u32>) {
    match step.rsplit_once('#') {
        Some((node, item)) if is_item(step) && item.parse::<u32>().is_ok() => (node, item.parse().ok()),
        _ => (step, None),
    }
}

#[derive(Default)]
struct Reader {
    run: Option<LastRun>,
    end: Option<End>,
    steps: HashMap<Box<str>, Past>,
    whats: HashMap<Box<str>, Place>,
    runs: u32,
    /// Only steps that work below this folder count.
    folder: Option<String>,
    /// Whether the run that is being read is one of another workflow. Its first step that ends tells.
    foreign: bool,
}

impl Reader {
    fn line(&mut self, place: Place, line: &str) {
        if line.starts_with(r#"{"e":"file""#) {
            return;
        }
        let Ok(head) = serde_json::from_str::<Head<'_>>(line) else { return };
        match head.e {
            "run" => {
                self.run = serde_json::from_str(line).ok();
                self.end = None;
                self.runs += 1;
                self.foreign = false;
            }
            "end" => self.end = serde_json::from_str(line).ok(),
            "what" => drop(self.whats.insert(head.what.into(), place)),
            _ => self.step(place, &head),
        }
    }

    fn step(&mut self, place: Place, head: &Head<'_>) {
        if let (Some(folder), "done" | "failed") = (&self.folder, head.e) {
            self.foreign = !head.dir.starts_with(folder.as_str());
        }
        if self.foreign {
            return;
        }
        let began = self.run.as_ref().map_or(0.0, |run| run.time);
        let runs = self.runs;
        let past = match self.steps.get_mut(&*head.node) {
            Some(past) => past,
            None => self.steps.entry(head.node.as_ref().into()).or_default(),
        };
        let state = match head.e {
            "done" => {
                past.note_result(place, head);
                // A result that is recorded again because its files were touched keeps its time.
                if head.time < began { State::Untouched } else { State::Done }
            }
            "start" => {
                past.started = Some((head.pid, head.time));
                State::Started
            }
            "failed" => {
                past.failure = place;
                if head.retry { State::Started } else { State::Failed }
            }
            "skip" => State::Skipped,
            _ => return,
        };
        (past.state, past.run) = (state, runs);
    }
}

impl Past {
    fn note_result(&mut self, place: Place, head: &Head<'_>) {
        let handle = u64::from_str_radix(head.h, 16).unwrap_or(0);
        let again = self.result != Place::NONE && handle == self.handle && head.time.to_bits() == self.time.to_bits();
        if !again {
            self.previous = self.result;
            self.results += 1;
        }
        (self.result, self.handle, self.time) = (place, handle, head.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lines: &[&str]) -> History {
        let (_work, path) = logged(lines);
        History::open(&path).unwrap()
    }

    fn logged(lines: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let work = tempfile::tempdir().unwrap();
        std::fs::create_dir(work.path().join(".pial")).unwrap();
        let text = format!("{{\"pial_log\":1,\"pial\":\"0\"}}\n{}\n", lines.join("\n"));
        std::fs::write(work.path().join(".pial/log"), text).unwrap();
        let path = work.path().to_owned();
        (work, path)
    }

    const RUN: &str =
        r#"{"e":"run","document":"/d","settings":[],"directory":"/","nodes":3,"pid":1,"host":"h","time":10.0}"#;

    fn done(node: &str, h: &str, time: f64) -> String {
        format!(
            r#"{{"e":"done","h":"{h}","node":"{node}","key":"k","out":[],"files":[],"dir":"w/a","what":"x","in":[],"time":{time:?}}}"#
        )
    }

    #[test]
    fn the_state_of_a_step_is_that_of_the_last_run() {
        let first = done("a", "00000000000000aa", 11.0);
        let start = r#"{"e":"start","node":"b[x=\"é #1]","pid":7,"time":12.0}"#;
        let history = history(&[RUN, &first, RUN.replace("10.0", "20.0").as_str(), start]);
        assert_eq!(history.state("a"), State::Untouched);
        assert_eq!(history.state("b[x=\"é #1]"), State::Started);
        assert_eq!((history.steps["a"].results, history.end), (1, None));
        assert_eq!(history.run.unwrap().time, 20.0);
    }

    #[test]
    fn steps_of_another_workflow_are_left_out() {
        let of = |dir: &str, h: &str| done("a", h, 11.0).replace("w/a", dir);
        let (ours, theirs) = (of("ours/a", "00000000000000aa"), of("ours2/a", "00000000000000bb"));
        let start = r#"{"e":"start","node":"b","pid":7,"time":12.0}"#;
        let lines = [RUN, &ours, RUN, start, &theirs, start];
        let (_work, path) = logged(&lines);
        let history = History::of_workflow(&path, "ours").unwrap();
        assert_eq!(
            (history.steps["a"].results, history.state("a"), history.state("b")),
            (1, State::Untouched, State::Untouched)
        );
        let history = History::of_workflow(&path, "ours2").unwrap();
        assert_eq!(
            (history.steps["a"].results, history.state("a"), history.state("b")),
            (1, State::Done, State::Started)
        );
    }

    #[test]
    fn a_result_recorded_again_is_no_new_result() {
        let lines = [done("a", "aa", 11.0), done("a", "aa", 11.0), done("a", "bb", 12.0), done("a", "bb", 13.0)];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let history = history(&lines);
        let past = &history.steps["a"];
        assert_eq!(past.results, 3);
        assert!(Place::NONE < past.previous && past.previous < past.result);
    }

    #[test]
    fn items_are_told_from_nodes() {
        for (name, node, item) in [
            ("a", "a", None),
            ("a#3", "a", Some(3)),
            ("a[x=b#3]", "a[x=b#3]", None),
            ("a[x=1#2]#0", "a[x=1#2]", Some(0)),
        ] {
            assert_eq!(split_item(name), (node, item), "{name}");
        }
    }
}
