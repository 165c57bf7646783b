//! The working directory: its lock, its own folder, and the directories of nodes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The document of the last run that read it from standard input, relative to the working directory.
pub const KEPT_DOCUMENT: &str = ".pial/document";

/// A working directory that this engine owns.
#[derive(Debug)]
pub struct Work {
    /// Its absolute path.
    pub path: PathBuf,
    /// The same as text with a slash at its end.
    pub root: String,
    /// The mark of the run that an engine left without an end, when it ran on this machine.
    pub unfinished: Option<String>,
    lock: File,
}

/// A working directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The file system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another engine runs there.
    #[error(
        "another pial ({holder}) is running in {path}; wait for it, stop it, or give another working directory (`--work`, in Python `base_dir`)"
    )]
    Locked {
        /// The working directory.
        path: PathBuf,
        /// Its process and machine.
        holder: String,
    },
    /// Its path cannot stand in the log.
    #[error("the path of the working directory {0} is not UTF-8; give another --work")]
    NotUtf8(PathBuf),
}

impl Work {
    /// Takes a working directory, making it if need be.
    ///
    /// # Errors
    /// [`WorkError`].
    pub fn take(path: &Path) -> Result<Work, WorkError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| WorkError::Io { what, path, source }
        };
        let own = path.join(".pial");
        fs::create_dir_all(own.join("capture")).map_err(io("make", &own))?;
        let path = path.canonicalize().map_err(io("find", path))?;
        let Some(text) = path.to_str() else { return Err(WorkError::NotUtf8(path)) };
        let root = format!("{}/", text.trim_end_matches('/'));
        let lock_path = own.join("lock");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let mut lock = options.map_err(io("open", &lock_path))?;
        let mut holder = String::new();
        for look in 0.. {
            let locked = lock.try_lock();
            holder.clear();
            // Only for a message and for what a dead engine may have left; the lock itself says enough.
            let _ = lock.seek(SeekFrom::Start(0)).and_then(|_| lock.read_to_string(&mut holder));
            match locked {
                Ok(()) => break,
                // Who only asks whether a run is going on holds the lock for a moment, and a step that its killed
                // engine was about to start holds it until it is itself.
                Err(TryLockError::WouldBlock) if look < FEW_LOOKS || look < MOST_LOOKS && is_dead(&holder) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = holder.lines().next().unwrap_or("it has not said which").to_owned();
                    return Err(WorkError::Locked { path, holder });
                }
                Err(TryLockError::Error(source)) => return Err(io("lock", &lock_path)(source)),
            }
        }
        let mut lines = holder.lines();
        let here = lines.next().and_then(holder_here).is_some();
        let unfinished = lines.next().filter(|_| here).map(str::to_owned);
        let mut work = Work { path, root, unfinished, lock };
        work.note("").map_err(io("write", &lock_path))?;
        Ok(work)
    }

    /// Writes into the lock who holds it and the mark of the processes it starts.
    ///
    /// # Errors
    /// What the file system says.
    pub fn note(&mut self, mark: &str) -> io::Result<()> {
        let text = format!("process {} on {}\n{mark}", std::process::id(), host());
        self.lock.set_len(0)?;
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.write_all(text.trim_end().as_bytes())
    }

    /// Keeps the text of a document that has no file of its own.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep_document(&self, text: &str) -> io::Result<()> {
        let path = self.path.join(KEPT_DOCUMENT);
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, &path)
    }

    /// Whether another engine holds the working directory now.
    pub fn is_busy(path: &Path) -> bool {
        File::open(path.join(".pial/lock"))
            .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// How often a lock that is held is tried again, 5 ms apart.
const FEW_LOOKS: u32 = 4;
/// How often it is tried again when the engine that it names is dead.
const MOST_LOOKS: u32 = 400;

/// Whether the engine that wrote into the lock ran on this machine and is no more.
fn is_dead(holder: &str) -> bool {
    let pid = holder.lines().next().and_then(holder_here);
    pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// The process that a lock names, when it is of this machine.
fn holder_here(line: &str) -> Option<&str> {
    let (pid, machine) = line.strip_prefix("process ")?.split_once(" on ")?;
    (machine == host()).then_some(pid)
}

/// The name of this machine.
pub fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// The directory a step works in before its results are published: beside the final one, hidden.
pub fn scratch(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(80).collect();
    let tail = if short.len() < name.len() {
        format!("{short}-{}", &blake3::hash(name.as_bytes()).to_hex()[..8])
    } else {
        short
    };
    directory.with_file_name(format!(".{tail}.part"))
}

/// Makes an empty scratch directory.
///
/// # Errors
/// What the file system says.
pub fn make_scratch(scratch: &Path) -> io::Result<()> {
    match fs::create_dir(scratch) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(scratch),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove(scratch)?;
            fs::create_dir(scratch)
        }
        other => other,
    }
}

/// Puts a scratch directory in place of the final one.
///
/// # Errors
/// What the file system says.
pub fn publish(scratch: &Path, directory: &Path) -> io::Result<()> {
    match fs::rename(scratch, directory) {
        Ok(()) => Ok(()),
        Err(_) if fs::symlink_metadata(directory).is_ok() => {
            remove(directory)?;
            fs::rename(scratch, directory)
        }
        Err(error) => Err(error),
    }
}

/// Removes a file or a whole directory, also one whose folders were made read-only.
///
/// # Errors
/// What the file system says.
pub fn remove(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    fs::remove_dir_all(path).or_else(|_| {
        make_writable(path)?;
        fs::remove_dir_all(path)
    })
}

fn make_writable(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}
