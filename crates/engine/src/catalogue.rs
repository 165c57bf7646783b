//! Finds interfaces: a file the document names, the user's own catalogues, the one pial brings.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pial_core::document::suggest;
use pial_core::interface::Interface;
use pial_core::plan::Catalogue;
use pial_core::value::Value;
use pial_interfaces::Descriptor;

use crate::builtin::{Builtin, Given};

/// The descriptors that pial brings: name and text, sorted by name.
const BROUGHT: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// An interface that was found.
#[derive(Debug)]
pub struct Found {
    /// The name it was asked for by.
    pub name: String,
    /// The descriptor.
    pub descriptor: Descriptor,
    /// The digest of its text.
    pub digest: String,
}

/// Every interface asked for so far.
#[derive(Debug, Default)]
pub struct Interfaces {
    directories: Vec<PathBuf>,
    found: Vec<Rc<Found>>,
    numbers: HashMap<(String, String), u32>,
}

impl Interfaces {
    /// Looks in `directories` (the user's catalogues, first one first) before what pial brings.
    pub fn new(directories: Vec<PathBuf>) -> Interfaces {
        Interfaces { directories, ..Interfaces::default() }
    }

    /// The interface with a number that [`Catalogue::interface`] gave.
    pub fn get(&self, number: u32) -> &Rc<Found> {
        &self.found[number as usize]
    }

    /// Every name that can be asked for.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = BROUGHT.iter().map(|(name, _)| (*name).to_owned()).collect();
        for directory in &self.directories {
            list(directory, "", &mut names);
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Finds an interface by catalogue name, or by the path of a descriptor relative to `base`.
    ///
    /// # Errors
    /// A message that says what is wrong and what would mend it.
    pub fn find(&self, name: &str, base: &str) -> Result<Found, String> {
        let text = self.text(name, base)?;
        let descriptor = Descriptor::parse(&text).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!("the descriptor `{name}` is wrong: {}", problems.join("; "))
        })?;
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        Ok(Found { name: name.to_owned(), descriptor, digest })
    }

    fn text(&self, name: &str, base: &str) -> Result<String, String> {
        if Path::new(name).extension().is_some_and(|e| e == "json") {
            let path = Path::new(base).join(name);
            return fs::read_to_string(&path)
                .map_err(|e| format!("cannot read the descriptor {}: {e}", path.display()));
        }
        for directory in &self.directories {
            let path = directory.join(format!("{name}.json"));
            if path.is_file() {
                return fs::read_to_string(&path)
                    .map_err(|e| format!("cannot read the descriptor {}: {e}", path.display()));
            }
        }
        if let Ok(at) = BROUGHT.binary_search_by_key(&name, |(name, _)| name) {
            return Ok(BROUGHT[at].1.to_owned());
        }
        let names = self.names();
        let tools = names.iter().filter(|known| known.ends_with(&format!("/{name}"))).map(String::as_str).next();
        let hint = match tools {
            Some(known) => format!("; did you mean `{known}`?"),
            None => suggest(name, names.iter().map(String::as_str)),
        };
        Err(format!(
            "there is no interface `{name}`{hint} (see `pial interface list`; a descriptor of your own is named by its path, ending in .json)"
        ))
    }
}

impl Catalogue for Interfaces {
    fn interface(&mut self, name: &str, base: &str) -> Result<(u32, Rc<dyn Interface>), String> {
        let key = (name.to_owned(), if name.ends_with(".json") { base.to_owned() } else { String::new() });
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                self.found.push(Rc::new(self.find(name, base)?));
                let number = self.found.len() as u32 - 1;
                self.numbers.insert(key, number);
                number
            }
        };
        Ok((number, Rc::new(FoundPorts(Rc::clone(&self.found[number as usize])))))
    }

    fn builtin(&mut self, name: &str, given: &Given<'_>) -> Result<Rc<dyn Interface>, String> {
        match Builtin::from_name(name) {
            Some(builtin) => Ok(Rc::new(builtin.signature(given))),
            None => {
                let hint = suggest(name, Builtin::NAMES.iter().copied());
                Err(format!("there is no built-in `{name}`{hint}; there are {}", Builtin::NAMES.join(", ")))
            }
        }
    }

    fn document(&mut self, path: &str) -> Result<String, String> {
        fs::read_to_string(path).map_err(|e| format!("cannot read the workflow {path}: {e}"))
    }
}

/// The ports of a found interface, shared by all nodes that use it.
#[derive(Debug)]
struct FoundPorts(Rc<Found>);

impl Interface for FoundPorts {
    fn inputs(&self) -> &[pial_core::interface::Port] {
        self.0.descriptor.inputs()
    }

    fn outputs(&self) -> &[pial_core::interface::Port] {
        self.0.descriptor.outputs()
    }

    fn check(&self, given: &[(&str, Option<&Value>)]) -> Vec<pial_core::interface::Problem> {
        self.0.descriptor.check(given)
    }
}

fn list(directory: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() {
            list(&path, &format!("{prefix}{name}/"), names);
        } else if path.extension().is_some_and(|e| e == "json") {
            names.push(format!("{prefix}{name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_descriptor_that_pial_brings_is_right() {
        let interfaces = Interfaces::default();
        assert!(BROUGHT.len() > 40 && BROUGHT.is_sorted_by_key(|(name, _)| name));
        for (name, _) in BROUGHT {
            let found = interfaces.find(name, "/").unwrap_or_else(|message| panic!("{message}"));
            assert!(!found.descriptor.executable().is_empty(), "{name}");
        }
    }

    #[test]
    fn misspelt_names_get_a_hint() {
        let interfaces = Interfaces::default();
        assert!(interfaces.find("dwidenoise", "/").unwrap_err().contains("did you mean `mrtrix3/dwidenoise`"));
        assert!(interfaces.find("mrtrix3/dwidenoize", "/").unwrap_err().contains("did you mean `mrtrix3/dwidenoise`"));
    }
}
