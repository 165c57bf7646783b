//! What a run shows: JSON events, plain lines, or a display that a person likes.

mod asked;
mod both;
mod ending;
mod fancy;
mod fit;
mod frame;
mod json;
mod plain;
mod region;

use std::env;
use std::io::{self, IsTerminal, Write};

use pial_engine::observe::Observer;

pub use both::{Both, open};
use frame::Look;

/// The reader of a run's events that the user asked for.
pub fn observer(json: bool, quiet: bool) -> Box<dyn Observer> {
    match (json, quiet) {
        (true, _) => Box::new(json::Json::default()),
        (false, true) => Box::new(plain::Plain::quiet()),
        (false, false) if is_display() => Box::new(fancy::Fancy::new(look())),
        (false, false) => Box::new(plain::Plain::new()),
    }
}

/// Prints to standard output; a reader that went away is no failure.
pub fn print(text: &str) {
    print_bytes(text.as_bytes());
}

fn print_bytes(text: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text).and_then(|()| out.flush());
}

/// Prints to standard error in one write.
fn print_error(text: &str) {
    if !text.is_empty() {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Whether standard error is a terminal that can move its cursor.
fn is_display() -> bool {
    let can_move = env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    can_move && io::stderr().is_terminal() && pial_engine::sys::terminal_size().is_some()
}

/// What the terminal can show, by the environment: <https://no-color.org>, and the locale as POSIX orders it.
fn look() -> Look {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value).unwrap_or_default().to_lowercase();
    Look { colour: value("NO_COLOR").is_none(), unicode: locale.contains("utf-8") || locale.contains("utf8") }
}
