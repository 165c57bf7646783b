//! The exact method: what each process of a tree had when it was born, at `exec` and at its end, by `ptrace(2)`.
//!
//! Processes stop only when they fork, call `exec` or end, and for signals, which are passed on as they came; system calls are not
//! traced. What the kernel does for a tracer is asked through the trait [`Kernel`]; this file knows no system call.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::process::{self, Identity, Peaks, Status};
use crate::program;
use crate::record::{Birth, Exit, How, Image, Known, Record, Remark, Start, larger};
use crate::sample::Marks;

/// What a tracer asks of the kernel; the numbers are those of `ptrace(2)` and `wait(2)`.
pub trait Kernel {
    /// Begins to trace a process and all it will start (`PTRACE_SEIZE`), with stops at fork, vfork, clone, exec and exit.
    ///
    /// # Errors
    /// What the kernel says, as where `ptrace` is forbidden.
    fn seize(&mut self, pid: u32) -> io::Result<()>;
    /// Lets a stopped thread go on and hands it a signal, 0 for none (`PTRACE_CONT`). One that was killed meanwhile is passed over.
    fn resume(&mut self, thread: u32, signal: i32);
    /// Leaves a thread stopped as job control wants it, until something happens to it (`PTRACE_LISTEN`).
    fn listen(&mut self, thread: u32);
    /// Lets a stopped thread go for good (`PTRACE_DETACH`).
    fn release(&mut self, thread: u32);
    /// What belongs to the event that a thread stopped for (`PTRACE_GETEVENTMSG`).
    fn message(&mut self, thread: u32) -> Option<u32>;
    /// Where the stack of a stopped thread is (`PTRACE_GET_SYSCALL_INFO`, Linux 5.3); `None` where the kernel does not tell.
    fn stack_pointer(&mut self, thread: u32) -> Option<u64>;
    /// Whether two processes have the same memory (`kcmp(2)`); `None` where the kernel does not tell.
    fn same_memory(&mut self, one: u32, other: u32) -> Option<bool>;
    /// Whether a program's file has capabilities (`security.capability`), which a traced process is not given.
    fn capable(&mut self, file: &Path) -> bool;
    /// Waits for the next stop or end of any thread: its number and status. `None` when there is nobody to wait for, or when
    /// waiting is to end.
    ///
    /// # Errors
    /// What the kernel says.
    fn wait(&mut self) -> io::Result<Option<(u32, i32)>>;
}

/// What `wait` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happened {
    Ended(Exit),
    /// Stopped for a signal, with the number of an event or 0.
    Stopped(i32, i32),
    Other,
}

const EVENT_FORK: i32 = 1;
const EVENT_VFORK: i32 = 2;
const EVENT_CLONE: i32 = 3;
const EVENT_EXEC: i32 = 4;
const EVENT_EXIT: i32 = 6;
const EVENT_STOP: i32 = 128;
const SIGTRAP: i32 = 5;

impl Happened {
    fn of(status: i32) -> Happened {
        match status & 0x7f {
            0 => Happened::Ended(Exit::Code((status >> 8) & 0xff)),
            0x7f if status != 0xffff => Happened::Stopped((status >> 8) & 0xff, status >> 16),
            0x7f => Happened::Other,
            signal => Happened::Ended(Exit::Signal(signal)),
        }
    }
}

/// A thread that is followed.
#[derive(Debug, Clone, Copy)]
struct Thread {
    /// Its process, by its place among the records.
    record: usize,
}

/// Follows a tree of processes.
pub struct Trace<'a, K> {
    kernel: K,
    marks: &'a Marks,
    began: Instant,
    root: u32,
    records: Vec<Record>,
    /// Threads that live, of each record.
    counts: Vec<u32>,
    threads: HashMap<u32, Thread>,
    /// Places of the processes that live, by number.
    living: BTreeMap<u32, usize>,
    /// Births told by a parent whose child has not stopped yet, or the other way round.
    told: HashMap<u32, (i32, u32)>,
    /// Stack pointers of whoever of parent and child stopped first at a vfork, by the child.
    stacks: HashMap<u32, Option<u64>>,
    programs: program::Cache,
    /// Whether the command runs: what the helper did before it is nobody's business.
    running: bool,
}

impl<'a, K: Kernel> Trace<'a, K> {
    /// A trace of nothing yet; `began` is what times are counted from.
    pub fn new(kernel: K, root: u32, marks: &'a Marks, began: Instant) -> Trace<'a, K> {
        Trace {
            kernel,
            marks,
            began,
            root,
            records: Vec::new(),
            counts: Vec::new(),
            threads: HashMap::new(),
            living: BTreeMap::new(),
            told: HashMap::new(),
            stacks: HashMap::new(),
            programs: program::Cache::default(),
            running: false,
        }
    }

    /// Begins to trace the root, which waits to be let go.
    ///
    /// # Errors
    /// What the kernel says; the root can then still be followed without being traced.
    pub fn seize(&mut self) -> io::Result<()> {
        self.kernel.seize(self.root)
    }

    /// Follows the tree until the root ended, or until all have if `wait`. `running` is called when the command itself runs.
    ///
    /// # Errors
    /// What the kernel says of waiting.
    pub fn follow(mut self, wait: bool, mut running: impl FnMut()) -> io::Result<(Vec<Record>, Option<Exit>)> {
        let mut exit = None;
        while let Some((thread, status)) = self.kernel.wait()? {
            let before = self.running;
            match Happened::of(status) {
                Happened::Ended(how) => {
                    self.ended(thread, how);
                    if thread == self.root {
                        exit = Some(how);
                        if !wait {
                            break;
                        }
                    }
                }
                Happened::Stopped(signal, event) => self.stopped(thread, signal, event),
                Happened::Other => {}
            }
            if self.running && !before {
                running();
            }
        }
        self.leave();
        Ok((self.records, exit))
    }

    fn stopped(&mut self, thread: u32, signal: i32, event: i32) {
        match event {
            EVENT_FORK | EVENT_VFORK | EVENT_CLONE => self.forked(thread, event),
            EVENT_EXEC => return self.executed(thread),
            EVENT_EXIT => return self.ending(thread),
            EVENT_STOP => {
                self.first_stop(thread);
                if signal != SIGTRAP {
                    return self.kernel.listen(thread);
                }
            }
            _ => return self.kernel.resume(thread, signal),
        }
        self.kernel.resume(thread, 0);
    }

    /// A thread made another, which is stopped before its first instruction or will be.
    fn forked(&mut self, thread: u32, event: i32) {
        let Some(child) = self.kernel.message(thread) else { return };
        let parent = self.threads.get(&thread).map_or(thread, |known| self.records[known.record].identity.pid);
        match self.threads.get(&child) {
            // It stopped before its parent did.
            Some(Thread { record }) if self.records[*record].identity.pid == child => {
                let place = *record;
                let blind = self.kernel.same_memory(parent, parent).is_none();
                let Record { birth, images, ppid, .. } = &mut self.records[place];
                birth.shared |= blind && event == EVENT_VFORK;
                images[0].shared = birth.shared;
                birth.how = how(event, birth.shared);
                *ppid = parent;
            }
            Some(_) => {}
            None => {
                self.told.insert(child, (event, parent));
                self.born(child);
            }
        }
        if event == EVENT_VFORK {
            self.compare(child, thread);
        }
    }

    fn first_stop(&mut self, thread: u32) {
        if !self.running {
            return;
        }
        let known = match self.threads.get(&thread) {
            Some(known) => *known,
            None => {
                self.born(thread);
                let Some(known) = self.threads.get(&thread) else { return };
                *known
            }
        };
        let record = &self.records[known.record];
        if record.identity.pid == thread && record.birth.shared && record.images.len() == 1 {
            self.compare(thread, thread);
        }
    }

    /// Notes where the stack of a parent or its child is. Only `vfork` runs on its parent's own stack; `posix_spawn` brings another.
    fn compare(&mut self, child: u32, thread: u32) {
        let here = self.kernel.stack_pointer(thread).or_else(|| process::stack_pointer(thread));
        match self.stacks.remove(&child) {
            None => _ = self.stacks.insert(child, here),
            Some(there) if there == here && here.is_some() => {
                let birth = self.threads.get(&child).map(|known| &mut self.records[known.record].birth);
                if let Some(birth) = birth.filter(|birth| birth.how == How::Spawn) {
                    birth.how = How::Vfork;
                }
            }
            Some(_) => {}
        }
    }

    /// Takes the figures of a thread or process that has not run yet.
    fn born(&mut self, thread: u32) {
        if !self.running {
            return;
        }
        let told = self.told.remove(&thread);
        // What shares its parent's memory until `exec` is a process, and its figures are its parent's.
        let borrows = matches!(told, Some((EVENT_VFORK, _)));
        let status = if borrows { process::sizes(thread) } else { process::status(thread) };
        let known = status.map(|status| status.tgid).filter(|tgid| *tgid > 0);
        let process = match known {
            Some(process) => process,
            None if borrows => thread,
            None => process::process_of(thread).unwrap_or(thread),
        };
        if let Some(place) = self.living.get(&process).copied().filter(|_| process != thread) {
            self.threads.insert(thread, Thread { record: place });
            self.counts[place] += 1;
            return;
        }
        let stat = process::stat(thread);
        let ppid = told.map(|(_, parent)| parent).or(stat.map(|stat| stat.ppid)).unwrap_or(0);
        let event = told.map(|(event, _)| event);
        let shared = self.kernel.same_memory(ppid, thread).unwrap_or(event == Some(EVENT_VFORK));
        let start = status.map(Start::from).unwrap_or_default();
        let identity = Identity { pid: thread, started_ticks: stat.map_or(0, |stat| stat.identity.started_ticks) };
        let birth =
            Birth { how: how(event.unwrap_or(if shared { EVENT_VFORK } else { EVENT_FORK }), shared), start, shared };
        let parent = self.living.get(&ppid).map(|place| self.records[*place].command().to_owned());
        let image = Image {
            command: parent.or_else(|| process::command(thread)).unwrap_or_default(),
            from_us: self.now(),
            start,
            peak: start_peak(status),
            known: Known::Before,
            shared,
        };
        self.begin(identity, ppid, birth, image);
    }

    fn begin(&mut self, identity: Identity, ppid: u32, birth: Birth, image: Image) {
        let place = self.records.len();
        let start_us = image.from_us;
        let images = vec![image];
        let record = Record { identity, ppid, start_us, end_us: None, birth, images, exit: None, remark: None };
        self.records.push(record);
        self.counts.push(1);
        self.living.insert(identity.pid, place);
        self.threads.insert(identity.pid, Thread { record: place });
    }

    /// A process has a new program. Its memory is the new one's already; of the old one is known what it began with and what samples saw.
    fn executed(&mut self, pid: u32) {
        if let Some(former) = self.kernel.message(pid).filter(|former| *former != pid) {
            // A thread took its process's number; the others ended.
            self.threads.remove(&former);
        }
        let status = process::sizes(pid);
        let image = Image {
            command: process::command(pid).unwrap_or_default(),
            from_us: self.now(),
            start: status.map(Start::from).unwrap_or_default(),
            peak: start_peak(status),
            known: Known::Before,
            shared: false,
        };
        let seen = self.marks.take(pid);
        match self.living.get(&pid).copied() {
            Some(place) => {
                let record = &mut self.records[place];
                if let Some(old) = record.images.last_mut() {
                    old.peak = larger(old.peak, seen);
                }
                record.images.push(image);
                if self.counts[place] > 1 {
                    self.threads.retain(|thread, known| known.record != place || *thread == pid);
                }
                self.threads.insert(pid, Thread { record: place });
                self.counts[place] = 1;
            }
            None => {
                let started_ticks = process::stat(pid).map_or(0, |stat| stat.identity.started_ticks);
                let birth = Birth { how: How::Spawn, start: Start::default(), shared: true };
                self.begin(Identity { pid, started_ticks }, std::process::id(), birth, image);
                self.running = true;
            }
        }
        self.examine(pid);
    }

    /// A program that traces or wants other rights cannot be followed as others are.
    fn examine(&mut self, pid: u32) {
        let facts = self.programs.look(pid, |file| self.kernel.capable(file));
        let place = self.living.get(&pid).copied().unwrap_or(0);
        if facts.privileged {
            self.records[place].remark = Some(Remark::Privileges);
        }
        if facts.traces {
            self.records[place].remark = Some(Remark::Tracer);
            self.threads.remove(&pid);
            return self.kernel.release(pid);
        }
        self.kernel.resume(pid, 0);
    }

    /// A thread is about to end and still has its memory.
    fn ending(&mut self, thread: u32) {
        let Some(known) = self.threads.get(&thread).copied() else { return self.kernel.resume(thread, 0) };
        let pid = self.records[known.record].identity.pid;
        let alone = self.counts[known.record] <= 1;
        // A leader may end before the other threads, so the last one counts as well.
        if thread == pid || alone {
            self.mark(known.record, thread, Known::AtEnd);
        }
        // How a process of one thread ends is decided by now. Let go of, it is its parent's matter at once: to be told of its
        // end first, as its tracer, would have both wait for this thread once more.
        let decided = (thread == pid && alone && thread != self.root).then(|| self.kernel.message(thread)).flatten();
        match decided.map(|status| Happened::of(status as i32)) {
            Some(Happened::Ended(how)) => {
                self.ended(thread, how);
                self.kernel.release(thread);
            }
            _ => self.kernel.resume(thread, 0),
        }
    }

    fn mark(&mut self, place: usize, thread: u32, how: Known) {
        let seen = self.marks.get(self.records[place].identity.pid);
        let Some(image) = self.records[place].images.last_mut() else { return };
        match process::status(thread) {
            Some(status) => (image.peak, image.known) = (larger(image.peak, status.peaks), how),
            None if image.known == Known::Before => image.peak = larger(image.peak, seen),
            None => {}
        }
    }

    fn ended(&mut self, thread: u32, exit: Exit) {
        self.told.remove(&thread);
        self.stacks.remove(&thread);
        if let Some(known) = self.threads.remove(&thread) {
            self.counts[known.record] = self.counts[known.record].saturating_sub(1);
        }
        let Some(place) = self.living.get(&thread).copied() else { return };
        let seen = self.marks.take(thread);
        let now = self.now();
        self.living.remove(&thread);
        let record = &mut self.records[place];
        record.end_us = Some(now);
        record.exit = Some(exit);
        if let Some(image) = record.images.last_mut().filter(|image| image.known == Known::Before && !image.shared) {
            image.peak = larger(image.peak, seen);
        }
    }

    /// Takes the marks of those that go on when the profile ends. The kernel lets them go with this process.
    fn leave(&mut self) {
        let left: Vec<(u32, usize)> = self.living.iter().map(|(pid, place)| (*pid, *place)).collect();
        for (pid, place) in left {
            let same = process::stat(pid).filter(|stat| stat.identity == self.records[place].identity);
            if same.is_some_and(|stat| !stat.is_zombie()) {
                self.mark(place, pid, Known::WhenLeft);
            } else {
                // Nobody told of the end of one that was not traced any more.
                self.records[place].end_us = Some(self.now());
            }
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

fn start_peak(status: Option<Status>) -> Peaks {
    status.map(|status| Peaks { vm_bytes: status.vm_bytes, rss_bytes: status.rss_bytes }).unwrap_or_default()
}

/// The kernel tells `CLONE_VFORK` as vfork, and another signal than SIGCHLD at the end as clone.
fn how(event: i32, shared: bool) -> How {
    match event {
        EVENT_VFORK if shared => How::Spawn,
        EVENT_CLONE => How::Clone,
        _ if shared => How::Clone,
        _ => How::Fork,
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
