//! What `/proc` tells of one process: who it is, what it uses, what it used at most; knows nothing of others.
//!
//! Every function gives `None` for a process that is gone or that hides the figure, so that a process which ends
//! between listing and reading is passed over. Fields are those of `proc_pid_stat(5)`, `proc_pid_status(5)` and
//! `proc_pid_smaps(5)`; kernel threads and processes that ended without being waited for have no memory.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

/// A process for as long as the machine is up: a number alone is given again to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The process.
    pub pid: u32,
    /// When it started, in ticks of the kernel's clock since boot (field 22 of `stat`). `exec` does not change it.
    pub started_ticks: u64,
}

/// One reading of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Which process.
    pub identity: Identity,
    /// Its parent now; 0 while it vanishes.
    pub ppid: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// The kernel's letter: R, S, D, T (stopped), t (traced), Z (ended, not waited for), X.
    pub state: char,
    /// Threads.
    pub threads: u32,
    /// Processor time so far, user and system, in ticks.
    pub cpu_ticks: u64,
    /// Address space, in bytes.
    pub vm_bytes: u64,
    /// Resident set, in bytes. Pages shared with others count in full.
    pub rss_bytes: u64,
}

impl Stat {
    /// Whether it ended and only its parent has not yet noticed.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Sums over all mappings, `/proc/PID/smaps_rollup` (Linux 4.14). The kernel walks the page tables for it: some
/// milliseconds for each touched gigabyte of small pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Each page divided by the number of its users, so that a sum over processes counts shared memory and huge pages once.
    pub pss_bytes: u64,
    /// Resident set.
    pub rss_bytes: u64,
    /// Resident pages that no other process maps.
    pub private_bytes: u64,
    /// Resident pages that others map as well.
    pub shared_bytes: u64,
    /// Swapped out pages, divided by the number of their users.
    pub swap_pss_bytes: u64,
    /// Swapped out pages.
    pub swap_bytes: u64,
    /// Pages of `hugetlbfs`, which are in neither PSS nor RSS, mapped private or shared.
    pub hugetlb_bytes: u64,
}

/// One reading of `/proc/PID/status`: counters and marks the kernel keeps, without a walk of page tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// The process that this thread belongs to.
    pub tgid: u32,
    /// Who traces it; 0 for nobody.
    pub tracer: u32,
    /// Address space now (`VmSize`).
    pub vm_bytes: u64,
    /// Resident set now (`VmRSS`).
    pub rss_bytes: u64,
    /// Memory of its own that was touched: resident anonymous pages and swapped out ones (`RssAnon` + `VmSwap`).
    /// Right after a fork this is what the child's page tables were copied for.
    pub anonymous_bytes: u64,
    /// Swapped out (`VmSwap`).
    pub swap_bytes: u64,
    /// Private writable mappings, touched or not: `VmData` + `VmStk`. See [`status`].
    pub private_bytes: u64,
    /// The largest that address space and resident set ever were.
    pub peaks: Peaks,
}

/// Marks the kernel keeps for a memory image: they start anew at `exec`, and at `fork` with the copy's own sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peaks {
    /// `VmPeak`, in bytes.
    pub vm_bytes: u64,
    /// `VmHWM`, in bytes. The kernel counts resident pages for each processor apart and adds up in batches, so this can be
    /// off by some hundred kilobytes.
    pub rss_bytes: u64,
}

/// Reads `/proc/PID/stat`.
pub fn stat(pid: u32) -> Option<Stat> {
    parse_stat(pid, &read(pid, "stat")?)
}

/// The command line, arguments separated by spaces; for a process without one (a kernel thread, one that ended) its
/// name in brackets.
pub fn command(pid: u32) -> Option<String> {
    let line = read_bytes(pid, "cmdline")?;
    let line = line.strip_suffix(&[0]).unwrap_or(&line);
    if !line.is_empty() {
        return Some(String::from_utf8_lossy(line).replace('\0', " "));
    }
    Some(format!("[{}]", read(pid, "comm")?.trim_end()))
}

/// Reads `/proc/PID/smaps_rollup`; `None` also when this user may not look into that process.
pub fn rollup(pid: u32) -> Option<Rollup> {
    let mut sums = Rollup::default();
    let mut seen = false;
    for (name, bytes) in fields(&read(pid, "smaps_rollup")?) {
        match name {
            "Rss" => (sums.rss_bytes, seen) = (bytes, true),
            "Pss" => sums.pss_bytes = bytes,
            "Private_Clean" | "Private_Dirty" => sums.private_bytes += bytes,
            "Shared_Clean" | "Shared_Dirty" => sums.shared_bytes += bytes,
            "Swap" => sums.swap_bytes = bytes,
            "SwapPss" => sums.swap_pss_bytes = bytes,
            "Private_Hugetlb" | "Shared_Hugetlb" => sums.hugetlb_bytes += bytes,
            _ => {}
        }
    }
    seen.then_some(sums)
}

/// Reads `/proc/PID/status`; `None` also for a process that has no memory any more.
///
/// Private writable mappings are what a fork copies and what the kernel charges to its commit limit for it. The kernel
/// counts them as `VmData` (private, writable, no stack; so since Linux 4.6, commit 846383359005) and `VmStk`. The true charge
/// (`accountable_mapping` in mm/mmap.c) leaves out mappings made with `MAP_NORESERVE` unless overcommit is strict, keeps those
/// that were made read-only later, and charges shared anonymous memory to whoever made it.
pub fn status(pid: u32) -> Option<Status> {
    parse_status(&read(pid, "status")?)
}

/// Reads `/proc/PID/statm` (`proc_pid_statm(5)`), a third of the work of [`status`] for the kernel; what it does not tell (swap, marks,
/// numbers of processes) is 0. Its `data` is `VmData` + `VmStk`, and what is resident and not shared is `RssAnon`.
pub fn sizes(pid: u32) -> Option<Status> {
    parse_sizes(&read(pid, "statm")?)
}

fn parse_sizes(text: &str) -> Option<Status> {
    let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok().map(|n| n * page_bytes()));
    let mut field = |skipped: usize| fields.nth(skipped).flatten();
    let (vm_bytes, rss_bytes, shared, private_bytes) = (field(0)?, field(0)?, field(0)?, field(2)?);
    let anonymous_bytes = rss_bytes.saturating_sub(shared);
    (vm_bytes > 0).then_some(Status { vm_bytes, rss_bytes, anonymous_bytes, private_bytes, ..Status::default() })
}

/// In one pass, as a traced process waits meanwhile; the lines that matter all stand before `Threads`.
fn parse_status(text: &str) -> Option<Status> {
    let mut found = Status::default();
    let mut seen = false;
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let bytes = || value.strip_suffix(" kB").and_then(|number| number.parse().ok()).unwrap_or(0) * 1024;
        match name {
            "Tgid" => found.tgid = value.parse().unwrap_or(0),
            "TracerPid" => found.tracer = value.parse().unwrap_or(0),
            "VmPeak" => (found.peaks.vm_bytes, seen) = (bytes(), true),
            "VmSize" => found.vm_bytes = bytes(),
            "VmHWM" => found.peaks.rss_bytes = bytes(),
            "VmRSS" => found.rss_bytes = bytes(),
            "RssAnon" => found.anonymous_bytes += bytes(),
            "VmSwap" => found.swap_bytes = bytes(),
            "VmData" | "VmStk" => found.private_bytes += bytes(),
            "Threads" => break,
            _ => {}
        }
    }
    found.anonymous_bytes += found.swap_bytes;
    seen.then_some(found)
}

/// `VmPeak` and `VmHWM` of a process that still has memory.
pub fn peaks(pid: u32) -> Option<Peaks> {
    Some(status(pid)?.peaks)
}

/// The process that a thread belongs to, also when it has no memory any more.
pub fn process_of(thread: u32) -> Option<u32> {
    let text = read(thread, "status")?;
    text.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// Children of a process in the order they were born, all of its threads', by `/proc/PID/task/*/children`; `None` where
/// the kernel has no such file (`CONFIG_PROC_CHILDREN`) or the process is gone. One that is born or ends meanwhile may be missed.
pub fn children(pid: u32) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    let mut known = false;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let Some(text) = read_file(&thread.path().join("children")) else { continue };
        known = true;
        found.extend(text.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    known.then_some(found)
}

/// Where the stack of a stopped process is (`/proc/PID/syscall`, last number but one); `None` where the kernel does not tell.
pub fn stack_pointer(pid: u32) -> Option<u64> {
    let text = read(pid, "syscall")?;
    let word = text.split_ascii_whitespace().rev().nth(1)?;
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

fn parse_stat(pid: u32, text: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold any character.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Fields are numbered from 1, and the state is the third.
    let numbers: Vec<u64> = fields.take(21).map(|field| field.parse().unwrap_or(0)).collect();
    let field = |number: usize| numbers.get(number - 4).copied();
    Some(Stat {
        identity: Identity { pid, started_ticks: field(22)? },
        ppid: field(4)? as u32,
        group: field(5)? as u32,
        session: field(6)? as u32,
        state,
        threads: field(20)? as u32,
        cpu_ticks: field(14)? + field(15)?,
        vm_bytes: field(23)?,
        rss_bytes: field(24)? * page_bytes(),
    })
}

/// Lines such as `VmPeak:     1234 kB`, in bytes.
fn fields(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name, kilobytes * 1024))
    })
}

/// The kernel's page size, which it tells of itself as `MMUPageSize` or `KernelPageSize`; 4 KiB where it does not.
fn page_bytes() -> u64 {
    static PAGE: OnceLock<u64> = OnceLock::new();
    *PAGE.get_or_init(|| {
        let text = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        fields(&text).find(|(name, _)| *name == "KernelPageSize").map_or(4096, |(_, bytes)| bytes)
    })
}

fn read(pid: u32, name: &str) -> Option<String> {
    // A process may give itself a name that is not UTF-8.
    Some(match String::from_utf8(read_bytes(pid, name)?) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn read_bytes(pid: u32, name: &str) -> Option<Vec<u8>> {
    let mut file = fs::File::open(format!("/proc/{pid}/{name}")).ok()?;
    let mut buffer = vec![0; 4096];
    let mut length = 0;
    // The kernel gives these files whole as long as there is room: what leaves some is the end.
    loop {
        length += file.read(&mut buffer[length..]).ok()?;
        if length < buffer.len() {
            buffer.truncate(length);
            return Some(buffer);
        }
        buffer.resize(2 * length, 0);
    }
}

/// The text of one of the kernel's small files, which tell no size: read at once rather than in growing pieces.
pub(crate) fn read_file(path: &Path) -> Option<String> {
    let mut text = String::with_capacity(4096);
    let mut file = fs::File::open(path).ok()?;
    file.by_ref().take(u64::MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_no_matter() {
        let line = "7 (a) S 1) ) S 3 4 5 0 -1 0 1 2 3 4 10 20 5 6 20 0 9 0 777 4096 2 18446744073709551615";
        let stat = parse_stat(7, line).expect("parses");
        assert_eq!((stat.identity.started_ticks, stat.ppid, stat.group, stat.session), (777, 3, 4, 5));
        assert_eq!((stat.state, stat.threads, stat.cpu_ticks), ('S', 9, 30));
        assert_eq!((stat.vm_bytes, stat.rss_bytes), (4096, 2 * page_bytes()));
    }

    #[test]
    fn a_torn_line_is_nothing() {
        assert_eq!(parse_stat(7, ""), None);
        assert_eq!(parse_stat(7, "7 (a) S 3 4"), None);
    }

    #[test]
    fn what_is_gone_is_nothing() {
        // Numbers of processes end at 2^22.
        let nobody = 1 << 23;
        assert_eq!(stat(nobody), None);
        assert_eq!((status(nobody), sizes(nobody)), (None, None));
        assert_eq!(rollup(nobody), None);
        assert_eq!(command(nobody), None);
        assert_eq!(children(nobody), None);
    }
}
