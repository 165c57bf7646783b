//! `pial graph`: a workflow as a picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use pial_core::document::Piece;
use pial_core::graph::Graph;
use pial_core::plan::{Template, Work};
use pial_engine::catalogue::Interfaces;

use crate::failure::Failure;
use crate::graph::{dot::dot, json, svg::svg};
use crate::load::{DocumentArguments, load};
use crate::progress::print;

/// More boxes than this make no picture.
const MOST_DRAWN: usize = 3000;

/// Draw a workflow: what runs, what feeds what, how many nodes each part stands for
///
/// A box is a node of the document, with the inputs and outputs that are connected; a frame is a nested workflow.
/// Without --format the ending of the file decides (.svg, .dot, .json); on standard output it is
/// DOT. No other program is needed for SVG.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    document: DocumentArguments,
    /// The form
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A box for each node of the expanded plan; connections then do not tell inputs and outputs
    #[arg(long)]
    expanded: bool,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON, the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The form of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The language of Graphviz
    Dot,
    /// A picture
    Svg,
    /// Boxes and connections by name
    Json,
}

/// Draws it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let format = match arguments.format {
        _ if arguments.json => Format::Json,
        Some(format) => format,
        None => arguments.output.as_deref().map_or(Ok(Format::Dot), by_name)?,
    };
    let loaded = load(&arguments.document)?;
    let kind = |template: &Template| kind(template, &loaded.interfaces);
    let graph = match arguments.expanded {
        true => Graph::of_nodes(&loaded.plan, &kind),
        false => Graph::of_templates(&loaded.plan, &kind),
    };
    if format == Format::Svg && graph.boxes.len() > MOST_DRAWN {
        let message = format!("{} boxes are too many for a picture; leave out --expanded", graph.boxes.len());
        return Err(Failure::usage(message));
    }
    let text = match format {
        Format::Dot => dot(&graph, &loaded.plan.name),
        Format::Svg => svg(&graph, &loaded.plan.name),
        Format::Json => format!("{:#}\n", json(&graph)),
    };
    match &arguments.output {
        None => print(&text),
        Some(path) => std::fs::write(path, text)
            .map_err(|e| Failure::Engine(format!("cannot write the picture {}: {e}", path.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn by_name(output: &Path) -> Result<Format, Failure> {
    match output.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).as_deref() {
        Some("dot" | "gv") => Ok(Format::Dot),
        Some("svg") => Ok(Format::Svg),
        Some("json") => Ok(Format::Json),
        _ => {
            let message = "its ending tells no form; name it .svg, .dot or .json, or give --format";
            Err(Failure::usage(format!("cannot draw into {}: {message}", output.display())))
        }
    }
}

/// What a template runs, in a word or two.
fn kind(template: &Template, interfaces: &Interfaces) -> String {
    match &template.work {
        Work::Interface(number) => interfaces.get(*number).name.clone(),
        Work::Builtin(name) => name.clone(),
        Work::Function(call) => call.function.label().to_owned(),
        Work::Command(command) if command.shell => "shell".to_owned(),
        Work::Command(command) => match command.words.first().map(Vec::as_slice) {
            Some([Piece::Literal(program)]) => program.rsplit('/').next().unwrap_or(program).to_owned(),
            _ => "command".to_owned(),
        },
    }
}
