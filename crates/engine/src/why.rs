//! What differs between two results of a step, or between a result and what would run now; decides nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use pial_core::value::Value;

use crate::history::History;
use crate::log::LogError;
use crate::record::{Done, Logged, absolute};
use crate::task::Task;

/// Digits of a digest that people are shown.
const SHOWN: usize = 12;

/// Characters of a value that people are shown.
const LONGEST: usize = 200;

/// Commands of as many characters are shown whole.
const WHOLE: usize = 60;

/// All that decides the result of a step.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Each input with its value and the digests of the files in it.
    inputs: Vec<(String, Value, Vec<String>)>,
    /// What runs, in named parts.
    parts: Vec<(String, String)>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What kind of thing changed.
    pub aspect: Aspect,
    /// The name of the input or variable; empty for the rest.
    pub name: String,
    /// What it was; `None` when there was none.
    pub old: Option<Fact>,
    /// What it is; `None` when there is none.
    pub new: Option<Fact>,
}

/// What can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// The value of an input.
    Input,
    /// The content of a file among the inputs.
    File,
    /// The order of the inputs, of a step that sees it.
    Order,
    /// Which interface or built-in runs.
    Tool,
    /// The version of the tool, as its descriptor says.
    Version,
    /// The descriptor of the tool.
    Descriptor,
    /// The program file.
    Executable,
    /// A variable of the environment.
    Environment,
    /// The command as the document writes it.
    Command,
    /// What a finder found, or a map node gathered.
    Output,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The value as text, shortened.
    pub text: String,
    /// The file it is, with the beginning of its digest.
    pub file: Option<(String, String)>,
}

impl Aspect {
    /// For people: `input`, `file`, `tool version`, ...
    pub fn name(self) -> &'static str {
        match self {
            Aspect::Input => "input",
            Aspect::File => "file",
            Aspect::Order => "order of the inputs",
            Aspect::Tool => "tool",
            Aspect::Version => "tool version",
            Aspect::Descriptor => "descriptor",
            Aspect::Executable => "executable",
            Aspect::Environment => "environment",
            Aspect::Command => "command",
            Aspect::Output => "output",
        }
    }
}

impl Change {
    /// In a few words: ``input `fwhm` ``, `tool version`.
    pub fn subject(&self) -> String {
        match (self.aspect, self.name.as_str()) {
            (Aspect::File, name) => format!("file of input `{name}`"),
            (aspect, "") => aspect.name().to_owned(),
            (aspect, name) => format!("{} `{name}`", aspect.name()),
        }
    }
}

impl Facts {
    /// Those of a step that could run now.
    pub fn of_task(task: &Task) -> Facts {
        let input = |(name, value): &(String, Value)| {
            let mut digests = Vec::new();
            value.for_each_path(&mut |path| {
                digests.push(task.digests.get(path).map_or_else(String::new, |seen| seen.digest.clone()))
            });
            (name.clone(), value.clone(), digests)
        };
        Facts { inputs: task.inputs.iter().map(input).collect(), parts: task.what.parts.clone() }
    }

    /// Those of a result; `root` is the working directory with a slash at its end.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn of_result(done: &Done<'_>, root: &str, history: &History) -> Result<Facts, LogError> {
        let inputs = done.inputs.iter().map(|(name, value, digests)| {
            let digests = digests.iter().map(|digest| digest.clone().into_owned()).collect();
            (name.clone().into_owned(), value.to_value(root), digests)
        });
        Ok(Facts { inputs: inputs.collect(), parts: history.parts(&done.what)? })
    }

    /// The outputs of a result, for [`output_changes`].
    pub fn of_outputs(done: &Done<'_>, root: &str) -> Facts {
        let values: Vec<(String, Value)> =
            done.out.iter().map(|(name, value)| (name.clone().into_owned(), value.to_value(root))).collect();
        let files = done.files.iter().map(|file| (absolute(&file.0, root), file.3.clone().into_owned()));
        let digests: HashMap<String, String> = files.collect();
        Facts::of_values(&values, |path| digests.get(path).cloned())
    }

    /// Values with the digests of the files among them.
    pub fn of_values(values: &[(String, Value)], digest: impl Fn(&str) -> Option<String>) -> Facts {
        let one = |(name, value): &(String, Value)| {
            let mut found = Vec::new();
            value.for_each_path(&mut |path| found.push(digest(path).unwrap_or_default()));
            (name.clone(), value.clone(), found)
        };
        Facts { inputs: values.iter().map(one).collect(), parts: Vec::new() }
    }
}

/// Every difference that gives another key.
pub fn changes(old: &Facts, new: &Facts) -> Vec<Change> {
    let mut changes = part_changes(&old.parts, &new.parts);
    for (name, value, digests) in &new.inputs {
        match old.inputs.iter().find(|(known, ..)| known == name) {
            Some((_, before, digests_before)) => {
                changes.extend(input_change(name, (before, digests_before), (value, digests)));
            }
            None => changes.push(input(name, None, Some(fact(value, digests)))),
        }
    }
    for (name, value, digests) in &old.inputs {
        if !new.inputs.iter().any(|(known, ..)| known == name) {
            changes.push(input(name, Some(fact(value, digests)), None));
        }
    }
    let names = |facts: &Facts| facts.inputs.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>();
    if changes.is_empty() && names(old) != names(new) {
        let side = |facts| Some(plain(names(facts).join(", ")));
        changes.push(Change { aspect: Aspect::Order, name: String::new(), old: side(old), new: side(new) });
    }
    changes
}

/// Every difference between what was found or gathered before and now.
pub fn output_changes(old: &Facts, new: &Facts) -> Vec<Change> {
    let changes = changes(old, new).into_iter().filter(|change| change.aspect != Aspect::Order);
    changes.map(|change| Change { aspect: Aspect::Output, ..change }).collect()
}

/// How many items the gathered outputs of a map node have.
pub fn length(outputs: &[(Cow<'_, str>, Logged<'_>)]) -> Option<usize> {
    match outputs.first() {
        Some((_, Logged::List(items))) => Some(items.len()),
        _ => None,
    }
}

fn input(name: &str, old: Option<Fact>, new: Option<Fact>) -> Change {
    Change { aspect: Aspect::Input, name: name.to_owned(), old, new }
}

fn part_changes(old: &[(String, String)], new: &[(String, String)]) -> Vec<Change> {
    let find = |parts: &[(String, String)], name: &str| {
        parts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let gone = old.iter().filter(|(name, _)| find(new, name).is_none());
    let differs = |name: &&str| find(old, name) != find(new, name);
    let names = new.iter().chain(gone).map(|(name, _)| name.as_str()).filter(differs);
    let change = |part: &str| {
        let (aspect, name) = aspect(part);
        let (mut old, mut new) = (find(old, part), find(new, part));
        if let (Aspect::Command, Some(before), Some(now)) = (aspect, &mut old, &mut new) {
            (*before, *now) = differing_words(before, now);
        }
        let is_digest = matches!(aspect, Aspect::Executable | Aspect::Descriptor);
        let text = |value: String| plain(if is_digest { short(&value) } else { value });
        Change { aspect, name: name.to_owned(), old: old.map(text), new: new.map(text) }
    };
    names.map(change).collect()
}

/// Two texts without the words that both begin or end with, but for one on each side; short texts stay whole.
fn differing_words(old: &str, new: &str) -> (String, String) {
    if old.chars().count().max(new.chars().count()) <= WHOLE {
        return (old.to_owned(), new.to_owned());
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split(' ').collect(), new.split(' ').collect());
    let begin = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - begin;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (begin, end) = (begin.saturating_sub(1), end.saturating_sub(1));
    let cut = |words: &[&str]| {
        let (before, after) = (if begin > 0 { "... " } else { "" }, if end > 0 { " ..." } else { "" });
        format!("{before}{}{after}", words[begin..words.len() - end].join(" "))
    };
    (cut(&old), cut(&new))
}

fn aspect(part: &str) -> (Aspect, &str) {
    match part {
        "version" => (Aspect::Version, ""),
        "descriptor" => (Aspect::Descriptor, ""),
        "executable" => (Aspect::Executable, ""),
        "command" => (Aspect::Command, ""),
        part => match part.strip_prefix("environment ") {
            Some(name) => (Aspect::Environment, name),
            None => (Aspect::Tool, ""),
        },
    }
}

/// A value and the digests of its files.
type Valued<'a> = (&'a Value, &'a Vec<String>);

/// The difference between two values of an input; a list of files is told by the first that differs.
fn input_change(name: &str, old: Valued<'_>, new: Valued<'_>) -> Option<Change> {
    if same(old, new) {
        return None;
    }
    let file = |old, new| Change { aspect: Aspect::File, ..input(name, Some(old), Some(new)) };
    match (old.0, new.0) {
        (Value::Path(_), Value::Path(_)) => Some(file(fact(old.0, old.1), fact(new.0, new.1))),
        (Value::List(before), Value::List(after)) if all_paths(before) && all_paths(after) => {
            if before.len() != after.len() {
                let counted = |items: &[Value]| Some(plain(format!("{} files", items.len())));
                return Some(input(name, counted(before), counted(after)));
            }
            let at = (0..after.len()).find(|at| !same(item(old, *at), item(new, *at)))?;
            let one = |side: Valued<'_>| {
                let mut fact = fact_of(item(side, at));
                fact.text = format!("[{at}] {}", fact.text);
                fact
            };
            Some(file(one(old), one(new)))
        }
        _ => Some(input(name, Some(fact(old.0, old.1)), Some(fact(new.0, new.1)))),
    }
}

fn all_paths(items: &[Value]) -> bool {
    items.iter().all(|item| matches!(item, Value::Path(_)))
}

/// An item of a list of paths, with its digest.
fn item<'a>((value, digests): Valued<'a>, at: usize) -> (&'a Value, &'a [String]) {
    let Value::List(items) = value else { return (value, digests) };
    (&items[at], digests.get(at..at + 1).unwrap_or_default())
}

/// Whether two values give the same key: a path counts by its name and content. The log has the beginning of each
/// digest.
fn same<A: AsRef<[String]>, B: AsRef<[String]>>(old: (&Value, A), new: (&Value, B)) -> bool {
    let (before, after) = (old.1.as_ref(), new.1.as_ref());
    let alike = |a: &String, b: &String| {
        let common = a.len().min(b.len());
        (common > 0 || a == b) && a.as_bytes()[..common] == b.as_bytes()[..common]
    };
    before.len() == after.len() && before.iter().zip(after).all(|(a, b)| alike(a, b)) && named(old.0) == named(new.0)
}

/// The value with the folders of each path left out, as in a key.
fn named(value: &Value) -> Value {
    match value {
        Value::Path(path) => Value::Path(path.rsplit('/').next().unwrap_or(path).to_owned()),
        Value::List(items) => Value::List(items.iter().map(named).collect()),
        Value::Map(entries) => Value::Map(entries.iter().map(|(name, item)| (name.clone(), named(item))).collect()),
        value => value.clone(),
    }
}

fn fact_of((value, digests): (&Value, &[String])) -> Fact {
    fact(value, digests)
}

fn fact(value: &Value, digests: &[String]) -> Fact {
    match (value, digests) {
        (Value::Path(path), [digest]) => Fact { text: path.clone(), file: Some((path.clone(), short(digest))) },
        _ => plain(value.to_string()),
    }
}

fn plain(text: String) -> Fact {
    let text = match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    };
    Fact { text, file: None }
}

/// The beginning of a digest.
pub fn short(digest: &str) -> String {
    digest.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(inputs: Vec<(&str, Value, Vec<&str>)>, parts: &[(&str, &str)]) -> Facts {
        let owned = |digests: Vec<&str>| digests.into_iter().map(str::to_owned).collect();
        Facts {
            inputs: inputs.into_iter().map(|(n, v, d)| (n.to_owned(), v, owned(d))).collect(),
            parts: parts.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn path(text: &str) -> Value {
        Value::Path(text.to_owned())
    }

    fn tell(old: &Facts, new: &Facts) -> Vec<String> {
        let text = |fact: Option<Fact>| {
            fact.map_or("-".to_owned(), |f| {
                f.text + &f.file.map_or(String::new(), |(_, digest)| format!(" ({digest})"))
            })
        };
        changes(old, new).into_iter().map(|c| format!("{}: {} -> {}", c.subject(), text(c.old), text(c.new))).collect()
    }

    #[test]
    fn of_long_commands_only_the_words_that_differ_are_shown() {
        let command =
            |word: &str| format!("bet in.nii out.nii -f 0.5 -g 0.1 {word} -m -s --verbose --keep -n -t -v -A");
        let (old, new) = differing_words(&command("-R"), &command("-R -Z"));
        assert_eq!((old.as_str(), new.as_str()), ("... -R -m ...", "... -R -Z -m ..."));
        assert_eq!(differing_words("a b", "a c"), ("a b".to_owned(), "a c".to_owned()));
    }

    #[test]
    fn every_kind_of_change_is_told_with_old_and_new() {
        let list = |paths: [&str; 2]| Value::List(paths.into_iter().map(path).collect());
        let old = facts(
            vec![
                ("same", Value::Int(1), vec![]),
                ("fwhm", Value::Int(4), vec![]),
                ("moved", path("/old/x.nii"), vec!["0123456789abcdef"]),
                ("image", path("/d/y.nii"), vec!["aaaaaaaaaaaaaaaa"]),
                ("images", list(["/d/1", "/d/2"]), vec!["11", "22"]),
                ("gone", Value::Bool(true), vec![]),
            ],
            &[("interface", "bet"), ("version", "1.0"), ("executable", "ff00ff00ff00ff"), ("environment A", "1")],
        );
        let new = facts(
            vec![
                ("same", Value::Int(1), vec![]),
                ("fwhm", Value::Int(6), vec![]),
                ("moved", path("/new/x.nii"), vec!["0123456789abcdef0123456789abcdef"]),
                ("image", path("/d/y.nii"), vec!["bbbbbbbbbbbbbbbbbbbb"]),
                ("images", list(["/d/1", "/d/2"]), vec!["11", "33"]),
                ("fresh", Value::String("é".into()), vec![]),
            ],
            &[("interface", "bet"), ("version", "1.1"), ("executable", "ee00ff00ff00ff"), ("environment B", "2")],
        );
        assert_eq!(
            tell(&old, &new),
            [
                "tool version: 1.0 -> 1.1",
                "executable: ff00ff00ff00 -> ee00ff00ff00",
                "environment `B`: - -> 2",
                "environment `A`: 1 -> -",
                "input `fwhm`: 4 -> 6",
                "file of input `image`: /d/y.nii (aaaaaaaaaaaa) -> /d/y.nii (bbbbbbbbbbbb)",
                "file of input `images`: [1] /d/2 (22) -> [1] /d/2 (33)",
                "input `fresh`: - -> é",
                "input `gone`: true -> -",
            ]
        );
        assert!(changes(&new, &new).is_empty());
    }
}
