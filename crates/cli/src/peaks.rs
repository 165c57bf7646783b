//! Where the user's peaks of memory are kept; reads the environment and no file.

use std::env;
use std::path::PathBuf;

/// The environment variable that names the file; empty for none.
pub const PEAKS: &str = "PIAL_PEAKS";

/// `PIAL_PEAKS`, else `pial/peaks` in `XDG_DATA_HOME`, else in `~/.local/share`; `None` when nothing is to be learned.
pub fn file() -> Option<PathBuf> {
    if let Some(file) = env::var_os(PEAKS) {
        // The engine works in another directory.
        return std::path::absolute(file).ok();
    }
    let directory = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = directory("XDG_DATA_HOME").or_else(|| directory("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("pial/peaks"))
}
