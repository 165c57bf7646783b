//! What a node runs, as far as it decides the result: interface or command, version, executable, environment.

use std::collections::HashMap;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pial_core::document::{Code, OutputSource, Piece};
use pial_core::plan::{Call, Command, Template, Work};
use pial_interfaces::quote;

use crate::catalogue::Interfaces;
use crate::contents::{Contents, Lookup};
use crate::python;

/// Named parts and their digest.
#[derive(Debug, Clone, PartialEq)]
pub struct What {
    /// The digest of the parts, 32 hexadecimal digits.
    pub digest: String,
    /// Each part's name and value.
    pub parts: Vec<(String, String)>,
    /// The program to start, absolute; `None` for a built-in or when it is only known at run time.
    pub program: Option<PathBuf>,
}

/// Finds what templates run; equal templates share one answer.
#[derive(Debug, Default)]
pub struct Whats {
    known: HashMap<Sameness, Rc<What>>,
    /// By name, `PATH` and directory.
    programs: HashMap<(String, String, String), Option<PathBuf>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sameness {
    work: (usize, String),
    environment: usize,
}

/// The shell for `shell: true`.
pub const SHELL: &str = "/bin/sh";

impl Whats {
    /// What a template runs.
    ///
    /// # Errors
    /// The name of a program that is not there.
    pub fn of(
        &mut self,
        template: &Template,
        interfaces: &Interfaces,
        contents: &mut Contents,
    ) -> Result<Rc<What>, String> {
        let same = Sameness {
            work: match &template.work {
                Work::Interface(number) => (*number as usize, String::new()),
                Work::Command(command) => (Rc::as_ptr(command) as usize, String::new()),
                Work::Function(call) => (Rc::as_ptr(call) as usize, String::new()),
                Work::Builtin(name) => (usize::MAX, name.clone()),
            },
            environment: Rc::as_ptr(&template.environment) as *const u8 as usize,
        };
        if let Some(known) = self.known.get(&same) {
            return Ok(Rc::clone(known));
        }
        let what = Rc::new(self.find(template, interfaces, contents)?);
        self.known.insert(same, Rc::clone(&what));
        Ok(what)
    }

    fn find(&mut self, template: &Template, interfaces: &Interfaces, contents: &mut Contents) -> Result<What, String> {
        let mut parts: Vec<(String, String)> = Vec::new();
        let mut part = |name: &str, value: &str| parts.push((name.to_owned(), value.to_owned()));
        let name = match &template.work {
            Work::Interface(number) => {
                let found = interfaces.get(*number);
                part("interface", &found.name);
                part("descriptor", &found.digest);
                part("version", found.descriptor.tool_version());
                Some(found.descriptor.executable().to_owned())
            }
            Work::Command(command) => {
                part("command", &show(command));
                if command.shell { Some(SHELL.to_owned()) } else { literal(command.words.first()) }
            }
            Work::Function(call) => {
                function_parts(call, &mut part);
                match python::program() {
                    Ok(python) => Some(python.to_string_lossy().into_owned()),
                    Err(name) => return Err(name),
                }
            }
            Work::Builtin(name) => {
                part("builtin", name);
                part("version", env!("CARGO_PKG_VERSION"));
                None
            }
        };
        for (key, value) in template.environment.iter() {
            parts.push((format!("environment {key}"), value.clone()));
        }
        let program = match name {
            None => None,
            Some(name) => Some(self.program(&name, template)?),
        };
        if let Some(program) = &program {
            parts.push(("executable".to_owned(), fingerprint(program, contents)));
        }
        Ok(What { digest: digest(&parts), parts, program })
    }

    fn program(&mut self, name: &str, template: &Template) -> Result<PathBuf, String> {
        let path = template.environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
        let path = path.unwrap_or_else(|| env::var("PATH").unwrap_or_default());
        // Only a name with a slash is looked for from the directory of its document.
        let base = if name.contains('/') { &*template.base } else { "" };
        let key = (name.to_owned(), path, base.to_owned());
        let found = self.programs.entry(key).or_insert_with_key(|(name, path, base)| find_program(name, path, base));
        found.clone().ok_or_else(|| name.to_owned())
    }
}

/// Finds a program as a shell does; a name with a slash is a path from `base`.
pub fn find_program(name: &str, path: &str, base: &str) -> Option<PathBuf> {
    find(name, path, base, |metadata| metadata.permissions().mode() & 0o111 != 0)
}

/// Finds a file where a program of that name would be, executable or not.
pub fn find_file(name: &str, path: &str, base: &str) -> Option<PathBuf> {
    find(name, path, base, |_| true)
}

fn find(name: &str, path: &str, base: &str, fits: fn(&std::fs::Metadata) -> bool) -> Option<PathBuf> {
    let fits = |file: &Path| std::fs::metadata(file).is_ok_and(|m| m.is_file() && fits(&m));
    if name.contains('/') {
        let file = Path::new(base).join(name);
        return fits(&file).then_some(file);
    }
    let absolute = env::split_paths(path).filter(|directory| directory.is_absolute());
    absolute.map(|directory| directory.join(name)).find(|file| fits(file))
}

/// The program's content.
fn fingerprint(program: &Path, contents: &mut Contents) -> String {
    match contents.look_up(&program.to_string_lossy()) {
        Ok(Lookup::Known(digest, _)) => digest,
        _ => crate::digest::digest(program).unwrap_or_default(),
    }
}

fn literal(word: Option<&Vec<Piece>>) -> Option<String> {
    match word?.as_slice() {
        [Piece::Literal(name)] => Some(name.clone()),
        _ => None,
    }
}

/// What decides what a function gives; its name alone does not.
fn function_parts(call: &Call, part: &mut impl FnMut(&str, &str)) {
    let function = &call.function;
    match &function.code {
        Code::Source(text) => part("source", text),
        Code::Import(name) => part("import", name),
        Code::Marshalled(text) => part("code", &blake3::hash(text.as_bytes()).to_hex()),
    }
    if let (Code::Source(_), Some(name)) = (&function.code, &function.name) {
        part("function", name);
    }
    for statement in &function.imports {
        part("imports", statement);
    }
    if let Some(globals) = &function.globals {
        part("globals", &blake3::hash(globals.as_bytes()).to_hex());
    }
    if let Some(version) = &function.version {
        part("function version", version);
    }
    if function.positional {
        part("given", "by position");
    }
    let outputs = call.outputs.iter().map(|output| format!("{}: {}", output.name.text, output.kind));
    part("returns", &outputs.collect::<Vec<_>>().join(", "));
}

fn show(command: &Command) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Placeholder(name) => format!("{{{name}}}"),
    };
    let text = |pieces: &[Piece]| pieces.iter().map(piece).collect::<String>();
    let words: Vec<String> = command.words.iter().map(|word| quote(&text(word))).collect();
    let output = |output: &pial_core::document::Output| {
        let source = match &output.source {
            OutputSource::Path(pieces) => format!("path {}", quote(&text(pieces))),
            OutputSource::Glob(pieces) => format!("glob {}", quote(&text(pieces))),
            OutputSource::Stdout => "stdout".to_owned(),
            OutputSource::Stderr => "stderr".to_owned(),
            OutputSource::Returned => "what it returns".to_owned(),
        };
        format!("{}: {} from {source}", output.name.text, output.kind)
    };
    let outputs: Vec<String> = command.outputs.iter().map(output).collect();
    let shell = if command.shell { "shell: " } else { "" };
    format!("{shell}{} -> {}", words.join(" "), outputs.join(", "))
}

fn digest(parts: &[(String, String)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, value) in parts {
        for text in [name, value] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
