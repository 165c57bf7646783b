//! From a step of the plan to what is to be run: resolved inputs, the key, the command line.

use std::path::PathBuf;

use pial_core::document::{OutputSource as Written, Piece};
use pial_core::plan::{Command, Work, fill};
use pial_core::value::{Type, Value};
use pial_interfaces::{Descriptor, ExpectedOutput, OutputSource, quote};

use crate::digest::Digests;
use crate::what::{SHELL, What, find_program};

/// What a step runs, ready to be started in its directory.
#[derive(Debug, Clone)]
pub struct Job {
    /// The program, absolute.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub arguments: Vec<String>,
    /// Variables added to the environment.
    pub environment: Vec<(String, String)>,
    /// Files to write first: path relative to the directory, content.
    pub files: Vec<(String, String)>,
    /// What it is to leave.
    pub outputs: Vec<ExpectedOutput>,
}

/// Builds the job of a step.
///
/// # Errors
/// What is wrong with the inputs, in a line.
pub fn job(
    work: &Work,
    what: &What,
    descriptor: Option<&Descriptor>,
    environment: &[(String, String)],
    base: &str,
    inputs: &[(String, Value)],
) -> Result<Option<Job>, String> {
    let job = match (work, descriptor) {
        (Work::Builtin(_) | Work::Function(_), _) => return Ok(None),
        (Work::Command(command), _) => from_command(command, what, environment, base, inputs)?,
        (Work::Interface(_), Some(descriptor)) => from_descriptor(descriptor, what, environment, inputs)?,
        (Work::Interface(_), None) => return Err("its interface is not loaded".to_owned()),
    };
    Ok(Some(job))
}

fn from_descriptor(
    descriptor: &Descriptor,
    what: &What,
    environment: &[(String, String)],
    inputs: &[(String, Value)],
) -> Result<Job, String> {
    let line = descriptor
        .command_line(inputs)
        .map_err(|problems| problems.into_iter().map(|p| p.message).collect::<Vec<_>>().join("; "))?;
    let program = what.program.clone().ok_or("it has no program")?;
    let mut variables = line.environment;
    variables.extend(environment.iter().cloned());
    Ok(Job {
        program,
        arguments: line.argv.into_iter().skip(1).collect(),
        environment: variables,
        files: line.files,
        outputs: line.outputs,
    })
}

fn from_command(
    command: &Command,
    what: &What,
    environment: &[(String, String)],
    base: &str,
    inputs: &[(String, Value)],
) -> Result<Job, String> {
    let outputs: Vec<ExpectedOutput> = command.outputs.iter().map(|output| expected(output, inputs)).collect();
    let (program, arguments) = if command.shell {
        let text = fill(&command.words[0], &mut |name| shell_text(name, inputs, &outputs)).unwrap_or_default();
        (PathBuf::from(SHELL), vec!["-c".to_owned(), text])
    } else {
        let program = match &what.program {
            Some(program) => program.clone(),
            None => program_of(command, environment, base, inputs)
                .map_err(|name| format!("there is no program `{name}`"))?,
        };
        let words = command.words.iter().flat_map(|word| argument(word, inputs, &outputs)).skip(1);
        (program, words.collect())
    };
    Ok(Job { program, arguments, environment: environment.to_vec(), files: Vec::new(), outputs })
}

/// The program of a command whose first word names an input, found as a shell does.
///
/// # Errors
/// The name of a program that is not there.
pub fn program_of(
    command: &Command,
    environment: &[(String, String)],
    base: &str,
    inputs: &[(String, Value)],
) -> Result<PathBuf, String> {
    let name =
        command.words.first().and_then(|word| argument(word, inputs, &[]).into_iter().next()).unwrap_or_default();
    let path = environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
    let path = path.unwrap_or_else(|| std::env::var("PATH").unwrap_or_default());
    find_program(&name, &path, base).ok_or(name)
}

fn expected(output: &pial_core::document::Output, inputs: &[(String, Value)]) -> ExpectedOutput {
    // A path in the name of an output would leave the node's directory: its last component stands for it.
    let mut file_name = |name: &str| match find(name, inputs) {
        Some(Value::Path(path)) => Some(path.rsplit('/').next().unwrap_or(path).to_owned()),
        value => value.map(Value::to_string),
    };
    let source = match &output.source {
        Written::Path(pieces) => OutputSource::Path(fill(pieces, &mut file_name).unwrap_or_default()),
        Written::Glob(pieces) => OutputSource::Glob(
            fill(pieces, &mut |name| file_name(name).map(|text| glob::Pattern::escape(&text))).unwrap_or_default(),
        ),
        Written::Stdout => OutputSource::Stdout,
        Written::Stderr => OutputSource::Stderr,
        // Functions have no expected files; what they return is read elsewhere.
        Written::Returned => OutputSource::Each(Vec::new()),
    };
    ExpectedOutput { name: output.name.text.clone(), kind: output.kind.clone(), optional: output.optional, source }
}

/// The arguments of a word: a placeholder alone becomes none for an absent input and several for a list.
fn argument(word: &[Piece], inputs: &[(String, Value)], outputs: &[ExpectedOutput]) -> Vec<String> {
    if let [Piece::Placeholder(name)] = word
        && let Some(Value::List(items)) = find(name, inputs)
    {
        return items.iter().map(Value::to_string).collect();
    }
    fill(word, &mut |name| text(name, inputs, outputs)).into_iter().collect()
}

fn text(name: &str, inputs: &[(String, Value)], outputs: &[ExpectedOutput]) -> Option<String> {
    find(name, inputs).map(Value::to_string).or_else(|| output_path(name, outputs))
}

fn shell_text(name: &str, inputs: &[(String, Value)], outputs: &[ExpectedOutput]) -> Option<String> {
    match find(name, inputs) {
        Some(Value::List(items)) => Some(items.iter().map(|v| quote(&v.to_string())).collect::<Vec<_>>().join(" ")),
        Some(value) => Some(quote(&value.to_string())),
        None => output_path(name, outputs).map(|path| quote(&path)),
    }
}

fn output_path(name: &str, outputs: &[ExpectedOutput]) -> Option<String> {
    outputs.iter().find(|output| output.name == name).and_then(|output| match &output.source {
        OutputSource::Path(path) => Some(path.clone()),
        _ => None,
    })
}

fn find<'v>(name: &str, inputs: &'v [(String, Value)]) -> Option<&'v Value> {
    inputs.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The key of a step: what it runs and its inputs, each path replaced by its file name and content.
///
/// The name stays because tools decide by it (`.nii` or `.mif`) and name outputs after it; the directory does not,
/// so a moved working directory still hits. The order of inputs counts only where the step sees it (`ordered`).
pub fn key(what: &What, ordered: bool, inputs: &[(String, Value)], digests: &Digests) -> String {
    let mut sorted: Vec<&(String, Value)> = inputs.iter().collect();
    if !ordered {
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let mut bytes = Vec::with_capacity(256);
    text_part(&mut bytes, "pial key 1");
    text_part(&mut bytes, &what.digest);
    for (name, value) in sorted {
        text_part(&mut bytes, name);
        value_part(&mut bytes, value, digests);
    }
    blake3::hash(&bytes).to_hex().to_string()
}

fn text_part(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn value_part(bytes: &mut Vec<u8>, value: &Value, digests: &Digests) {
    match value {
        Value::Null => bytes.push(b'0'),
        Value::Bool(b) => bytes.extend_from_slice(&[b'b', u8::from(*b)]),
        Value::Int(i) => {
            bytes.push(b'i');
            bytes.extend_from_slice(&i.to_le_bytes());
        }
        Value::Float(x) => {
            bytes.push(b'f');
            bytes.extend_from_slice(&x.to_bits().to_le_bytes());
        }
        Value::String(text) => {
            bytes.push(b's');
            text_part(bytes, text);
        }
        Value::Path(path) => {
            bytes.push(b'p');
            text_part(bytes, path.rsplit('/').next().unwrap_or(path));
            text_part(bytes, digests.get(path).map_or("", |seen| &seen.digest));
        }
        Value::List(items) => {
            bytes.push(b'l');
            bytes.extend_from_slice(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| value_part(bytes, item, digests));
        }
        Value::Map(entries) => {
            bytes.push(b'm');
            bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
            for (name, item) in entries {
                text_part(bytes, name);
                value_part(bytes, item, digests);
            }
        }
    }
}

/// Whether a port's value is read from text rather than being a file.
pub fn is_text(kind: &Type) -> bool {
    !kind.is_path() && *kind != Type::Any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_a_real_shell() {
        for text in ["", "a b", "it's", "$HOME `x` \"y\" \\", "é\n名", "-n"] {
            let out =
                std::process::Command::new("/bin/sh").args(["-c", &format!("printf %s {}", quote(text))]).output();
            assert_eq!(String::from_utf8(out.unwrap().stdout).unwrap(), text);
        }
    }

    #[test]
    fn a_key_follows_content_and_name_and_not_the_directory() {
        let what = What { digest: "w".into(), parts: Vec::new(), program: None };
        let key_of = |path: &str, content: &str| {
            let seen = crate::digest::Seen { digest: content.to_owned(), made: None };
            let digests = Digests::from([(path.to_owned(), seen)]);
            key(&what, false, &[("x".to_owned(), Value::Path(path.to_owned()))], &digests)
        };
        assert_eq!(key_of("/a/x.nii", "1"), key_of("/b/x.nii", "1"));
        assert_ne!(key_of("/a/x.nii", "1"), key_of("/a/x.nii", "2"));
        assert_ne!(key_of("/a/x.nii", "1"), key_of("/a/x.mif", "1"));
        let (a, b) = (("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::String("1".into())));
        let of = |ordered, inputs: &[(String, Value)]| key(&what, ordered, inputs, &Digests::new());
        assert_eq!(of(false, &[a.clone(), b.clone()]), of(false, &[b.clone(), a.clone()]));
        assert_ne!(of(true, &[a.clone(), b.clone()]), of(true, &[b, a]));
    }
}
