//! `pial interface list`: names of interfaces, each with what its tool does.

use std::process::ExitCode;

use clap::Args;
use pial_engine::catalogue::Interfaces;
use serde_json::{Value as Json, json};

use crate::failure::Failure;
use crate::load::catalogues;
use crate::progress::print;
use crate::text::{one_line, table};

/// Characters of a description that are shown.
const LONGEST: usize = 90;

/// List the interfaces that can be named in a document
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only those with this in their name or description, in any case
    filter: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let interfaces = Interfaces::new(catalogues());
    let mut rows: Vec<(String, String)> = Vec::new();
    for name in interfaces.names() {
        match interfaces.find(&name, "/") {
            Ok(found) => rows.push((name, found.descriptor.description().to_owned())),
            Err(message) => eprintln!("warning: {message}"),
        }
    }
    if let Some(filter) = &arguments.filter {
        let filter = filter.to_lowercase();
        rows.retain(|(name, text)| name.to_lowercase().contains(&filter) || text.to_lowercase().contains(&filter));
    }
    if arguments.json {
        let one = |(name, text): &(String, String)| json!({"name": name, "description": text});
        print(&format!("{:#}\n", rows.iter().map(one).collect::<Json>()));
    } else {
        let row = |(name, text): &(String, String)| vec![name.clone(), first_sentence(text)];
        print(&table(&rows.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The first line up to the end of its first sentence, cut where it is long.
fn first_sentence(text: &str) -> String {
    let line = one_line(text.trim().lines().next().unwrap_or_default());
    let sentence = line.split_once(". ").map_or(line.as_str(), |(sentence, _)| sentence).trim_end_matches('.');
    match sentence.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}...", sentence[..cut].trim_end()),
        None => sentence.to_owned(),
    }
}
