//! From command-line arguments to a plan: reads the document, the parameters, the catalogues.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use pial_core::document::{ResourceFile, Workflow};
use pial_core::plan::{Options, Plan, Setting};
use pial_core::tree::Problem;
use pial_core::value::Value;
use pial_engine::catalogue::Interfaces;
use pial_engine::history::{History, LastRun};
use pial_engine::work::KEPT_DOCUMENT;

use crate::failure::Failure;

/// The environment variable that names directories with descriptors, apart by colons.
const CATALOGUE: &str = "PIAL_CATALOGUE";

/// What stands for standard input in place of a document's path.
const STANDARD_INPUT: &str = "-";

/// A document and what to set in it.
#[derive(Debug, Clone, Args)]
pub struct DocumentArguments {
    /// The workflow document (YAML or JSON); `-` reads it from standard input
    #[arg(value_name = "DOC")]
    pub document: PathBuf,
    #[command(flatten)]
    pub settings: SettingArguments,
    /// What nodes and interfaces need, as `pial resources --write` writes it; wins over the document's `resource_file`
    #[arg(long = "resource-file", value_name = "FILE")]
    pub resource_files: Vec<PathBuf>,
}

/// Parameters set from outside, and where results are kept.
#[derive(Debug, Clone, Args)]
pub struct SettingArguments {
    /// Set a parameter of the workflow; a list is JSON or values apart by commas
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Set parameters from a YAML or JSON file of names and values
    #[arg(long, value_name = "FILE")]
    pub parameters: Option<PathBuf>,
    /// The working directory: results, log and crash files
    #[arg(long, value_name = "DIR", default_value = "work")]
    pub work: PathBuf,
}

/// A plan and all that belongs to it.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// The interfaces it uses.
    pub interfaces: Interfaces,
    /// The document's absolute path, or `-`.
    pub document: String,
    /// The text of a document that came from standard input.
    pub text: Option<String>,
    /// Parameters that were set.
    pub settings: Vec<(String, Setting)>,
    /// The current directory.
    pub directory: String,
}

/// What could be made of a document, and all that is wrong with it.
#[derive(Debug)]
pub struct Examined {
    /// A plan, with parts missing when there are problems.
    pub loaded: Option<Loaded>,
    /// The problems, by file and place.
    pub problems: Vec<Problem>,
    /// The document's absolute path, or `-`.
    pub document: String,
}

impl Examined {
    /// The plan, unless something is wrong.
    pub fn sound(self) -> Result<Loaded, Failure> {
        match self.loaded {
            Some(loaded) if self.problems.is_empty() => Ok(loaded),
            loaded => Err(Examined { loaded, ..self }.failure()),
        }
    }

    /// The problems as a failure.
    pub fn failure(self) -> Failure {
        Failure::Document(self.document, Problem::sorted(self.problems))
    }
}

/// Reads a document and makes of it what can be made, so that more mistakes can be looked for.
pub fn examine(arguments: &DocumentArguments) -> Result<Examined, Failure> {
    let directory = current_directory()?;
    let (text, base, document) = read(&arguments.document, &directory)?;
    let settings = outside(arguments)?;
    Ok(examine_text(&text, &base, document, settings, directory, false))
}

/// Reads a JSON document once more so that every part knows its place; `None` when it cannot be read again.
pub fn examine_with_places(arguments: &DocumentArguments) -> Option<Loaded> {
    let directory = current_directory().ok()?;
    let from_file = arguments.document != Path::new(STANDARD_INPUT);
    let (text, base, document) = from_file.then(|| read(&arguments.document, &directory).ok())??;
    let settings = outside(arguments).ok()?;
    examine_text(&text, &base, document, settings, directory, true).loaded
}

/// Reads, checks and expands a document.
pub fn load(arguments: &DocumentArguments) -> Result<Loaded, Failure> {
    let directory = current_directory()?;
    let (text, base, document) = read(&arguments.document, &directory)?;
    let settings = outside(arguments)?;
    load_text(&text, &base, document, settings, directory)
}

/// The document that was given, else what `last` finds.
pub fn load_or(
    document: &Option<PathBuf>,
    settings: &SettingArguments,
    last: impl FnOnce() -> Result<Loaded, Failure>,
) -> Result<Loaded, Failure> {
    match document {
        Some(document) => load(&DocumentArguments {
            document: document.clone(),
            settings: settings.clone(),
            resource_files: Vec::new(),
        }),
        None if settings.set.is_empty() && settings.parameters.is_none() => last(),
        None => Err(Failure::usage("--set and --parameters belong to a document: give it too")),
    }
}

/// The document of the last run in a working directory as it is now, with the settings of that run.
pub fn last_run(work: &Path) -> Result<Loaded, Failure> {
    from_run(work, History::open(work)?.run, "too")
}

/// The same for a run that was read from the log; `place` is where the command takes the document, as `after the node`.
pub fn from_run(work: &Path, run: Option<LastRun>, place: &str) -> Result<Loaded, Failure> {
    let Some(run) = run else {
        return Err(Failure::usage(format!(
            "nothing was run in {}; give --work DIR, or the document {place}",
            work.display()
        )));
    };
    if run.document == STANDARD_INPUT {
        let message = format!("the last run read its document from standard input; give the document {place}");
        return Err(Failure::usage(message));
    }
    let kept = run.document == KEPT_DOCUMENT;
    let path = if kept { work.join(KEPT_DOCUMENT) } else { PathBuf::from(&run.document) };
    let (text, base, document) = read(&path, &run.directory).map_err(|failure| match failure {
        Failure::Usage(message) => Failure::Usage(format!("{message}; if it was moved, give the document {place}")),
        failure => failure,
    })?;
    // Paths in it start from where the run was, as they did for the run.
    let base = if kept { run.directory.clone() } else { base };
    let set = run.settings.into_iter().map(|(name, json)| (name, setting(json))).collect();
    load_text(&text, &base, document, Outside { set, files: Vec::new() }, run.directory)
}

/// A setting from how it stands in the log.
fn setting(json: serde_json::Value) -> Setting {
    match json {
        serde_json::Value::String(text) => Setting::Text(text),
        serde_json::Value::Object(mut entries) => Setting::Value(entries.remove("value").unwrap_or_default().into()),
        json => Setting::Value(json.into()),
    }
}

/// The absolute path of a working directory, which need not be there yet.
pub fn work_directory(work: &Path) -> Result<PathBuf, Failure> {
    let cannot = |e: io::Error| Failure::Engine(format!("cannot find the working directory {}: {e}", work.display()));
    work.canonicalize().or_else(|_| std::path::absolute(work)).map_err(cannot)
}

/// Checks and expands a document that was read.
pub fn load_text(
    text: &str,
    base: &str,
    document: String,
    settings: Outside,
    directory: String,
) -> Result<Loaded, Failure> {
    examine_text(text, base, document, settings, directory, false).sound()
}

fn examine_text(
    text: &str,
    base: &str,
    document: String,
    settings: Outside,
    directory: String,
    places: bool,
) -> Examined {
    let mut interfaces = Interfaces::new(catalogues());
    let options = Options { base, settings: &settings.set, settings_base: &directory, resource_files: &settings.files };
    let mut plan_of = |(workflow, mut problems): (Option<Workflow>, Vec<Problem>)| {
        let (plan, more) =
            workflow.map_or((None, Vec::new()), |workflow| Plan::examine(workflow, &options, &mut interfaces));
        problems.extend(more);
        (plan, problems)
    };
    let (mut plan, mut problems) = plan_of(pial_core::document::examine(text));
    // JSON is read without places; now that something is wrong the places are wanted.
    if places || problems.iter().any(|problem| problem.mark.line == 0 && problem.file.is_none()) {
        (plan, problems) = plan_of(pial_core::document::examine_with_marks(text));
    }
    let name = document.clone();
    let text = (document == STANDARD_INPUT).then(|| text.to_owned());
    let loaded = plan.map(|plan| Loaded { plan, interfaces, document, text, settings: settings.set, directory });
    Examined { loaded, problems, document: name }
}

/// The user's own catalogues, first one first.
pub fn catalogues() -> Vec<PathBuf> {
    env::var_os(CATALOGUE).map_or_else(Vec::new, |paths| env::split_paths(&paths).collect())
}

/// The current directory as text.
pub fn current_directory() -> Result<String, Failure> {
    let directory =
        env::current_dir().map_err(|e| Failure::Engine(format!("cannot find the current directory: {e}")))?;
    directory
        .into_os_string()
        .into_string()
        .map_err(|_| Failure::usage("the path of the current directory is not UTF-8"))
}

fn read(path: &Path, directory: &str) -> Result<(String, String, String), Failure> {
    if path == Path::new(STANDARD_INPUT) {
        let mut text = String::new();
        let read = io::stdin().read_to_string(&mut text);
        read.map_err(|e| Failure::usage(format!("cannot read the document from standard input: {e}")))?;
        return Ok((text, directory.to_owned(), STANDARD_INPUT.to_owned()));
    }
    let cannot = |e: io::Error| Failure::usage(format!("cannot read the document {}: {e}", path.display()));
    let text = fs::read_to_string(path).map_err(cannot)?;
    let absolute = path.canonicalize().map_err(cannot)?;
    let Some(absolute) = absolute.to_str() else {
        return Err(Failure::usage(format!("the path of the document {} is not UTF-8", path.display())));
    };
    let base = absolute.rsplit_once('/').map_or("/", |(base, _)| if base.is_empty() { "/" } else { base });
    Ok((text, base.to_owned(), absolute.to_owned()))
}

/// What comes to a document from outside.
#[derive(Debug, Default)]
pub struct Outside {
    /// Parameters.
    pub set: Vec<(String, Setting)>,
    /// What nodes and interfaces need, those that win first.
    pub files: Vec<Rc<ResourceFile>>,
}

fn outside(arguments: &DocumentArguments) -> Result<Outside, Failure> {
    let files = arguments.resource_files.iter().map(|path| resource_file(path)).collect::<Result<_, _>>()?;
    Ok(Outside { set: settings(&arguments.settings)?, files })
}

fn resource_file(path: &Path) -> Result<Rc<ResourceFile>, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|e| Failure::usage(format!("cannot read the resource file {}: {e}", path.display())))?;
    let (file, problems) = ResourceFile::read(&text, &path.to_string_lossy());
    match problems.is_empty() {
        true => Ok(Rc::new(file)),
        false => Err(Failure::Document(path.display().to_string(), Problem::sorted(problems))),
    }
}

/// Parameters of the file first, so that those on the command line win.
fn settings(arguments: &SettingArguments) -> Result<Vec<(String, Setting)>, Failure> {
    let mut settings = Vec::new();
    if let Some(path) = &arguments.parameters {
        let text = fs::read_to_string(path);
        let text = text.map_err(|e| Failure::usage(format!("cannot read the parameters {}: {e}", path.display())))?;
        let tree = pial_core::tree::parse_yaml(&text);
        let tree = tree.map_err(|problem| Failure::Document(path.display().to_string(), vec![problem]))?;
        let Value::Map(entries) = tree.to_value() else {
            return Err(Failure::usage(format!("{} must hold names and values", path.display())));
        };
        settings.extend(entries.into_iter().map(|(name, value)| (name, Setting::Value(value))));
    }
    for text in &arguments.set {
        match text.split_once('=') {
            Some((name, value)) => settings.push((name.to_owned(), Setting::Text(value.to_owned()))),
            None => return Err(Failure::usage(format!("--set {text}: write it as NAME=VALUE"))),
        }
    }
    Ok(settings)
}

/// A setting as it stands in the log.
pub fn logged(setting: &Setting) -> serde_json::Value {
    match setting {
        Setting::Text(text) => text.as_str().into(),
        Setting::Value(value) => serde_json::json!({ "value": value.to_json() }),
    }
}
