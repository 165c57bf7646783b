//! The file in which peaks outlive a working directory: JSON lines, read whole, added to, now and then rewritten.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::model::{Floor, Peak, Peaks};

/// The version of the format, in the first line.
const VERSION: u32 = 1;

/// A file larger than this (bytes) is looked at for what can go.
const LARGE: u64 = 256 * 1024;

/// As many kinds are kept; of more, those noted last.
const MOST_KINDS: usize = 2000;

/// How often another's lock is waited for, and how long each time. No run waits longer for what is only of use later.
const PATIENCE: (u32, Duration) = (20, Duration::from_millis(10));

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    pial_peaks: u32,
}

/// A line: the highest of `count` peaks of steps that ran `kind` on about so many bytes of input files and ended well; with a
/// count of 0, what those used that failed.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    kind: String,
    input_bytes: u64,
    peak_bytes: u64,
    count: u64,
    /// What steps used that were ended for memory. Versions that do not know it take the peak.
    #[serde(default, skip_serializing_if = "is_nothing")]
    more_than_bytes: u64,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Peaks by kind.
    pub kinds: HashMap<String, Peaks>,
    /// The kinds in the order in which they were noted last.
    order: HashMap<String, usize>,
    lines: usize,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is there and cannot be read.
    #[error("cannot read the peaks of earlier runs in {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A newer pial wrote it, or it is another file.
    #[error(
        "{0} holds no peaks that this pial can read: it is left alone, and nothing is learned; set PIAL_PEAKS to another file"
    )]
    Foreign(String),
}

/// Reads the file; nothing when there is none. Also gives how many lines make no sense.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path) -> Result<(Contents, usize), FileError> {
    match fs::read(path) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| FileError::Foreign(path.display().to_string())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok((Contents::default(), 0))
        }
        Err(source) => Err(FileError::Unreadable { path: path.display().to_string(), source }),
    }
}

/// `None` for another format.
fn parse(bytes: &[u8]) -> Option<(Contents, usize)> {
    let text = String::from_utf8_lossy(bytes);
    let mut contents = Contents::default();
    let mut bad = 0;
    // What comes after the last end of a line was cut off.
    let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::trim_end);
    match lines.next() {
        None => return text.is_empty().then_some((contents, 0)),
        Some(first) => {
            let header: Header = serde_json::from_str(first).ok()?;
            (header.pial_peaks == VERSION).then_some(())?;
        }
    }
    for line in lines.filter(|line| !line.is_empty()) {
        match serde_json::from_str::<Line>(line) {
            Ok(line) => contents.take(line),
            Err(_) => bad += 1,
        }
    }
    Some((contents, bad))
}

impl Contents {
    fn take(&mut self, line: Line) {
        self.lines += 1;
        if !self.kinds.contains_key(&line.kind) {
            self.kinds.insert(line.kind.clone(), Peaks::default());
        }
        if let Some(peaks) = self.kinds.get_mut(&line.kind) {
            let (seen, more_than) = (line.peak_bytes, line.more_than_bytes);
            match line.count {
                0 if more_than > 0 => peaks.note_failed(line.input_bytes, Floor { seen: 0, more_than }),
                0 => peaks.note_failed(line.input_bytes, Floor { seen, more_than }),
                count => peaks.note(line.input_bytes, Peak { bytes: seen, count }),
            }
        }
        self.order.insert(line.kind, self.lines);
    }

    fn sizes(&self) -> usize {
        self.kinds.values().map(|peaks| peaks.iter().count() + peaks.floors().count()).sum()
    }

    /// The lines that say the same, and of too many kinds only those noted last.
    fn compacted(&self) -> String {
        let mut kinds: Vec<(&usize, &String)> = self.order.iter().map(|(kind, at)| (at, kind)).collect();
        kinds.sort_unstable();
        let dropped = kinds.len().saturating_sub(MOST_KINDS);
        let lines = kinds[dropped..].iter().map(|(_, kind)| lines(kind, &self.kinds[*kind]));
        header() + &lines.collect::<String>()
    }
}

fn header() -> String {
    json(&Header { pial_peaks: VERSION })
}

/// Successes first: what was ended for memory before them is none of these lines.
fn lines(kind: &str, peaks: &Peaks) -> String {
    let line = |input_bytes, peak_bytes, count, more_than_bytes| {
        json(&Line { kind: kind.to_owned(), input_bytes, peak_bytes, count, more_than_bytes })
    };
    let mut text: String = peaks.iter().map(|(input, peak)| line(input, peak.bytes, peak.count, 0)).collect();
    for (input, Floor { seen, more_than }) in peaks.floors() {
        if seen > 0 {
            text += &line(input, seen, 0, 0);
        }
        if more_than > 0 {
            text += &line(input, more_than, 0, more_than);
        }
    }
    text
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_nothing(bytes: &u64) -> bool {
    *bytes == 0
}

fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

/// Adds peaks to the file, which is made if there is none. Other runs may do the same at the same time.
///
/// # Errors
/// What the file system says; `WouldBlock` when another holds the lock for too long.
pub fn add<'p>(path: &Path, peaks: impl Iterator<Item = (&'p str, &'p Peaks)>) -> io::Result<()> {
    let text: String = peaks.map(|(kind, peaks)| lines(kind, peaks)).collect();
    if text.is_empty() {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = locked(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let before = if length == 0 { header() } else { ending(&mut file)? };
    // One write: whoever reads meanwhile sees whole lines, or the last one cut off.
    file.write_all((before + &text).as_bytes())?;
    if length > LARGE { compact(path, &mut file) } else { Ok(()) }
}

/// Removes what is known of kinds, of all without names. Gives those that were known, in the order of the file's names.
///
/// # Errors
/// What the file system says; `WouldBlock` when another holds the lock for too long; `InvalidData` for another format.
pub fn forget(path: &Path, is_meant: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut file = locked(path)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let Some((mut contents, _)) = parse(&bytes) else { return Err(io::ErrorKind::InvalidData.into()) };
    let mut forgotten: Vec<String> = contents.kinds.keys().filter(|kind| is_meant(kind)).cloned().collect();
    forgotten.sort_unstable();
    for kind in &forgotten {
        contents.kinds.remove(kind);
        contents.order.remove(kind);
    }
    if !forgotten.is_empty() {
        replace(path, &contents)?;
    }
    Ok(forgotten)
}

/// The file, and its lock; it may have been replaced between the two.
fn locked(path: &Path) -> io::Result<File> {
    for _ in 0..PATIENCE.0 {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) if fs::metadata(path).is_ok_and(|now| file.metadata().is_ok_and(|own| own.ino() == now.ino())) => {
                return Ok(file);
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE.1),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// What ends a last line that was cut off, so that the next begins a new one.
fn ending(file: &mut File) -> io::Result<String> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(if last == *b"\n" { String::new() } else { "\n".to_owned() })
}

/// Rewrites a file that says the same things again and again.
fn compact(path: &Path, file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let Some((contents, _)) = parse(&bytes) else { return Ok(()) };
    if contents.lines < 2 * contents.sizes() && contents.kinds.len() <= MOST_KINDS {
        return Ok(());
    }
    replace(path, &contents)
}

/// Writes a new file in the place of one whose lock is held.
fn replace(path: &Path, contents: &Contents) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    let written = fs::write(&new, contents.compacted()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(input: u64, bytes: u64) -> Peaks {
        let mut peaks = Peaks::default();
        peaks.note(input, Peak { bytes, count: 1 });
        peaks
    }

    fn place() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no such/peaks");
        (directory, path)
    }

    #[test]
    fn what_is_added_is_read() {
        let (_directory, path) = place();
        assert!(read(&path).unwrap().0.kinds.is_empty());
        for bytes in [5, 9, 7] {
            add(&path, [("a \"b\"\n", &peaks(8192, bytes))].into_iter()).unwrap();
        }
        let (contents, bad) = read(&path).unwrap();
        let found: Vec<(u64, Peak)> = contents.kinds["a \"b\"\n"].iter().collect();
        assert_eq!((found, bad), (vec![(8192, Peak { bytes: 9, count: 3 })], 0));
    }

    #[test]
    fn a_line_of_version_1_is_read() {
        let text = "{\"pial_peaks\":1}\n{\"kind\":\"a\",\"input_bytes\":0,\"peak_bytes\":7,\"count\":2}\n";
        let (contents, _) = parse(text.as_bytes()).unwrap();
        assert_eq!(header() + &lines("a", &contents.kinds["a"]), text);
    }

    #[test]
    fn failures_are_read_as_they_were_and_a_later_success_lifts_them() {
        let (_directory, path) = place();
        let mut first = peaks(1 << 20, 500);
        first.note_failed(1 << 22, Floor { seen: 600, more_than: 900 });
        add(&path, [("a", &first)].into_iter()).unwrap();
        assert_eq!(read(&path).unwrap().0.kinds["a"], first);
        add(&path, [("a", &peaks(1 << 22, 1000))].into_iter()).unwrap();
        let (contents, bad) = read(&path).unwrap();
        assert_eq!((contents.kinds["a"].more_than(), contents.kinds["a"].highest(), bad), (None, Some(1000), 0));
        assert_eq!(contents.kinds["a"].floors().collect::<Vec<_>>(), [(1 << 22, Floor { seen: 900, more_than: 0 })]);
    }

    #[test]
    fn a_torn_line_costs_itself_alone() {
        let (_directory, path) = place();
        add(&path, [("a", &peaks(0, 5))].into_iter()).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(read(&path).is_ok() || cut < header().len(), "{cut}");
            if cut >= header().len() {
                add(&path, [("b", &peaks(0, 5))].into_iter()).unwrap();
                assert!(read(&path).unwrap().0.kinds.contains_key("b"), "{cut}");
            }
        }
    }

    #[test]
    fn a_newer_or_foreign_file_is_no_knowledge() {
        for text in ["{\"pial_peaks\":2}\n", "hello\n", "\u{0}\n", "[2]\n", "{}\n{}\n"] {
            let (directory, _) = place();
            let path = directory.path().join("x");
            fs::write(&path, text).unwrap();
            assert!(matches!(read(&path), Err(FileError::Foreign(_))), "{text}");
        }
        assert_eq!(parse(b"{\"pial_peaks\":1}\n\xff\xfe\n{\"kind\":3}\n").unwrap().1, 2);
    }

    #[test]
    fn a_file_that_repeats_itself_is_rewritten_and_stays_bounded() {
        let (_directory, path) = place();
        let mut many = HashMap::new();
        for kind in 0..2500 {
            many.insert(format!("a kind of step with a long name {kind}"), peaks(1 << 20, 100));
        }
        for _ in 0..4 {
            add(&path, many.iter().map(|(kind, peaks)| (kind.as_str(), peaks))).unwrap();
        }
        add(&path, [("last", &peaks(0, 5))].into_iter()).unwrap();
        let (contents, _) = read(&path).unwrap();
        assert!(contents.kinds.len() <= MOST_KINDS + 2500 && contents.kinds.contains_key("last"));
        assert_eq!(contents.kinds.len(), contents.lines, "rewritten");
    }

    /// A lock that does not hold, or a rewrite that loses what another adds, shows as a count that is too small.
    #[test]
    fn threads_that_add_at_the_same_time_lose_nothing() {
        let (_directory, path) = place();
        let add_many = |thread: u64| {
            for round in 0..50 {
                let one = peaks(1 << (12 + thread), round);
                while add(&path, [("k", &one)].into_iter()).is_err() {}
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || add_many(thread)))));
        assert_eq!(read(&path).unwrap().0.kinds["k"].count(), 200);
    }
}
