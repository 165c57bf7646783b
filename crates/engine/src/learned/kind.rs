//! Names what a step runs, so that steps of other workflows that run the same are known; knows no peaks.

use pial_core::document::{Code, Piece};
use pial_core::plan::{Call, Command, Template, Work};
use pial_interfaces::quote;

use crate::catalogue::Interfaces;

/// As much of a command is its name, in bytes; of a longer one the rest is told apart by a digest.
const LONGEST: usize = 100;

/// What a template runs, in words: an interface of the catalogue with the version of its tool (the first two numbers, as a
/// third one seldom changes what a tool needs), a command's program and fixed words, a function, a class of nipype's.
/// `None` for what runs within the engine.
pub fn kind(template: &Template, interfaces: &Interfaces) -> Option<String> {
    if let Some(nipype) = &template.nipype {
        return nipype.class.as_ref().map(|class| format!("nipype {class}"));
    }
    match &template.work {
        Work::Interface(number) => {
            let found = interfaces.get(*number);
            let is_path = found.name.ends_with(".json");
            let name = if is_path { found.descriptor.name() } else { &found.name };
            Some(format!("{name} {}", family(found.descriptor.tool_version())).trim_end().to_owned())
        }
        Work::Command(command) => Some(shortened(of_command(command))),
        Work::Function(call) => Some(of_function(call)),
        Work::Builtin(_) => None,
    }
}

/// The first two numbers of a version.
fn family(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn of_command(command: &Command) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Placeholder(_) => "{}".to_owned(),
    };
    let mut words = command.words.iter().map(|word| word.iter().map(piece).collect::<String>());
    if command.shell {
        return format!("shell {}", words.next().unwrap_or_default());
    }
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let rest = words.map(|word| if word == "{}" { word } else { quote(&word) });
    format!("command {}", [program].into_iter().chain(rest).collect::<Vec<_>>().join(" "))
}

/// A name alone says little of a function that was written in place.
fn of_function(call: &Call) -> String {
    let function = &call.function;
    match &function.code {
        Code::Import(name) => format!("function {name}"),
        Code::Source(text) | Code::Marshalled(text) => {
            let name = function.name.as_deref().unwrap_or("function");
            format!("function {name} {}", &blake3::hash(text.as_bytes()).to_hex()[..8])
        }
    }
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}... {}", &text[..end], &blake3::hash(text.as_bytes()).to_hex()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_long_commands() {
        assert_eq!((family("3.0.4"), family("2024"), family("")), ("3.0".into(), "2024".into(), String::new()));
        let long = shortened("é".repeat(200));
        assert!(long.len() < 120 && long != shortened("é".repeat(201)), "{long}");
    }
}
