//! Values in documents: literals, texts with placeholders, references to outputs.

use super::{Expression, ExpressionKind, Piece};
use crate::tree::{Kind, Problem, Tree};
use crate::value::Value;

/// Splits `dicom/{subject}` at its placeholders. `{{` and `}}` stand for braces; braces around anything that is
/// no name (`{run:02d}`) stay as they are.
pub fn parse_text(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find('}').filter(|end| rest.get(1..*end).is_some_and(is_name));
        if rest.starts_with("{{") || rest.starts_with("}}") {
            literal.push_str(&rest[..1]);
            rest = &rest[2..];
        } else if let (true, Some(end)) = (rest.starts_with('{'), end) {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Placeholder(rest[1..end].to_owned()));
            rest = &rest[end + 1..];
        } else {
            literal.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

/// Reads an expression; problems of form are added to `problems`.
pub(super) fn read(tree: Tree, problems: &mut Vec<Problem>) -> Expression {
    let mark = tree.mark;
    let kind = match tree.kind {
        Kind::Text(text) => text_kind(&text),
        Kind::List(items) => list(items.into_iter().map(|item| read(item, problems)).collect()),
        Kind::Map(mut entries) if entries.len() == 1 && entries[0].key == "from" => match entries.remove(0).value {
            Tree { kind: Kind::Text(text), .. } => ExpressionKind::From(text),
            Tree { kind: Kind::List(items), .. } => {
                ExpressionKind::List(items.into_iter().map(|item| reference(item, problems)).collect())
            }
            other => {
                problems.push(Problem::at(other.mark, format!("`from` takes node.output, not {}", other.what())));
                ExpressionKind::Broken
            }
        },
        Kind::Map(mut entries) if entries.len() == 1 && entries[0].key == "value" => {
            ExpressionKind::Value(entries.remove(0).value.to_value())
        }
        Kind::Map(entries) if entries.iter().any(|entry| entry.key == "from") => {
            let beside = entries.iter().find(|entry| entry.key != "from").map_or("", |entry| entry.key.as_str());
            let message = format!(
                "`from` stands beside `{beside}` here; a reference is {{from: node.output}}, the input of a command may \
                 be {{type: ..., from: node.output}}, and a mapping meant as it stands is {{value: {{...}}}}"
            );
            problems.push(Problem::at(mark, message));
            ExpressionKind::Broken
        }
        Kind::Map(entries) => map(entries.into_iter().map(|entry| (entry.key, read(entry.value, problems))).collect()),
        kind => ExpressionKind::Value(Tree { mark, kind }.to_value()),
    };
    Expression { mark, kind }
}

fn reference(tree: Tree, problems: &mut Vec<Problem>) -> Expression {
    match tree.kind {
        Kind::Text(text) => Expression { mark: tree.mark, kind: ExpressionKind::From(text) },
        _ => read(tree, problems),
    }
}

fn text_kind(text: &str) -> ExpressionKind {
    match parse_text(text) {
        pieces if pieces.iter().any(|p| matches!(p, Piece::Placeholder(_))) => ExpressionKind::Text(pieces),
        mut pieces => match pieces.pop() {
            Some(Piece::Literal(literal)) => ExpressionKind::Value(Value::String(literal)),
            _ => ExpressionKind::Value(Value::String(String::new())),
        },
    }
}

/// A list of plain values is a plain value.
fn list(items: Vec<Expression>) -> ExpressionKind {
    if !items.iter().all(|item| matches!(item.kind, ExpressionKind::Value(_))) {
        return ExpressionKind::List(items);
    }
    ExpressionKind::Value(Value::List(items.into_iter().map(plain).collect()))
}

fn map(entries: Vec<(String, Expression)>) -> ExpressionKind {
    if !entries.iter().all(|(_, item)| matches!(item.kind, ExpressionKind::Value(_))) {
        return ExpressionKind::Map(entries);
    }
    ExpressionKind::Value(Value::Map(entries.into_iter().map(|(key, item)| (key, plain(item))).collect()))
}

fn plain(expression: Expression) -> Value {
    match expression.kind {
        ExpressionKind::Value(value) => value,
        _ => Value::Null,
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        let show = |text: &str| {
            parse_text(text)
                .into_iter()
                .map(|p| match p {
                    Piece::Literal(t) => format!("'{t}'"),
                    Piece::Placeholder(t) => t,
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (text, pieces) in [
            ("dicom/{subject}/x", "'dicom/' subject '/x'"),
            ("{a}{b}", "a b"),
            ("{{a}}", "'{a}'"),
            ("{run:02d}-{run}", "'{run:02d}-' run"),
            ("", "''"),
            ("100 } {", "'100 } {'"),
            ("é{名}", "'é' 名"),
        ] {
            assert_eq!(show(text), pieces, "{text}");
        }
    }
}
