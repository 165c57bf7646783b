//! What a node runs, as far as it decides the result: interface or command, version, executable, environment.

use std::collections::HashMap;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pial_core::document::Piece;
use pial_core::plan::{Command, Template, Work};

use crate::catalogue::Interfaces;
use crate::contents::{Contents, Lookup};

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
    programs: HashMap<(String, String), Option<PathBuf>>,
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
        let key = (name.to_owned(), path);
        let found =
            self.programs.entry(key).or_insert_with_key(|(name, path)| find_program(name, path, &template.base));
        found.clone().ok_or_else(|| name.to_owned())
    }
}

/// Finds a program as a shell does; a name with a slash is a path from `base`.
pub fn find_program(name: &str, path: &str, base: &str) -> Option<PathBuf> {
    let executable =
        |file: &Path| std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        let file = Path::new(base).join(name);
        return executable(&file).then_some(file);
    }
    let absolute = env::split_paths(path).filter(|directory| directory.is_absolute());
    absolute.map(|directory| directory.join(name)).find(|file| executable(file))
}

/// The program's content; a program too large to read at once is told by its size and place.
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

fn show(command: &Command) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Placeholder(name) => format!("{{{name}}}"),
    };
    let words: Vec<String> = command.words.iter().map(|word| word.iter().map(piece).collect()).collect();
    let outputs: Vec<String> =
        command.outputs.iter().map(|o| format!("{}: {} {:?}", o.name.text, o.kind, o.source)).collect();
    format!("{words:?} {outputs:?}{}", if command.shell { " shell" } else { "" })
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
