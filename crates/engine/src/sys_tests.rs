//! That a signal reaches a child and never whoever has its number later.

use std::process::Command;

use super::*;

#[test]
fn a_child_that_was_waited_for_gets_no_signal() {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let with_handle = ChildHandle::of(child.id());
    let without = ChildHandle { handle: None, ..ChildHandle::of(child.id()) };
    assert!(with_handle.signal(0) && without.signal(0));
    assert!(without.signal(libc::SIGTERM));
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    assert!(!with_handle.signal(0) && !without.signal(0));
    // Somebody else with the same number.
    let other = ChildHandle { pid: std::process::id(), ..without };
    assert!(!other.signal(0));
}
