//! What a profile finds, of commands whose figures are known.

use super::*;

/// A process of 256 MB is copied for about no time at all.
#[test]
fn a_copy_that_lives_for_a_moment_is_seen_with_its_size() {
    let script = "import mmap, os
m = mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); m[:64 << 20] = b'x' * (64 << 20)
p = os.fork() or os.execv('/bin/sh', ['sh', '-c', 'exit 7'])
os.waitpid(p, 0)";
    let (profile, output) = python(&[], script);
    assert!(output.status.success());
    assert_eq!(profile["profile"], 1);
    if !traced(&profile) {
        return;
    }
    let child = with(&profile, "sh -c exit 7")[0];
    let birth = &child["birth"];
    assert_eq!((birth["how"].as_str(), &child["exit"]), (Some("fork"), &serde_json::json!({"code": 7})));
    for (figure, least) in [("vm_bytes", 256), ("private_bytes", 256), ("copied_bytes", 256), ("anonymous_bytes", 64)] {
        let found = birth[figure].as_u64().unwrap();
        assert!((least * MB..least * MB + 80 * MB).contains(&found), "{figure}: {found}");
    }
    // Parent and copy had it at once.
    assert!(profile["peaks"]["commit_bytes"].as_u64().unwrap() >= 512 * MB);
    assert!(profile["peaks"]["vm_bytes"].as_u64().unwrap() >= 512 * MB);
    let images = child["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    assert!(images[1]["peak"]["vm_bytes"].as_u64().unwrap() < 64 * MB, "{images:?}");
    let parent = &profile["processes"][0];
    assert_eq!(parent["peak"]["known"], "exact");
    assert!(parent["peak"]["rss_bytes"].as_u64().unwrap() >= 127 * MB);
}

#[test]
fn memory_that_is_only_there_between_samples_is_seen() {
    let script = "import mmap
m = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); m[0] = 1; m.close()";
    let (profile, _) = python(&["--rate", "1"], script);
    if traced(&profile) {
        assert!(profile["processes"][0]["peak"]["vm_bytes"].as_u64().unwrap() >= 1 << 30);
        assert!(profile["peaks"]["vm_bytes"].as_u64().unwrap() >= 1 << 30);
    }
}

/// Each way to begin has its name, and only a fork copies. Many times, as parent and child stop in any order.
#[test]
fn births_are_told_apart() {
    let script = "import os, subprocess, threading
for i in range(20):
    os.waitpid(os.posix_spawn('/bin/true', ['true', 'spawned'], {}), 0)
    t = threading.Thread(target=lambda: subprocess.run(['/bin/true', 'vforked'])); t.start(); t.join()
    os.waitpid(os.fork() or os.execv('/bin/true', ['true', 'forked']), 0)";
    let (profile, _) = python(&[], script);
    if !traced(&profile) {
        return;
    }
    for (part, how, copies) in [("true spawned", "spawn", false), ("true forked", "fork", true)] {
        let born = with(&profile, part);
        assert_eq!(born.len(), 20, "{part}");
        for process in born {
            assert_eq!(process["birth"]["how"], how, "{process}");
            assert_eq!(process["birth"]["copied_bytes"].as_u64().unwrap() > 0, copies, "{process}");
        }
    }
    // An older Python forks there.
    let subprocesses: Vec<_> =
        with(&profile, "/bin/true vforked").into_iter().map(|p| p["birth"]["how"].clone()).collect();
    let hows: std::collections::HashSet<_> = subprocesses.iter().filter_map(|how| how.as_str()).collect();
    assert!(hows.is_subset(&["vfork", "fork"].into()), "{hows:?}");
}

#[test]
fn threads_are_no_processes_and_exec_from_one_keeps_the_process() {
    let script = "import os, threading, time
stop = threading.Event()
for i in range(10): threading.Thread(target=stop.wait, daemon=True).start()
t = threading.Thread(target=lambda: os.execv('/bin/sh', ['sh', '-c', 'exit 3'])); t.start(); t.join()";
    for _ in 0..5 {
        let (profile, output) = python(&[], script);
        assert_eq!(output.status.code(), Some(3));
        if traced(&profile) {
            let processes = profile["processes"].as_array().unwrap();
            assert_eq!(processes.len(), 1, "{processes:?}");
            assert_eq!(processes[0]["command"], "sh -c exit 3");
            assert_eq!(processes[0]["exit"], serde_json::json!({"code": 3}));
        }
    }
}

#[test]
fn deep_trees_daemons_and_parents_that_end_first() {
    let script = "export ROOT=$$
setsid sh -c 'sh -c \"sh -c \\\"while kill -0 \\$ROOT; do :; done 2>/dev/null; exit 9\\\" & exit 0\" & exit 0' & exit 0";
    let (profile, _) = profile(&["--wait"], &["sh", "-c", script]);
    if traced(&profile) {
        let all = profile["processes"].as_array().unwrap();
        assert!(all.iter().all(|process| process["end_s"].is_number()), "{all:?}");
        assert!(all.iter().any(|process| process["exit"] == serde_json::json!({"code": 9})), "{all:?}");
        let known: Vec<_> = all.iter().map(|process| &process["pid"]).collect();
        assert!(all.iter().skip(1).all(|process| known.contains(&&process["ppid"])), "{all:?}");
    }
}

/// Processes come and go by the hundred, many at once: none is lost, each has its figures and its end.
#[test]
fn many_short_processes() {
    let script = "i=0; while [ $i -lt 600 ]; do /bin/true $i & i=$((i+1)); done; wait";
    let (profile, output) = profile(&["--rate", "200"], &["sh", "-c", script]);
    assert!(output.status.success());
    assert!(!profile["timeline"].as_array().unwrap().is_empty());
    if traced(&profile) {
        let all = with(&profile, "/bin/true ");
        assert_eq!(all.len(), 600);
        assert!(all.iter().all(|process| process["exit"] == serde_json::json!({"code": 0})), "{all:?}");
        assert!(all.iter().all(|process| process["peak"]["rss_bytes"].as_u64().unwrap() > 0));
    }
}

#[test]
fn samples_alone_and_the_exact_method_alone_say_so() {
    let (sampled, output) = profile(&["--method", "sampled"], &["sh", "-c", &format!("{SAMPLED} exit 4")]);
    assert_eq!((output.status.code(), &sampled["method"]), (Some(4), &"sampled".into()));
    let root = with(&sampled, "sh -c")[0];
    assert_eq!((&root["birth"]["how"], &root["peak"]["known"]), (&Json::Null, &"lower bound".into()));
    assert!(sampled["peaks"]["pss_bytes"].as_u64().unwrap() > 0);
    let (exact, _) = profile(&["--method", "exact"], &["true"]);
    if traced(&exact) {
        assert_eq!((&exact["peaks"]["pss_bytes"], &exact["method"]), (&Json::Null, &"exact".into()));
        assert_eq!(exact["timeline"], serde_json::json!([]));
    }
}

#[test]
fn shared_memory_counts_once_and_a_borrowed_image_not_twice() {
    let script = "import mmap, os, sys
m = mmap.mmap(-1, 64 << 20); m[:] = bytes(64 << 20)
ready, go = os.pipe(), os.pipe()
for i in range(3):
    if os.fork() == 0:
        m[::4096]; os.write(ready[1], b'.'); os.read(go[0], 1); os._exit(0)
n = 0
while n < 3: n += len(os.read(ready[0], 3))
sampler = max(map(int, os.listdir(f'/proc/{os.getppid()}/task')))
def sleeps():
    text = open(f'/proc/{os.getppid()}/task/{sampler}/status').read()
    return int(text.split('\\nvoluntary_ctxt_switches:')[1].split()[0])
enough = sleeps() + 4
while sleeps() < enough: pass
os.write(go[1], b'...')
for i in range(3): os.wait()";
    let (profile, _) = python(&["--rate", "50"], script);
    let (pss, rss) = (&profile["peaks"]["pss_bytes"], &profile["peaks"]["rss_bytes"]);
    assert!((64 * MB..160 * MB).contains(&pss.as_u64().unwrap()), "{pss}");
    assert!(rss.as_u64().unwrap() > 250 * MB, "{rss}");
}
