//! Starts processes on the `posix_spawn` path and keeps their output in files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::guardian::{MARK, STEP};

/// Two files that take what a step prints. They are used again by the next step when nothing was printed, so that a
/// quiet step costs no file.
#[derive(Debug)]
pub struct Capture {
    out: Stream,
    err: Stream,
}

impl Capture {
    /// The files for standard output and standard error.
    pub fn paths(&self) -> (&Path, &Path) {
        (&self.out.path, &self.err.path)
    }
}

#[derive(Debug)]
struct Stream {
    path: PathBuf,
    file: File,
}

/// All captures of a run, free ones first.
#[derive(Debug)]
pub struct Captures {
    directory: PathBuf,
    free: Vec<Capture>,
    made: u32,
    null: File,
}

impl Captures {
    /// Keeps captures in a directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(directory: PathBuf) -> io::Result<Captures> {
        Ok(Captures { directory, free: Vec::new(), made: 0, null: File::open("/dev/null")? })
    }

    /// A capture for a step.
    ///
    /// # Errors
    /// What the system says.
    pub fn take(&mut self) -> io::Result<Capture> {
        if let Some(capture) = self.free.pop() {
            return Ok(capture);
        }
        self.made += 1;
        let open = |name: &str| Stream::open(self.directory.join(format!("{}.{name}", self.made)));
        Ok(Capture { out: open("out")?, err: open("err")? })
    }

    /// Moves what was printed into a directory as `stdout` and `stderr`; nothing when nothing was.
    ///
    /// # Errors
    /// What the system says.
    pub fn settle(&mut self, mut capture: Capture, directory: &Path) -> io::Result<()> {
        for (stream, name) in [(&mut capture.out, "stdout"), (&mut capture.err, "stderr")] {
            if stream.file.metadata()?.len() > 0 {
                fs::rename(&stream.path, directory.join(name))?;
                *stream = Stream::open(stream.path.clone())?;
            }
        }
        self.free.push(capture);
        Ok(())
    }

    /// The end of what was printed, at most `most` bytes of each stream, and the capture emptied for the next.
    ///
    /// # Errors
    /// What the system says.
    pub fn tail(&mut self, capture: Capture, most: u64) -> io::Result<(String, String)> {
        let tails = (tail(&capture.out.path, most)?, tail(&capture.err.path, most)?);
        self.discard(capture)?;
        Ok(tails)
    }

    /// Forgets what was printed.
    ///
    /// # Errors
    /// What the system says.
    pub fn discard(&mut self, capture: Capture) -> io::Result<()> {
        capture.out.file.set_len(0)?;
        capture.err.file.set_len(0)?;
        self.free.push(capture);
        Ok(())
    }

    /// What was printed to standard output, and the capture emptied for the next.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&mut self, capture: Capture) -> io::Result<(String, String)> {
        let read = |stream: &Stream| fs::read(&stream.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let texts = (read(&capture.out)?, read(&capture.err)?);
        self.discard(capture)?;
        Ok(texts)
    }

    /// Starts a process in a group of its own; gives its id.
    ///
    /// # Errors
    /// What the system says, a missing program for one.
    pub fn spawn(&self, launch: &Launch<'_>, capture: &Capture) -> io::Result<u32> {
        let mut command = Command::new(launch.program);
        command.args(launch.arguments).current_dir(launch.directory).process_group(0);
        if launch.whole_environment {
            command.env_clear();
        }
        command.envs(launch.environment.iter().map(|(key, value)| (key, value)));
        command.env(MARK, launch.mark).env(STEP, launch.step);
        command.stdin(match launch.input {
            Some(input) => File::open(input)?,
            None => self.null.try_clone()?,
        });
        command.stdout(Stdio::from(capture.out.file.try_clone()?));
        command.stderr(Stdio::from(capture.err.file.try_clone()?));
        command.spawn().map(|child| child.id())
    }
}

/// What to start.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program, absolute, so that the standard library need not search and can use `posix_spawn`.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [String],
    /// Where it works.
    pub directory: &'a Path,
    /// Variables added to the environment.
    pub environment: &'a [(String, String)],
    /// Whether these are all there are.
    pub whole_environment: bool,
    /// The file on its standard input; nothing when `None`.
    pub input: Option<&'a Path>,
    /// The mark of the run.
    pub mark: &'a str,
    /// The name of the step.
    pub step: &'a str,
}

/// The last bytes of a file as text.
///
/// # Errors
/// What the system says.
pub fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Stream {
    fn open(path: PathBuf) -> io::Result<Stream> {
        // Appending, so that two writers (a step and its child) never overwrite each other, and an emptied file is
        // written from its start.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Stream { path, file })
    }
}
