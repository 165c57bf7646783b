//! From a step and its inputs to what can be looked up and run; shared by real and dry runs.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use pial_core::plan::{Call, Template, Work};
use pial_core::schedule::Step;
use pial_core::value::Value;

use crate::builtin::Builtin;
use crate::digest::{self, Digests, Owner, Seen};
use crate::log::LogError;
use crate::prepare::{self, Job};
use crate::store::{Store, StoreError, paths_of};
use crate::what::What;
use crate::work::scratch;

/// The input that stands for a program named by another input; no input of a document has such a name.
const PROGRAM: &str = "(program)";

/// The input that stands for all that is in a node of nipype's.
const VERSION: &str = "(version)";

/// A step that is known well enough to be looked up and run.
#[derive(Debug)]
pub struct Task {
    /// The node, with the item of a map node as `#3`.
    pub name: String,
    /// Relative to the working directory; found by [`Task::settle`].
    pub directory: String,
    /// Where it works until its results are published; found by [`Task::settle`].
    pub scratch: PathBuf,
    /// What it runs.
    pub what: Rc<What>,
    /// Its inputs.
    pub inputs: Vec<(String, Value)>,
    /// The digest of every file among them.
    pub digests: Digests,
    /// Files among the inputs that no node made.
    pub sources: Vec<String>,
    /// Its key.
    pub key: String,
    /// The command, once [`Task::settle`] made it; nothing for a built-in.
    pub job: Option<Job>,
    /// The built-in; nothing for a command.
    pub builtin: Option<Builtin>,
    /// The Python function, if it is one.
    pub call: Option<Rc<Call>>,
    /// Whether it is a node of nipype's, which makes, empties and fills its directory itself.
    pub is_nipype: bool,
    /// Bytes of the files among the inputs of a node of nipype's, once its command is known: Python alone knows them.
    pub nipype_input_bytes: u64,
}

/// What preparing a step gives.
#[derive(Debug)]
pub enum Prepared {
    /// All that is needed.
    Task(Box<Task>),
    /// These inputs are too large to be read here.
    Unread(Vec<String>),
    /// It cannot run; why.
    Wrong(String),
}

/// Prepares a step whose inputs are known; `digests` are those of files that nodes made.
///
/// # Errors
/// The log cannot be used.
pub fn prepare(
    store: &mut Store<'_>,
    step: Step,
    inputs: Vec<(String, Value)>,
    mut digests: Digests,
) -> Result<Prepared, LogError> {
    let (template, _) = store.plan.locate(step.node);
    let what = match store.what(template) {
        Ok(what) => what,
        Err(program) => return Ok(Prepared::Wrong(format!("there is no program `{program}` on PATH"))),
    };
    let builtin = match &template.work {
        Work::Builtin(name) => Builtin::from_name(name),
        _ => None,
    };
    let inputs = match plain(template, builtin, inputs) {
        Ok(inputs) => inputs,
        Err(message) => return Ok(Prepared::Wrong(message)),
    };
    let mut inputs = store.typed(template, inputs);
    if let Some(nipype) = &template.nipype {
        inputs.push((VERSION.to_owned(), Value::String(nipype.version.clone())));
    }
    if let (Work::Command(command), None) = (&template.work, &what.program) {
        // Which program it is only shows now, and its content decides the result as that of any other.
        match prepare::program_of(command, &template.environment, &template.base, &inputs) {
            Ok(program) => inputs.push((PROGRAM.to_owned(), Value::Path(program.to_string_lossy().into_owned()))),
            Err(name) => return Ok(Prepared::Wrong(format!("there is no program `{name}`"))),
        }
    }
    let (mut unread, mut sources) = (Vec::new(), Vec::new());
    for path in paths_of(&inputs) {
        if digests.contains_key(&path) {
            continue;
        }
        match store.source_digest(&path) {
            Ok(Some(digest)) => {
                digests.insert(path.clone(), Seen { digest, made: None });
                sources.push(path);
            }
            Ok(None) => unread.push(path),
            Err(StoreError::Log(error)) => return Err(error),
            Err(error) => return Ok(Prepared::Wrong(error.to_string())),
        }
    }
    if !unread.is_empty() {
        return Ok(Prepared::Unread(unread));
    }
    Ok(Prepared::Task(Box::new(Task {
        key: prepare::key(&what, builtin.is_some(), &inputs, &digests),
        scratch: PathBuf::new(),
        name: step_name(store, step),
        directory: String::new(),
        what,
        inputs,
        digests,
        sources,
        job: None,
        builtin,
        call: match &template.work {
            Work::Function(call) => Some(Rc::clone(call)),
            _ => None,
        },
        is_nipype: template.nipype.is_some(),
        nipype_input_bytes: 0,
    })))
}

/// The inputs as a step can take them: only functions, and built-ins that hand values on, know Python's own.
fn plain(
    template: &Template,
    builtin: Option<Builtin>,
    inputs: Vec<(String, Value)>,
) -> Result<Vec<(String, Value)>, String> {
    if matches!(template.work, Work::Function(_)) || builtin.is_some_and(Builtin::hands_on) {
        return Ok(inputs);
    }
    let plain = |(name, value): (String, Value)| match value.plain() {
        Ok(value) => Ok((name, value)),
        Err(error) => Err(format!("its input `{name}` is {error}")),
    };
    inputs.into_iter().map(plain).collect()
}

/// The name of a step: the node's, with the item as `#3`.
pub fn step_name(store: &Store<'_>, step: Step) -> String {
    let name = store.plan.node_name(step.node);
    match step.item {
        None => name,
        Some(item) => format!("{name}#{item}"),
    }
}

/// Items of a map node work in `mapflow/_<name><item>` of its directory, as in nipype.
fn directory(store: &Store<'_>, template: &Template, step: Step) -> String {
    let directory = store.plan.node_directory(step.node);
    match step.item {
        None => directory,
        Some(_) if template.nipype.is_some() => directory,
        Some(item) => {
            let own = template.name.rsplit('.').next().unwrap_or(&template.name);
            format!("{directory}/mapflow/_{own}{item}")
        }
    }
}

impl Task {
    /// A task that says only where a step that could not be prepared belongs.
    pub fn unprepared(name: String, directory: String) -> Task {
        Task {
            name,
            directory,
            scratch: PathBuf::new(),
            what: Rc::new(What { digest: String::new(), parts: Vec::new(), program: None }),
            inputs: Vec::new(),
            digests: Digests::new(),
            sources: Vec::new(),
            key: String::new(),
            job: None,
            builtin: None,
            call: None,
            is_nipype: false,
            nipype_input_bytes: 0,
        }
    }

    /// Finds what only a step that is to run needs: its directory and its command.
    ///
    /// # Errors
    /// What is wrong with its inputs, in a line.
    pub fn settle(&mut self, store: &Store<'_>, step: Step) -> Result<(), String> {
        let template = store.plan.locate(step.node).0;
        self.directory = directory(store, template, step);
        let path = store.path_of(&self.directory);
        // Python code keeps absolute paths, so a function works where its files will stay.
        self.scratch = if self.call.is_some() { path } else { scratch(&path) };
        let descriptor = store.descriptor(template);
        let (environment, base) = (&template.environment, &template.base);
        self.job = prepare::job(&template.work, &self.what, descriptor, environment, base, &self.inputs)?;
        Ok(())
    }

    /// A file among the inputs, made by no node, that is not what the step was keyed with.
    pub fn changed_source(&self, store: &Store<'_>) -> Option<&str> {
        let holds = |path: &String| self.digests.get(path).is_some_and(|seen| store.still_holds(path, &seen.digest));
        self.sources.iter().find(|path| !holds(path)).map(String::as_str)
    }

    /// A file among the inputs that is not what the node that made it published.
    pub fn changed_result(&self) -> Option<&str> {
        let changed = |(path, seen): &(&String, &Seen)| {
            let now = seen.made.map(|made| (made, digest::identify(Path::new(path), Owner::Node)));
            match now {
                None => false,
                Some((made, Ok(now))) if now == made => false,
                // A new time stamp alone is no change.
                Some((made, Ok(now))) => {
                    now.size != made.size || digest::digest(Path::new(path)).is_ok_and(|digest| digest != seen.digest)
                }
                Some((_, Err(_))) => true,
            }
        };
        self.digests.iter().find(changed).map(|(path, _)| path.as_str())
    }

    /// Whether the result can be looked up before it runs. A built-in that only hands on or finds is as quick as that, and
    /// what it gives decides its key ([`Store::key_by_outputs`]).
    pub fn can_be_looked_up(&self) -> bool {
        // An item of a map node of nipype's is only known with what its node was given.
        self.leaves_files() && !(self.is_nipype && self.name.contains('#'))
    }

    /// Whether files must be seen to be there still for an earlier result to stand.
    pub fn leaves_files(&self) -> bool {
        self.builtin.is_none_or(|b| matches!(b, Builtin::Rename | Builtin::DataSink | Builtin::JsonWrite))
    }
}
