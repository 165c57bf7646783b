//! What the file of a program says of how it can be followed: whether it traces others, whether it asks for other rights.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// What is known of a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// It calls `ptrace`, by the names it asks of its libraries; a process has one tracer at most.
    pub traces: bool,
    /// Its file is set-user-id or set-group-id, and the user who runs it has not these ids already, or it has capabilities.
    pub privileged: bool,
}

/// Facts of programs by their files, so that each is read once.
#[derive(Debug, Default)]
pub struct Cache {
    known: HashMap<(u64, u64, i64), Facts>,
}

/// More names than this are not read: no program of the field comes near.
const NAMES_MAX_BYTES: u64 = 4 << 20;

impl Cache {
    /// Looks at the program that a process runs; `capable` tells of a file that was not seen before whether it has capabilities.
    pub fn look(&mut self, pid: u32, capable: impl FnOnce(&Path) -> bool) -> Facts {
        let path = format!("/proc/{pid}/exe");
        let Ok(meta) = fs::metadata(&path) else { return Facts::default() };
        let facts = self.known.entry((meta.dev(), meta.ino(), meta.mtime()));
        let facts = *facts.or_insert_with(|| look(Path::new(&path), capable).unwrap_or_default());
        if !facts.traces {
            return facts;
        }
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        facts.as_started(Path::new(&path), words.split(|byte| *byte == 0).nth(1))
    }
}

impl Facts {
    /// The same when its first argument is known: of pial's own commands one alone traces.
    pub fn as_started(self, path: &Path, first: Option<&[u8]>) -> Facts {
        let file = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
        let is_own = self.traces && file(path) == file(Path::new("/proc/self/exe"));
        Facts { traces: self.traces && !(is_own && first != Some(b"profile")), ..self }
    }
}

/// Looks at a program; `None` for a file that cannot be read. `capable` tells whether a file has capabilities (`capabilities(7)`).
pub fn look(path: &Path, capable: impl FnOnce(&Path) -> bool) -> Option<Facts> {
    let meta = fs::metadata(path).ok()?;
    let own = fs::metadata("/proc/self").ok()?;
    // The superuser's processes keep what they are given, traced or not.
    let others = own.uid() != 0;
    let user = meta.mode() & 0o4000 != 0 && meta.uid() != own.uid();
    let group = meta.mode() & 0o2010 == 0o2010 && meta.gid() != own.gid();
    Some(Facts { traces: names(path).is_some_and(has_ptrace), privileged: others && (user || group || capable(path)) })
}

fn has_ptrace(names: Vec<u8>) -> bool {
    names.windows(8).any(|window| window == b"\0ptrace\0")
}

/// The names a program asks of libraries: the string tables of an ELF file of 64 bits, little endian, that are loaded with it
/// (System V ABI, chapter 4: `sh_type` 3 with `SHF_ALLOC`).
fn names(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let mut header = [0; 64];
    file.read_exact_at(&mut header, 0).ok()?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return None;
    }
    let place = number(&header, 40, 8);
    let (size, count) = (number(&header, 58, 2), number(&header, 60, 2));
    if size < 64 {
        return None;
    }
    let mut found = Vec::new();
    for section in 0..count {
        let mut entry = [0; 64];
        file.read_exact_at(&mut entry, place.checked_add(section * size)?).ok()?;
        let (kind, flags) = (number(&entry, 4, 4), number(&entry, 8, 8));
        let (offset, bytes) = (number(&entry, 24, 8), number(&entry, 32, 8));
        if kind == 3 && flags & 2 != 0 && bytes <= NAMES_MAX_BYTES {
            let mut table = vec![0; bytes as usize];
            file.read_exact_at(&mut table, offset).ok()?;
            found.extend(table);
        }
    }
    Some(found)
}

fn number(bytes: &[u8], from: usize, count: usize) -> u64 {
    bytes[from..from + count].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_is_harmless() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        for content in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01", &[&b"\x7fELF\x02\x01"[..], &[255; 60]].concat()] {
            fs::write(&file, content).unwrap();
            assert_eq!(look(&file, |_| false), Some(Facts::default()), "{content:?}");
        }
        assert_eq!(look(&directory.path().join("none"), |_| true), None);
    }

    #[test]
    fn names_are_whole_ones() {
        assert!(has_ptrace(b"\0malloc\0ptrace\0".to_vec()));
        assert!(!has_ptrace(b"\0malloc\0xptrace\0ptracer\0".to_vec()));
        assert_eq!(look(Path::new("/bin/sh"), |_| false), Some(Facts::default()));
    }
}
