//! Puts one file in its place, all at once: readers see the old file or the new one, never half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::error::BuiltinError;

/// How the file gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Its bytes and permissions.
    Copy,
    /// A second name for it, or a copy where the file system cannot do that.
    Hardlink,
    /// A link to its absolute path.
    Symlink,
}

/// Makes `destination` the file `source`, in directories made as needed.
/// Does nothing if it is that already: the same inode, or the same bytes.
///
/// # Errors
/// [`BuiltinError::Io`] with the path that refused.
pub(super) fn place(source: &Path, destination: &Path, mode: Mode) -> Result<(), BuiltinError> {
    if is_placed(source, destination, mode)? {
        return Ok(());
    }
    let directory = destination.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).map_err(BuiltinError::io("make the directory", directory))?;
    let temporary = make_beside(source, destination, mode)?;
    let renamed = fs::rename(&temporary, destination);
    // Left behind by a failure, and by rename where another process has just put the same inode there.
    discard(&temporary);
    renamed.map_err(BuiltinError::io("write", destination))
}

fn is_placed(source: &Path, destination: &Path, mode: Mode) -> Result<bool, BuiltinError> {
    let there = match fs::symlink_metadata(destination) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(BuiltinError::io("look at", destination)(error)),
    };
    let wanted = fs::metadata(source).map_err(BuiltinError::io("look at", source))?;
    if there.is_symlink() {
        // A link elsewhere is replaced, even if its target has the same bytes: results must not hang on it.
        let itself = source.parent() == destination.parent() && source.file_name() == destination.file_name();
        return Ok(itself || mode == Mode::Symlink && fs::read_link(destination).is_ok_and(|target| target == source));
    }
    if (there.dev(), there.ino()) == (wanted.dev(), wanted.ino()) {
        return Ok(true);
    }
    if !there.is_file() || there.len() != wanted.len() {
        return Ok(false);
    }
    same_bytes(source, destination)
}

fn same_bytes(left: &Path, right: &Path) -> Result<bool, BuiltinError> {
    let open = |path: &Path| File::open(path).map_err(BuiltinError::io("read", path));
    let (mut left_file, mut right_file) = (open(left)?, open(right)?);
    let (mut left_block, mut right_block) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let left_count = fill(&mut left_file, &mut left_block).map_err(BuiltinError::io("read", left))?;
        let right_count = fill(&mut right_file, &mut right_block).map_err(BuiltinError::io("read", right))?;
        if left_block[..left_count] != right_block[..right_count] {
            return Ok(false);
        }
        if left_count == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the block is full or the file ends; returns the bytes read.
fn fill(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < block.len() {
        match file.read(&mut block[count..]) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Makes the file under a hidden name nobody has, in the destination's directory, and returns that name.
fn make_beside(source: &Path, destination: &Path, mode: Mode) -> Result<PathBuf, BuiltinError> {
    let mut number = 0_u32;
    loop {
        let temporary = destination.with_file_name(format!(".pial-{}-{number}", std::process::id()));
        match make(source, &temporary, mode) {
            Ok(()) => return Ok(temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
            Err(error) => return Err(BuiltinError::io("write", destination)(error)),
        }
    }
}

fn make(source: &Path, temporary: &Path, mode: Mode) -> io::Result<()> {
    match mode {
        Mode::Symlink => symlink(source, temporary),
        Mode::Copy => copy(source, temporary),
        // A hard link to a symbolic link would be one more symbolic link.
        Mode::Hardlink => match fs::canonicalize(source).and_then(|source| fs::hard_link(source, temporary)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => copy(source, temporary),
        },
    }
}

fn copy(source: &Path, temporary: &Path) -> io::Result<()> {
    let mut from = File::open(source)?;
    let mut to = OpenOptions::new().write(true).create_new(true).open(temporary)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.set_permissions(from.metadata()?.permissions()));
    if copied.is_err() {
        discard(temporary);
    }
    copied
}

/// Removes a temporary file if it is there; failures are reported where they happen, and this adds nothing to them.
fn discard(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn places_in_every_mode_over_anything_and_leaves_nothing_else() {
        for mode in [Mode::Copy, Mode::Hardlink, Mode::Symlink] {
            for before in ["nothing", "older", "same size", "link elsewhere", "dead link", "same link"] {
                let root = tempfile::tempdir().unwrap();
                let (source, destination) = (root.path().join("so'urce\n"), root.path().join("out é/d.nii"));
                let elsewhere = root.path().join("elsewhere");
                fs::write(&source, "new").unwrap();
                fs::set_permissions(&source, fs::Permissions::from_mode(0o440)).unwrap();
                fs::write(&elsewhere, "new").unwrap();
                fs::create_dir(root.path().join("out é")).unwrap();
                match before {
                    "older" => fs::write(&destination, "older").unwrap(),
                    "same size" => fs::write(&destination, "old").unwrap(),
                    "link elsewhere" => symlink(&elsewhere, &destination).unwrap(),
                    "dead link" => symlink("nowhere", &destination).unwrap(),
                    "same link" => symlink(&source, &destination).unwrap(),
                    _ => {}
                }
                for _ in 0..2 {
                    place(&source, &destination, mode).unwrap();
                    assert_eq!(fs::read_to_string(&destination).unwrap(), "new", "{mode:?} {before}");
                    let link = fs::symlink_metadata(&destination).unwrap();
                    assert_eq!(link.is_symlink(), mode == Mode::Symlink, "{mode:?} {before}");
                    assert_eq!(link.nlink() == 2, mode == Mode::Hardlink, "{mode:?} {before}");
                    assert_eq!(fs::metadata(&destination).unwrap().mode() & 0o777, 0o440);
                    assert_eq!(names(&root.path().join("out é")), ["d.nii"]);
                }
                assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "new");
            }
        }
    }

    #[test]
    fn same_bytes_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (source, destination) = (root.path().join("a"), root.path().join("b"));
        for content in [vec![], vec![7; 1 << 16], vec![7; (1 << 17) + 3]] {
            fs::write(&source, &content).unwrap();
            fs::write(&destination, &content).unwrap();
            let inode = fs::metadata(&destination).unwrap().ino();
            place(&source, &destination, Mode::Hardlink).unwrap();
            assert_eq!(fs::metadata(&destination).unwrap().ino(), inode);
        }
        let mut other = vec![7; (1 << 17) + 3];
        other[1 << 17] = 8;
        fs::write(&destination, &other).unwrap();
        place(&source, &destination, Mode::Copy).unwrap();
        assert_eq!(fs::read(&destination).unwrap(), vec![7; (1 << 17) + 3]);
    }

    #[test]
    fn onto_itself_is_nothing_to_do() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("a"), root.path().join("link"));
        fs::write(&file, "x").unwrap();
        symlink("a", &link).unwrap();
        for mode in [Mode::Copy, Mode::Hardlink, Mode::Symlink] {
            for path in [&file, &link] {
                place(path, path, mode).unwrap();
                assert_eq!(fs::read_to_string(path).unwrap(), "x");
            }
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn leftovers_of_a_killed_run_are_in_nobodys_way() {
        let root = tempfile::tempdir().unwrap();
        let stale = root.path().join(format!(".pial-{}-0", std::process::id()));
        fs::write(&stale, "half").unwrap();
        let source = root.path().join("a");
        fs::write(&source, "x").unwrap();
        for (mode, name) in [(Mode::Copy, "b"), (Mode::Hardlink, "c"), (Mode::Symlink, "d")] {
            place(&source, &root.path().join(name), mode).unwrap();
        }
        assert_eq!(names(root.path()).len(), 5);
        assert_eq!(fs::read_to_string(stale).unwrap(), "half");
    }

    #[test]
    fn a_hard_link_across_file_systems_is_a_copy() {
        let (root, Ok(other)) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm")) else { return };
        let (source, destination) = (root.path().join("a"), other.path().join("b"));
        fs::write(&source, "x").unwrap();
        place(&source, &destination, Mode::Hardlink).unwrap();
        assert_eq!(fs::read_to_string(&destination).unwrap(), "x");
        assert_eq!(names(other.path()), ["b"]);
    }

    #[test]
    fn a_refusal_names_the_path_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (source, taken) = (root.path().join("a"), root.path().join("taken"));
        fs::write(&source, "x").unwrap();
        fs::create_dir(&taken).unwrap();
        let error = place(&source, &taken, Mode::Hardlink).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {taken:?}: ")), "{error}");
        let error = place(&source, &source.join("b"), Mode::Copy).unwrap_err().to_string();
        assert!(error.starts_with("cannot make the directory"), "{error}");
        assert_eq!(names(root.path()), ["a", "taken"]);
    }
}
