//! The append-only log of a working directory: one writer, any number of readers, a torn last line dropped.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::record::{Header, Record, VERSION};

/// Where the log is in a working directory.
pub const LOG: &str = ".pial/log";

/// Where a line is: its offset and, in the low 20 bits, the length of its head when that fits. The head of a result ends
/// before what only people ask for; any other line is all head. 0 is no place, as the header is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place(u64);

const LENGTH_BITS: u32 = 20;
const LENGTH_MASK: u64 = (1 << LENGTH_BITS) - 1;

impl Place {
    /// No place.
    pub const NONE: Place = Place(0);

    fn new(offset: u64, length: usize) -> Place {
        Place(offset << LENGTH_BITS | (length as u64).min(LENGTH_MASK))
    }

    fn offset(self) -> u64 {
        self.0 >> LENGTH_BITS
    }

    /// The length of the head; `None` when it is longer than can be noted.
    fn length(self) -> Option<usize> {
        let length = self.0 & LENGTH_MASK;
        (length < LENGTH_MASK).then_some(length as usize)
    }
}

/// The log, open for appending.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    length: u64,
    line: Vec<u8>,
    writable: bool,
    window: Window,
}

/// A stretch of the log that was read at once: results are looked up in about the order they were written.
#[derive(Debug, Default)]
struct Window {
    offset: u64,
    bytes: Vec<u8>,
}

/// How much of the log is read at once, in bytes.
const WINDOW: usize = 32 * 1024;

/// A log that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot {what} the log {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer pial wrote it.
    #[error(
        "the log {path} has version {version}, and this pial reads version {VERSION}; use the pial that wrote it, or another --work"
    )]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It is no log.
    #[error("{0} is no log of pial's; move it away to begin anew")]
    Foreign(PathBuf),
}

impl Log {
    /// Opens the log of a working directory, beginning it if there is none; calls `visit` for each line with its
    /// place. What follows the last complete line is cut off.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(work: &Path, mut visit: impl FnMut(Place, &str)) -> Result<Log, LogError> {
        let path = work.join(LOG);
        let io = |what| {
            let path = path.clone();
            move |source| LogError::Io { what, path, source }
        };
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(io("open"))?;
        let length = scan(&file, &path, &mut visit)?;
        let mut log =
            Log { file, path: path.clone(), length, line: Vec::new(), writable: true, window: Window::default() };
        if log.file.metadata().map_err(io("read"))?.len() > length {
            log.file.set_len(length).map_err(io("repair"))?;
        }
        if length == 0 {
            let header = Header { pial_log: VERSION, pial: env!("CARGO_PKG_VERSION").to_owned() };
            log.append_line(&header).map_err(io("begin"))?;
        }
        Ok(log)
    }

    /// Opens a log without the right to write, also while a run writes it; what is appended goes nowhere.
    ///
    /// # Errors
    /// [`LogError`]; there being no log is none.
    pub fn open_to_read(work: &Path, mut visit: impl FnMut(Place, &str)) -> Result<Log, LogError> {
        let path = work.join(LOG);
        let opened = File::open(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => File::open("/dev/null"),
            _ => Err(error),
        });
        let file = opened.map_err(|source| LogError::Io { what: "open", path: path.clone(), source })?;
        let length = scan(&file, &path, &mut visit)?;
        Ok(Log { file, path, length, line: Vec::new(), writable: false, window: Window::default() })
    }

    /// Adds a record and gives its place. After an error the log is as it was.
    ///
    /// # Errors
    /// What the file system says, a full disk for one.
    pub fn append(&mut self, record: &Record<'_>) -> Result<Place, LogError> {
        self.append_line(record).map_err(|source| LogError::Io { what: "write to", path: self.path.clone(), source })
    }

    fn append_line(&mut self, line: &impl serde::Serialize) -> io::Result<Place> {
        if !self.writable {
            return Ok(Place::NONE);
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        let head = note_head(&mut self.line).unwrap_or(self.line.len() - 1);
        if let Err(error) = self.file.write_all(&self.line) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        let place = Place::new(self.length, head);
        self.length += self.line.len() as u64;
        Ok(place)
    }

    /// The line at a place.
    ///
    /// # Errors
    /// What the file system says.
    pub fn line_at(&mut self, place: Place) -> Result<String, LogError> {
        let line = whole_line_at(&self.file, place.offset()).and_then(as_text);
        line.map_err(|source| LogError::Io { what: "read", path: self.path.clone(), source })
    }

    /// The head of the line at a place, made a whole object.
    ///
    /// # Errors
    /// What the file system says.
    pub fn head_at(&mut self, place: Place) -> Result<String, LogError> {
        let Some(length) = place.length() else { return self.line_at(place) };
        let head = self.window.bytes_at(&self.file, place.offset(), length).and_then(|bytes| {
            let mut head = Vec::with_capacity(length + 1);
            head.extend_from_slice(bytes);
            if head.last() != Some(&b'}') {
                head.push(b'}');
            }
            as_text(head)
        });
        head.map_err(|source| LogError::Io { what: "read", path: self.path.clone(), source })
    }
}

fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// What a result's line begins with; the length of its head stands where the zeros are.
const HEAD: &str = r#"{"e":"done","head":"000000","#;
const HEAD_DIGITS: std::ops::Range<usize> = 20..26;
/// What follows the head: the quote cannot stand so in a text, where it would be escaped.
const TAIL: &[u8] = br#","dir":""#;

fn head_length(line: &str) -> Option<usize> {
    line.starts_with(&HEAD[..HEAD_DIGITS.start])
        .then(|| line.get(HEAD_DIGITS)?.parse().ok())?
        .filter(|length| *length > 0)
}

/// Writes the length of a result's head into its line.
fn note_head(line: &mut [u8]) -> Option<usize> {
    if !line.starts_with(HEAD.as_bytes()) {
        return None;
    }
    let length = line.windows(TAIL.len()).position(|part| part == TAIL)?;
    let digits = format!("{length:06}");
    if digits.len() != HEAD_DIGITS.len() {
        return None;
    }
    line[HEAD_DIGITS].copy_from_slice(digits.as_bytes());
    Some(length)
}

/// Reads a log without owning it, also while a run writes it; calls `visit` for each complete line.
///
/// # Errors
/// [`LogError`]; a working directory without a log is an [`LogError::Io`].
pub fn read(work: &Path, mut visit: impl FnMut(Place, &str)) -> Result<(), LogError> {
    let path = work.join(LOG);
    let file = File::open(&path).map_err(|source| LogError::Io { what: "open", path: path.clone(), source })?;
    scan(&file, &path, &mut visit).map(drop)
}

/// The length of the log up to its last complete line.
fn scan(file: &File, path: &Path, visit: &mut dyn FnMut(Place, &str)) -> Result<u64, LogError> {
    let io = |source| LogError::Io { what: "read", path: path.to_owned(), source };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    reader.seek(SeekFrom::Start(0)).map_err(io)?;
    let mut line = Vec::new();
    let mut place = 0;
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(io)? as u64;
        if line.last() != Some(&b'\n') {
            return Ok(place);
        }
        let text = std::str::from_utf8(&line[..line.len() - 1]).unwrap_or_default();
        if place == 0 {
            check_header(text, path)?;
        } else {
            visit(Place::new(place, head_length(text).unwrap_or(text.len())), text);
        }
        place += read;
    }
}

fn check_header(line: &str, path: &Path) -> Result<(), LogError> {
    match serde_json::from_str::<Header>(line) {
        Ok(header) if header.pial_log <= VERSION => Ok(()),
        Ok(header) => Err(LogError::Newer { path: path.to_owned(), version: header.pial_log }),
        Err(_) => Err(LogError::Foreign(path.to_owned())),
    }
}

impl Window {
    fn bytes_at(&mut self, file: &File, offset: u64, length: usize) -> io::Result<&[u8]> {
        let inside = |window: &Window| {
            let start = offset.checked_sub(window.offset)? as usize;
            (start + length <= window.bytes.len()).then_some(start)
        };
        let start = match inside(self) {
            Some(start) => start,
            None => {
                self.bytes.resize(WINDOW.max(length), 0);
                let read = file.read_at(&mut self.bytes, offset)?;
                self.bytes.truncate(read);
                self.offset = offset;
                inside(self).ok_or(io::ErrorKind::UnexpectedEof)?
            }
        };
        Ok(&self.bytes[start..start + length])
    }
}

fn whole_line_at(mut file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::with_capacity(2048, &mut file);
    reader.seek(SeekFrom::Start(offset))?;
    reader.read_until(b'\n', &mut line)?;
    line.pop();
    Ok(line)
}

/// Where the last result of each node and key is: what the cache looks up.
#[derive(Debug, Default)]
pub struct Index {
    places: HashMap<u64, Place, BuildHasherDefault<AlreadyHashed>>,
}

/// Handles are bits of a digest and need no further mixing.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, handle: u64) {
        self.0 = handle;
    }
}

impl Index {
    /// Notes a line if it is a result.
    pub fn note(&mut self, place: Place, line: &str) {
        let rest = line.starts_with(r#"{"e":"done""#).then(|| line.get(HEAD.len()..)).flatten();
        let digits = rest.and_then(|rest| rest.strip_prefix(r#""h":""#)?.get(..16));
        if let Some(hash) = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            self.places.insert(hash, place);
        }
    }

    /// Notes a result that was just recorded.
    pub fn insert(&mut self, handle: u64, place: Place) {
        self.places.insert(handle, place);
    }

    /// The place of the result of a node and key, by [`handle`].
    pub fn find(&self, handle: u64) -> Option<Place> {
        self.places.get(&handle).copied()
    }
}

/// 64 bits of a workflow, a node and a key together: two workflows in one working directory each have results of their
/// own. The key is a digest, so 16 of its digits serve; the names are mixed in by FNV-1a.
pub fn handle(workflow: &str, node: &str, key: &str) -> u64 {
    let name = workflow
        .bytes()
        .chain([b'/'])
        .chain(node.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    name ^ key.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// Rewrites the log keeping the lines `keep` says, under the lock of its working directory.
///
/// # Errors
/// [`LogError`]; the old log stands until the new one is complete.
pub fn compact(work: &Path, mut keep: impl FnMut(Place, &str) -> bool) -> Result<(), LogError> {
    let path = work.join(LOG);
    let new = work.join(".pial/log.new");
    let io = |source| LogError::Io { what: "compact", path: path.clone(), source };
    let mut kept = io::BufWriter::new(File::create(&new).map_err(io)?);
    let mut header = String::new();
    BufReader::new(File::open(&path).map_err(io)?).take(4096).read_line(&mut header).map_err(io)?;
    kept.write_all(header.as_bytes()).map_err(io)?;
    let mut failed = None;
    read(work, |place, line| {
        if keep(place, line) {
            failed = writeln!(kept, "{line}").err().or_else(|| failed.take());
        }
    })?;
    failed.map_or(Ok(()), Err).map_err(io)?;
    kept.into_inner().map_err(|e| io(e.into_error()))?.sync_all().map_err(io)?;
    fs::rename(&new, &path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(node: &str) -> Record<'_> {
        Record::Skip { node: node.into(), because: "a".into() }
    }

    fn lines(work: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        read(work, |_, line| lines.push(line.to_owned())).unwrap();
        lines
    }

    fn work() -> tempfile::TempDir {
        let work = tempfile::tempdir().unwrap();
        fs::create_dir(work.path().join(".pial")).unwrap();
        work
    }

    #[test]
    fn a_line_torn_at_any_byte_is_dropped_and_the_rest_kept() {
        let work = work();
        let mut log = Log::open(work.path(), |_, _| {}).unwrap();
        log.append(&skip("b")).unwrap();
        let before = fs::read(work.path().join(LOG)).unwrap();
        let place = log.append(&skip("c")).unwrap();
        assert_eq!(log.line_at(place).unwrap(), r#"{"e":"skip","node":"c","because":"a"}"#);
        let after = fs::read(work.path().join(LOG)).unwrap();
        for cut in before.len()..after.len() {
            fs::write(work.path().join(LOG), &after[..cut]).unwrap();
            assert_eq!(lines(work.path()).len(), 1);
            let mut log = Log::open(work.path(), |_, _| {}).unwrap();
            log.append(&skip("d")).unwrap();
            assert_eq!(lines(work.path()).len(), 2, "cut at {cut}");
        }
    }

    #[test]
    fn the_head_of_a_result_is_a_whole_object_and_the_line_has_the_rest() {
        let work = work();
        let mut log = Log::open(work.path(), |_, _| {}).unwrap();
        let line = r#"{"e":"done","head":"000000","h":"00000000000000ff","node":"a","key":"k","out":[],"files":[],"dir":"a \",\"dir\":\"b","what":"w","in":[],"time":1.0}"#;
        let record: Record<'_> = serde_json::from_str(line).unwrap();
        let place = log.append(&record).unwrap();
        let mut found = Vec::new();
        read(work.path(), |place, line| found.push((place, line.to_owned()))).unwrap();
        assert_eq!(found[0].0, place);
        let head = log.head_at(place).unwrap();
        assert!(head.ends_with(r#""files":[]}"#), "{head}");
        assert_eq!(serde_json::from_str::<crate::record::Result<'_>>(&head).unwrap().node, "a");
        assert_eq!(log.line_at(place).unwrap(), found[0].1);
    }

    #[test]
    fn newer_and_foreign_logs_are_refused() {
        let work = work();
        fs::write(work.path().join(LOG), "{\"pial_log\":99,\"pial\":\"9\"}\n").unwrap();
        assert!(Log::open(work.path(), |_, _| {}).unwrap_err().to_string().contains("version 99"));
        fs::write(work.path().join(LOG), "hello\n").unwrap();
        assert!(matches!(Log::open(work.path(), |_, _| {}), Err(LogError::Foreign(_))));
    }

    #[test]
    fn compaction_keeps_what_it_is_told() {
        let work = work();
        let mut log = Log::open(work.path(), |_, _| {}).unwrap();
        for node in ["b", "c", "d"] {
            log.append(&skip(node)).unwrap();
        }
        compact(work.path(), |_, line| !line.contains("\"c\"")).unwrap();
        assert_eq!(lines(work.path()).len(), 2);
    }
}
