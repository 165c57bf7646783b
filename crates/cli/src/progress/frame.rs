//! Draws where a run stands as lines of text; knows sizes and colours, but no terminal and no clock.

use pial_core::schedule::Counts;

use super::fit::{aligned_right, cut, padded, shorten, width};
use crate::quantity::{bytes, duration, estimate};

/// What is to be drawn.
#[derive(Debug)]
pub struct View<'a> {
    /// How many nodes are in which state.
    pub counts: Counts,
    /// What runs, longest first.
    pub running: Vec<Running<'a>>,
    /// Seconds since the run began.
    pub elapsed_s: f64,
    /// Seconds left, when known.
    pub left_s: Option<f64>,
    /// How often the user asked for the end.
    pub interrupts: u32,
    /// What the terminal can show.
    pub look: Look,
}

/// A step that runs.
#[derive(Debug)]
pub struct Running<'a> {
    /// The node, free of control characters.
    pub node: std::borrow::Cow<'a, str>,
    /// Seconds since its start.
    pub seconds: f64,
    /// Resident set of its main process, when it could be read.
    pub rss_bytes: Option<u64>,
}

/// What a terminal can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether colours are wanted.
    pub colour: bool,
    /// Whether more than ASCII can be shown.
    pub unicode: bool,
}

/// A colour, by its SGR number (ECMA-48, 8.3.117).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Colour {
    /// Trouble.
    Red = 31,
    /// Well.
    Green = 32,
    /// Under way.
    Yellow = 33,
    /// Done before.
    Blue = 34,
    /// Of less interest.
    Grey = 90,
}

impl Look {
    /// Text in a colour, if colours are wanted.
    pub fn paint(self, text: &str, colour: Colour) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    /// What stands for text that was left out.
    fn mark(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }
}

/// The lines to show, at most `rows` of at most `columns` each.
pub fn frame(view: &View<'_>, columns: usize, rows: usize) -> Vec<String> {
    let shares = shares(view);
    let mut lines: Vec<String> = interruption(view, columns).into_iter().collect();
    lines.extend(meter(view, &shares, columns));
    lines.extend(counts(view, &shares, columns));
    lines.truncate(rows);
    let room = rows - lines.len();
    lines.extend(running(view, columns, room));
    lines
}

/// The nodes in one state: how many, what they are called, their colour, how the bar shows them.
struct Share {
    count: u32,
    name: &'static str,
    colour: Colour,
    glyphs: [char; 2],
}

fn shares(view: &View<'_>) -> [Share; 6] {
    let counts = view.counts;
    let running = nodes_running(&view.running).min(counts.left());
    let share = |count, name, colour, glyphs| Share { count, name, colour, glyphs };
    [
        share(counts.done, "done", Colour::Green, ['█', '#']),
        share(counts.cached, "done before", Colour::Blue, ['▓', '+']),
        share(counts.failed, "failed", Colour::Red, ['x', 'x']),
        share(counts.skipped, "skipped", Colour::Grey, ['-', '-']),
        share(running, "running", Colour::Yellow, ['▒', '>']),
        share(counts.left() - running, "waiting", Colour::Grey, ['░', '.']),
    ]
}

/// How many nodes the running steps belong to; the items of a map node are one.
fn nodes_running(running: &[Running<'_>]) -> u32 {
    let node = |name: &'_ str| -> usize { name.rfind('#').unwrap_or(name.len()) };
    let mut nodes: Vec<&str> = running.iter().map(|step| &step.node[..node(&step.node)]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.len() as u32
}

fn interruption(view: &View<'_>, columns: usize) -> Option<String> {
    let count = view.running.len();
    let (steps, them) = if count == 1 { ("step", "it") } else { ("steps", "them") };
    let text = match view.interrupts {
        0 => return None,
        _ if count == 0 => "interrupted".to_owned(),
        1 => format!("interrupted: ending {count} {steps} (Ctrl-C again kills {them})"),
        _ => format!("interrupted: killing {count} {steps}"),
    };
    Some(view.look.paint(&cut(&text, columns, view.look.mark()), Colour::Yellow))
}

/// The bar, how much of the work it shows in percent, and the time; on two lines where one is too short.
fn meter(view: &View<'_>, shares: &[Share], columns: usize) -> Vec<String> {
    const LONGEST: usize = 40;
    const SHORTEST: usize = 12;
    let counts = view.counts;
    let percent = u64::from(counts.total - counts.left()) * 100 / u64::from(counts.total.max(1));
    let mut time = duration(view.elapsed_s);
    if let Some(left) = view.left_s.and_then(estimate).filter(|_| view.interrupts == 0) {
        time += &format!(", about {left} left");
    }
    let after = format!(" {percent:>3}%");
    let beside = columns.saturating_sub(2 + width(&after) + 2 + width(&time));
    if beside >= SHORTEST {
        return vec![format!("[{}]{after}  {time}", bar(shares, beside.min(LONGEST), view.look))];
    }
    let time = cut(&time, columns, view.look.mark()).into_owned();
    match columns.saturating_sub(2 + width(&after)) {
        0 => vec![time],
        room => vec![format!("[{}]{after}", bar(shares, room.min(LONGEST), view.look)), time],
    }
}

fn bar(shares: &[Share], columns: usize, look: Look) -> String {
    let counts: Vec<u32> = shares.iter().map(|share| share.count).collect();
    let parts = apportion(&counts, columns).into_iter().zip(shares).filter(|(cells, _)| *cells > 0);
    parts
        .map(|(cells, share)| {
            look.paint(&share.glyphs[usize::from(!look.unicode)].to_string().repeat(cells), share.colour)
        })
        .collect()
}

/// Spreads `columns` over counts in proportion, with at least one for each that is not zero while there is room;
/// the largest takes what rounding leaves.
fn apportion(counts: &[u32], columns: usize) -> Vec<usize> {
    let total = counts.iter().map(|count| *count as usize).sum::<usize>().max(1);
    let cells = |count: &u32| if *count == 0 { 0 } else { (*count as usize * columns / total).max(1) };
    let mut cells: Vec<usize> = counts.iter().map(cells).collect();
    let largest = (0..counts.len()).max_by_key(|index| counts[*index]).unwrap_or(0);
    let others: usize = cells.iter().sum::<usize>() - cells[largest];
    cells[largest] = columns.saturating_sub(others);
    let mut room = columns;
    for cells in &mut cells {
        *cells = (*cells).min(room);
        room -= *cells;
    }
    cells
}

/// The counts that are not zero, on as many lines as they need.
fn counts(view: &View<'_>, shares: &[Share], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for share in shares.iter().filter(|share| share.count > 0) {
        let text = format!("{} {}", share.count, share.name);
        let text = view.look.paint(&cut(&text, columns, view.look.mark()), share.colour);
        match lines.last_mut() {
            Some(line) if width(line) + 2 + width(&text) < columns => *line += &format!(", {text}"),
            Some(line) => {
                if width(line) < columns {
                    line.push(',');
                }
                lines.push(text);
            }
            None => lines.push(text),
        }
    }
    lines
}

/// The steps that run, as many as there is room for.
fn running(view: &View<'_>, columns: usize, room: usize) -> Vec<String> {
    let all = view.running.len();
    let shown = if all <= room { all } else { room.saturating_sub(1) };
    let times: Vec<String> = view.running[..shown].iter().map(|step| duration(step.seconds)).collect();
    let memory: Vec<String> = view.running[..shown].iter().map(|step| memory(step, columns)).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| width(text)).max().unwrap_or(0);
    let (time_width, memory_width) = (widest(&times), widest(&memory));
    let beside = 2 + 2 + time_width + if memory_width > 0 { 2 + memory_width } else { 0 };
    let names = view.running[..shown].iter().map(|step| width(&step.node)).max().unwrap_or(0);
    let name_width = columns.saturating_sub(beside).clamp(1, names.max(1));
    let line = |((step, time), memory): ((&Running<'_>, &String), &String)| {
        let name = padded(&shorten(&step.node, name_width, view.look.mark()), name_width);
        let memory = if memory_width > 0 { format!("  {}", padded(memory, memory_width)) } else { String::new() };
        let line = format!("  {name}  {}{memory}", aligned_right(time, time_width));
        cut(line.trim_end(), columns, view.look.mark()).into_owned()
    };
    let mut lines: Vec<String> = view.running[..shown].iter().zip(&times).zip(&memory).map(line).collect();
    if shown < all && room > 0 {
        lines.push(cut(&format!("  and {} more", all - shown), columns, view.look.mark()).into_owned());
    }
    lines
}

/// Names matter more than memory where there is little room.
fn memory(step: &Running<'_>, columns: usize) -> String {
    const ROOM: usize = 50;
    match step.rss_bytes {
        Some(rss) if columns >= ROOM => format!("RSS {:>8}", bytes(rss)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
