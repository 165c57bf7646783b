//! What can be known to be missing on this machine before anything runs: programs, input files.

use std::collections::HashSet;
use std::path::Path;

use pial_core::plan::{Plan, Template, Work};
use pial_core::tree::Problem;

use crate::builtin::Builtin;
use crate::catalogue::Interfaces;
use crate::contents::Contents;
use crate::what::Whats;

/// As many missing files are named for one input; the rest are counted.
const MOST_NAMED: usize = 5;

/// Every missing program and file, with the place in the document that wants it.
pub fn check(plan: &Plan, interfaces: &Interfaces) -> Vec<Problem> {
    let (mut whats, mut contents) = (Whats::default(), Contents::default());
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for (id, template) in plan.templates.iter() {
        if plan.points(id) == 0 {
            continue;
        }
        if let Err(program) = whats.of(template, interfaces, &mut contents)
            && seen.insert(program.clone())
        {
            problems.push(at(template, template.mark, missing_program(&program, template, interfaces)));
        }
        let looks_outside = matches!(&template.work, Work::Builtin(name) if Builtin::from_name(name).is_some_and(|builtin| builtin.looks_outside()));
        if looks_outside {
            continue;
        }
        for (mark, missing) in plan.given_paths(id, &mut |path| Path::new(path).exists()) {
            let more = missing.len().saturating_sub(MOST_NAMED);
            let named: Vec<String> = missing.into_iter().take(MOST_NAMED).map(|path| describe(&path)).collect();
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            problems.push(at(
                template,
                mark,
                format!("missing input of `{}`: {}{more}", template.name, named.join(", ")),
            ));
        }
    }
    problems
}

fn at(template: &Template, mark: pial_core::tree::Mark, message: String) -> Problem {
    Problem { file: template.file.clone(), mark, message }
}

fn missing_program(program: &str, template: &Template, interfaces: &Interfaces) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    if let Some(file) = crate::what::find_file(program, &path, &template.base) {
        return format!(
            "`{}` needs the program {}, which is not executable; chmod +x it",
            template.name,
            file.display()
        );
    }
    let container = match template.work {
        Work::Interface(number) => {
            interfaces.get(number).descriptor.container().map(|container| container.image.clone())
        }
        _ => None,
    };
    let container = container.map_or_else(String::new, |image| format!(" (the container image {image} has it)"));
    format!(
        "`{}` needs the program `{program}`, which is not on PATH; install it or add its directory to PATH{container}",
        template.name
    )
}

/// A missing file with the nearest directory that exists, so that a slip in the path shows.
fn describe(path: &str) -> String {
    let there = Path::new(path).ancestors().skip(1).find(|above| above.exists());
    match there {
        Some(above) if Some(above) != Path::new(path).parent() => format!("{path} (only {} exists)", above.display()),
        _ => path.to_owned(),
    }
}
