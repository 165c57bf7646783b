//! Work that would keep the engine from its children, done by a process of its own: reading large files, copying.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pial_core::schedule::{Ending, Step};
use pial_core::value::Value;
use serde::{Deserialize, Serialize};

use super::ending::Usage;
use super::{Engine, EngineError, Phase};
use crate::builtin::Builtin;
use crate::digest::{Owner, digest, identify};
use crate::launch::{Capture, Launch};
use crate::record::{Content, Logged};
use crate::task::Task;
use crate::work::make_scratch;

#[derive(Debug, Serialize, Deserialize)]
struct Handed<'a> {
    #[serde(borrow)]
    outputs: Vec<(String, Logged<'a>)>,
    sinks: Vec<String>,
}

impl Engine<'_> {
    /// Has large inputs read, then starts the step again.
    pub(super) fn read_inputs(&mut self, step: Step, attempt: u32, paths: &[String]) -> Result<(), EngineError> {
        let (pid, capture) =
            self.errand("__digest", &["user".to_owned()], &serde_json::json!(paths), "reading inputs")?;
        self.began(pid, step, attempt, capture, Phase::ReadingInputs)
    }

    /// Has large outputs read, then records the step.
    pub(super) fn read_outputs(
        &mut self,
        step: Step,
        attempt: u32,
        task: Box<Task>,
        outputs: Vec<(String, Value)>,
        usage: Usage,
        paths: &[String],
    ) -> Result<(), EngineError> {
        let (pid, capture) = self.errand("__digest", &["node".to_owned()], &serde_json::json!(paths), &task.name)?;
        self.began(pid, step, attempt, capture, Phase::ReadingOutputs(task, outputs, usage))
    }

    /// Has a built-in carried out.
    pub(super) fn launch_builtin(&mut self, step: Step, attempt: u32, task: Box<Task>) -> Result<(), EngineError> {
        let Some(builtin) = task.builtin else { return Ok(()) };
        let made = make_scratch(&task.scratch);
        made.map_err(EngineError::io(format!("make the directory {}", task.scratch.display())))?;
        let inputs: Vec<(&str, Logged<'_>)> =
            task.inputs.iter().map(|(n, v)| (n.as_str(), Logged::of(v, "//"))).collect();
        let input = serde_json::to_value(inputs).unwrap_or_default();
        let arguments = [builtin.name().to_owned(), task.scratch.to_string_lossy().into_owned()];
        let (pid, capture) = self.errand("__builtin", &arguments, &input, &task.name)?;
        self.began(pid, step, attempt, capture, Phase::Builtin(task))
    }

    pub(super) fn builtin_ended(
        &mut self,
        step: Step,
        attempt: u32,
        task: Box<Task>,
        capture: Capture,
        bad: Option<String>,
        usage: Usage,
    ) -> Result<(), EngineError> {
        let (text, message) = self.captures.read(capture).map_err(EngineError::io("read a built-in's answer"))?;
        if let Some(bad) = bad {
            let message = if message.trim().is_empty() { bad } else { message.trim().to_owned() };
            return self.fail(step, attempt, &task, message, usage.used, Ending::Failed);
        }
        match serde_json::from_str::<Handed<'_>>(&text) {
            Ok(handed) => {
                let outputs = handed.outputs.iter().map(|(name, value)| (name.clone(), value.to_value("//"))).collect();
                self.builtin_done(step, attempt, task, outputs, &handed.sinks, usage.used)
            }
            Err(error) => {
                let message = format!("its answer cannot be read: {error}");
                self.fail(step, attempt, &task, message, usage.used, Ending::Failed)
            }
        }
    }

    fn errand(
        &mut self,
        command: &str,
        arguments: &[String],
        input: &serde_json::Value,
        step: &str,
    ) -> Result<(u32, Capture), EngineError> {
        let file = self.work.path.join(format!(".pial/capture/{}.in", self.active.len()));
        fs::write(&file, input.to_string()).map_err(EngineError::io(format!("write {}", file.display())))?;
        self.guardian()?;
        let capture = self.captures.take().map_err(EngineError::io("open a file for output"))?;
        let words: Vec<String> = std::iter::once(command.to_owned()).chain(arguments.iter().cloned()).collect();
        let launch = Launch {
            program: &PathBuf::from(self.helper()),
            arguments: &words,
            directory: &self.work.path.clone(),
            environment: &[],
            whole_environment: false,
            input: Some(&file),
            mark: &self.mark.clone(),
            step,
        };
        let pid = self.captures.spawn(&launch, &capture).map_err(EngineError::io("start a process of its own"))?;
        // The process holds the file open; its name is no longer needed.
        let _ = fs::remove_file(&file);
        Ok((pid, capture))
    }
}

/// The errand of reading files: paths as JSON on standard input, contents on standard output.
///
/// # Errors
/// A message for the user.
pub fn digest_errand(owner: &str) -> Result<(), String> {
    let owner = if owner == "node" { Owner::Node } else { Owner::User };
    let paths: Vec<String> = serde_json::from_reader(io::stdin().lock()).map_err(|e| e.to_string())?;
    for path in paths {
        let cannot = |error: io::Error| format!("{path}: {error}");
        let identity = identify(Path::new(&path), owner).map_err(cannot)?;
        let digest = digest(Path::new(&path)).map_err(cannot)?;
        let content = Content(path.into(), identity.size, identity.stamp, digest.into());
        println!("{}", serde_json::to_string(&content).map_err(|e| e.to_string())?);
    }
    Ok(())
}

/// The errand of a built-in: inputs as JSON on standard input, outputs on standard output.
///
/// # Errors
/// A message for the user.
pub fn builtin_errand(name: &str, directory: &Path) -> Result<(), String> {
    let builtin = Builtin::from_name(name).ok_or_else(|| format!("there is no built-in `{name}`"))?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|e| e.to_string())?;
    let inputs: Vec<(String, Logged<'_>)> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let inputs: Vec<(String, Value)> =
        inputs.iter().map(|(name, value)| (name.clone(), value.to_value("//"))).collect();
    let outcome = builtin.run(&inputs, directory).map_err(|e| e.to_string())?;
    let outputs = outcome.outputs.iter().map(|(name, value)| (name.clone(), Logged::of(value, "//"))).collect();
    let handed = Handed { outputs, sinks: outcome.sinks };
    println!("{}", serde_json::to_string(&handed).map_err(|e| e.to_string())?);
    Ok(())
}
