//! That a command runs as without pial: its exit, its signals, its terminal, and nothing of it stays stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use super::*;

#[test]
fn the_exit_code_is_the_command_s() {
    for method in ["exact", "sampled", "both"] {
        for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -SEGV $$", 139)] {
            let output = pial(&["--method", method], &["sh", "-c", script]).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{method}: {script}: {output:?}");
        }
    }
}

#[test]
fn what_cannot_be_run_is_told_once() {
    for (command, code) in [("/nowhere/at-all", 127), ("no-such-program-here", 127), ("/etc/passwd", 126)] {
        for method in ["exact", "sampled"] {
            let output = pial(&["--method", method], &[command]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{said}");
            assert!(said.starts_with(&format!("pial: cannot run {command}: ")) && said.lines().count() == 1, "{said}");
        }
    }
    let output = pial(&["--json", "/nowhere/file"], &["touch", "/tmp/pial-profile-ran"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!std::path::Path::new("/tmp/pial-profile-ran").exists());
}

#[test]
fn input_output_and_environment_are_the_command_s() {
    let mut child = pial(&["--quiet"], &["sh", "-c", "read line; echo got $line $MARK; echo bad >&2"])
        .env("MARK", "marked")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"it\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"got it marked\n"[..], &b"bad\n"[..]));
}

/// Every signal reaches the command as it was sent, those of real time too, also while it stops and goes on.
#[test]
fn signals_are_passed_on() {
    let script = "import os, signal
got = []
for number in [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 1, signal.SIGCONT]:
    signal.signal(number, lambda number, frame: got.append(number))
for number in [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 1]:
    os.kill(os.getpid(), number)
helper = os.fork()
if helper == 0:
    parent = os.getppid()
    state = lambda: open(f'/proc/{parent}/stat').read().rsplit(') ')[1][0]
    os.kill(parent, signal.SIGSTOP)
    while state() not in 'tT': pass
    os.kill(parent, signal.SIGCONT)
    os._exit(0)
os.waitpid(helper, 0)
assert got == [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 1, signal.SIGCONT], got";
    for _ in 0..5 {
        let (_, output) = python(&["--method", "exact"], script);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn what_is_sent_to_pial_is_meant_for_the_command() {
    let script = "trap 'echo caught; exit 6' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = pial(&["--quiet"], &["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

/// The kernel lets traced processes go with their tracer: the command ends by itself.
#[test]
fn a_killed_pial_leaves_nothing_stopped() {
    let script = "echo ready; read line; i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done; echo done";
    let mut killed = Vec::new();
    for _ in 0..5 {
        let command = &["sh", "-c", script];
        let mut child = pial(&[], command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        killed.push(format!("pial-{}", child.id()));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "done\n");
    }
    // Its control group is removed by the next one, once the kernel let go of all that was in it.
    let groups = pial_measure::cgroup::Own::find().map(|own| own.directory);
    let is_left = || groups.iter().any(|groups| killed.iter().any(|name| groups.join(name).exists()));
    let next = || pial(&["--quiet", "--json", "/dev/null"], &["true"]).output().unwrap();
    assert!((0..100).any(|_| next().status.success() && !is_left()), "{killed:?}");
}

#[test]
fn the_summary_and_the_page_have_what_they_promise() {
    let page = tempfile::NamedTempFile::new().unwrap();
    let options = ["--html", page.path().to_str().unwrap(), "--budget", "8GB"];
    let output = pial(&options, &["sh", "-c", "/bin/true '</script><b>'; exit 0"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["pial profile: `sh -c", "PSS: resident, shared pages counted once", "within the budget of 8.0 GB"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let pss = said.lines().find(|line| line.contains("PSS: ")).unwrap();
    assert!(pss.trim_start().starts_with(">="), "samples only bound it from below: {said}");
    let html = std::fs::read_to_string(page.path()).unwrap();
    assert!(!html.contains("http://") || html.matches("http://").count() == html.matches("http://www.w3.org").count());
    assert!(!html.contains("https://") && !html.contains("</script><b>") && !html.contains("/*SCRIPT*/"));
    let data = html.split("<script id=\"data\" type=\"application/json\">").nth(1).unwrap();
    let data: Json = serde_json::from_str(data.split("</script>").next().unwrap()).unwrap();
    assert_eq!(data["summary"]["budget_bytes"], 8_000_000_000_u64);
    assert!(!data["rows"].as_array().unwrap().is_empty());
}

#[test]
fn one_file_for_both_outputs_is_refused_before_anything_runs() {
    let page = tempfile::NamedTempFile::new().unwrap();
    let name = page.path().to_str().unwrap();
    let output = pial(&["--json", name, "--html", name], &["echo", "ran"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--json and --html both name"));
}

/// What cannot be written at the end is named, and the other file is there.
#[test]
fn a_full_disk_costs_one_file_only() {
    let page = tempfile::NamedTempFile::new().unwrap();
    let name = page.path().to_str().unwrap();
    for (full, other, begins) in [("--json", "--html", "<!"), ("--html", "--json", "{")] {
        let output = pial(&["--quiet", full, "/dev/full", other, name], &["sh", "-c", "exit 4"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("cannot write /dev/full: ") && said.contains("ended with code 4"), "{said}");
        assert!(std::fs::read_to_string(name).unwrap().starts_with(begins));
    }
}

#[test]
fn an_option_given_twice_is_refused_before_anything_runs() {
    for (option, value) in
        [("--json", "-"), ("--html", "-"), ("--rate", "7"), ("--method", "exact"), ("--budget", "1GB")]
    {
        let output = pial(&[option, value, option, value], &["echo", "ran"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), b"".as_slice()), "{said}");
        assert!(said.contains(&format!("{option} was given 2 times")) && said.lines().count() == 1, "{said}");
    }
}

/// A daemon that never ends: an interrupt ends the waiting for it, and the profile is written. The daemon is let go.
#[test]
fn an_interrupt_ends_the_waiting() {
    for method in ["exact", "sampled"] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let script =
            "root=$$; (while kill -0 $root; do :; done 2>/dev/null; echo alone; read line; echo $line) <&3 & exit 6";
        let command = &["sh", "-c", &format!("exec 3<&0; {script}")];
        let options = ["--quiet", "--wait", "--method", method, "--json", path];
        let mut child = pial(&options, command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "alone");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let mut input = child.stdin.take().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(6), "{method}");
        let profile: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        if profile["method"] == "exact" {
            assert!(profile["notes"].to_string().contains("1 still ran when waiting"), "{}", profile["notes"]);
        }
        input.write_all(b"still here\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "still here");
    }
}
