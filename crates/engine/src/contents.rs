//! Digests of files that no node made, remembered by identity so that an unchanged file costs one `stat`.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::digest::{self, Digest, Identity, Owner};
use crate::record::Content;

/// A file changed this recently may change again within the resolution of its time stamp, so its digest is not
/// remembered beyond the run.
const TOO_YOUNG: Duration = Duration::from_secs(2);

/// Files larger than this (bytes) are read by a process of their own, so that the engine never waits for a disk.
pub const LARGE: u64 = 32 * 1024 * 1024;

/// Digests by path.
#[derive(Debug, Default)]
pub struct Contents {
    known: HashMap<Box<str>, (Identity, Digest)>,
}

/// What is known of a file's content.
#[derive(Debug)]
pub enum Lookup {
    /// Its digest, and whether that is news worth remembering.
    Known(Digest, Option<Identity>),
    /// It is too large to be read here.
    Large,
}

impl Contents {
    /// Takes in a remembered digest.
    pub fn remember(&mut self, content: &Content<'_>) {
        let identity = Identity { size: content.1, stamp: content.2 };
        self.known.insert(content.0.as_ref().into(), (identity, content.3.clone().into_owned()));
    }

    /// Takes in a digest that was just made.
    pub fn learn(&mut self, path: &str, identity: Identity, digest: Digest) {
        self.known.insert(path.into(), (identity, digest));
    }

    /// The digest of a file or directory.
    ///
    /// # Errors
    /// What the file system says.
    pub fn look_up(&mut self, path: &str) -> io::Result<Lookup> {
        let identity = digest::identify(Path::new(path), Owner::User)?;
        if let Some((known, digest)) = self.known.get(path)
            && *known == identity
        {
            return Ok(Lookup::Known(digest.clone(), None));
        }
        if identity.size > LARGE {
            return Ok(Lookup::Large);
        }
        let digest = digest::digest(Path::new(path))?;
        self.learn(path, identity, digest.clone());
        Ok(Lookup::Known(digest, is_settled(Path::new(path)).then_some(identity)))
    }

    /// The bytes of a file, or of all in a directory, when it was last looked at; no look at the file system.
    pub fn size(&self, path: &str) -> Option<u64> {
        self.known.get(path).map(|(identity, _)| identity.size)
    }

    /// Whether a file still has the content of that digest; another step may have looked at it since.
    pub fn still_holds(&self, path: &str, digest: &str) -> bool {
        let now = digest::identify(Path::new(path), Owner::User);
        self.known.get(path).is_some_and(|(known, content)| content == digest && now.is_ok_and(|now| now == *known))
    }
}

/// Whether a file was left alone long enough for its time stamp to tell of the next change.
pub fn is_settled(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|m| m.modified());
    let age = |modified| SystemTime::now().duration_since(modified).unwrap_or_default();
    modified.is_ok_and(|modified| age(modified) > TOO_YOUNG)
}
