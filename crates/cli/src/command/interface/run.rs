//! `pial interface run`: one tool, its inputs given as options, without a workflow.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use pial_core::document::suggest;
use pial_core::interface::{Interface, Port};
use pial_core::value::{Type, Value};
use pial_engine::catalogue::Found;
use pial_engine::collect::collect;
use pial_engine::what::find_program;
use pial_interfaces::{CommandLine, Descriptor, OutputSource, quote};
use serde_json::json;

use super::{find, show};
use crate::failure::Failure;
use crate::load::current_directory;
use crate::progress::print;
use crate::text::{one_line, table};

/// Run the tool of an interface
///
/// Each input is an option of its name: `--input FILE`, `--fwhm=4`. A flag needs no value. A list is JSON, values
/// apart by commas, or the option again for each value. Relative paths start from the current directory.
/// --directory, --dry-run, --json and --help may also stand among them, unless the interface has inputs of these
/// names; --help then shows the inputs.
#[derive(Debug, Args)]
#[command(override_usage = "pial interface run [OPTIONS] NAME [--INPUT VALUE]...")]
pub struct Arguments {
    /// Work in this directory instead of the current one; it is made if need be
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Only print the command line
    #[arg(long)]
    dry_run: bool,
    /// Print JSON: command, exit code, outputs
    #[arg(long)]
    json: bool,
    /// Its name, or the path of a descriptor; then its inputs, each as `--NAME VALUE`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "NAME [--INPUT VALUE]")]
    words: Vec<String>,
}

/// What the words after the name say.
#[derive(Default)]
struct Given {
    values: Vec<(String, Value)>,
    problems: Vec<String>,
    directory: Option<PathBuf>,
    dry_run: bool,
    json: bool,
    help: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (name, inputs) = arguments.words.split_first().ok_or_else(|| Failure::usage("name an interface"))?;
    let found = find(name)?;
    let base = current_directory()?;
    let given = read(inputs, &found.descriptor, &base);
    if given.help {
        print(&show::as_text(&found));
        return Ok(ExitCode::SUCCESS);
    }
    let line = command_line(&found, &given)?;
    let (dry_run, json) = (arguments.dry_run || given.dry_run, arguments.json || given.json);
    if dry_run {
        print(&match json {
            true => format!("{:#}\n", json!({"command": line.argv})),
            false => format!("{}\n", line.argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")),
        });
        return Ok(ExitCode::SUCCESS);
    }
    missing_files(&found, &given)?;
    let wanted = given.directory.as_deref().or(arguments.directory.as_deref());
    let directory = wanted.map_or_else(|| PathBuf::from(&base), |wanted| Path::new(&base).join(wanted));
    launch(&found, &line, &directory, json)
}

/// Every problem of the words and of the values together.
fn command_line(found: &Found, given: &Given) -> Result<CommandLine, Failure> {
    let line = found.descriptor.command_line(&given.values);
    let mut problems = given.problems.clone();
    // An input that was given but not understood is not missing.
    let reported = |name: &str| given.problems.iter().any(|problem| problem.starts_with(&format!("--{name}:")));
    if let Err(broken) = &line {
        for problem in broken {
            match &problem.input {
                Some(name) if reported(name) => {}
                Some(name) => problems.push(format!("--{name}: {}", problem.message)),
                None => problems.push(problem.message.clone()),
            }
        }
    }
    match line {
        Ok(line) if problems.is_empty() => Ok(line),
        _ => {
            let listed: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            Err(Failure::usage(format!("{} cannot be run so (see `pial interface show`):{listed}", found.name)))
        }
    }
}

/// Every input file that is not there.
fn missing_files(found: &Found, given: &Given) -> Result<(), Failure> {
    let mut missing = String::new();
    for (name, value) in &given.values {
        value.for_each_path(&mut |path| {
            if !Path::new(path).exists() {
                missing += &format!("\n  --{name}: there is no file {path}");
            }
        });
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::usage(format!("{} cannot be run so:{missing}", found.name))) }
}

fn read(words: &[String], descriptor: &Descriptor, base: &str) -> Given {
    let mut given = Given::default();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--") else {
            given.problems.push(format!("{word:?} is no option; write --NAME VALUE"));
            continue;
        };
        let (name, joined) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let Some(port) = port(descriptor, name) else {
            match name {
                "dry-run" => given.dry_run = true,
                "json" => given.json = true,
                "help" => given.help = true,
                "directory" => given.directory = joined.or_else(|| words.next()).map(PathBuf::from),
                _ => {
                    let hint = suggest(name, descriptor.inputs().iter().map(|port| port.name.as_str()));
                    given.problems.push(format!("--{name}: there is no such input{hint}"));
                    words.next_if(|next| !next.starts_with("--"));
                }
            }
            continue;
        };
        let text = match (joined, &port.kind) {
            (Some(text), _) => text,
            (None, Type::Bool) => words.next_if(|next| matches!(*next, "true" | "false")).unwrap_or("true"),
            (None, _) => match words.next() {
                Some(text) => text,
                None => {
                    given.problems.push(format!("--{}: its value is missing", port.name));
                    continue;
                }
            },
        };
        given.take(port, text, descriptor, base);
    }
    given
}

/// The input of a name; `-` and `_` are the same, as options are often written with the one.
fn port<'d>(descriptor: &'d Descriptor, name: &str) -> Option<&'d Port> {
    let ports = descriptor.inputs();
    let alike = |port: &&Port| port.name.replace('_', "-") == name.replace('_', "-");
    ports.iter().find(|port| port.name == name).or_else(|| ports.iter().find(alike))
}

impl Given {
    fn take(&mut self, port: &Port, text: &str, descriptor: &Descriptor, base: &str) {
        let value = match port.kind.parse_value(text) {
            Ok(value) => absolute(descriptor.typed(&port.name, value), base),
            Err(mismatch) => return self.problems.push(format!("--{}: {mismatch}", port.name)),
        };
        match (self.values.iter_mut().find(|(name, _)| *name == port.name), value) {
            (None, value) => self.values.push((port.name.clone(), value)),
            (Some((_, Value::List(items))), Value::List(more)) => items.extend(more),
            (Some(_), _) => self.problems.push(format!("--{}: given twice, and it is no list", port.name)),
        }
    }
}

fn absolute(value: Value, base: &str) -> Value {
    match value {
        Value::Path(path) => Value::Path(Path::new(base).join(path).to_string_lossy().into_owned()),
        Value::List(items) => Value::List(items.into_iter().map(|item| absolute(item, base)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(name, item)| (name, absolute(item, base))).collect())
        }
        value => value,
    }
}

fn launch(found: &Found, line: &CommandLine, directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    let name = found.descriptor.executable();
    let path = std::env::var("PATH").unwrap_or_default();
    let program = find_program(&line.argv[0], &path, &current_directory()?).ok_or_else(|| {
        let container = found.descriptor.container();
        let hint = container.map_or_else(String::new, |c| format!(" (the container image {} has it)", c.image));
        Failure::usage(format!("there is no program `{name}` on PATH{hint}"))
    })?;
    let io = |what: &str| {
        let what = format!("cannot {what} {}", directory.display());
        move |error: io::Error| Failure::Engine(format!("{what}: {error}"))
    };
    fs::create_dir_all(directory).map_err(io("make"))?;
    for (file, content) in &line.files {
        let file = directory.join(file);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, content));
        written.map_err(io("write a file in"))?;
    }
    let mut command = Command::new(&program);
    command.args(&line.argv[1..]).current_dir(directory).envs(line.environment.iter().map(|(k, v)| (k, v)));
    redirect(&mut command, line, directory, json).map_err(io("write a file in"))?;
    let status = command.status().map_err(|e| Failure::Engine(format!("cannot start {}: {e}", program.display())))?;
    let outputs = if status.success() { collect(&line.outputs, directory) } else { Ok(Vec::new()) };
    let ended = match (status.code(), &outputs) {
        (Some(0), Err(message)) => Some(message.clone()),
        (Some(0), Ok(_)) => None,
        (Some(code), _) => Some(format!("{name} exited with code {code}")),
        (None, _) => Some(format!("{name} ended: {status}")),
    };
    let outputs: Vec<(String, Value)> = outputs.unwrap_or_default();
    tell(line, &outputs, status.code(), directory, json);
    if let Some(message) = &ended {
        eprintln!("pial: {message}");
    }
    Ok(if ended.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A stream that is an output goes to a file; with JSON on standard output, the tool's own goes to standard error.
fn redirect(command: &mut Command, line: &CommandLine, directory: &Path, json: bool) -> io::Result<()> {
    let wanted = |stream: &OutputSource| line.outputs.iter().any(|output| output.source == *stream);
    if wanted(&OutputSource::Stdout) {
        command.stdout(File::create(directory.join("stdout"))?);
    } else if json {
        command.stdout(Stdio::from(io::stderr()));
    }
    if wanted(&OutputSource::Stderr) {
        command.stderr(File::create(directory.join("stderr"))?);
    }
    Ok(())
}

fn tell(line: &CommandLine, outputs: &[(String, Value)], code: Option<i32>, directory: &Path, json: bool) {
    let base = directory.to_string_lossy();
    let outputs: Vec<(String, Value)> =
        outputs.iter().map(|(name, value)| (name.clone(), absolute(value.clone(), &base))).collect();
    if json {
        let outputs: serde_json::Map<_, _> = outputs.into_iter().map(|(name, value)| (name, value.to_json())).collect();
        print(&format!("{:#}\n", json!({"command": line.argv, "exit_code": code, "outputs": outputs})));
        return;
    }
    let present = outputs.iter().filter(|(_, value)| *value != Value::Null);
    let rows: Vec<Vec<String>> =
        present.map(|(name, value)| vec![name.clone(), one_line(&value.to_string())]).collect();
    print(&table(&rows));
}
