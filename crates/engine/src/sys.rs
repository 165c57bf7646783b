//! The system calls that the standard library does not offer: the only file with unsafe code.
#![expect(unsafe_code, reason = "each function wraps one call of libc and states why its use is sound")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// How a child ended and what it used, as the kernel tells it at `wait4`.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The process.
    pub pid: u32,
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Processor time in user mode, in seconds, of the process and the children it waited for.
    pub user_s: f64,
    /// Processor time in kernel mode, in seconds, likewise.
    pub system_s: f64,
    /// Largest resident set of any one of these processes, in bytes. It starts at the peak of the process that
    /// spawned it, so values near the engine's own peak are an upper bound.
    pub max_rss_bytes: u64,
}

/// Signals to the engine, noted by a handler in a pipe and read from there. They are not blocked, as a blocked signal
/// stays blocked in every step; handlers end at `exec`.
#[derive(Debug)]
pub struct Signals {
    file: File,
}

const SIGNALS: [libc::c_int; 5] = [libc::SIGCHLD, libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGWINCH];

/// The end of the pipe that the handler writes to.
static NOTES: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(signal: libc::c_int) {
    let byte = signal as u8;
    // SAFETY: write is safe in a handler; the byte lives through the call. A full pipe holds enough to wake the engine.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(NOTES.load(Ordering::Relaxed), std::ptr::from_ref(&byte).cast(), 1);
        *errno = before;
    }
}

/// A descriptor that this process was started with, as a file; the steps do not inherit it.
///
/// # Errors
/// What the system says, as when there is none of this number.
pub fn inherited(number: i32) -> io::Result<File> {
    // SAFETY: fcntl takes any number and says when it is no descriptor; the file owns the new descriptor alone.
    unsafe {
        let own = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        if own < 0 {
            return Err(io::Error::last_os_error());
        }
        if number > 2 {
            // Its reader waits for the end, which would not come while a step holds it.
            libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        Ok(File::from_raw_fd(own))
    }
}

/// The signals that reach the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A child ended.
    Child,
    /// The run is to end.
    Interrupt,
    /// The size of the terminal changed.
    Window,
}

impl Signals {
    /// Notes the engine's signals from now on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_over() -> io::Result<Signals> {
        let mut ends = [0; 2];
        // SAFETY: the array has room for the two descriptors.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } < 0 {
            return Err(io::Error::last_os_error());
        }
        NOTES.store(ends[1], Ordering::Relaxed);
        for signal in SIGNALS {
            // SAFETY: a zeroed action is valid, its mask is empty, and the handler only does what a handler may.
            let result = unsafe {
                let mut before: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &mut before);
                if before.sa_sigaction == libc::SIG_IGN && signal != libc::SIGCHLD {
                    // `nohup` and shells in the background mean it.
                    continue;
                }
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal, &action, std::ptr::null_mut())
            };
            if result < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // SAFETY: the set is initialised by sigemptyset before use and lives through the calls.
        unsafe {
            // Who started the engine may have blocked them, and a blocked mask is inherited.
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in SIGNALS {
                libc::sigaddset(&mut set, signal);
            }
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
        }
        // SAFETY: the descriptor was just made and nothing else owns it.
        Ok(Signals { file: unsafe { File::from_raw_fd(ends[0]) } })
    }

    /// Waits for signals, at most `timeout`, and gives those that arrived. Returns as well when there is something to read
    /// from `other`, or room to write there if that is wanted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self, timeout: Option<Duration>, other: Option<(RawFd, bool)>) -> io::Result<Vec<Signal>> {
        let timeout =
            timeout.map_or(-1, |t| t.as_millis().min(1 << 30) as i32 + i32::from(t.subsec_nanos() % 1_000_000 > 0));
        let (other, write) = other.unwrap_or((-1, false));
        let wanted = if write { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        let mut descriptors = [
            libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 },
            // A negative descriptor is passed over.
            libc::pollfd { fd: other, events: wanted, revents: 0 },
        ];
        // SAFETY: the array is valid and its length is passed.
        if unsafe { libc::poll(descriptors.as_mut_ptr(), descriptors.len() as libc::nfds_t, timeout) } < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(Vec::new()) } else { Err(error) };
        }
        self.read()
    }

    fn read(&mut self) -> io::Result<Vec<Signal>> {
        let mut buffer = [0_u8; 64];
        let mut signals = Vec::new();
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(signals),
                Ok(read) => signals.extend(buffer[..read].iter().map(|signal| match i32::from(*signal) {
                    libc::SIGCHLD => Signal::Child,
                    libc::SIGWINCH => Signal::Window,
                    _ => Signal::Interrupt,
                })),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(signals),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Takes one child that ended, without waiting; `None` when none has.
///
/// # Errors
/// `ECHILD` when there is no child at all.
pub fn reap() -> io::Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: both out-parameters are valid for writing; a zeroed rusage is a valid value.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(-1, &mut status, libc::WNOHANG, &mut usage), usage)
    };
    match pid {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(Ended {
            pid: pid as u32,
            status: ExitStatus::from_raw(status),
            user_s: seconds(usage.ru_utime),
            system_s: seconds(usage.ru_stime),
            max_rss_bytes: usage.ru_maxrss as u64 * 1024,
        })),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes one child that was killed if it has ended; its own children are then adopted and can be looked for.
pub fn reap_one(pid: u32) -> bool {
    // SAFETY: a null status is allowed; a pid that is no child gives an error that does not matter.
    unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), libc::WNOHANG) != 0 }
}

/// Whether there is a process, be it only one that ended and was not waited for.
pub fn exists(pid: u32) -> bool {
    // SAFETY: signal 0 is only a question.
    unsafe { libc::kill(pid as i32, 0) == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH) }
}

/// Whether a process runs or waits for a processor (state R of `/proc/PID/stat`), rather than for anything else.
pub fn is_runnable(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
}

/// Waits until a child that was killed ended.
pub fn wait_for(pid: u32) {
    // SAFETY: a null status is allowed; a pid that is no child gives an error that does not matter.
    unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 * 1e-6
}

/// Sends a signal to every process of a group; `false` when the group is empty.
pub fn signal_group(group: u32, kill: bool) -> bool {
    let signal = if kill { libc::SIGKILL } else { libc::SIGTERM };
    // SAFETY: kill takes plain numbers; a group of 0 or 1 would be this group or every process and is refused.
    group > 1 && unsafe { libc::kill(-(group as i32), signal) } == 0
}

/// Kills one process.
pub fn kill(pid: u32) {
    if pid > 1 {
        // SAFETY: kill takes plain numbers.
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    }
}

/// Lets a stopped group run, so that it can act on a signal.
pub fn continue_group(group: u32) {
    if group > 1 {
        // SAFETY: kill takes plain numbers.
        unsafe { libc::kill(-(group as i32), libc::SIGCONT) };
    }
}

/// Makes orphans among the descendants of this process its children (`PR_SET_CHILD_SUBREAPER`, Linux 3.4).
pub fn adopt_orphans() {
    // SAFETY: prctl with these numbers touches no memory.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Has this process get SIGTERM when its parent, or the parent's thread that started it, ends (`PR_SET_PDEATHSIG`). False
/// when `parent` is its parent no more.
pub fn end_with(parent: u32) -> bool {
    // SAFETY: prctl with these numbers touches no memory, and getppid cannot fail.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM, 0, 0, 0);
        libc::getppid() as u32 == parent
    }
}

/// Makes this process survive what ends a run from the terminal.
pub fn ignore_terminal_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP] {
        // SAFETY: SIG_IGN is a valid disposition for these signals.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Peak resident set of this process so far, in bytes: `VmHWM` of `/proc/self/status`. Not `ru_maxrss`, which starts
/// at the peak of the process that started this one.
pub fn own_peak_rss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// Address space of this process, in bytes (`VmSize`, by `/proc/self/statm`).
pub fn own_vm_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf takes a plain number.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Bytes that this user may still write to the file system of a path (`statvfs`).
pub fn free_bytes(path: &Path) -> Option<u64> {
    room(path).map(|found| found.f_bavail.saturating_mul(found.f_frsize))
}

/// What the file system of a path has hardly any of: space (less than 1 MiB) or inodes (less than 16); `None` when it has both.
pub fn lack_of_room(path: &Path) -> Option<&'static str> {
    const LEAST: (u64, u64) = (1 << 20, 16);
    let found = room(path)?;
    match () {
        () if found.f_bavail.saturating_mul(found.f_frsize) < LEAST.0 => Some("no space"),
        // File systems that make inodes as they need them tell none at all.
        () if found.f_files > 0 && found.f_favail < LEAST.1 => Some("no inodes"),
        () => None,
    }
}

fn room(path: &Path) -> Option<libc::statvfs> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the path ends in NUL; a zeroed statvfs is valid, and the call writes at most its size.
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut found) == 0).then_some(found)
    }
}

/// Address space that this process and each that it starts may have, in bytes (`RLIMIT_AS`, `ulimit -v`); `None` for no limit.
pub fn address_space_limit() -> Option<u64> {
    // SAFETY: a zeroed rlimit is valid, and the call writes at most its size.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        let found = libc::getrlimit(libc::RLIMIT_AS, &mut limit) == 0;
        (found && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
    }
}

/// Processor time of this process so far, in seconds.
pub fn own_cpu_s() -> f64 {
    // SAFETY: a zeroed timespec is valid, and the call writes at most its size.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
}

/// Processors this process may run on.
pub fn affinity_cpus() -> Option<usize> {
    // SAFETY: the set is plain bits and its size is passed.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let result = libc::sched_getaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &mut set);
        (result == 0).then(|| libc::CPU_COUNT(&set) as usize)
    }
}

/// Keeps freed memory from staying with the process and threads from reserving address space of their own.
pub fn keep_allocator_small() {
    // SAFETY: mallopt takes plain numbers and is called before any thread starts.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 * 1024);
    }
}

/// Columns and rows of the terminal on standard error, if it is one.
pub fn terminal_size() -> Option<(usize, usize)> {
    // SAFETY: a zeroed winsize is valid, and ioctl writes at most its size.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(2, libc::TIOCGWINSZ, &mut size) == 0).then_some(size)
    }?;
    (size.ws_col > 0).then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// What a tracer asks of the kernel, for [`pial_measure::trace`]. All of it must come from the thread that began to trace.
#[derive(Debug, Default)]
pub struct Tracer;

impl pial_measure::trace::Kernel for Tracer {
    fn seize(&mut self, pid: u32) -> io::Result<()> {
        let options = libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_TRACEEXIT;
        if ptrace(libc::PTRACE_SEIZE, pid, options as usize) { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn resume(&mut self, thread: u32, signal: i32) {
        ptrace(libc::PTRACE_CONT, thread, signal as usize);
    }

    fn listen(&mut self, thread: u32) {
        ptrace(libc::PTRACE_LISTEN, thread, 0);
    }

    fn release(&mut self, thread: u32) {
        ptrace(libc::PTRACE_DETACH, thread, 0);
    }

    fn message(&mut self, thread: u32) -> Option<u32> {
        let mut message: libc::c_ulong = 0;
        let place = std::ptr::from_mut(&mut message) as usize;
        ptrace(libc::PTRACE_GETEVENTMSG, thread, place).then_some(message as u32)
    }

    fn stack_pointer(&mut self, thread: u32) -> Option<u64> {
        // SAFETY: a zeroed struct of plain numbers is valid, and the kernel writes at most the size it is given.
        unsafe {
            let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
            let size = std::mem::size_of_val(&info);
            let written = libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread as libc::pid_t, size, &raw mut info);
            (written > 0).then_some(info.stack_pointer)
        }
    }

    fn same_memory(&mut self, one: u32, other: u32) -> Option<bool> {
        same_memory(one, other)
    }

    fn capable(&mut self, file: &Path) -> bool {
        has_capabilities(file)
    }

    fn wait(&mut self) -> io::Result<Option<(u32, i32)>> {
        loop {
            let mut status = 0;
            // SAFETY: the status is valid for writing.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
            if pid > 0 {
                return Ok(Some((pid as u32, status)));
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) if WAITED_ENOUGH.load(Ordering::Relaxed) => return Ok(None),
                Some(libc::EINTR) => {}
                Some(libc::ECHILD) => return Ok(None),
                _ => return Err(error),
            }
        }
    }
}

/// One request with no address and a number, or the address of a word that lives through the call, as data.
fn ptrace(request: libc::c_uint, thread: u32, data: usize) -> bool {
    // SAFETY: none of the requests above writes but PTRACE_GETEVENTMSG, which writes one word where its caller has one.
    unsafe { libc::ptrace(request, thread as libc::pid_t, std::ptr::null_mut::<libc::c_void>(), data) == 0 }
}

/// Whether the [`Tracer`] is to wait no longer.
static WAITED_ENOUGH: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupt(_: libc::c_int) {}

/// Ends the waiting of a [`Tracer`]. The alarm comes again and again, as the first could come just before it waits.
fn end_waiting() {
    WAITED_ENOUGH.store(true, Ordering::Relaxed);
    let again = libc::timeval { tv_sec: 0, tv_usec: 20_000 };
    let timer = libc::itimerval { it_interval: again, it_value: again };
    // SAFETY: a zeroed action is valid, its mask is empty and its handler does nothing; without SA_RESTART calls are interrupted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupt as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
    }
}

/// Whether a file has capabilities, which a program is given when it is started (`capabilities(7)`).
pub fn has_capabilities(file: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(file) = std::ffi::CString::new(file.as_os_str().as_bytes()) else { return false };
    // SAFETY: both names end in NUL, and with no room given the kernel only tells the size.
    unsafe { libc::getxattr(file.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// Whether two processes have the same memory (`kcmp`, `KCMP_VM`); `None` where the kernel does not tell.
pub fn same_memory(one: u32, other: u32) -> Option<bool> {
    const KCMP_VM: libc::c_int = 1;
    // SAFETY: kcmp takes plain numbers.
    match unsafe { libc::syscall(libc::SYS_kcmp, one as libc::pid_t, other as libc::pid_t, KCMP_VM, 0_usize, 0_usize) }
    {
        0 => Some(true),
        1.. => Some(false),
        _ => None,
    }
}

/// Has what this process starts inherit a descriptor, with its number.
///
/// # Errors
/// What the kernel says.
pub fn hand_down(descriptor: &impl AsRawFd) -> io::Result<i32> {
    let number = descriptor.as_raw_fd();
    // SAFETY: the descriptor is open, as its owner is borrowed.
    if unsafe { libc::fcntl(number, libc::F_SETFD, 0) } < 0 { Err(io::Error::last_os_error()) } else { Ok(number) }
}

/// Signals that are meant for what this process started, held back from this process.
#[derive(Debug, Clone, Copy)]
pub struct Held(libc::sigset_t);

impl Held {
    /// Holds back what ends a process or is its user's, in this thread and in what it starts from now on, processes as well.
    pub fn hold() -> Held {
        // SAFETY: the set is initialised by sigemptyset before use and lives through the calls.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
                libc::sigaddset(&mut set, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            Held(set)
        }
    }

    /// Hands on to a process each signal that another process sent. What comes from the terminal reaches its whole
    /// foreground group, so the process has it already. `process` is of a child that was not waited for; once it was, what
    /// would end it ends the waiting of the [`Tracer`] for others. Never returns.
    pub fn hand_on(self, process: &ChildHandle) -> ! {
        loop {
            // SAFETY: the set is valid, and a zeroed siginfo is valid for writing.
            unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let signal = libc::sigwaitinfo(&self.0, &mut info);
                let is_handed_on = info.si_code <= 0 && signal > 0;
                let is_there = process.signal(if is_handed_on { signal } else { 0 });
                if signal > 0 && !is_there {
                    end_waiting();
                }
            }
        }
    }
}

/// A child that signals can be sent to, also when it may have been waited for: they then go nowhere.
#[derive(Debug)]
pub struct ChildHandle {
    /// The kernel's own handle (`pidfd_open(2)`, Linux 5.3).
    handle: Option<File>,
    pid: u32,
    stat: Option<pial_measure::process::Identity>,
}

impl ChildHandle {
    /// Of a child that was not waited for.
    pub fn of(pid: u32) -> ChildHandle {
        // SAFETY: pidfd_open takes plain numbers and gives a descriptor that nobody else owns.
        let handle = unsafe {
            let number = libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0);
            (number >= 0).then(|| File::from_raw_fd(number as RawFd))
        };
        ChildHandle { handle, pid, stat: pial_measure::process::stat(pid).map(|stat| stat.identity) }
    }

    /// Sends a signal; whether anybody got it.
    pub fn signal(&self, signal: libc::c_int) -> bool {
        if let Some(handle) = &self.handle {
            let nothing = std::ptr::null::<libc::siginfo_t>();
            // SAFETY: the descriptor is open, and the kernel fills in what a null siginfo leaves out.
            return unsafe { libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), signal, nothing, 0) == 0 };
        }
        // An older kernel: the same number with another start is another process.
        let same = pial_measure::process::stat(self.pid).map(|stat| stat.identity) == self.stat && self.stat.is_some();
        // SAFETY: kill takes plain numbers.
        same && unsafe { libc::kill(self.pid as libc::pid_t, signal) == 0 }
    }
}

#[cfg(test)]
#[path = "sys_tests.rs"]
mod tests;
