//! Starts the command of a profile so that it can be traced from its first instruction on; knows no figures.
//!
//! A helper is started that waits on a socket for the word to go and then becomes the command. It ends when the socket
//! does, so nothing is left waiting when pial is killed.

use std::ffi::OsString;
use std::io::{BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pial_engine::sys;

use crate::failure::Failure;

/// A helper that has not become the command yet.
#[derive(Debug)]
pub struct Waiting {
    /// Its process, the command's own later.
    pub pid: u32,
    channel: UnixStream,
    told: String,
}

/// Why the command did not run.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// For the user.
    pub message: String,
    /// 126 or 127, as shells have it.
    pub code: u8,
}

impl Waiting {
    /// Starts the helper, which enters the control group with this door, see [`Waiting::entered`].
    pub fn start(command: &[OsString], door: Option<&Path>) -> Result<Waiting, Failure> {
        let failed = |e: std::io::Error| Failure::Engine(format!("cannot start the helper of a profile: {e}"));
        let (channel, other) = UnixStream::pair().map_err(failed)?;
        let number = sys::hand_down(&other).map_err(failed)?;
        let own = std::env::current_exe().map_err(failed)?;
        let mut helper = Command::new(own);
        helper.arg("__traced").arg(number.to_string());
        if let Some(door) = door {
            helper.arg("--door").arg(door);
        }
        let helper = helper.arg("--").args(command).spawn();
        Ok(Waiting { pid: helper.map_err(failed)?.id(), channel, told: String::new() })
    }

    /// Waits until it is in the group, or tells why it could not enter. To be asked once, when it was given a door.
    pub fn entered(&mut self) -> Result<(), String> {
        let mut told = String::new();
        // No more than the line comes before the helper is let go.
        std::io::BufReader::new(&self.channel).read_line(&mut told).map_err(|e| e.to_string())?;
        if told.trim().is_empty() { Ok(()) } else { Err(told.trim().to_owned()) }
    }

    /// Lets it become the command.
    pub fn go(&mut self) {
        // A helper that was killed is seen when it is waited for.
        let _ = self.channel.write_all(b"!");
    }

    /// Waits until it became the command, which closes the socket, or told why it did not.
    pub fn settled(&mut self) {
        let _ = self.channel.read_to_string(&mut self.told);
    }

    /// Why it did not become the command, if so. To be asked when it ended or [`Waiting::settled`].
    pub fn refused(&mut self) -> Option<Refused> {
        self.settled();
        let (code, message) = self.told.split_once(' ')?;
        Some(Refused { message: message.to_owned(), code: code.parse().ok()? })
    }
}

/// The helper's life. Gives an exit code when it does not become the command.
pub fn become_command(channel: i32, door: Option<&Path>, command: &[OsString]) -> u8 {
    let Ok(mut channel) = sys::inherited(channel) else { return 126 };
    if let Some(door) = door {
        let told = std::fs::write(door, "0").map_or_else(|e| e.to_string(), |()| String::new());
        let _ = writeln!(channel, "{told}");
    }
    let mut word = [0];
    let (Ok(1), Some((program, arguments))) = (channel.read(&mut word), command.split_first()) else { return 126 };
    let error = Command::new(program).args(arguments).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    let _ = write!(channel, "{code} cannot run {}: {error}", program.display());
    code
}

/// The file that a command's name stands for, as `execvp(3)` finds it.
pub fn find(program: &OsString) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 || program.as_encoded_bytes().contains(&b'/') {
        return Some(path.to_owned());
    }
    let places = std::env::var_os("PATH")?;
    std::env::split_paths(&places).map(|place| place.join(path)).find(|file| file.is_file())
}
