//! Which file goes where, directories resolved into their files, before anything is written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::builtin::error::BuiltinError;

/// Files and directories to make.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Destination to source.
    files: BTreeMap<PathBuf, PathBuf>,
    /// Destination to (one) source; several directories may become one.
    directories: BTreeMap<PathBuf, PathBuf>,
}

impl Plan {
    /// Files to place: destination, then source.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.files.iter().map(|(destination, source)| (destination.as_path(), source.as_path()))
    }

    /// Directories to make, the empty ones among them.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.directories.keys().map(PathBuf::as_path)
    }

    /// Adds a file, or a directory with all that is in it.
    ///
    /// # Errors
    /// Another source for the same place; what is neither file nor directory, or cannot be listed.
    pub fn add(&mut self, source: &Path, destination: &Path) -> Result<(), BuiltinError> {
        self.add_below(source, destination, &mut Vec::new())
    }

    /// `above` holds the device and inode of the directories on the way down: a link back to one of them is a
    /// circle without content of its own, and is left out.
    fn add_below(
        &mut self,
        source: &Path,
        destination: &Path,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<(), BuiltinError> {
        let metadata = match fs::metadata(source) {
            Ok(metadata) => metadata,
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Ok(()),
            Err(error) => return Err(BuiltinError::io("read", source)(error)),
        };
        if metadata.is_file() {
            return self.add_file(source, destination);
        }
        if !metadata.is_dir() {
            let odd = io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a directory");
            return Err(BuiltinError::io("copy", source)(odd));
        }
        let identity = (metadata.dev(), metadata.ino());
        if above.contains(&identity) {
            return Ok(());
        }
        above.push(identity);
        if let Some(file) = self.files.get(destination) {
            return Err(conflict(destination, file, source));
        }
        self.directories.insert(destination.to_owned(), source.to_owned());
        for entry in fs::read_dir(source).map_err(BuiltinError::io("list", source))? {
            let name = entry.map_err(BuiltinError::io("list", source))?.file_name();
            self.add_below(&source.join(&name), &destination.join(&name), above)?;
        }
        above.pop();
        Ok(())
    }

    fn add_file(&mut self, source: &Path, destination: &Path) -> Result<(), BuiltinError> {
        if let Some(directory) = self.directories.get(destination) {
            return Err(conflict(destination, directory, source));
        }
        match self.files.entry(destination.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(source.to_owned());
                Ok(())
            }
            Entry::Occupied(taken) if is_same(taken.get(), source) => Ok(()),
            Entry::Occupied(taken) => Err(conflict(destination, taken.get(), source)),
        }
    }

    /// Removes the directories that are about to be written anew.
    ///
    /// # Errors
    /// A source lies inside one of them.
    pub fn clear_destinations(&self, written: &[PathBuf]) -> Result<(), BuiltinError> {
        let replaced: Vec<&PathBuf> = written
            .iter()
            .filter(|path| self.directories.contains_key(*path) && path.is_dir() && !path.is_symlink())
            .collect();
        for directory in &replaced {
            let real = fs::canonicalize(directory).map_err(BuiltinError::io("look at", directory))?;
            let inside = |source: &&PathBuf| fs::canonicalize(source).is_ok_and(|source| source.starts_with(&real));
            if let Some(source) = self.files.values().find(inside) {
                let message =
                    format!("{directory:?} cannot be removed first, since {source:?} to be put away is in it");
                return Err(BuiltinError::input("remove_dest_dir", message));
            }
        }
        for directory in replaced {
            match fs::remove_dir_all(directory) {
                // One of them inside another went with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(BuiltinError::io("remove", directory))?,
            }
        }
        Ok(())
    }
}

fn conflict(destination: &Path, first: &Path, second: &Path) -> BuiltinError {
    BuiltinError::Conflict { destination: destination.to_owned(), first: first.to_owned(), second: second.to_owned() }
}

fn is_same(left: &Path, right: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    left == right || identity(left).is_some() && identity(left) == identity(right)
}
