//! What is kept of each process of a profile; knows neither how it was found out nor how it is shown.

use crate::process::{Identity, Peaks, Status};

/// How a process came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A copy of its parent: address space and page tables are copied, private writable memory is charged again.
    Fork,
    /// It borrowed its parent's memory on the parent's own stack until it called `exec`: nothing was copied.
    Vfork,
    /// It shares its parent's memory for good (`clone` with `CLONE_VM`), or asked for another signal at its end than `SIGCHLD`.
    Clone,
    /// It borrowed its parent's memory with a stack of its own until it called `exec`, as `posix_spawn` does: nothing was copied.
    Spawn,
    /// Nobody saw it: it was found by a sample.
    Unseen,
}

/// What a process had when it began or after it called `exec`, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start {
    /// Address space.
    pub vm_bytes: u64,
    /// Private writable mappings, touched or not.
    pub private_bytes: u64,
    /// Private memory that was touched.
    pub anonymous_bytes: u64,
}

impl From<Status> for Start {
    fn from(status: Status) -> Start {
        Start {
            vm_bytes: status.vm_bytes,
            private_bytes: status.private_bytes,
            anonymous_bytes: status.anonymous_bytes,
        }
    }
}

/// The birth of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// How it was made.
    pub how: How,
    /// Its memory before it ran; its parent's where it is shared.
    pub start: Start,
    /// Whether this memory is its parent's own, so that nothing was copied.
    pub shared: bool,
}

/// How well a peak is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// By the kernel's marks when the image ended: exact.
    AtEnd,
    /// By the kernel's marks when the command ended; the process went on.
    WhenLeft,
    /// By samples of the kernel's marks and what it began with: a lower bound.
    Before,
}

/// One program that a process ran: from birth or `exec` to the next `exec` or the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The command line; a copy that did not call `exec` has its parent's.
    pub command: String,
    /// Seconds after the profile began, times 1e6.
    pub from_us: u64,
    /// What it began with.
    pub start: Start,
    /// The most it had.
    pub peak: Peaks,
    /// How well that is known.
    pub known: Known,
    /// Whether the memory was its parent's.
    pub shared: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// Why the figures of a process are not the whole truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// It traces processes itself, so neither it nor its children could be traced from there on.
    Tracer,
    /// Its file asks for another user's or the system's rights, which a traced process is not given.
    Privileges,
}

/// A process from birth to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which one.
    pub identity: Identity,
    /// The process that made it.
    pub ppid: u32,
    /// Seconds after the profile began, times 1e6.
    pub start_us: u64,
    /// The same of its end; `None` for one that outlived the profile.
    pub end_us: Option<u64>,
    /// How it began.
    pub birth: Birth,
    /// The programs it ran, at least one.
    pub images: Vec<Image>,
    /// How it ended; `None` when it did not, or nobody could tell.
    pub exit: Option<Exit>,
    /// What is to be said of it.
    pub remark: Option<Remark>,
}

impl Record {
    /// The command line of its last program.
    pub fn command(&self) -> &str {
        self.images.last().map_or("", |image| &image.command)
    }

    /// The most it ever had of its own, over all its programs, and how well the largest is known.
    pub fn peak(&self) -> (Peaks, Known) {
        let mut peak = Peaks::default();
        let mut known = Known::AtEnd;
        for image in self.images.iter().filter(|image| !image.shared) {
            if image.peak.rss_bytes >= peak.rss_bytes {
                known = image.known;
            }
            peak = larger(peak, image.peak);
        }
        (peak, known)
    }

    /// Private writable memory that was copied when it began, in bytes: what strict overcommit charges for it.
    pub fn copied_bytes(&self) -> u64 {
        match (self.birth.shared, self.birth.how) {
            (true, _) | (_, How::Unseen) => 0,
            _ => self.birth.start.private_bytes,
        }
    }
}

/// The larger of each.
pub fn larger(one: Peaks, other: Peaks) -> Peaks {
    Peaks { vm_bytes: one.vm_bytes.max(other.vm_bytes), rss_bytes: one.rss_bytes.max(other.rss_bytes) }
}
