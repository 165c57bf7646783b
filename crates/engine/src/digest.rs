//! Content digests of files and directories, and the file identity that says a digest still holds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A BLAKE3 digest as 64 hexadecimal digits.
pub type Digest = String;

/// The digests of the files among a step's inputs, by path.
pub type Digests = std::collections::HashMap<String, Seen>;

/// A file as a step sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its content.
    pub digest: Digest,
    /// What it was when the node that made it published it; `None` for a file that no node made.
    pub made: Option<Identity>,
}

/// What tells a file from every other and from itself before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Size in bytes; for a directory the total of its files.
    pub size: u64,
    /// Anything else that changes with the content: device, inode, modification and change time.
    pub stamp: u64,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Anyone's: the change time counts too, as a program can set the modification time back.
    User,
    /// A node's result: the change time is left out, as a hard link made of the file (by a datasink) changes it.
    Node,
}

/// The identity of a file or of everything in a directory.
///
/// # Errors
/// What the file system says; the path is not in it.
pub fn identify(path: &Path, owner: Owner) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(identity(&metadata, owner));
    }
    let mut size = 0;
    let mut hasher = blake3::Hasher::new();
    for entry in walk(path)? {
        let metadata = at_link(&entry)?;
        let own = identity(&metadata, owner);
        size += if metadata.is_file() { own.size } else { 0 };
        hasher.update(entry.as_os_str().as_bytes().strip_prefix(path.as_os_str().as_bytes()).unwrap_or_default());
        if !metadata.is_dir() {
            hasher.update(&own.stamp.to_le_bytes()).update(&own.size.to_le_bytes());
        }
    }
    let mut stamp = [0; 8];
    stamp.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Ok(Identity { size, stamp: u64::from_le_bytes(stamp) })
}

fn identity(metadata: &fs::Metadata, owner: Owner) -> Identity {
    let changed = match owner {
        Owner::User => nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        Owner::Node => 0,
    };
    let modified = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
    // A mix of the four numbers: equality of all four is what counts.
    let stamp =
        [metadata.dev(), metadata.ino(), modified, changed].iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, part| {
            (hash.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
    Identity { size: metadata.len(), stamp }
}

/// Nanoseconds since 1970, wrapped.
fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(nanoseconds as u64)
}

/// The digest of a file's bytes, or of the names and bytes of everything in a directory.
/// A link inside a directory counts as the file it leads to; one that leads to a directory or nowhere as the text it
/// holds, so links in a circle are no matter.
///
/// # Errors
/// What the file system says; the path is not in it.
pub fn digest(path: &Path) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    if fs::metadata(path)?.is_dir() {
        for entry in walk(path)? {
            let name = entry.as_os_str().as_bytes().strip_prefix(path.as_os_str().as_bytes()).unwrap_or_default();
            let metadata = at_link(&entry)?;
            let (kind, content) = if metadata.is_symlink() {
                (b'l', blake3::hash(fs::read_link(&entry)?.as_os_str().as_bytes()))
            } else if metadata.is_file() {
                let mut file = blake3::Hasher::new();
                update(&mut file, &entry)?;
                (b'f', file.finalize())
            } else {
                (b'd', blake3::hash(b""))
            };
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(&[kind]).update(content.as_bytes());
        }
    } else {
        update(&mut hasher, path)?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn update(hasher: &mut blake3::Hasher, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    // One byte more than there is, so that the end shows without a further look at a file that has not grown.
    let mut buffer = vec![0_u8; size.min(256 * 1024) as usize + 1];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => hasher.update(&buffer[..read]),
        };
    }
}

/// What a link to a file leads to, else what is there itself.
fn at_link(path: &Path) -> io::Result<fs::Metadata> {
    let own = fs::symlink_metadata(path)?;
    if own.is_symlink()
        && let Ok(target) = fs::metadata(path)
        && target.is_file()
    {
        return Ok(target);
    }
    Ok(own)
}

/// Everything in a directory, itself left out, sorted by path; links are not followed.
fn walk(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_links_in_a_circle_has_a_digest_that_follows_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("a")).unwrap();
        fs::write(path.join("a/x y"), "1").unwrap();
        std::os::unix::fs::symlink("..", path.join("a/up")).unwrap();
        let (before, identity) = (digest(path).unwrap(), identify(path, Owner::User).unwrap());
        assert_eq!(digest(path).unwrap(), before);
        assert_eq!(identify(path, Owner::User).unwrap(), identity);
        fs::write(path.join("a/x y"), "2").unwrap();
        assert_ne!(digest(path).unwrap(), before);
        assert_ne!(identify(path, Owner::User).unwrap(), identity);
    }

    #[test]
    fn a_change_behind_a_link_in_a_directory_shows() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = outside.path().join("x");
        fs::write(&target, "1").unwrap();
        std::os::unix::fs::symlink(&target, inside.path().join("x")).unwrap();
        let before = (digest(inside.path()).unwrap(), identify(inside.path(), Owner::User).unwrap());
        fs::write(&target, "2").unwrap();
        assert_ne!(digest(inside.path()).unwrap(), before.0);
        assert_ne!(identify(inside.path(), Owner::User).unwrap(), before.1);
    }

    #[test]
    fn a_digest_does_not_depend_on_where_a_directory_is() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for directory in [&one, &two] {
            fs::write(directory.path().join("x"), "1").unwrap();
        }
        assert_eq!(digest(one.path()).unwrap(), digest(two.path()).unwrap());
    }
}
