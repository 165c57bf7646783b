//! Figures of real processes that use known amounts of memory.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pial_measure::{process, tree};

/// A Python that does a line at a time and answers when it is done, so that nothing waits by the clock.
struct Puppet {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

const LOOP: &str = "import sys, os, mmap, threading
for line in sys.stdin:
    exec(line)
    print('done', flush=True)
";

impl Puppet {
    fn new() -> Puppet {
        let mut command = Command::new("python3");
        let command = command.args(["-c", LOOP]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut puppet = Puppet { child, input, output };
        puppet.perform("pass");
        puppet
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Does it and gives what was printed before `done`.
    fn perform(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("it listens");
        let (mut printed, mut answer) = (String::new(), String::new());
        while answer != "done\n" {
            printed.push_str(&answer);
            answer.clear();
            assert!(self.output.read_line(&mut answer).expect("it answers") > 0, "it ended");
        }
        printed
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const MB: u64 = 1 << 20;

#[track_caller]
fn about(found: u64, expected: u64) {
    // An interpreter's own allocations come along.
    let distance = found.abs_diff(expected);
    assert!(distance <= 3 * MB, "{found} instead of {expected} bytes");
}

#[test]
fn private_memory_is_counted_when_mapped_and_when_touched() {
    let mut puppet = Puppet::new();
    let before = process::status(puppet.pid()).expect("it lives");
    let sums = process::rollup(puppet.pid()).expect("it is mine");
    puppet.perform("m = mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)");
    let mapped = process::status(puppet.pid()).expect("it lives");
    about(mapped.private_bytes - before.private_bytes, 96 * MB);
    about(mapped.vm_bytes - before.vm_bytes, 96 * MB);
    about(mapped.anonymous_bytes - before.anonymous_bytes, 0);
    puppet.perform("m[:64 << 20] = bytes(1) * (64 << 20)");
    let touched = process::status(puppet.pid()).expect("it lives");
    // The value that was written was as large, for a moment; the kernel keeps the mark to some hundred pages.
    assert!(touched.peaks.rss_bytes >= before.rss_bytes + 120 * MB, "{touched:?}");
    about(touched.anonymous_bytes - before.anonymous_bytes, 64 * MB);
    let now = process::rollup(puppet.pid()).expect("it is mine");
    about(now.pss_bytes - sums.pss_bytes, 64 * MB);
    about(now.rss_bytes - sums.rss_bytes, 64 * MB);
    // Its libraries are private only as long as nobody else starts an interpreter.
    assert!(now.private_bytes >= 64 * MB, "{now:?}");
    puppet.perform("m.close()");
    let freed = process::status(puppet.pid()).expect("it lives");
    about(freed.private_bytes, before.private_bytes);
    assert_eq!(freed.peaks.vm_bytes, touched.peaks.vm_bytes);
}

/// The counters of `status` are what a walk over all mappings finds.
#[test]
fn private_writable_mappings_are_those_of_maps() {
    let mut puppet = Puppet::new();
    puppet.perform("a = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)");
    puppet.perform("b = mmap.mmap(-1, 4 << 20)");
    puppet.perform("c = mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)");
    puppet.perform("t = [threading.Thread(target=threading.Event().wait, daemon=True).start() for i in range(3)]");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", puppet.pid())).expect("it lives");
    let mut sum = 0;
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (low, high) = words.next().and_then(|range| range.split_once('-')).expect("a range");
        let flags = words.next().expect("flags").as_bytes();
        if flags[1] == b'w' && flags[3] == b'p' {
            let number = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
            sum += number(high) - number(low);
        }
    }
    assert_eq!(process::status(puppet.pid()).expect("it lives").private_bytes, sum);
    let (all, sizes) =
        (process::status(puppet.pid()).expect("it lives"), process::sizes(puppet.pid()).expect("it lives"));
    assert_eq!((all.vm_bytes, all.private_bytes), (sizes.vm_bytes, sizes.private_bytes));
    about(sizes.anonymous_bytes, all.anonymous_bytes);
}

#[test]
fn shared_memory_counts_once_over_a_tree() {
    let mut puppet = Puppet::new();
    let before = process::rollup(puppet.pid()).expect("it is mine").pss_bytes;
    puppet.perform("m = mmap.mmap(-1, 64 << 20); m[:] = bytes(64 << 20)");
    puppet.perform("ends = os.pipe()");
    puppet.perform("ready = os.pipe()");
    for _ in 0..3 {
        puppet.perform("p = os.fork() or (m[::4096], os.write(ready[1], b'.'), os.read(ends[0], 1), os._exit(0))");
        puppet.perform("os.read(ready[0], 1)");
    }
    let all = tree::tree(puppet.pid());
    assert_eq!(all.len(), 4);
    let sums: Vec<_> = all.iter().filter_map(|stat| process::rollup(stat.identity.pid)).collect();
    let pss: u64 = sums.iter().map(|sum| sum.pss_bytes).sum();
    let rss: u64 = sums.iter().map(|sum| sum.rss_bytes).sum();
    assert!(rss > 4 * 64 * MB, "{rss}");
    assert!(pss - before < 64 * MB + 20 * MB && pss - before >= 63 * MB, "{pss} after {before}");
    puppet.perform("os.write(ends[1], b'...')");
}

#[test]
fn a_deep_tree_is_found_by_both_ways_and_a_thread_s_children_too() {
    let mut puppet = Puppet::new();
    puppet.perform("ends = os.pipe()");
    puppet.perform("ready = os.pipe()");
    puppet.perform(
        "down = lambda n: (os.fork() == 0 and (n and down(n - 1), os.write(ready[1], b'.'), os.read(ends[0], 1), os._exit(0)))",
    );
    puppet.perform("down(9)");
    puppet.perform("threading.Thread(target=down, args=(0,)).start()");
    puppet.perform("n = 0");
    puppet.perform("exec('while n < 11: n += len(os.read(ready[0], 16))')");
    let sorted = |mut pids: Vec<u32>| {
        pids.sort_unstable();
        pids
    };
    let quick = sorted(tree::tree(puppet.pid()).iter().map(|stat| stat.identity.pid).collect());
    let whole = tree::Snapshot::take();
    let slow = sorted(whole.tree(puppet.pid()).iter().map(|stat| stat.identity.pid).collect());
    assert_eq!(quick.len(), 12);
    assert_eq!(quick, slow);
    puppet.perform("os.write(ends[1], b'.' * 20)");
}

#[test]
fn a_process_that_ended_has_no_memory_and_a_name() {
    let mut puppet = Puppet::new();
    let pid: u32 = puppet.perform("p = os.fork() or os._exit(0); print(p)").trim().parse().expect("a number");
    puppet.perform("os.waitid(os.P_PID, p, os.WEXITED | os.WNOWAIT)");
    let stat = process::stat(pid).expect("not waited for");
    assert!(stat.is_zombie());
    assert_eq!(process::status(pid), None);
    assert_eq!(process::rollup(pid), None);
    assert!(process::command(pid).expect("a name").starts_with('['));
    assert_eq!(process::process_of(pid), Some(pid));
    puppet.perform("os.waitpid(p, 0)");
    assert_eq!(process::stat(pid), None);
}

/// Processes come and go while they are read: nothing is torn, nothing panics.
#[test]
fn many_that_come_and_go() {
    let mut child = Command::new("sh");
    let script = "i=0; while [ $i -lt 1000 ]; do /bin/true & i=$((i+1)); done; wait";
    let mut child = child.args(["-c", script]).spawn().expect("sh starts");
    let mut looks = 0;
    while child.try_wait().expect("mine").is_none() {
        for stat in tree::tree(child.id()).iter().chain(&tree::Snapshot::take().tree(child.id())) {
            let pid = stat.identity.pid;
            let _ = (process::status(pid), process::rollup(pid), process::command(pid), process::children(pid));
            // One that is just being waited for tells no parent any more.
            assert!(stat.identity.started_ticks > 0, "{stat:?}");
        }
        looks += 1;
    }
    assert!(looks > 1);
}
