//! What in a working directory can go, and its removal; the caller holds the lock. Only what the log names, or what
//! the engine makes beside that, is ever touched.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use pial_core::plan::Plan;
use serde::Deserialize;

use crate::log::{self, LOG, LogError, Place};
use crate::record::Content;
use crate::work::{KEPT_DOCUMENT, remove, scratch};

/// What is wanted gone, beyond what is certainly of no use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'p> {
    /// Directories and crash files of nodes whose last attempt failed, and crash files of failures since mended.
    pub failed: bool,
    /// Directories of nodes that are not in this plan, below the folder of its workflow.
    pub orphans: Option<Orphans<'p>>,
    /// Everything pial made here.
    pub all: bool,
}

/// What tells the directories of a workflow's nodes from those of nodes that it no longer has.
#[derive(Debug, Clone, Copy)]
pub struct Orphans<'p> {
    /// The workflow as it is now.
    pub plan: &'p Plan,
    /// Paths that results which stand point to, relative to the working directory: no directory around them goes.
    pub needed: &'p HashSet<String>,
}

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Useless {
    /// Relative to the working directory.
    pub path: String,
    /// Why it can go.
    pub why: &'static str,
    /// The step that worked there, when it is the directory of one.
    pub step: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What can go from a working directory.
#[derive(Debug, Default)]
pub struct Found {
    /// Files and directories; none inside another.
    pub paths: Vec<Useless>,
    /// Bytes of lines of the log that nobody reads any more.
    pub log_bytes: u64,
    /// Places of the lines that stay.
    kept: HashSet<Place>,
    all: bool,
}

/// The fields of lines that decide, read without the rest.
#[derive(Deserialize)]
struct Head<'a> {
    e: &'a str,
    #[serde(borrow, default)]
    node: Cow<'a, str>,
    #[serde(borrow, default)]
    dir: Cow<'a, str>,
    #[serde(borrow, default)]
    crash: Cow<'a, str>,
    #[serde(default)]
    h: &'a str,
    #[serde(default)]
    what: &'a str,
}

/// What the log says of directories, and which of its lines count.
#[derive(Default)]
struct Reader {
    /// By directory: its step, and whether the last attempt there failed.
    directories: HashMap<String, (String, bool)>,
    crashes: Vec<String>,
    lines: Vec<(Place, u64, Line)>,
    last_run: Place,
}

/// A line as far as keeping it goes.
enum Line {
    Done { handle: u64, what: Box<str>, dir: Box<str> },
    Failed { dir: Box<str> },
    What(Box<str>),
    File(Box<str>),
    Run,
    Other,
}

/// Finds what can go; `plan` is that of the last run, when it can be had: it tells of directories in which nothing
/// ended yet.
///
/// # Errors
/// [`LogError`].
pub fn find(work: &Path, plan: Option<&Plan>, wish: Wish<'_>) -> Result<Found, LogError> {
    let mut reader = Reader::default();
    log::read(work, |place, line| reader.line(place, line))?;
    let mut found = Found { all: wish.all, ..Found::default() };
    let gone = reader.unwanted(wish);
    let orphans: HashSet<String> = match wish.orphans {
        Some(wanted) => reader.orphans(wanted),
        None => HashSet::new(),
    };
    let mut paths: Vec<(String, &'static str)> = Vec::new();
    paths.extend(reader.leftovers(work, plan).into_iter().map(|path| (path, "left by a run that was ended")));
    paths.extend(gone.iter().map(|path| (path.clone(), if wish.all { "made by pial" } else { "of a failed node" })));
    paths.extend(orphans.iter().map(|path| (path.clone(), "of a node that is no longer in the document")));
    if wish.failed || wish.all {
        let files = reader.crashes.iter().flat_map(|text| [text.clone(), text.replace(".txt", ".json")]);
        paths.extend(files.map(|path| (path, "crash file")));
    }
    found.paths = outermost(work, paths);
    for useless in &mut found.paths {
        useless.step = reader.directories.get(&useless.path).map(|(step, _)| step.clone());
    }
    (found.kept, found.log_bytes) = reader.kept(&orphans, wish.failed);
    Ok(found)
}

/// Removes what was found and gives what could not be removed.
///
/// # Errors
/// [`LogError`] when the log cannot be rewritten.
pub fn carry_out(work: &Path, found: &Found) -> Result<Vec<(String, io::Error)>, LogError> {
    let mut failed = Vec::new();
    for useless in &found.paths {
        let path = work.join(&useless.path);
        match remove(&path) {
            Ok(()) => remove_empty_above(&path, work),
            Err(error) => failed.push((useless.path.clone(), error)),
        }
    }
    if found.all && failed.is_empty() {
        // The lock is in there too: nothing is left to guard.
        if let Err(error) = fs::remove_dir_all(work.join(".pial")) {
            failed.push((".pial".to_owned(), error));
        }
    } else if !found.all && found.log_bytes > 0 {
        log::compact(work, |place, _| found.kept.contains(&place))?;
    }
    Ok(failed)
}

impl Found {
    /// All that would be freed, in bytes.
    pub fn bytes(&self) -> u64 {
        self.paths.iter().map(|useless| useless.bytes).sum::<u64>() + self.log_bytes
    }
}

impl Reader {
    fn line(&mut self, place: Place, line: &str) {
        let length = line.len() as u64 + 1;
        let kind = self.kind(place, line).unwrap_or(Line::Other);
        self.lines.push((place, length, kind));
    }

    fn kind(&mut self, place: Place, line: &str) -> Option<Line> {
        if line.starts_with(r#"{"e":"file""#) {
            return match serde_json::from_str(line).ok()? {
                crate::record::Record::File { content: Content(path, ..) } => Some(Line::File(path.into())),
                _ => None,
            };
        }
        let head: Head<'_> = serde_json::from_str(line).ok()?;
        let dir: Box<str> = head.dir.as_ref().into();
        Some(match head.e {
            "done" => {
                self.note_directory(&head, false);
                Line::Done { handle: u64::from_str_radix(head.h, 16).ok()?, what: head.what.into(), dir }
            }
            "failed" => {
                self.note_directory(&head, true);
                if is_inside(&head.crash) {
                    self.crashes.push(head.crash.into_owned());
                }
                Line::Failed { dir }
            }
            "what" => Line::What(head.what.into()),
            "run" => {
                self.last_run = place;
                Line::Run
            }
            _ => Line::Other,
        })
    }

    fn note_directory(&mut self, head: &Head<'_>, failed: bool) {
        if is_inside(&head.dir) {
            self.directories.insert(head.dir.clone().into_owned(), (head.node.clone().into_owned(), failed));
        }
    }

    /// Directories that the wish names, none with something wanted in it.
    fn unwanted(&self, wish: Wish<'_>) -> Vec<String> {
        if !wish.failed && !wish.all {
            return Vec::new();
        }
        let is_unwanted = |failed: bool| wish.all || failed;
        let wanted = self.directories.iter().filter(|(_, (_, failed))| !is_unwanted(*failed)).map(|(path, _)| path);
        let around = ancestors(wanted.map(String::as_str));
        let unwanted = self.directories.iter().filter(|(_, (_, failed))| is_unwanted(*failed)).map(|(path, _)| path);
        unwanted.filter(|path| !around.contains(path.as_str())).cloned().collect()
    }

    /// Directories of nodes that are not in the plan, none with a directory of the plan in it. Other workflows in the
    /// same working directory have folders of their own and are left alone.
    fn orphans(&self, wanted: Orphans<'_>) -> HashSet<String> {
        let live: Vec<String> = plan_directories(wanted.plan).collect();
        let around = ancestors(live.iter().chain(wanted.needed).map(String::as_str));
        let live: HashSet<&str> = live.iter().chain(wanted.needed).map(String::as_str).collect();
        let of_item = |path: &str| path.split("/mapflow/").next().is_some_and(|node| live.contains(node));
        let of_workflow = self.directories.keys().filter(|path| is_of(path, &wanted.plan.name));
        let orphaned = of_workflow.filter(|path| !live.contains(path.as_str()) && !of_item(path));
        orphaned.filter(|path| !around.contains(path.as_str())).cloned().collect()
    }

    /// Scratch directories and captured output of steps that never ended.
    fn leftovers(&self, work: &Path, plan: Option<&Plan>) -> Vec<String> {
        let planned: Vec<String> = plan.map(|plan| plan_directories(plan).collect()).unwrap_or_default();
        let mut found = Vec::new();
        for directory in self.directories.keys().chain(&planned) {
            found.push(scratch(Path::new(directory)).to_string_lossy().into_owned());
            // In the directory of an item, a folder `mapflow` is the tool's business.
            if directory.contains("/mapflow/") {
                continue;
            }
            let items = format!("{directory}/mapflow");
            let own = directory.rsplit('/').next().unwrap_or(directory);
            let scratch_of_item = |name: &str| name.starts_with(&format!("._{own}")) && name.ends_with(".part");
            found.extend(names(&work.join(&items)).filter(|n| scratch_of_item(n)).map(|n| format!("{items}/{n}")));
        }
        found.extend(names(&work.join(".pial/capture")).map(|name| format!(".pial/capture/{name}")));
        found.push(".pial/log.new".to_owned());
        found.push(format!("{KEPT_DOCUMENT}.new"));
        found
    }

    /// The places of lines that stay, and the bytes of those that do not.
    fn kept(&self, removed: &HashSet<String>, forget_failures: bool) -> (HashSet<Place>, u64) {
        let (mut results, mut ended, mut files) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (place, _, line) in &self.lines {
            match line {
                Line::Done { handle, dir, .. } => {
                    results.insert(*handle, *place);
                    ended.insert(dir.as_ref(), *place);
                }
                Line::Failed { dir } => drop(ended.insert(dir, *place)),
                Line::File(path) => drop(files.insert(path.as_ref(), *place)),
                Line::What(_) | Line::Run | Line::Other => {}
            }
        }
        let mut needed: HashSet<&str> = HashSet::new();
        let mut kept: HashSet<Place> = HashSet::new();
        for (place, _, line) in &self.lines {
            let stays = match line {
                Line::Done { handle, dir, .. } => results.get(handle) == Some(place) && !removed.contains(dir.as_ref()),
                Line::Failed { dir } => {
                    !forget_failures && (ended.get(dir.as_ref()) == Some(place) || *place > self.last_run)
                }
                Line::File(path) => files.get(path.as_ref()) == Some(place),
                Line::Run | Line::Other => *place >= self.last_run,
                Line::What(_) => false,
            };
            if stays {
                kept.insert(*place);
                if let Line::Done { what, .. } = line {
                    needed.insert(what);
                }
            }
        }
        let whats =
            self.lines.iter().filter(|(_, _, line)| matches!(line, Line::What(what) if needed.contains(what.as_ref())));
        kept.extend(whats.map(|(place, ..)| *place));
        let dropped = self.lines.iter().filter(|(place, ..)| !kept.contains(place)).map(|(_, length, _)| length).sum();
        (kept, dropped)
    }
}

fn plan_directories(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    (0..plan.len() as u32).map(|node| plan.node_directory(pial_core::arena::NodeId(node)))
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

/// Whether a directory is below the folder of a workflow.
fn is_of(directory: &str, workflow: &str) -> bool {
    directory.strip_prefix(workflow).is_some_and(|rest| rest.starts_with('/'))
}

/// Every directory above these.
fn ancestors<'p>(paths: impl Iterator<Item = &'p str>) -> HashSet<&'p str> {
    let mut above = HashSet::new();
    for path in paths {
        let mut at = path;
        while let Some((parent, _)) = at.rsplit_once('/') {
            if !above.insert(parent) {
                break;
            }
            at = parent;
        }
    }
    above
}

/// Whether a path of the log cannot lead out of the working directory.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// What is there of these paths, each once, none inside another, with its size.
fn outermost(work: &Path, mut paths: Vec<(String, &'static str)>) -> Vec<Useless> {
    paths.sort();
    paths.dedup_by(|a, b| a.0 == b.0);
    let all: HashSet<String> = paths.iter().map(|(path, _)| path.clone()).collect();
    let is_inner =
        |path: &str| Path::new(path).ancestors().skip(1).any(|p| p.to_str().is_some_and(|p| all.contains(p)));
    let there = paths.into_iter().filter(|(path, _)| !is_inner(path));
    there
        .filter_map(|(path, why)| size(&work.join(&path)).ok().map(|bytes| Useless { path, why, step: None, bytes }))
        .collect()
}

/// Bytes of a file, or of all files in a directory; links count as themselves.
fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut open: Vec<PathBuf> = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    Ok(bytes)
}

/// Folders around a node's directory go when nothing else is in them.
fn remove_empty_above(path: &Path, work: &Path) {
    for above in path.ancestors().skip(1) {
        let own = above == work || above.starts_with(work.join(LOG).parent().unwrap_or(work));
        if own || fs::remove_dir(above).is_err() {
            return;
        }
    }
}
