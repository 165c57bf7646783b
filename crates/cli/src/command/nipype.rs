//! `pial nipype`: runs a program that uses nipype, with pial in the place of nipype's plugin.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;
use pial_engine::python;
use pial_engine::what::find_program;

use crate::failure::Failure;

/// As much of a script is read to find its interpreter, in bytes.
const LONGEST_START: u64 = 4096;

/// Run a program that uses nipype, such as fmriprep, with pial in the place of its plugin
///
/// Nothing of the program changes: its workflows run on pial's engine, its nodes keep their directories, results and crash
/// files. The program and its nodes share one Python interpreter, which needs the package pial.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Have nipype itself say of every node whether it is done, as it does without pial
    #[arg(long)]
    nipype_rehash: bool,
    /// The Python interpreter; by default that of the program
    #[arg(long, value_name = "PATH")]
    python: Option<String>,
    /// The program and its arguments; `python SCRIPT` and `python -m MODULE` as well
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// Becomes the launcher.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let path = std::env::var("PATH").unwrap_or_default();
    let name = &arguments.program[0];
    let here =
        std::env::current_dir().map_err(|e| Failure::Engine(format!("cannot tell the current directory: {e}")))?;
    let program = find_program(name, &path, &here.to_string_lossy());
    let interpreter = match (&arguments.python, &program) {
        (Some(python), _) => find_program(python, &path, &here.to_string_lossy())
            .ok_or_else(|| Failure::usage(format!("--python {python}: there is no such program")))?,
        (None, Some(program)) => interpreter_of(program, &path)?,
        // A script that is not executable.
        (None, None) if Path::new(name).is_file() => own_interpreter()?,
        (None, None) => return Err(Failure::usage(format!("there is no program `{name}` on PATH"))),
    };
    let mut command = Command::new(&interpreter);
    command.args(["-m", "pial.nipype.launch", "--"]).args(&arguments.program);
    if let Ok(own) = std::env::current_exe() {
        command.env("PIAL_BINARY", own);
    }
    if arguments.nipype_rehash {
        command.env("PIAL_NIPYPE_REHASH", "1");
    }
    let error = command.exec();
    Err(Failure::Engine(format!("cannot start {}: {error}", interpreter.display())))
}

/// The interpreter that a program names in its first lines, or the program itself if it is one.
fn interpreter_of(program: &Path, path: &str) -> Result<PathBuf, Failure> {
    let is_python = |name: &Path| name.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
    if is_python(program) {
        return Ok(program.to_owned());
    }
    let mut start = Vec::new();
    let read = fs::File::open(program).and_then(|file| file.take(LONGEST_START).read_to_end(&mut start));
    read.map_err(|e| Failure::Engine(format!("cannot read {}: {e}", program.display())))?;
    let named = named_interpreter(&String::from_utf8_lossy(&start));
    match named {
        Some(name) => find_program(&name, path, "").ok_or_else(|| {
            Failure::Engine(format!("{} wants {name}, which is not there; give --python", program.display()))
        }),
        None if program.extension().is_some_and(|ending| ending == "py") => own_interpreter(),
        None => Err(Failure::usage(format!(
            "{} is no Python program as far as its first line tells; give its interpreter with --python",
            program.display()
        ))),
    }
}

/// The Python interpreter of a script's first line, or of the second where pip wrote it for want of space in the first.
fn named_interpreter(start: &str) -> Option<String> {
    let mut lines = start.lines();
    let words: Vec<&str> = lines.next()?.strip_prefix("#!")?.split_whitespace().collect();
    let name = match words.as_slice() {
        [env, "-S", name, ..] | [env, name, ..] if env.ends_with("/env") => name,
        ["/bin/sh", ..] => lines.next()?.strip_prefix("'''exec' ")?.split(['"', ' ']).find(|word| !word.is_empty())?,
        [name, ..] => name,
        [] => return None,
    };
    name.rsplit('/').next()?.starts_with("python").then(|| name.to_owned())
}

fn own_interpreter() -> Result<PathBuf, Failure> {
    python::program().map_err(|name| Failure::usage(format!("there is no Python interpreter `{name}`; give --python")))
}

#[cfg(test)]
mod tests {
    use super::named_interpreter;

    #[test]
    fn interpreters_are_found_in_first_lines() {
        for (start, name) in [
            ("#!/opt/v/bin/python3.11\nimport x", Some("/opt/v/bin/python3.11")),
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -u\n", Some("python3")),
            ("#! /opt/a b/python\n", None),
            ("#!/bin/sh\n'''exec' \"/very/long/bin/python3\" \"$0\" \"$@\"\n' '''", Some("/very/long/bin/python3")),
            ("#!/bin/sh\n'''exec' /very/long/bin/python3 \"$0\" \"$@\"\n' '''", Some("/very/long/bin/python3")),
            ("#!/bin/sh\necho", None),
            ("\u{7f}ELF", None),
            ("", None),
        ] {
            assert_eq!(named_interpreter(start).as_deref(), name, "{start:?}");
        }
    }
}
