//! The warm Python interpreter as a process, and the lines that go to and fro; knows nothing of plans and steps' ends.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use pial_core::document::{Code, Function};
use serde::{Deserialize, Serialize};

use crate::guardian::{MARK, STEP};
use crate::record::Logged;
use crate::what::find_program;

/// The environment variable that names the interpreter for function nodes.
pub const PYTHON: &str = "PIAL_PYTHON";
/// The environment variable with directories that functions import from, before all others.
pub const PYTHON_PATH: &str = "PIAL_PYTHONPATH";

/// The environment variable with the socket of a launcher that has an interpreter warm already.
const WARM: &str = "PIAL_WARM";

/// The version of the lines exchanged.
pub const PROTOCOL: u32 = 3;

/// Variables that keep numerical libraries from starting threads when they are loaded: an interpreter with threads
/// cannot fork safely. Each step sets its own number afterwards.
const ONE_THREAD: [&str; 3] = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// The interpreter to use: the one that is named, else the one beside this program (as in a virtual environment), else
/// `python3`.
pub fn program() -> Result<PathBuf, String> {
    let path = env::var("PATH").unwrap_or_default();
    if let Ok(named) = env::var(PYTHON) {
        return find_program(&named, &path, "").ok_or(named);
    }
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join("python3")));
    let beside = beside.filter(|python| python.exists());
    beside.or_else(|| find_program("python3", &path, "")).ok_or_else(|| "python3".to_owned())
}

/// A running interpreter.
#[derive(Debug)]
pub struct Interpreter {
    /// Its process; nothing for one that a launcher keeps.
    pub pid: Option<u32>,
    socket: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// How many of the functions it knows, by number.
    known: Vec<bool>,
    at_end: bool,
}

/// What is asked of the interpreter.
#[derive(Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Request<'a> {
    /// To get a function ready.
    Code {
        id: u32,
        #[serde(flatten)]
        function: Described<'a>,
    },
    /// To run a step.
    Step {
        id: u64,
        code: u32,
        #[serde(flatten)]
        call: &'a Call<'a>,
    },
}

/// A function as Python is told of it.
#[derive(Debug, Serialize)]
pub struct Described<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    imports: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    globals: Option<&'a str>,
    positional: bool,
}

/// A step as Python is told of it.
#[derive(Debug, Serialize)]
pub struct Call<'a> {
    /// The step's name.
    pub node: &'a str,
    /// Where it works, absolute.
    pub directory: &'a str,
    /// Its inputs.
    pub inputs: Vec<(&'a str, Logged<'a>)>,
    /// Name, type and whether it may be nothing, of each output.
    pub outputs: Vec<(&'a str, String, bool)>,
    /// Variables added to its environment.
    pub environment: &'a [(String, String)],
    /// What it is about, for a node of nipype's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nipype: Option<Visited<'a>>,
    /// Processors.
    pub cpus: u64,
    /// The file for what it prints.
    pub stdout: &'a Path,
    /// The file for what it prints to standard error.
    pub stderr: &'a Path,
    /// The file for what it returns.
    pub result: &'a Path,
    /// Whether its process may stay for another step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stay: bool,
    /// The process that stayed and is to run it; without it, or when that is gone, one is forked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
}

/// A node of nipype's, and what is asked of it.
#[derive(Debug, Serialize)]
pub struct Visited<'a> {
    /// The file with its pickle.
    pub spool: &'a str,
    /// Where its pickle begins, and how long it is.
    pub at: (u64, u64),
    /// `run`, `item`, `collect` or `collate`.
    pub phase: &'a str,
    /// The item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// How its command ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<&'a serde_json::Value>,
}

/// What the interpreter tells.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// It takes requests.
    Ready {
        /// The version of the lines it speaks.
        protocol: u32,
    },
    /// A step has a process; told by that process.
    Started {
        /// The step.
        id: u64,
        /// Its process, which leads a group of its own.
        pid: u32,
        /// What is resident in it before it does anything, most of it shared with the interpreter, in bytes.
        rss_bytes: u64,
    },
    /// A step ended, and with it its process, or it waits for another step.
    Ended {
        /// The step.
        id: u64,
        /// Its process.
        pid: u32,
        /// As `wait4` gave it.
        status: i32,
        /// Seconds.
        user_s: f64,
        /// Seconds.
        system_s: f64,
        /// Bytes.
        max_rss_bytes: u64,
        /// Whether its process waits for another step.
        #[serde(default)]
        stays: bool,
    },
    /// Something the user should know.
    Warning {
        /// What.
        message: String,
    },
    /// It ends, and wants the next one not to import these modules beforehand.
    Restart {
        /// The modules.
        skip: Vec<String>,
    },
}

/// What a step left in its result file.
#[derive(Debug, Deserialize)]
pub struct Returned<'a> {
    /// The outputs, if it succeeded.
    #[serde(borrow, default)]
    pub outputs: Option<Vec<(String, Logged<'a>)>>,
    /// What went wrong, if something did.
    #[serde(default)]
    pub error: Option<String>,
    /// A crash file that Python wrote.
    #[serde(default)]
    pub crash: Option<String>,
    /// A command that is to run before Python is asked again.
    #[serde(default)]
    pub run: Option<Command>,
    /// What Python wants to know again when it ran.
    #[serde(default)]
    pub state: Option<serde_json::Value>,
    /// How many items there are.
    #[serde(default)]
    pub expand: Option<u32>,
    /// Whether it was done before.
    #[serde(default)]
    pub cached: bool,
}

/// A command that Python asks for.
#[derive(Debug, Deserialize)]
pub struct Command {
    /// The program, absolute, and its arguments.
    pub words: Vec<String>,
    /// Where it works.
    pub directory: String,
    /// Its whole environment, if it is not to be the engine's.
    #[serde(default)]
    pub environment: Option<std::collections::BTreeMap<String, String>>,
    /// Bytes of the files among the node's inputs.
    #[serde(default)]
    pub input_bytes: u64,
}

/// How an interpreter is started.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Modules not to import beforehand.
    pub skip: &'a [String],
    /// To import nothing beforehand.
    pub bare: bool,
    /// A directory for what it prints; it works there.
    pub directory: &'a Path,
    /// The mark of the run.
    pub mark: &'a str,
}

impl Interpreter {
    /// Starts one, or has the launcher around this run fork one.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(start: &Start<'_>) -> io::Result<Interpreter> {
        match env::var_os(WARM) {
            // What a launcher imported cannot be taken back.
            Some(path) if start.skip.is_empty() && !start.bare => Interpreter::connect(Path::new(&path)),
            _ => Interpreter::spawn(start),
        }
    }

    /// One that a launcher forks from its own, which shares its memory.
    fn connect(path: &Path) -> io::Result<Interpreter> {
        let socket = UnixStream::connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Interpreter::at(socket, None))
    }

    fn at(socket: UnixStream, pid: Option<u32>) -> Interpreter {
        Interpreter { pid, socket, incoming: vec![], outgoing: vec![], known: vec![], at_end: false }
    }

    fn spawn(start: &Start<'_>) -> io::Result<Interpreter> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Process::new(start.program);
        command.args(["-m", "pial.worker"]).args(start.skip.iter().flat_map(|module| ["--skip", module.as_str()]));
        command.args(start.bare.then_some("--bare"));
        command.current_dir(start.directory).process_group(0).env(MARK, start.mark).env(STEP, "(python)");
        for variable in ONE_THREAD.into_iter().filter(|variable| env::var_os(variable).is_none()) {
            command.env(variable, "1");
        }
        if env::var_os("PYTHONHASHSEED").is_none() {
            // A set that is pickled twice is to be the same bytes twice.
            command.env("PYTHONHASHSEED", "0");
        }
        if let Some(first) = env::var_os(PYTHON_PATH) {
            let after = env::var_os("PYTHONPATH").filter(|path| !path.is_empty());
            let parts = env::split_paths(&first).chain(after.iter().flat_map(env::split_paths));
            command.env("PYTHONPATH", env::join_paths(parts).unwrap_or(first));
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        let open = |name| OpenOptions::new().append(true).create(true).open(start.directory.join(name));
        command.stdout(open("python.out")?).stderr(open(ERRORS)?);
        let pid = command.spawn()?.id();
        Ok(Interpreter::at(ours, Some(pid)))
    }

    /// The descriptor to wait for, and whether there is something to write.
    pub fn descriptor(&self) -> (RawFd, bool) {
        (if self.at_end { -1 } else { self.socket.as_raw_fd() }, !self.outgoing.is_empty())
    }

    /// Whether nobody is left at the other end: neither the interpreter nor a step that has not told of itself yet.
    pub fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Asks for a step of the function with a number.
    pub fn request(&mut self, id: u64, code: u32, function: &Function, call: &Call<'_>) {
        let at = code as usize;
        if self.known.len() <= at {
            self.known.resize(at + 1, false);
        }
        if !std::mem::replace(&mut self.known[at], true) {
            self.put(&Request::Code { id: code, function: Described::of(function) });
        }
        self.put(&Request::Step { id, code, call });
        self.write();
    }

    fn put(&mut self, request: &Request<'_>) {
        // Writing text and numbers to memory does not fail.
        let _ = serde_json::to_writer(&mut self.outgoing, request);
        self.outgoing.push(b'\n');
    }

    /// Writes what can be written without waiting.
    fn write(&mut self) {
        let mut written = 0;
        while written < self.outgoing.len() {
            match self.socket.write(&self.outgoing[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // It is gone, which its end of the socket tells.
                Err(_) => written = self.outgoing.len(),
            }
        }
        self.outgoing.drain(..written);
    }

    /// Writes and reads what can be without waiting, and gives the news.
    pub fn exchange(&mut self) -> Vec<News> {
        self.write();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(read) => self.incoming.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.at_end = true;
                    break;
                }
            }
        }
        let Some(end) = self.incoming.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let lines: Vec<u8> = self.incoming.drain(..=end).collect();
        lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(news).collect()
    }
}

/// The file with what an interpreter prints to standard error, in its directory.
pub const ERRORS: &str = "python.err";

fn news(line: &[u8]) -> News {
    match serde_json::from_slice(line) {
        Ok(news) => news,
        Err(error) => News::Warning {
            message: format!(
                "the Python interpreter says what pial does not know ({error}): {}",
                String::from_utf8_lossy(line)
            ),
        },
    }
}

impl<'a> Described<'a> {
    /// What Python must know of a function.
    pub fn of(function: &'a Function) -> Described<'a> {
        let (mut source, mut import, mut code) = (None, None, None);
        match &function.code {
            Code::Source(text) => source = Some(text.as_str()),
            Code::Import(name) => import = Some(name.as_str()),
            Code::Marshalled(text) => code = Some(text.as_str()),
        }
        Described {
            source,
            import,
            code,
            name: function.name.as_deref(),
            imports: &function.imports,
            globals: function.globals.as_deref(),
            positional: function.positional,
        }
    }
}
