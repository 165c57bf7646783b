//! Results and contents of a working directory: what the log remembers, looked up and added to.

mod files;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pial_core::arena::{Id, NodeId};
use pial_core::plan::{Items, Plan, Template, Unavailable, Work};
use pial_core::value::Value;
use pial_interfaces::Descriptor;

use crate::catalogue::Interfaces;
use crate::clock::seconds_since_1970;
use crate::contents::{Contents, LARGE, Lookup};
use crate::digest::{self, Digest, Digests, Identity, Owner, Seen};
use crate::log::{Index, Log, LogError, Place, handle};
use crate::record::{self, Content, Done, Logged, Record, Used, absolute, relative};
use crate::task::Task;
use crate::what::{What, Whats};

pub use files::{Read, Standing, paths_of, read_by_errand};
use files::{handed_on, paths_of_value, seen, verify_files};

/// What the engine knows of a working directory.
#[derive(Debug)]
pub struct Store<'r> {
    /// The plan it serves.
    pub plan: &'r Plan,
    /// The log.
    pub log: Log,
    interfaces: &'r Interfaces,
    root: String,
    /// What the paths of results are looked up from: nothing when the working directory is the current one, which
    /// spares the kernel the way there for each of them.
    from: String,
    index: Index,
    /// By node: where its result is in the log; 0 for none.
    places: Vec<Place>,
    contents: Contents,
    whats: Whats,
    whats_logged: HashSet<String>,
    seconds: HashMap<Box<str>, (f32, u32)>,
    recent: VecDeque<Recent>,
}

/// As many results are kept at hand: at least one per chain that is followed at a time.
const MOST_RECENT: usize = 32;

/// The outputs of a result seen lately: the next node often takes them in.
#[derive(Debug, Default)]
struct Recent {
    place: Place,
    outputs: Vec<(String, Value)>,
    digests: Vec<(String, Seen)>,
}

/// Something that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A node's result is not there.
    #[error("the result of {0} is not in the log")]
    NoResult(String),
    /// An input cannot be read.
    #[error("cannot read the input {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl<'r> Store<'r> {
    /// Opens the log of a working directory; `writable` when the caller holds its lock.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(
        path: &Path,
        writable: bool,
        plan: &'r Plan,
        interfaces: &'r Interfaces,
    ) -> Result<Store<'r>, LogError> {
        let root = format!("{}/", path.to_string_lossy().trim_end_matches('/'));
        let mut index = Index::default();
        let mut contents = Contents::default();
        let mut whats_logged = HashSet::new();
        let mut seconds: HashMap<Box<str>, (f32, u32)> = HashMap::new();
        let visit = |place: Place, line: &str| {
            if line.starts_with(r#"{"e":"done""#) {
                index.note(place, line);
                note_seconds(line, &mut seconds);
            } else if line.starts_with(r#"{"e":"file""#) {
                if let Ok(Record::File { content }) = serde_json::from_str(line) {
                    contents.remember(&Content(absolute(&content.0, &root).into(), content.1, content.2, content.3));
                }
            } else if line.starts_with(r#"{"e":"what""#)
                && let Ok(Record::What(what)) = serde_json::from_str(line)
            {
                whats_logged.insert(what.what.into_owned());
            }
        };
        let log = if writable { Log::open(path, visit)? } else { Log::open_to_read(path, visit)? };
        Ok(Store {
            plan,
            log,
            interfaces,
            index,
            places: vec![Place::NONE; plan.len()],
            contents,
            whats: Whats::default(),
            whats_logged,
            seconds,
            recent: VecDeque::with_capacity(MOST_RECENT),
            from: root.clone(),
            root,
        })
    }

    /// Takes note that the working directory is now the current directory of this process.
    pub fn is_current_directory(&mut self) {
        self.from.clear();
    }

    /// Mean seconds of each template's steps in earlier runs.
    pub fn estimates(&self) -> Vec<Option<f32>> {
        let mean =
            |template: &Template| self.seconds.get(template.name.as_str()).map(|(sum, count)| sum / *count as f32);
        self.plan.templates.values().iter().map(mean).collect()
    }

    /// The working directory with a slash at its end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A path of the working directory, absolute; one that is absolute stays.
    pub fn path_of(&self, relative: &str) -> PathBuf {
        PathBuf::from(absolute(relative, &self.root))
    }

    /// Notes where the result of a node is.
    pub fn set_place(&mut self, node: NodeId, place: Place) {
        self.places[node.index()] = place;
    }

    /// Whether a node's result is known.
    pub fn has_result(&self, node: NodeId) -> bool {
        self.places[node.index()] != Place::NONE
    }

    /// The inputs of a node; the digest of every file that a node made is added to `digests`.
    ///
    /// # Errors
    /// A result that is not there, or a value of the wrong type.
    pub fn inputs(
        &mut self,
        node: NodeId,
        digests: &mut Digests,
    ) -> Result<Vec<(String, Value)>, Unavailable<StoreError>> {
        let plan = self.plan;
        let inputs = plan.inputs(node, &mut |source, port| self.output(source, port, digests))?;
        Ok(inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// An output of a node that has a result.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn output(&mut self, node: NodeId, port: usize, digests: &mut Digests) -> Result<Value, StoreError> {
        let place = self.places[node.index()];
        if place == Place::NONE {
            return Err(StoreError::NoResult(self.plan.node_name(node)));
        }
        let name = &self.plan.locate(node).0.signature.outputs()[port].name;
        let recent = self.recall(place)?;
        digests.extend(recent.digests.iter().cloned());
        Ok(recent.output(name))
    }

    /// The outputs of the result at a place.
    fn recall(&mut self, place: Place) -> Result<&Recent, LogError> {
        let at = match self.recent.iter().position(|recent| recent.place == place) {
            Some(at) => at,
            None => {
                let head = self.log.head_at(place)?;
                let recent = match serde_json::from_str::<record::Result<'_>>(&head) {
                    Ok(result) => Recent::of(place, &result, &self.root),
                    Err(_) => Recent { place, ..Recent::default() },
                };
                self.remember(recent)
            }
        };
        Ok(&self.recent[at])
    }

    fn remember(&mut self, recent: Recent) -> usize {
        if self.recent.len() == MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(recent);
        self.recent.len() - 1
    }

    /// What a template runs.
    ///
    /// # Errors
    /// The name of a program that is not there.
    pub fn what(&mut self, template: &Template) -> Result<Rc<What>, String> {
        self.whats.of(template, self.interfaces, &mut self.contents)
    }

    /// The descriptor of a template that runs an interface.
    pub fn descriptor(&self, template: &Template) -> Option<&'r Descriptor> {
        match template.work {
            Work::Interface(number) => Some(&self.interfaces.get(number).descriptor),
            _ => None,
        }
    }

    /// The inputs with the files inside sub-commands known as files.
    pub fn typed(&self, template: &Template, inputs: Vec<(String, Value)>) -> Vec<(String, Value)> {
        match self.descriptor(template) {
            None => inputs,
            Some(descriptor) => {
                let typed = |(name, value): (String, Value)| {
                    let value = descriptor.typed(&name, value);
                    (name, value)
                };
                inputs.into_iter().map(typed).collect()
            }
        }
    }

    /// The digest of a file that no node made; `None` when it is too large to be read here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn source_digest(&mut self, path: &str) -> Result<Option<Digest>, StoreError> {
        let found = self.contents.look_up(path);
        match found.map_err(|source| StoreError::Unreadable { path: path.to_owned(), source })? {
            Lookup::Large => Ok(None),
            Lookup::Known(digest, None) => Ok(Some(digest)),
            Lookup::Known(digest, Some(identity)) => {
                let known = relative(path, &self.root).to_owned();
                let content = Content(known.into(), identity.size, identity.stamp, digest.clone().into());
                self.log.append(&Record::File { content })?;
                Ok(Some(digest))
            }
        }
    }

    /// Takes in what a digest errand printed: a [`Content`] a line, paths absolute.
    pub fn learn(&mut self, text: &str) {
        for line in text.lines() {
            if let Ok(content) = serde_json::from_str::<Content<'_>>(line) {
                let identity = Identity { size: content.1, stamp: content.2 };
                self.contents.learn(&content.0, identity, content.3.clone().into_owned());
                if crate::contents::is_settled(Path::new(&*content.0)) {
                    let known = relative(&content.0, &self.root).to_owned();
                    // A digest that is not remembered is made again.
                    let _ = self
                        .log
                        .append(&Record::File { content: Content(known.into(), content.1, content.2, content.3) });
                }
            }
        }
    }

    /// The files of the result at a place.
    ///
    /// # Errors
    /// The log cannot be used.
    pub fn files_at(&mut self, place: Place) -> Result<Vec<String>, LogError> {
        Ok(self.recall(place)?.digests.iter().map(|(path, _)| path.clone()).collect())
    }

    /// Whether a file that no node made is still what a step was keyed with.
    pub fn still_holds(&self, path: &str, digest: &str) -> bool {
        self.contents.still_holds(path, digest)
    }

    /// The bytes of all files among a step's inputs, as they were seen when its key was made. A node of nipype's has none
    /// as long as it is not known to be a command: what it runs within Python is one size, as it cannot be asked before.
    pub fn input_bytes(&self, task: &Task) -> u64 {
        if task.is_nipype {
            return task.nipype_input_bytes;
        }
        let size =
            |(path, seen): (&String, &Seen)| seen.made.map(|made| made.size).or_else(|| self.contents.size(path));
        task.digests.iter().filter_map(size).fold(0, u64::saturating_add)
    }

    /// Gives the key of a built-in that only hands on or finds: that of its inputs and of what it gave, each file with
    /// its content and its place, so that a result never stands for files elsewhere.
    ///
    /// # Errors
    /// A file it found cannot be read, or the log cannot be used.
    pub fn key_by_outputs(
        &mut self,
        task: &mut Task,
        outputs: &[(String, Value)],
    ) -> Result<Result<(), Vec<String>>, StoreError> {
        let mut large = Vec::new();
        for path in paths_of(outputs) {
            if task.digests.contains_key(&path) {
                continue;
            }
            match self.source_digest(&path)? {
                Some(digest) => drop(task.digests.insert(path, Seen { digest, made: None })),
                None => large.push(path),
            }
        }
        if !large.is_empty() {
            return Ok(Err(large));
        }
        let places =
            paths_of(outputs).iter().map(|path| Value::String(relative(path, &self.root).to_owned())).collect();
        let all = [&task.inputs, outputs, &[(String::new(), Value::List(places))]].concat();
        task.key = crate::prepare::key(&task.what, true, &all, &task.digests);
        Ok(Ok(()))
    }

    /// The place of an earlier result of the same node and key, if it still stands: with `verify`, every file it
    /// left is what it was.
    ///
    /// # Errors
    /// The log cannot be used.
    pub fn look_up(&mut self, node: &str, key: &str, verify: bool) -> Result<Option<Place>, LogError> {
        let handle = handle(&self.plan.name, node, key);
        let Some(mut place) = self.index.find(handle) else { return Ok(None) };
        let head = self.log.head_at(place)?;
        let Ok(mut result) = serde_json::from_str::<record::Result<'_>>(&head) else { return Ok(None) };
        if result.node != node || result.key != key {
            return Ok(None);
        }
        let standing = if verify { verify_files(&mut result.files, &self.from) } else { Standing::Stands };
        if let Standing::Changed(_) = standing {
            return Ok(None);
        }
        let mut recent = Recent::of(place, &result, &self.root);
        if standing == Standing::Touched {
            let files = result.files.into_iter().map(Content::into_owned).collect();
            place = self.record_touched(handle, place, files)?;
            recent.place = place;
        }
        self.remember(recent);
        Ok(Some(place))
    }

    /// Records a result again with the present time stamps of its files.
    fn record_touched(&mut self, handle: u64, place: Place, files: Vec<Content<'static>>) -> Result<Place, LogError> {
        let line = self.log.line_at(place)?;
        let Ok(Record::Done(mut done)) = serde_json::from_str(&line) else { return Ok(place) };
        done.files = files;
        // The log fills in the length anew.
        done.head = "000000".into();
        match self.log.append(&Record::Done(done))? {
            // A log that is only read keeps its old line, which says the same but for the stamps.
            Place::NONE => Ok(place),
            new => {
                self.index.insert(handle, new);
                Ok(new)
            }
        }
    }

    /// The file that keeps the result of a node and key from standing, when there is such a result.
    ///
    /// # Errors
    /// The log cannot be used.
    pub fn what_fell(&mut self, node: &str, key: &str) -> Result<Option<String>, LogError> {
        let Some(place) = self.index.find(handle(&self.plan.name, node, key)) else { return Ok(None) };
        let line = self.log.line_at(place)?;
        match serde_json::from_str::<record::Result<'_>>(&line) {
            Ok(mut result) if result.node == node && result.key == key => match self.verify(&mut result.files) {
                Standing::Changed(path) => Ok(Some(path)),
                Standing::Stands | Standing::Touched => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Compares the files of a result with what is on disk; new time stamps are put into the result.
    pub fn verify(&self, files: &mut [Content<'_>]) -> Standing {
        verify_files(files, &self.from)
    }

    /// The files among outputs with their contents; those of `known` digest were made by other nodes.
    ///
    /// Gives `Err` inside with the files that are too large to be read here.
    ///
    /// # Errors
    /// A file that cannot be read, in a line.
    pub fn output_files(
        &self,
        outputs: &[(String, Value)],
        known: &Digests,
        read: &Read,
    ) -> Result<Result<Vec<Content<'static>>, Vec<String>>, String> {
        let (mut files, mut large) = (Vec::new(), Vec::new());
        for path in paths_of(outputs) {
            let logged = relative(&path, &self.root).to_owned();
            if let Some(seen) = known.get(&path) {
                files.push(handed_on(&logged, Some(seen)));
                continue;
            }
            let cannot = |error: std::io::Error| format!("cannot read the output {path}: {error}");
            let identity = digest::identify(Path::new(&path), Owner::Node).map_err(cannot)?;
            let digest = match read.get(&path) {
                Some((then, digest)) if *then == identity => digest.clone(),
                Some(_) => return Err(format!("the output {path} changed while it was read")),
                None if identity.size <= LARGE => digest::digest(Path::new(&path)).map_err(cannot)?,
                None => {
                    large.push(path);
                    continue;
                }
            };
            files.push(Content(logged.into(), identity.size, identity.stamp, digest.into()));
        }
        Ok(if large.is_empty() { Ok(files) } else { Err(large) })
    }

    /// Records a result and gives its place.
    ///
    /// # Errors
    /// The log cannot be used.
    pub fn record(
        &mut self,
        task: &Task,
        outputs: &[(String, Value)],
        files: Vec<Content<'_>>,
        used: Option<Used>,
    ) -> Result<Place, LogError> {
        if self.whats_logged.insert(task.what.digest.clone()) {
            let parts = task.what.parts.iter().map(|(name, value)| (name.into(), value.into())).collect();
            self.log.append(&Record::What(Box::new(record::What { what: task.what.digest.as_str().into(), parts })))?;
        }
        let logged_inputs = |(name, value): &(String, Value)| {
            let digests = paths_of_value(value)
                .into_iter()
                .map(|path| short(task.digests.get(path).map(|seen| &seen.digest)))
                .collect();
            (name.clone().into(), Logged::of(value, &self.root), digests)
        };
        let h = handle(&self.plan.name, &task.name, &task.key);
        let done = Done {
            head: "000000".into(),
            h: format!("{h:016x}").into(),
            used,
            node: task.name.as_str().into(),
            key: task.key.as_str().into(),
            out: outputs.iter().map(|(name, value)| (name.as_str().into(), Logged::of(value, &self.root))).collect(),
            files,
            dir: task.directory.as_str().into(),
            what: task.what.digest.as_str().into(),
            inputs: task.inputs.iter().map(logged_inputs).collect(),
            time: seconds_since_1970(),
        };

        let digests = done.files.iter().map(|content| seen(content, &self.root)).collect();
        let place = self.log.append(&Record::Done(Box::new(done)))?;
        self.index.insert(h, place);
        self.remember(Recent { place, outputs: outputs.to_vec(), digests });
        Ok(place)
    }

    /// Records the outputs of a map node, gathered from those of its items; gives the place of the result and whether
    /// it is new. The same outputs gathered again are not recorded again.
    ///
    /// # Errors
    /// The log cannot be used.
    pub fn collate(
        &mut self,
        mut task: Task,
        ports: &[String],
        items: &Items,
        places: &[Place],
    ) -> Result<(Place, bool), LogError> {
        let mut columns: Vec<Vec<Value>> = ports.iter().map(|_| Vec::with_capacity(places.len())).collect();
        for place in places {
            let recent = self.recall(*place)?;
            task.digests.extend(recent.digests.iter().cloned());
            for (port, column) in ports.iter().zip(&mut columns) {
                column.push(recent.output(port));
            }
        }
        let outputs: Vec<(String, Value)> =
            ports.iter().cloned().zip(columns.into_iter().map(|column| items.collect(column))).collect();
        // What cannot be read now is told by the node that takes it in.
        if let Err(StoreError::Log(error)) = self.key_by_outputs(&mut task, &outputs) {
            return Err(error);
        }
        if let Some(place) = self.look_up(&task.name, &task.key, false)? {
            return Ok((place, false));
        }
        let files =
            paths_of(&outputs).into_iter().map(|path| handed_on(relative(&path, &self.root), task.digests.get(&path)));
        let files: Vec<Content<'static>> = files.collect();
        Ok((self.record(&task, &outputs, files, None)?, true))
    }
}

impl Recent {
    fn of(place: Place, result: &record::Result<'_>, root: &str) -> Recent {
        Recent {
            place,
            outputs: result.out.iter().map(|(name, value)| (name.clone().into_owned(), value.to_value(root))).collect(),
            digests: result.files.iter().map(|content| seen(content, root)).collect(),
        }
    }

    fn output(&self, name: &str) -> Value {
        self.outputs.iter().find(|(known, _)| known == name).map_or(Value::Null, |(_, value)| value.clone())
    }
}

/// Enough of a digest to tell versions apart in `pial why`.
fn short(digest: Option<&Digest>) -> std::borrow::Cow<'static, str> {
    digest.map_or_else(String::new, |digest| digest.chars().take(16).collect()).into()
}

/// Reads name and wall time from the front of a result's line without reading the rest: there may be a million.
fn note_seconds(line: &str, seconds: &mut HashMap<Box<str>, (f32, u32)>) {
    const BEFORE: usize = r#"{"e":"done","head":"000000","h":"0123456789abcdef""#.len();
    let used = line.get(BEFORE..).and_then(|rest| rest.strip_prefix(r#","used":{"wall_s":"#));
    let Some((wall, rest)) = used.and_then(|rest| rest.split_once(',')) else { return };
    let Some((_, rest)) = rest.split_once('}') else { return };
    let name = rest.strip_prefix(r#","node":""#).and_then(|rest| rest.split(['"', '[', '#', '\\']).next());
    if let (Ok(wall), Some(name)) = (wall.parse::<f32>(), name) {
        match seconds.get_mut(name) {
            Some((sum, count)) => {
                *sum += wall;
                *count += 1;
            }
            None => drop(seconds.insert(name.into(), (wall, 1))),
        }
    }
}
