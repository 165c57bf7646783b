//! The conditions of `conditional-path-template`: a small part of Python's expressions; knows no path.

use pial_core::value::Value;

use crate::template::key_at;

/// A condition over inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    /// `a < b < c` holds when each neighbouring pair does.
    Compare(Operand, Vec<(Comparison, Operand)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Constant(Value),
    /// An input's id or value-key.
    Input(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Parses `[A] > 8 and (b == "x" or not c)`. Inputs are named by value-key or by id.
    ///
    /// # Errors
    /// What could not be read.
    pub(crate) fn parse(text: &str, keys: &[String], ids: &[String]) -> Result<Condition, String> {
        let mut parser = Parser { tokens: tokens(text, keys, ids)?, next: 0 };
        // The parser recurses once per token at most: bound the stack a descriptor can ask for.
        if parser.tokens.len() > 500 {
            return Err("it is longer than 500 terms".to_owned());
        }
        let condition = parser.any()?;
        match parser.peek() {
            None => Ok(condition),
            Some(token) => Err(format!("{} is not expected there", token.text())),
        }
    }

    /// Whether it holds. As in Boutiques, a condition that names an input without a value does not.
    pub(crate) fn holds(&self, value_of: &impl Fn(&str) -> Option<Value>) -> bool {
        self.evaluate(value_of).unwrap_or(false)
    }

    fn evaluate(&self, value_of: &impl Fn(&str) -> Option<Value>) -> Option<bool> {
        let all = |parts: &[Condition]| parts.iter().map(|part| part.evaluate(value_of)).collect::<Option<Vec<_>>>();
        Some(match self {
            Condition::Any(parts) => all(parts)?.contains(&true),
            Condition::All(parts) => !all(parts)?.contains(&false),
            Condition::Not(part) => !part.evaluate(value_of)?,
            Condition::Compare(first, rest) => {
                let mut left = first.value(value_of)?;
                if rest.is_empty() {
                    return Some(truth(&left));
                }
                let mut held = true;
                for (comparison, right) in rest {
                    let right = right.value(value_of)?;
                    held &= comparison.holds(&left, &right);
                    left = right;
                }
                held
            }
        })
    }
}

impl Operand {
    fn value(&self, value_of: &impl Fn(&str) -> Option<Value>) -> Option<Value> {
        match self {
            Operand::Constant(value) => Some(value.clone()),
            Operand::Input(name) => value_of(name),
        }
    }
}

impl Comparison {
    /// Numbers are compared as numbers, all else as text.
    fn holds(self, left: &Value, right: &Value) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let ordering = match (number(left), number(right)) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => Some(left.to_string().cmp(&right.to_string())),
        };
        match self {
            Comparison::Equal => ordering == Some(Equal),
            Comparison::NotEqual => ordering != Some(Equal),
            Comparison::Less => ordering == Some(Less),
            Comparison::LessOrEqual => matches!(ordering, Some(Less | Equal)),
            Comparison::Greater => ordering == Some(Greater),
            Comparison::GreaterOrEqual => matches!(ordering, Some(Greater | Equal)),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => Some(*i as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Int(i) => *i != 0,
        Value::Float(f) => *f != 0.0,
        Value::String(s) | Value::Path(s) => !s.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Operand(Operand),
    Comparison(Comparison),
    And,
    Or,
    Not,
    Open,
    Close,
}

impl Token {
    fn text(&self) -> String {
        match self {
            Token::Operand(Operand::Constant(value)) => value.excerpt(),
            Token::Operand(Operand::Input(name)) => name.clone(),
            Token::Comparison(_) => "a comparison".to_owned(),
            Token::And => "\"and\"".to_owned(),
            Token::Or => "\"or\"".to_owned(),
            Token::Not => "\"not\"".to_owned(),
            Token::Open => "\"(\"".to_owned(),
            Token::Close => "\")\"".to_owned(),
        }
    }
}

const SYMBOLS: &[(&str, Token)] = &[
    ("==", Token::Comparison(Comparison::Equal)),
    ("!=", Token::Comparison(Comparison::NotEqual)),
    ("<=", Token::Comparison(Comparison::LessOrEqual)),
    (">=", Token::Comparison(Comparison::GreaterOrEqual)),
    ("<", Token::Comparison(Comparison::Less)),
    (">", Token::Comparison(Comparison::Greater)),
    ("(", Token::Open),
    (")", Token::Close),
];

fn tokens(text: &str, keys: &[String], ids: &[String]) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if let Some(key) = key_at(rest, keys) {
            (Token::Operand(Operand::Input(key.to_owned())), key.len())
        } else if let Some((symbol, token)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
            (token.clone(), symbol.len())
        } else if first == '"' || first == '\'' {
            let inner = rest[1..].split(first).next().unwrap_or_default();
            if inner.len() + 2 > rest.len() {
                return Err("a quote is not closed".to_owned());
            }
            (Token::Operand(Operand::Constant(Value::String(inner.to_owned()))), inner.len() + 2)
        } else {
            let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
            let word = rest.split(|c| !in_word(c)).next().unwrap_or_default();
            if word.is_empty() {
                return Err(format!("{first:?} is not understood"));
            }
            (word_token(word, ids)?, word.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn word_token(word: &str, ids: &[String]) -> Result<Token, String> {
    let constant = |value| Token::Operand(Operand::Constant(value));
    Ok(match word {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        "True" | "true" => constant(Value::Bool(true)),
        "False" | "false" => constant(Value::Bool(false)),
        _ if ids.iter().any(|id| id == word) => Token::Operand(Operand::Input(word.to_owned())),
        _ => match word.parse::<f64>() {
            Ok(number) => constant(Value::Float(number)),
            Err(_) => return Err(format!("{word:?} is neither an input, a number nor quoted text")),
        },
    })
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Condition, String> {
        self.chain(&Token::Or, Parser::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition, String> {
        self.chain(&Token::And, Parser::part, Condition::All)
    }

    fn part(&mut self) -> Result<Condition, String> {
        if self.take(&Token::Not) {
            return Ok(Condition::Not(Box::new(self.part()?)));
        }
        if self.take(&Token::Open) {
            let inner = self.any()?;
            return if self.take(&Token::Close) { Ok(inner) } else { Err("\")\" is missing".to_owned()) };
        }
        let first = self.operand()?;
        let mut rest = Vec::new();
        while let Some(Token::Comparison(comparison)) = self.peek().cloned() {
            self.next += 1;
            rest.push((comparison, self.operand()?));
        }
        Ok(Condition::Compare(first, rest))
    }

    fn chain(
        &mut self,
        link: &Token,
        part: fn(&mut Parser) -> Result<Condition, String>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, String> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.take(link) {
            parts.push(part(self)?);
        }
        Ok(if parts.len() > 1 { join(parts) } else { parts.remove(0) })
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.peek().cloned() {
            Some(Token::Operand(operand)) => {
                self.next += 1;
                Ok(operand)
            }
            Some(token) => Err(format!("expected a value, got {}", token.text())),
            None => Err("it ends where a value is expected".to_owned()),
        }
    }

    fn take(&mut self, token: &Token) -> bool {
        let taken = self.peek() == Some(token);
        self.next += usize::from(taken);
        taken
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Result<bool, String> {
        let keys = ["[N]".to_owned(), "[MODE]".to_owned()];
        let ids = ["n".to_owned(), "mode".to_owned(), "off".to_owned()];
        let condition = Condition::parse(text, &keys, &ids)?;
        Ok(condition.holds(&|name| match name {
            "n" | "[N]" => Some(Value::Int(8)),
            "mode" | "[MODE]" => Some(Value::String("fast".to_owned())),
            _ => None,
        }))
    }

    #[test]
    fn conditions() {
        for (text, expected) in [
            ("n > 7", true),
            ("[N] > 8", false),
            ("n >= 8 and [MODE] == \"fast\"", true),
            ("n < 3 or mode != 'fast'", false),
            ("0 < n <= 8", true),
            ("0 < n < 8", false),
            ("not (n == 8)", false),
            ("not n == 8 or mode", true),
            ("off == 'x'", false),
            ("off or n == 8", false),
            ("not off", false),
            ("[MODE]=='fast' and True", true),
            ("n > -1.5", true),
        ] {
            assert_eq!(holds(text), Ok(expected), "{text}");
        }
        for text in ["n >", "(n == 8", "n == fast", "n 8", "'a", "n % 2", ""] {
            assert!(holds(text).is_err(), "{text}");
        }
    }
}
