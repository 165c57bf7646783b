//! Orders of events that the kernel makes only now and then, told by a fake one.

use std::collections::VecDeque;

use super::*;

/// A kernel that tells what it was given, and keeps what it was asked.
#[derive(Default)]
struct Script {
    events: VecDeque<(u32, i32)>,
    messages: HashMap<(u32, usize), u32>,
    told: usize,
    asked: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
}

const ROOT: u32 = (1 << 23) + 1;
const CHILD: u32 = ROOT + 1;

fn stop(signal: i32, event: i32) -> i32 {
    0x7f | signal << 8 | event << 16
}

impl Kernel for Script {
    fn seize(&mut self, pid: u32) -> io::Result<()> {
        self.asked.borrow_mut().push(format!("seize {pid}"));
        Ok(())
    }
    fn resume(&mut self, thread: u32, signal: i32) {
        self.asked.borrow_mut().push(format!("resume {} {signal}", thread - ROOT));
    }
    fn listen(&mut self, thread: u32) {
        self.asked.borrow_mut().push(format!("listen {}", thread - ROOT));
    }
    fn release(&mut self, thread: u32) {
        self.asked.borrow_mut().push(format!("release {}", thread - ROOT));
    }
    fn message(&mut self, thread: u32) -> Option<u32> {
        self.messages.get(&(thread, self.told)).copied()
    }
    fn stack_pointer(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn same_memory(&mut self, _: u32, _: u32) -> Option<bool> {
        None
    }
    fn capable(&mut self, _: &Path) -> bool {
        false
    }
    fn wait(&mut self) -> io::Result<Option<(u32, i32)>> {
        self.told += 1;
        Ok(self.events.pop_front())
    }
}

/// Plays events `(thread, status, message)` and gives the records, how the root ended, and what was asked of the kernel.
fn play(events: &[(u32, i32, u32)]) -> (Vec<Record>, Option<Exit>, Vec<String>) {
    let mut script = Script::default();
    let asked = script.asked.clone();
    for (number, (thread, status, message)) in events.iter().enumerate() {
        script.events.push_back((*thread, *status));
        script.messages.insert((*thread, number + 1), *message);
    }
    let marks = Marks::default();
    let (records, exit) = Trace::new(script, ROOT, &marks, Instant::now()).follow(true, || {}).unwrap();
    let asked = asked.borrow().clone();
    (records, exit, asked)
}

const EXEC: (u32, i32, u32) = (ROOT, 0x7f | SIGTRAP << 8 | EVENT_EXEC << 16, ROOT);

#[test]
fn a_child_may_stop_before_or_after_its_parent_tells_of_it() {
    let first = (CHILD, stop(SIGTRAP, EVENT_STOP), 0);
    let told = (ROOT, stop(SIGTRAP, EVENT_VFORK), CHILD);
    for order in [[first, told], [told, first]] {
        let (records, _, asked) = play(&[EXEC, order[0], order[1], (CHILD, 7 << 8, 0), (ROOT, 0, 0)]);
        assert_eq!(records.len(), 2);
        let birth = records[1].birth;
        assert_eq!((records[1].ppid, birth.how, birth.shared), (ROOT, How::Spawn, true));
        assert_eq!(records[1].exit, Some(Exit::Code(7)));
        assert_eq!(asked, ["resume 0 0", asked[1].as_str(), asked[2].as_str()]);
        assert!(asked.contains(&"resume 1 0".to_owned()));
    }
}

#[test]
fn a_child_killed_before_its_first_stop_is_still_recorded() {
    let told = (ROOT, stop(SIGTRAP, EVENT_FORK), CHILD);
    let (records, exit, _) = play(&[EXEC, told, (CHILD, 9, 0), (ROOT, 3 << 8, 0)]);
    assert_eq!((records.len(), records[1].exit, exit), (2, Some(Exit::Signal(9)), Some(Exit::Code(3))));
}

#[test]
fn signals_are_passed_on_also_those_without_a_name_and_stops_are_listened_to() {
    let (_, _, asked) = play(&[
        EXEC,
        (ROOT, stop(34, 0), 0),
        (ROOT, stop(19, 0), 0),
        (ROOT, stop(19, EVENT_STOP), 0),
        (ROOT, stop(SIGTRAP, EVENT_STOP), 0),
        (ROOT, stop(SIGTRAP, 0), 0),
        (ROOT, 15, 0),
    ]);
    assert_eq!(asked, ["resume 0 0", "resume 0 34", "resume 0 19", "listen 0", "resume 0 0", "resume 0 5"]);
}

#[test]
fn what_happens_before_the_command_runs_is_nobodys_business() {
    let (records, exit, _) = play(&[
        (ROOT, stop(SIGTRAP, EVENT_CLONE), CHILD),
        (CHILD, stop(SIGTRAP, EVENT_STOP), 0),
        (CHILD, 0, 0),
        (ROOT, 127 << 8, 0),
    ]);
    assert_eq!((records, exit), (Vec::new(), Some(Exit::Code(127))));
}

#[test]
fn a_number_given_again_is_another_record() {
    let told = (ROOT, stop(SIGTRAP, EVENT_FORK), CHILD);
    let first = (CHILD, stop(SIGTRAP, EVENT_STOP), 0);
    let (records, _, _) = play(&[EXEC, told, first, (CHILD, 1 << 8, 0), told, first, (CHILD, 2 << 8, 0), (ROOT, 0, 0)]);
    let exits: Vec<_> = records.iter().map(|record| record.exit).collect();
    assert_eq!(exits, [Some(Exit::Code(0)), Some(Exit::Code(1)), Some(Exit::Code(2))]);
}

/// What a thread's exit stop tells is how its process ends only if it is the last one; the root is waited for in any case.
#[test]
fn a_process_of_one_thread_is_let_go_when_it_ends() {
    let told = (ROOT, stop(SIGTRAP, EVENT_FORK), CHILD);
    let first = (CHILD, stop(SIGTRAP, EVENT_STOP), 0);
    let ending = |pid, status| (pid, stop(SIGTRAP, EVENT_EXIT), status);
    let (records, exit, asked) = play(&[EXEC, told, first, ending(CHILD, 9), ending(ROOT, 7 << 8), (ROOT, 5 << 8, 0)]);
    assert_eq!((records[1].exit, records[1].end_us.is_some()), (Some(Exit::Signal(9)), true));
    assert_eq!((records[0].exit, exit), (Some(Exit::Code(5)), Some(Exit::Code(5))));
    assert_eq!(asked[3..], ["release 1", "resume 0 0"]);
}
