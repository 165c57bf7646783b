//! Functions: values, failures, and deaths of steps, interpreter and engine, with a real interpreter.

use std::process::Child;

use crate::{Place, Ran, processes_with, wait_for};

/// One function `f` without inputs, whose single output is `out`.
fn one(body: &str) -> String {
    let body: String = body.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "pial: 1\nname: w\nnodes:\n  a:\n    function:\n      source: |\n        def f():\n{body}    outputs: {{out: any}}\n"
    )
}

fn value(ran: &Ran, name: &str) -> serde_json::Value {
    let told = ran.events.iter().find(|e| e["event"] == "output" && e["name"] == name);
    told.unwrap_or_else(|| panic!("no output {name}: {:?} {}", ran.events, ran.stderr))["value"].clone()
}

#[test]
fn values_arrive_as_they_were_returned() {
    let place = Place::make();
    let document = r#"
pial: 1
name: w
functions:
  make:
    source: |
      def make():
          import pathlib
          pathlib.Path("é file.txt").write_text("x")
          return [1, 2.5, 1e308 * 10, -0.0, 0.1 + 0.2, None, True, "te\u0001xt", (1, (2,)), {1: 2}, {"a": (1,)}, {3, 4},
                  2 ** 80, b"b", [], {}, "\udc80", {"$tuple": [1]}, pathlib.Path("é file.txt"), complex(1, 2)]
  tell:
    source: |
      def tell(value):
          return repr(value)
nodes:
  make: {function: make, outputs: {out: any}}
  tell: {function: tell, inputs: {value: {from: make.out}}, outputs: {out: string}}
  each: {function: tell, map: value, inputs: {value: {from: make.out}}, outputs: {out: string}}
outputs: {all: {from: tell.out}, each: {from: each.out}}
"#;
    let ran = place.run(document, &[]);
    assert_eq!(ran.counts(), [3, 0, 0, 0], "{:?}", ran.events);
    let file = place.path("work/w/make/é file.txt").canonicalize().unwrap();
    let expected = [
        "1",
        "2.5",
        "inf",
        "-0.0",
        "0.30000000000000004",
        "None",
        "True",
        "'te\\x01xt'",
        "(1, (2,))",
        "{1: 2}",
        "{'a': (1,)}",
        "{3, 4}",
        "1208925819614629174706176",
        "b'b'",
        "[]",
        "{}",
        "'\\udc80'",
        "{'$tuple': [1]}",
        &format!("PosixPath('{}')", file.display()),
        "(1+2j)",
    ];
    assert_eq!(value(&ran, "each"), serde_json::json!(expected));
    assert_eq!(value(&ran, "all"), format!("[{}]", expected.join(", ")));
    assert_eq!(place.again(&[]).counts(), [0, 3, 0, 0]);
    std::fs::write(&file, "y").unwrap();
    // The file that the first one made was changed: it is made again, and what comes out is the same.
    let again = place.again(&[]);
    assert_eq!(again.counts(), [1, 2, 0, 0], "{:?}", again.events);
}

#[test]
fn code_files_and_plain_inputs_decide_what_runs_again() {
    let place = Place::make();
    place.write("data.txt", "1");
    let document = |body: &str, extra: &str| {
        format!(
            "
pial: 1
name: w
nodes:
  a:
    function: {{source: \"def f(path, n=1): return {body}\"}}
    inputs: {{path: {{type: file, value: data.txt}}{extra}}}
    outputs: {{out: any}}
  b:
    command: [echo, 'it is {{text}}']
    inputs: {{text: {{from: a.out}}}}
    outputs: {{out: {{stdout: string}}}}
outputs: {{out: {{from: b.out}}}}
"
        )
    };
    let ran = place.run(&document("[n, (2, open(path).read())]", ""), &[]);
    assert_eq!((ran.counts(), value(&ran, "out")), ([2, 0, 0, 0], "it is [1,[2,\"1\"]]".into()), "{:?}", ran.events);
    assert_eq!(place.again(&[]).counts(), [0, 2, 0, 0]);
    place.write("data.txt", "2");
    assert_eq!(place.again(&[]).counts(), [2, 0, 0, 0]);
    // Other code that gives the same stops the change.
    assert_eq!(place.run(&document("[n,  (2, open(path).read())]", ""), &[]).counts(), [1, 1, 0, 0]);
    assert_eq!(place.run(&document("[n,  (2, open(path).read())]", ", n: 3"), &[]).counts(), [2, 0, 0, 0]);
    let refused = place.run(&document("{1, 2}", ""), &[]);
    assert!(refused.failure("b").contains("its input `text` is a Python object, which only functions can take"));
}

#[test]
fn every_end_of_a_function_is_named() {
    let place = Place::make();
    for (body, wanted) in [
        ("raise ValueError('bäd')", "ValueError: bäd"),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "sys.exit(3)"),
        ("import os; os._exit(0)", "its process ended before it returned"),
        ("import os; os._exit(9)", "it exited with code 9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("return lambda: 1", "out"),
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("f = lambda n: f(n + 1)\nf(0)", "RecursionError"),
    ] {
        let ran = place.run(&one(body), &[]);
        assert_eq!((ran.code, ran.counts()), (Some(1), [0, 0, 1, 0]), "{body}: {:?}", ran.events);
        assert!(ran.failure("a").contains(wanted), "{body}: {}", ran.failure("a"));
        assert!(!ran.events.iter().any(|e| e["event"] == "warning"), "{body}: {:?}", ran.events);
    }
}

#[test]
fn a_crash_file_says_how_to_see_it_again() {
    let place = Place::make();
    let ran = place.run(&one("try:\n    1 / 0\nexcept Exception as e:\n    raise KeyError('ü') from e"), &[]);
    let failed = ran.events.iter().find(|e| e["event"] == "node_failed").unwrap();
    let crash = place.read(&format!("work/{}", failed["crash"].as_str().unwrap()));
    assert!(crash.contains("ZeroDivisionError") && crash.contains("KeyError: 'ü'"), "{crash}");
    let line = crash.lines().find_map(|line| line.strip_prefix("reproduce")).unwrap().trim().to_owned();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]).env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/../../python"));
    let reproduced = shell.output().unwrap();
    let error = String::from_utf8_lossy(&reproduced.stderr).into_owned();
    assert!(!reproduced.status.success() && error.contains("KeyError: 'ü'"), "{line}: {error}");
}

#[test]
fn promised_types_are_held_to() {
    let place = Place::make();
    let document =
        |returned: &str, kind: &str| one(&format!("return {returned}")).replace("out: any", &format!("out: {kind}"));
    for (returned, kind, wanted) in [
        ("'nowhere.nii'", "file", "there is no file"),
        ("None", "file", "but it is None"),
        ("'x'", "int", "should be int, but it is str 'x'"),
        ("[1, 'x']", "'list[float]'", "should be float, but it is str 'x'"),
        ("object()", "float", "should be float"),
        ("5", "file", "should be the path of a file"),
    ] {
        let ran = place.run(&document(returned, kind), &[]);
        assert!(ran.failure("a").contains(wanted), "{returned} as {kind}: {}", ran.failure("a"));
    }
    for (returned, kind) in [("3", "float"), ("(1, 2)", "'list[int]'"), ("None", "{type: file, optional: true}")] {
        let ran = place.run(&document(returned, kind), &[]);
        assert_eq!(ran.counts(), [1, 0, 0, 0], "{returned} as {kind}: {:?}", ran.events);
    }
}

#[test]
fn a_limit_of_time_holds_for_functions_and_for_imports_that_hang() {
    let place = Place::make();
    let sleeping = one("import time\ntime.sleep(600)").replace("    outputs", "    resources: {time: 1}\n    outputs");
    assert!(place.run(&sleeping, &["--grace", "1"]).failure("a").contains("ran longer than its limit"));
    place.write("lib/hangs.py", "import time\ntime.sleep(600)\n");
    let lib = place.path("lib");
    let imports = one("import sys\nsys.path.insert(0, 'LIB')\nimport hangs").replace("LIB", &lib.to_string_lossy());
    let hanging = imports.replace("    outputs", "    resources: {time: 2}\n    outputs");
    place.write("w.yaml", &hanging);
    let mut command = place.pial(&["run", "w.yaml", "-j2", "--json", "--grace", "1"]);
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python");
    command.env("PIAL_PYTHONPATH", format!("{}:{python}", lib.display()));
    let ran = Ran::of(command.output().unwrap());
    assert!(ran.failure("a").contains("its limit"), "{}", ran.failure("a"));
}

#[test]
fn an_interpreter_that_is_not_there_or_has_no_pial_is_said() {
    let place = Place::make();
    place.write("w.yaml", &one("return 1"));
    let ran = Ran::of(place.pial(&["run", "w.yaml", "--json"]).env("PIAL_PYTHON", "/nowhere/python").output().unwrap());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("/nowhere/python"), "{}", ran.stderr);
    let mut command = place.pial(&["run", "w.yaml", "--json"]);
    let ran = Ran::of(
        command
            .env("PIAL_PYTHON", "python3")
            .env("PIAL_PYTHONPATH", "/nowhere")
            .env("PYTHONPATH", "")
            .output()
            .unwrap(),
    );
    // A pial that is installed for this interpreter would do.
    if ran.code != Some(0) {
        assert!(ran.failure("a").contains("install pial's Python package there"), "{}", ran.failure("a"));
    }
}

/// Chains of functions that take a moment each.
fn chains(count: usize, length: usize, seconds: f64) -> String {
    let mut text = format!(
        "pial: 1\nname: w\nfunctions:\n  f:\n    source: |\n      def f(x):\n          import time, os\n          \
         time.sleep({seconds})\n          open('done', 'w').write(str(x))\n          return x + 1\nnodes:\n"
    );
    for chain in 0..count {
        for at in 0..length {
            let given = if at == 0 { chain.to_string() } else { format!("{{from: n{chain}_{}.out}}", at - 1) };
            text += &format!("  n{chain}_{at}: {{function: f, inputs: {{x: {given}}}, outputs: {{out: int}}}}\n");
        }
    }
    text += "outputs:\n";
    for chain in 0..count {
        text += &format!("  o{chain}: {{from: n{chain}_{}.out}}\n", length - 1);
    }
    text
}

fn interpreter(place: &Place) -> Option<u32> {
    let work = place.path("work").canonicalize().ok()?;
    let lead = |pid: &u32| {
        // Steps are forks: they lead groups of their own in directories of their own.
        let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        directory == work.join(".pial/capture")
    };
    processes_with("pial.worker").into_iter().find(lead)
}

fn kill(pid: u32) {
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).output().unwrap();
}

fn finish(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn a_run_outlives_its_interpreter() {
    let place = Place::make();
    for round in 0..20 {
        let child = place.begin(&chains(4, 5, 0.01).replace("name: w", &format!("name: w{round}")), &[]);
        // Killed while steps run, at a moment that differs from round to round.
        let begun = format!("work/w{round}/n0_{}", round % 4);
        wait_for("a step", || place.path(&begun).exists().then_some(()));
        wait_for("an interpreter", || interpreter(&place).map(kill));
        let ran = finish(child);
        assert_eq!((ran.code, ran.counts()), (Some(0), [20, 0, 0, 0]), "round {round}: {:?}", ran.events);
        assert_eq!(value(&ran, "o3"), 8);
    }
}

#[test]
fn a_killed_step_is_one_failure_and_the_next_run_does_what_is_left() {
    let place = Place::make();
    for round in 0..20 {
        let name = format!("name: w{round}");
        let child = place.begin(&chains(3, 3, 0.05).replace("name: w", &name), &[]);
        let work = place.path(&format!("work/w{round}"));
        let step = wait_for("a step", || {
            let inside = |pid: &u32| {
                std::fs::read_link(format!("/proc/{pid}/cwd"))
                    .is_ok_and(|d| d.starts_with(work.canonicalize().unwrap_or_else(|_| work.clone())))
            };
            processes_with("pial.worker").into_iter().find(inside)
        });
        kill(step);
        let ran = finish(child);
        let [done, cached, failed, skipped] = ran.counts();
        // It may have ended just before.
        assert!(failed <= 1 && done + cached + failed + skipped == 9, "{:?}", ran.events);
        let again = place.again(&[]);
        assert_eq!((again.code, again.counts()), (Some(0), [9 - done, done, 0, 0]), "{:?}", again.events);
    }
}

#[test]
fn nothing_outlives_an_engine_that_is_killed() {
    let place = Place::make();
    for round in 0..20 {
        let document = chains(4, 2, 0.02).replace("name: w", &format!("name: w{round}"));
        let mut child = place.begin(&document, &[]);
        let begun = format!("work/w{round}/n0_{}", round % 2);
        wait_for("a step", || place.path(&begun).exists().then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
        let work = place.path("work").canonicalize().unwrap();
        wait_for("the end of all", || {
            let ours = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|d| d.starts_with(&work));
            (!processes_with("pial.worker").iter().any(ours)).then_some(())
        });
        let again = place.again(&[]);
        assert_eq!((again.code, value(&again, "o3")), (Some(0), 5.into()), "{:?}", again.events);
    }
}

#[test]
fn an_interrupt_ends_functions() {
    let place = Place::make();
    let child = place.begin(&chains(4, 1, 600.0), &["--grace", "1"]);
    wait_for("a step", || place.path("work/w/n0_0").exists().then_some(()));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).output().unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(130), "{:?}", ran.events);
    assert!(interpreter(&place).is_none());
}

#[test]
fn modules_that_start_threads_when_imported_are_left_to_the_steps() {
    let place = Place::make();
    place.write(
        "lib/threads.py",
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(600), daemon=True).start()\n",
    );
    place.write(
        "w.yaml",
        &one("import threads, threading\nreturn threading.active_count()")
            .replace("nodes:", "outputs: {n: {from: a.out}}\nnodes:"),
    );
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python");
    let mut command = place.pial(&["run", "w.yaml", "--json"]);
    command.env("PIAL_PYTHONPATH", format!("{}:{python}", place.path("lib").display()));
    let ran = Ran::of(command.output().unwrap());
    assert_eq!((ran.counts(), value(&ran, "n")), ([1, 0, 0, 0], 2.into()), "{:?}", ran.events);
}

#[test]
fn a_single_value_is_run_over_as_a_list_of_it_where_that_is_wanted() {
    let place = Place::make();
    let document = |map: &str| {
        format!(
            "
pial: 1
name: w
nodes:
  one: {{function: {{source: 'def f(): return (4, 5)[0]'}}, outputs: {{out: any}}}}
  pair: {{function: {{source: 'def f(): return (4, 5)'}}, outputs: {{out: any}}}}
  each: {{function: {{source: 'def g(x, y): return x + y'}}, map: {map}, inputs: {{x: {{from: one.out}}, y: 1}}, outputs: {{out: int}}}}
  both: {{function: {{source: 'def g(x): return -x'}}, map: x, inputs: {{x: {{from: pair.out}}}}, outputs: {{out: int}}}}
outputs: {{each: {{from: each.out}}, both: {{from: both.out}}}}
"
        )
    };
    let ran = place.run(&document("{over: [x, y], single: true}"), &[]);
    assert_eq!((value(&ran, "each"), value(&ran, "both")), ([5].as_slice().into(), [-4, -5].as_slice().into()));
    let refused = place.run(&document("[x]"), &[]);
    assert!(refused.failure("each").contains("no list"), "{}", refused.failure("each"));
}
