//! Python's two ways of putting values into text, `{name:02d}` and `%(name)02d`, as far as file names need them.

use pial_core::value::Value;

/// A text with places for values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// One place for a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// Empty for `%s`, which takes the next value.
    pub name: String,
    spec: Spec,
}

#[derive(Debug, Clone, PartialEq)]
struct Spec {
    fill: char,
    align: Option<char>,
    plus: bool,
    /// Characters; a file name has at most 255.
    width: u8,
    precision: Option<u8>,
    /// `s`, `d`, `f`, or a space for whatever the value is.
    kind: char,
}

/// A template or value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("`{text}`: a `{open}` is not closed; write `{open}{open}` for a plain one")]
    Unclosed { text: String, open: char },
    #[error("`{text}`: a lone `}}`; write `}}}}` for a plain one")]
    Lone { text: String },
    #[error(
        "`{text}`: placeholder `{field}` is not understood; use a plain name with at most a width and one of s, d, f"
    )]
    Placeholder { text: String, field: String },
    #[error("placeholder `{field}`: {message}")]
    Value { field: String, message: String },
}

impl Template {
    /// Reads `{name}`, `{name:03d}`, `{{`, `}}`.
    pub fn braces(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Pieces::default();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, bracket) = rest.split_at(at);
            pieces.text(before);
            rest = &bracket[1..];
            if let Some(after) = rest.strip_prefix(&bracket[..1]) {
                pieces.text(&bracket[..1]);
                rest = after;
            } else if bracket.starts_with('}') {
                return Err(TemplateError::Lone { text: text.to_owned() });
            } else {
                let unclosed = || TemplateError::Unclosed { text: text.to_owned(), open: '{' };
                let (field, after) = rest.split_once('}').ok_or_else(unclosed)?;
                let (name, spec) = field.split_once(':').unwrap_or((field, ""));
                pieces.field(name, Spec::of_braces(spec).filter(|_| is_name(name)), text, field)?;
                rest = after;
            }
        }
        pieces.text(rest);
        Ok(Template(pieces.0))
    }

    /// Reads `%(name)s`, `%(name)03d`, `%s`, `%d`, `%%`.
    pub fn percent(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Pieces::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            pieces.text(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('%') {
                pieces.text("%");
                rest = after;
                continue;
            }
            let mut name = "";
            if let Some(after) = rest.strip_prefix('(') {
                let unclosed = || TemplateError::Unclosed { text: text.to_owned(), open: '(' };
                (name, rest) = after.split_once(')').ok_or_else(unclosed)?;
            }
            let length = rest.find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |at| at + 1);
            let (spec, after) = rest.split_at(length);
            pieces.field(name, Spec::of_percent(spec), text, &format!("%{spec}"))?;
            rest = after;
        }
        pieces.text(rest);
        Ok(Template(pieces.0))
    }

    /// The places for values, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Field(field) => Some(field),
        })
    }

    /// The text with every place filled by `value_of`, asked by name in order of appearance.
    pub fn fill<'v>(&self, mut value_of: impl FnMut(&str) -> Option<&'v Value>) -> Result<String, TemplateError> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Field(field) => {
                    let value = value_of(&field.name).unwrap_or(&Value::Null);
                    let error = |message| TemplateError::Value { field: field.name.clone(), message };
                    text.push_str(&field.spec.format(value).map_err(error)?);
                }
            }
        }
        Ok(text)
    }
}

/// Pieces so far; adjacent texts are one piece.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    fn field(&mut self, name: &str, spec: Option<Spec>, text: &str, field: &str) -> Result<(), TemplateError> {
        let odd = || TemplateError::Placeholder { text: text.to_owned(), field: field.to_owned() };
        self.0.push(Piece::Field(Field { name: name.to_owned(), spec: spec.ok_or_else(odd)? }));
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

impl Spec {
    /// `[[fill]align][+][0][width][.precision][type]`.
    fn of_braces(text: &str) -> Option<Spec> {
        let chars: Vec<char> = text.chars().take(2).collect();
        let is_align = |c: Option<&char>| c.is_some_and(|c| "<>^".contains(*c));
        let (fill, align) = match (is_align(chars.get(1)), is_align(chars.first())) {
            (true, _) => (chars[0], Some(chars[1])),
            (_, true) => (' ', Some(chars[0])),
            _ => (' ', None),
        };
        let taken: usize = if is_align(chars.get(1)) { 2 } else { usize::from(align.is_some()) };
        let rest: String = text.chars().skip(taken).collect();
        Spec { fill, align, plus: false, width: 0, precision: None, kind: ' ' }.numbers(&rest)
    }

    /// `[-][+][0][width][.precision]type`; the type must be there.
    fn of_percent(text: &str) -> Option<Spec> {
        let rest = text.trim_start_matches('-');
        let align = (rest.len() < text.len()).then_some('<').or(Some('>'));
        let spec = Spec { fill: ' ', align, plus: false, width: 0, precision: None, kind: ' ' }.numbers(rest)?;
        (spec.kind != ' ').then_some(spec)
    }

    fn numbers(mut self, text: &str) -> Option<Spec> {
        let text = text.strip_prefix('+').inspect(|_| self.plus = true).unwrap_or(text);
        let (text, kind) = match text.chars().last() {
            Some(kind @ ('s' | 'd' | 'f')) => (&text[..text.len() - 1], kind),
            Some('i') => (&text[..text.len() - 1], 'd'),
            _ => (text, ' '),
        };
        self.kind = kind;
        let (width, precision) = text.split_once('.').map_or((text, None), |(width, digits)| (width, Some(digits)));
        if width.len() > 1 && width.starts_with('0') && self.align != Some('<') {
            (self.fill, self.align) = ('0', Some('='));
        }
        self.width = if width.is_empty() { 0 } else { width.parse().ok()? };
        self.precision = precision.map(str::parse).transpose().ok()?;
        Some(self)
    }

    fn format(&self, value: &Value) -> Result<String, String> {
        let (mut text, numeric) = match (self.kind, value) {
            (_, Value::Null) => return Err("no value is given".to_owned()),
            (_, Value::List(_) | Value::Map(_)) => {
                return Err(format!("expected one value, got {}; map the node over it", value.excerpt()));
            }
            ('d', value) => (whole(value)?.to_string(), true),
            ('f', value) => (format!("{:.*}", self.precision.unwrap_or(6).into(), real(value)?), true),
            // As Python prints it: 1.0 keeps its fraction.
            (_, Value::Float(number)) => (format!("{number:?}"), true),
            (_, Value::Int(number)) => (number.to_string(), true),
            (_, value) => (value.to_string(), false),
        };
        if self.kind != 'd' && !numeric {
            text = text.chars().take(self.precision.map_or(usize::MAX, usize::from)).collect();
        }
        if self.plus && numeric && !text.starts_with('-') {
            text.insert(0, '+');
        }
        Ok(self.pad(text, numeric))
    }

    fn pad(&self, text: String, numeric: bool) -> String {
        let lack = usize::from(self.width).saturating_sub(text.chars().count());
        let fill = |count: usize| std::iter::repeat_n(self.fill, count).collect::<String>();
        match self.align.unwrap_or(if numeric { '>' } else { '<' }) {
            '<' => text + &fill(lack),
            '^' => fill(lack / 2) + &text + &fill(lack - lack / 2),
            '=' => {
                let sign = text.len() - text.trim_start_matches(['-', '+']).len();
                format!("{}{}{}", &text[..sign], fill(lack), &text[sign..])
            }
            _ => fill(lack) + &text,
        }
    }
}

fn whole(value: &Value) -> Result<i64, String> {
    let number = match value {
        Value::Int(number) => Some(*number),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => Some(*number as i64),
        // A subject or run is often text that is a number.
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("expected a whole number, got {}", value.excerpt()))
}

fn real(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(number) => Ok(*number),
        value => {
            whole(value).map(|number| number as f64).map_err(|_| format!("expected a number, got {}", value.excerpt()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(name: &str) -> Option<&'static Value> {
        static VALUES: std::sync::OnceLock<Vec<(&str, Value)>> = std::sync::OnceLock::new();
        let values = VALUES.get_or_init(|| {
            vec![
                ("", Value::Int(2)),
                ("subject", Value::String("sub-é 1".to_owned())),
                ("run", Value::Int(7)),
                ("low", Value::Int(-7)),
                ("text", Value::String("12".to_owned())),
                ("echo", Value::Float(1.0)),
                ("te", Value::Float(2.25)),
                ("list", Value::List(vec![])),
            ]
        });
        values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn fills_as_python_does() {
        let cases = [
            ("", ""),
            ("plain 100%", "plain 100%"),
            ("{subject}/f{run}.nii", "sub-é 1/f7.nii"),
            ("{run:02d} {run:3d} {run:<3d}| {run:+d} {run:03}", "07   7 7  | +7 007"),
            ("{low:04d} {text:03d} {echo:d}", "-007 012 1"),
            ("{te:.1f} {te:06.2f} {echo} {subject:.3} {subject:_>9s}", "2.2 002.25 1.0 sub __sub-é 1"),
            ("{{run}} {run:x^5}", "{run} xx7xx"),
        ];
        for (template, filled) in cases {
            assert_eq!(Template::braces(template).and_then(|t| t.fill(value_of)).as_deref(), Ok(filled), "{template}");
        }
        let cases = [
            ("%(subject)s_run%(run)02d{}", "sub-é 1_run07{}"),
            ("%s/%03d-%-3d|%% %i", "2/002-2  |% 2"),
            ("%(te)5.1f|%(text)4s", "  2.2|  12"),
        ];
        for (template, filled) in cases {
            assert_eq!(Template::percent(template).and_then(|t| t.fill(value_of)).as_deref(), Ok(filled), "{template}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let braces = |text: &str| Template::braces(text).and_then(|t| t.fill(value_of)).unwrap_err().to_string();
        assert_eq!(braces("a{b"), "`a{b`: a `{` is not closed; write `{{` for a plain one");
        assert_eq!(braces("a}b"), "`a}b`: a lone `}`; write `}}` for a plain one");
        for text in ["{}", "{0[1]}", "{a.b}", "{a!r}", "{a:%}", "{a:999d}", "{a:1x2}", "{a-b}"] {
            assert!(braces(text).contains("is not understood"), "{text}");
        }
        assert_eq!(braces("{nobody}"), "placeholder `nobody`: no value is given");
        assert_eq!(braces("{subject:d}"), "placeholder `subject`: expected a whole number, got \"sub-é 1\"");
        assert_eq!(braces("{list}"), "placeholder `list`: expected one value, got []; map the node over it");
        let percent = |text: &str| Template::percent(text).unwrap_err().to_string();
        assert!(percent("50%").contains("`%` is not understood"));
        assert!(percent("%(a").contains("a `(` is not closed"));
        assert!(percent("%(a)é").contains("is not understood"));
    }
}
