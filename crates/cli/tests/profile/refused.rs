//! Where the kernel refuses something, or the command does what cannot be traced: the profile says so and goes on.

use super::*;

/// Starts a program with system calls forbidden to it and all below it (`seccomp(2)`, `EPERM`), as containers do.
const FORBIDDING: &str = "import ctypes, os, platform, struct, sys
numbers = {'x86_64': {'ptrace': 101, 'kcmp': 312}, 'aarch64': {'ptrace': 117, 'kcmp': 272}}[platform.machine()]
names = sys.argv[1].split(',')
program = [(0x20, 0, 0, 0)]
program += [(0x15, len(names) - place, 0, numbers[name]) for place, name in enumerate(names)]
program += [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050001)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in program))
class Filter(ctypes.Structure): _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
libc = ctypes.CDLL(None)
filter = Filter(len(program), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])";

fn forbidding(calls: &str, options: &[&str], command: &[&str]) -> (Json, Output) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut pial = Command::new("python3");
    pial.args(["-S", "-E", "-c", FORBIDDING, calls, env!("CARGO_BIN_EXE_pial"), "profile"]);
    pial.args(options).arg("--json").arg(file.path()).arg("--").args(command);
    let output = pial.output().unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}")), output)
}

#[test]
fn without_ptrace_it_samples_and_says_why() {
    let (profile, output) = forbidding("ptrace,kcmp", &[], &["sh", "-c", &format!("{SAMPLED} exit 5")]);
    assert_eq!((output.status.code(), &profile["method"]), (Some(5), &"sampled".into()));
    let note = profile["notes"].to_string();
    assert!(note.contains("sampled only: this process may not trace"), "{note}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("note: sampled only"));
    assert!(profile["peaks"]["pss_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn without_kcmp_vfork_is_still_no_copy() {
    let script = "import os
for i in range(10): os.waitpid(os.posix_spawn('/bin/true', ['true', 'spawned'], {}), 0)";
    let (profile, _) = forbidding("kcmp", &[], &[interpreter(), "-S", "-E", "-c", script]);
    if traced(&profile) {
        let spawned = with(&profile, "true spawned");
        assert_eq!(spawned.len(), 10);
        assert!(spawned.iter().all(|process| process["birth"]["copied_bytes"] == 0), "{spawned:?}");
    }
}

/// A process that traces has to be left alone: its own tracing works, and it is sampled.
#[test]
fn a_program_that_traces_itself_still_can() {
    let Ok(strace) = Command::new("strace").arg("-V").output() else {
        eprintln!("skipped: there is no strace here");
        return;
    };
    assert!(strace.status.success());
    for command in [
        &["strace", "-f", "-o", "/dev/null", "sh", "-c", "exit 8"][..],
        &["sh", "-c", "strace -o /dev/null sh -c 'exit 8'; exit $?"],
    ] {
        let (profile, output) = profile(&[], command);
        assert_eq!(output.status.code(), Some(8), "{output:?}");
        assert!(profile["notes"].to_string().contains("traces processes itself"), "{}", profile["notes"]);
    }
}

/// A traced process is not given the rights of a set-user-id file, so such a command is not traced.
#[test]
fn a_set_user_id_command_keeps_its_rights() {
    let directory = tempfile::tempdir().unwrap();
    let tool = directory.path().join("tool");
    std::fs::copy("/usr/bin/id", &tool).unwrap();
    let script = format!(
        "chmod 755 {0} && cp {pial} {0}/pial && chmod 755 {0}/pial && chmod 4755 {1} && \
         cd / && exec setpriv --reuid 65534 --regid 65534 --clear-groups {0}/pial profile -- {1} -u",
        directory.path().display(),
        tool.display(),
        pial = env!("CARGO_BIN_EXE_pial")
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !said.contains("pial profile") {
        eprintln!("skipped: only the superuser can make this test: {said}");
        return;
    }
    assert!(said.contains("is set-user-id, which a traced process is not given"), "{said}");
    let mount_forbids = output.stdout == b"65534\n" && !said.contains("panicked");
    assert!(output.stdout == b"0\n" || mount_forbids, "{output:?}");
}

/// Another mount of /proc that shows a user nothing of others.
#[test]
fn a_hidden_proc_is_no_matter_for_one_s_own_processes() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && chmod 755 {0} && cp {pial} {0}/pial && chmod 755 {0}/pial && cd / && \
         exec setpriv --reuid 65534 --regid 65534 --clear-groups {0}/pial profile --quiet --json - -- sh -c \"$1\"",
        directory.path().display(),
        pial = env!("CARGO_BIN_EXE_pial")
    );
    let command = format!("{SAMPLED} exit 5");
    let output = Command::new("unshare").args(["-m", "-p", "-f", "sh", "-c", &script, "sh", &command]).output();
    let Some(output) = output.ok().filter(|output| output.status.code() == Some(5)) else {
        eprintln!("skipped: no mount namespace can be made here");
        return;
    };
    let profile: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert!(profile["peaks"]["pss_bytes"].as_u64().unwrap() > 0);
    assert_eq!(with(&profile, "sh -c").len(), 1);
}

/// The same for file capabilities; a child that has some gets a note.
#[test]
fn a_command_with_file_capabilities_keeps_them() {
    let directory = tempfile::tempdir().unwrap();
    let tool = directory.path().join("tool");
    std::fs::copy("/bin/cat", &tool).unwrap();
    let script = format!(
        "chmod 755 {0} && cp {pial} {0}/pial && chmod 755 {0}/pial {0}/tool && setcap cap_net_raw+ep {0}/tool && cd / && \
         exec setpriv --reuid 65534 --regid 65534 --clear-groups {0}/pial profile -- \"$@\"",
        directory.path().display(),
        pial = env!("CARGO_BIN_EXE_pial")
    );
    let tool = tool.to_str().unwrap();
    let status = format!("{tool} /proc/self/status; exit 3");
    for (command, note) in [
        (&[tool, "/proc/self/status"][..], "has file capabilities, which a traced process is not given"),
        (&["sh", "-c", &status], "asks for rights that a traced process is not given"),
    ] {
        let output = Command::new("sh").args(["-c", &script, "sh"]).args(command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !said.contains("pial profile") {
            eprintln!("skipped: only the superuser can make this test, with setcap: {said}");
            return;
        }
        assert!(said.contains(note) || said.contains("may not trace"), "{said}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let effective = text.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
        let given = effective.is_some_and(|word| u64::from_str_radix(word, 16).unwrap_or(0) & 1 << 13 != 0);
        assert_eq!(given, note.contains("has file capabilities"), "{text}");
    }
}
