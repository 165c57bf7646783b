//! Memory control groups, version 1 and 2: finds this process's own, makes one for each step, reads what it used, sets its
//! limit; knows no step and decides nothing.
//!
//! Files and their meaning: the kernel's `admin-guide/cgroup-v2.rst` and `admin-guide/cgroup-v1/memory.rst`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process;

/// Which of the two kinds of control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller.
    One,
    /// The unified hierarchy.
    Two,
}

/// The memory control group that this process is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The kind.
    pub version: Version,
    /// Its directory.
    pub directory: PathBuf,
    /// Where the hierarchy is mounted; no group that can be seen is above.
    pub mount: PathBuf,
}

/// Why no groups can be made.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no hierarchy with the controller.
    #[error("no memory control group is mounted")]
    Absent,
    /// The hierarchy is there and not for this user.
    #[error("no group can be made in {directory}: {source}")]
    Denied {
        /// Where it was tried last.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Own {
    /// The group of this process; `None` when no hierarchy with the memory controller is mounted.
    pub fn find() -> Option<Own> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Own::parse(&groups, &mounts)
    }

    /// The same, of the text of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    fn parse(groups: &str, mounts: &str) -> Option<Own> {
        let mut unified = None;
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            if controllers.split(',').any(|name| name == "memory") {
                let (mount, root) = mount(mounts, "cgroup", "memory")?;
                return Some(Own { version: Version::One, directory: below(&mount, &root, path), mount });
            }
            if controllers.is_empty() {
                unified = Some(path);
            }
        }
        let (mount, root) = mount(mounts, "cgroup2", "")?;
        Some(Own { version: Version::Two, directory: below(&mount, &root, unified?), mount })
    }

    /// This group and those above that can be seen, innermost first.
    pub fn and_above(&self) -> impl Iterator<Item = &Path> {
        self.directory.ancestors().take_while(|directory| directory.starts_with(&self.mount))
    }

    /// Moves this thread back into its own group.
    fn back(&self) -> io::Result<()> {
        fs::write(self.directory.join(self.version.door()), "0")
    }
}

/// Where processes are listed, and moved by writing their number; 0 is the writer.
const PROCESSES: &str = "cgroup.procs";

impl Version {
    /// Where a thread that starts processes writes `0` to enter a group. In version 1 a thread that moves itself alone waits for
    /// nothing since Linux 5.5; to move a process the kernel waits for all processors, 5 to 50 ms where they are busy.
    fn door(self) -> &'static str {
        match self {
            Version::One => "tasks",
            Version::Two => PROCESSES,
        }
    }
}

/// Where a hierarchy is mounted, and which of its groups is there.
fn mount(mounts: &str, kind: &str, controller: &str) -> Option<(PathBuf, String)> {
    mounts.lines().find_map(|line| {
        let (place, system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, at) = (place.next()?, place.next()?);
        let mut system = system.split(' ');
        let is_kind = system.next()? == kind;
        let has_controller = controller.is_empty() || system.nth(1)?.split(',').any(|option| option == controller);
        (is_kind && has_controller).then(|| (PathBuf::from(at), root.to_owned()))
    })
}

/// The directory of a group in a mount that shows the hierarchy from `root` on.
fn below(mount: &Path, root: &str, path: &str) -> PathBuf {
    let inside = path.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
    mount.join(inside.trim_start_matches('/'))
}

/// A directory in which each step can have a group.
#[derive(Debug)]
pub struct Groups {
    own: Own,
    base: PathBuf,
    made: u32,
    /// Groups that could not be removed yet.
    left: Vec<PathBuf>,
}

impl Groups {
    /// Makes the directory `name` where this process may have groups with the memory controller. Version 1: in its own group.
    /// Version 2: in the root; else beside its own group, where the controller is enabled above it; else in its own
    /// group, whose processes are then moved to a leaf, as a group with controllers may not have processes itself.
    ///
    /// # Errors
    /// [`Refused`], and then nothing is changed.
    pub fn open(name: &str) -> Result<Groups, Refused> {
        Groups::find(name, true).or_else(|failed| {
            let mut own = Own::find().filter(|own| own.version == Version::Two).ok_or(Refused::Absent);
            let moved = own.as_mut().is_ok_and(|own| move_to_leaf(own).is_ok());
            let Some(own) = own.ok().filter(|_| moved) else { return Err(failed) };
            let base = own.directory.parent().unwrap_or(&own.mount).join(name);
            let groups = Groups { base: base.clone(), own, made: 0, left: Vec::new() };
            groups.prepared(true).map_err(|source| Refused::Denied { directory: base, source })
        })
    }

    /// The same for groups that this process will not enter itself, and never moves other processes: for a version 2 group with
    /// processes and nothing enabled above, none.
    ///
    /// # Errors
    /// [`Refused`], and then nothing is changed.
    pub fn open_in_place(name: &str) -> Result<Groups, Refused> {
        Groups::find(name, false)
    }

    fn find(name: &str, enters: bool) -> Result<Groups, Refused> {
        let own = Own::find().ok_or(Refused::Absent)?;
        let denied = |directory: &Path| {
            let directory = directory.to_owned();
            move |source| Refused::Denied { directory, source }
        };
        if own.version == Version::One {
            let base = own.directory.join(name);
            let groups = Groups { base: base.clone(), own, made: 0, left: Vec::new() };
            return groups.prepared(enters).map_err(denied(&base));
        }
        let mut failed = denied(&own.directory)(io::ErrorKind::PermissionDenied.into());
        for parent in [own.mount.clone(), own.directory.parent().map(Path::to_owned).unwrap_or_default()] {
            if !own.mount.starts_with(&parent) && !parent.starts_with(&own.mount)
                || !is_root(&own, &parent) && !has_memory(&parent)
            {
                continue;
            }
            let base = parent.join(name);
            let enabled = if has_memory(&parent) { Ok(()) } else { enable_memory(&parent) };
            let groups = Groups { base: base.clone(), own: own.clone(), made: 0, left: Vec::new() };
            match enabled.and_then(|()| groups.prepared(enters)) {
                Ok(groups) => return Ok(groups),
                Err(error) => failed = denied(&base)(error),
            }
        }
        Err(failed)
    }

    /// Makes the directory, and a group in it, which this process enters and leaves if it will later: only trying tells whether
    /// it may. In version 2 each move waits for the kernel, some milliseconds when it is busy.
    fn prepared(mut self, enters: bool) -> io::Result<Groups> {
        self.base.parent().into_iter().for_each(remove_stale);
        fs::create_dir(&self.base)?;
        let tried = self.try_out(enters);
        if tried.is_err() {
            let _ = fs::remove_dir(&self.base);
        }
        tried.map(|()| self)
    }

    fn try_out(&mut self, enters: bool) -> io::Result<()> {
        if self.own.version == Version::Two {
            enable_memory(&self.base)?;
        }
        let group = self.make()?;
        let entered = if enters { group.enter().and_then(|()| self.leave()) } else { Ok(()) };
        let result = entered
            .and_then(|()| group.peak_bytes().map(drop).ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported)));
        self.remove(group);
        result
    }

    /// The kind of group.
    pub fn version(&self) -> Version {
        self.own.version
    }

    /// A new group with nothing in it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn make(&mut self) -> io::Result<Group> {
        self.left.retain(|directory| fs::remove_dir(directory).is_err());
        self.made += 1;
        let directory = self.base.join(self.made.to_string());
        fs::create_dir(&directory)?;
        Ok(Group { version: self.own.version, directory })
    }

    /// Moves this process back from a group that it entered.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn leave(&self) -> io::Result<()> {
        self.own.back()
    }

    /// Removes a group, at once or, when something in it still ends, later.
    pub fn remove(&mut self, group: Group) {
        if fs::remove_dir(&group.directory).is_err() {
            self.left.push(group.directory);
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        remove_with_groups(&self.base, 1);
        if self.base.exists() {
            // This process may still be in one of them.
            let _ = self.own.back();
            remove_with_groups(&self.base, MOST_TRIES / 10);
        }
    }
}

/// The processes in what a process that was killed left of [`Groups::open`].
pub fn processes_left(name: &str) -> Vec<u32> {
    let groups = left(name).into_iter().flat_map(|base| fs::read_dir(base).into_iter().flatten().flatten());
    let texts = groups.filter_map(|group| fs::read_to_string(group.path().join(PROCESSES)).ok());
    texts.flat_map(|text| text.lines().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Removes what such a process left, once its steps are ended.
pub fn remove_left(name: &str) {
    left(name).iter().for_each(|base| remove_with_groups(base, MOST_TRIES));
}

fn left(name: &str) -> Vec<PathBuf> {
    let Some(own) = Own::find() else { return Vec::new() };
    own.and_above().map(|directory| directory.join(name)).filter(|base| base.is_dir()).collect()
}

/// Removes what is empty of groups that dead processes made: they were killed, or left a daemon in theirs.
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix("pial-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove_with_groups(&entry.path(), 1);
        }
    }
}

/// Removes a directory of groups and the groups in it.
fn remove_with_groups(base: &Path, tries: u32) {
    // A process that was killed is in its group until it has given back its memory.
    for _ in 0..tries {
        let groups = fs::read_dir(base).into_iter().flatten().flatten();
        groups.filter(|entry| entry.path().is_dir()).for_each(|group| drop(fs::remove_dir(group.path())));
        match fs::remove_dir(base) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(TRY_AGAIN),
            _ => return,
        }
    }
}

/// How often groups are tried to be removed, and how long after the last time.
const MOST_TRIES: u32 = 400;
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// The true root of a version 2 hierarchy: it may have processes beside groups with controllers.
fn is_root(own: &Own, directory: &Path) -> bool {
    directory == own.mount && !directory.join("cgroup.type").exists()
}

/// Whether groups in this one have the memory controller.
fn has_memory(directory: &Path) -> bool {
    has_word(&directory.join("cgroup.subtree_control"), "memory")
}

fn has_word(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_ascii_whitespace().any(|found| found == word))
}

fn enable_memory(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("cgroup.subtree_control"), "+memory")
}

/// Moves all processes of this process's own group to a leaf in it, and enables the controller for groups in it.
fn move_to_leaf(own: &mut Own) -> io::Result<()> {
    if !has_word(&own.directory.join("cgroup.controllers"), "memory") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let leaf = own.directory.join("pial.leaf");
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let moved = move_all(&own.directory, &leaf).and_then(|()| enable_memory(&own.directory));
    if let Err(error) = moved {
        let _ = move_all(&leaf, &own.directory);
        let _ = fs::remove_dir(&leaf);
        return Err(error);
    }
    own.directory = leaf;
    Ok(())
}

fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    // Some may fork meanwhile.
    for _ in 0..MOST_LOOKS {
        let text = fs::read_to_string(from.join(PROCESSES))?;
        if text.is_empty() {
            return Ok(());
        }
        for process in text.lines() {
            match fs::write(to.join(PROCESSES), process) {
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => {}
                result => result?,
            }
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// How often processes of a group are moved before giving up.
const MOST_LOOKS: u32 = 20;

/// `ESRCH`.
const NO_SUCH_PROCESS: i32 = 3;

/// A group of one step.
#[derive(Debug)]
pub struct Group {
    version: Version,
    directory: PathBuf,
}

impl Group {
    /// A group by its directory, as for tests.
    pub fn at(version: Version, directory: PathBuf) -> Group {
        Group { version, directory }
    }

    /// The kind of group.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Moves this thread into the group: what it starts then is born there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn enter(&self) -> io::Result<()> {
        self.write(self.version.door(), "0")
    }

    /// The file into which another process of one thread writes `0` to enter the group. Memory it has stays charged to the
    /// group it had it in.
    pub fn door(&self) -> PathBuf {
        self.directory.join(self.version.door())
    }

    /// Limits memory, page cache counted, which the kernel gives back first; nothing is swapped out.
    ///
    /// # Errors
    /// What the kernel says: for version 1, that more is in use and cannot be given back.
    pub fn limit(&self, bytes: u64) -> io::Result<()> {
        match self.version {
            Version::One => {
                self.write("memory.limit_in_bytes", &bytes.to_string())?;
                // Not there without swap accounting.
                let _ = self.write("memory.memsw.limit_in_bytes", &bytes.to_string());
            }
            Version::Two => {
                let _ = self.write("memory.swap.max", "0");
                // One process less would leave a step that waits for it, or goes on without.
                let _ = self.write("memory.oom.group", "1");
                self.write("memory.max", &bytes.to_string())?;
            }
        }
        Ok(())
    }

    /// The most that was charged to the group, in bytes, page cache and the kernel's own memory counted; `None` before
    /// Linux 5.19 for version 2.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.number(match self.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        })
    }

    /// What is charged to the group now, in bytes.
    pub fn now_bytes(&self) -> Option<u64> {
        self.number(match self.version {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        })
    }

    /// How much of what is charged now are pages of files, which the kernel can drop, in bytes; shared memory is not among them.
    pub fn cache_bytes(&self) -> Option<u64> {
        let name = match self.version {
            Version::One => "cache",
            Version::Two => "file",
        };
        Some(self.statistic(name)?.saturating_sub(self.statistic("shmem").unwrap_or(0)))
    }

    /// How many processes of the group the kernel killed for memory (`oom_kill`: version 1 since Linux 4.13).
    pub fn oom_kills(&self) -> u64 {
        let name = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        oom_kills(&self.directory.join(name)).unwrap_or(0)
    }

    /// A line of `memory.stat`; of version 1 that over all groups below, if there is one, as its peak is.
    pub(crate) fn statistic(&self, name: &str) -> Option<u64> {
        let text = process::read_file(&self.directory.join("memory.stat"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|number| number.parse::<u64>().ok())
        };
        let whole = (self.version == Version::One).then(|| field(&format!("total_{name}"))).flatten();
        whole.or_else(|| field(name))
    }

    /// A file with one number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        process::read_file(&self.directory.join(name))?.trim().parse().ok()
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.directory.join(name), text)
    }
}

/// The count of a line `oom_kill N`.
pub(crate) fn oom_kills(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
