//! Puts the values of a scope into the words of a command line; knows no shell.

use pial_core::value::Value;

use crate::parameter::{FlagText, Parameter};
use crate::paths;
use crate::scope::{Carrier, Scope};
use crate::template::{Piece, Word};

/// The words of the scope's command.
///
/// A value-key alone in a word becomes any number of words. A word with more in it stays one word, and goes
/// when it has value-keys and none of them has a value.
pub(crate) fn words(scope: &Scope<'_>) -> Vec<String> {
    scope.command.words.iter().flat_map(|word| word_words(scope, word)).collect()
}

/// Everything a value-key stands for, each value in words of its own.
pub(crate) fn key_words(scope: &Scope<'_>, key: &str) -> Vec<String> {
    let (scope, carriers) = scope.carriers(key);
    carriers.into_iter().flat_map(|carrier| carrier_words(scope, carrier)).collect()
}

/// The values of an input as texts: one per item, a sub-command's words joined by spaces.
pub(crate) fn texts(scope: &Scope<'_>, parameter: &Parameter, value: &Value) -> Vec<String> {
    groups(scope, parameter, value).into_iter().map(|words| words.join(" ")).collect()
}

/// What stands between the items of a list that are written into one text; a space unless the descriptor says.
pub(crate) fn separator(parameter: &Parameter) -> &str {
    parameter.list.as_ref().and_then(|rule| rule.separator.as_deref()).unwrap_or(" ")
}

fn word_words(scope: &Scope<'_>, word: &Word) -> Vec<String> {
    if let Some(key) = word.sole_key() {
        return key_words(scope, key);
    }
    let mut text = String::new();
    let mut keys = 0;
    let mut filled = 0;
    for piece in &word.pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Key(key) => {
                keys += 1;
                if let Some(value) = key_text(scope, key) {
                    filled += 1;
                    text.push_str(&value);
                }
            }
        }
    }
    if keys > 0 && filled == 0 { Vec::new() } else { vec![text] }
}

/// Everything a value-key stands for, as one text within a word.
fn key_text(scope: &Scope<'_>, key: &str) -> Option<String> {
    let (scope, carriers) = scope.carriers(key);
    let each = carriers.into_iter().filter_map(|carrier| carrier_text(scope, carrier));
    let texts: Vec<String> = each.collect();
    (!texts.is_empty()).then(|| texts.concat())
}

fn carrier_words(scope: &Scope<'_>, carrier: Carrier<'_>) -> Vec<String> {
    match carrier {
        Carrier::Input(parameter, _) if parameter.is_flag() => parameter.option.words.clone(),
        Carrier::Input(parameter, value) => {
            let words = match parameter.list.as_ref().and_then(|rule| rule.separator.as_ref()) {
                Some(separator) => vec![texts(scope, parameter, value).join(separator)],
                None => groups(scope, parameter, value).concat(),
            };
            after_flag(&parameter.option, words)
        }
        Carrier::Output(output) => {
            let path = paths::place(scope, output).map(|place| place.text);
            path.map(|path| after_flag(&output.option, vec![path])).unwrap_or_default()
        }
    }
}

fn carrier_text(scope: &Scope<'_>, carrier: Carrier<'_>) -> Option<String> {
    let (option, text) = match carrier {
        Carrier::Input(parameter, _) if parameter.is_flag() => return Some(parameter.option.words.join(" ")),
        Carrier::Input(parameter, value) => {
            (&parameter.option, texts(scope, parameter, value).join(separator(parameter)))
        }
        Carrier::Output(output) => (&output.option, paths::place(scope, output)?.text),
    };
    if option.words.is_empty() {
        return Some(text);
    }
    Some(format!("{}{}{text}", option.words.join(" "), option.separator.as_deref().unwrap_or(" ")))
}

/// The words of each item of an input's value.
fn groups(scope: &Scope<'_>, parameter: &Parameter, value: &Value) -> Vec<Vec<String>> {
    if !parameter.alternatives.is_empty() {
        return scope.nested(parameter, value).iter().map(words).collect();
    }
    match value {
        Value::List(items) if parameter.list.is_some() => items.iter().map(|item| vec![item.to_string()]).collect(),
        other => vec![vec![other.to_string()]],
    }
}

/// The flag's words before the value's, or its last joined to the value's first by the separator.
fn after_flag(option: &FlagText, mut words: Vec<String>) -> Vec<String> {
    let mut all = option.words.clone();
    if let (Some(separator), Some(flag), false) = (&option.separator, all.last_mut(), words.is_empty()) {
        let first = words.remove(0);
        *flag = format!("{flag}{separator}{first}");
    }
    all.append(&mut words);
    all
}
