//! Nothing runs twice, and nothing stale is taken for new.

use std::fs;

use crate::Place;

const CHAIN: &str = "
pial: 1
name: w
nodes:
  a: {command: [cp, '{i}', out.txt], inputs: {i: {type: file, value: in.txt}}, outputs: {out: out.txt}}
  b: {command: [sh, -c, 'head -c 1 \"$0\" > out.txt', '{i}'], inputs: {i: {type: file, from: a.out}}, outputs: {out: out.txt}}
  c: {command: [cp, '{i}', out.txt], inputs: {i: {type: file, from: b.out}}, outputs: {out: out.txt}}
";

fn place() -> Place {
    let place = Place::make();
    place.write("in.txt", "xyz");
    assert_eq!(place.run(CHAIN, &[]).counts(), [3, 0, 0, 0]);
    place
}

#[test]
fn a_second_run_does_nothing() {
    assert_eq!(place().again(&[]).counts(), [0, 3, 0, 0]);
}

#[test]
fn a_changed_input_runs_what_it_changes_and_stops_where_results_are_equal() {
    let place = place();
    place.write("in.txt", "xab");
    assert_eq!(place.again(&[]).counts(), [2, 1, 0, 0]);
    place.write("in.txt", "yab");
    assert_eq!(place.again(&[]).counts(), [3, 0, 0, 0]);
    assert_eq!(place.read("work/w/c/out.txt"), "y");
}

#[test]
fn a_result_that_is_gone_or_changed_is_made_again_and_a_touched_one_is_not() {
    let place = place();
    fs::remove_file(place.path("work/w/b/out.txt")).unwrap();
    assert_eq!(place.again(&[]).counts(), [1, 2, 0, 0]);
    place.write("work/w/b/out.txt", "Q");
    assert_eq!(place.again(&[]).counts(), [1, 2, 0, 0]);
    assert_eq!(place.read("work/w/b/out.txt"), "x");
    let touched = fs::File::options().write(true).open(place.path("work/w/b/out.txt")).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(place.again(&[]).counts(), [0, 3, 0, 0]);
    fs::remove_dir_all(place.path("work/w/b")).unwrap();
    assert_eq!(place.again(&[]).counts(), [1, 2, 0, 0]);
}

#[test]
fn moved_and_copied_working_directories_still_hit() {
    let place = place();
    fs::rename(place.path("work"), place.path("moved ünd renamed")).unwrap();
    assert_eq!(place.again(&["--work", "moved ünd renamed"]).counts(), [0, 3, 0, 0]);
    let mut copy = std::process::Command::new("cp");
    copy.arg("-r").arg(place.path("moved ünd renamed")).arg(place.path("copy"));
    assert!(copy.status().unwrap().success());
    assert_eq!(place.again(&["--work", "copy"]).counts(), [0, 3, 0, 0]);
}

#[test]
fn a_moved_input_still_hits_and_a_renamed_one_does_not() {
    let place = place();
    fs::create_dir(place.path("d")).unwrap();
    fs::rename(place.path("in.txt"), place.path("d/in.txt")).unwrap();
    assert_eq!(place.run(&CHAIN.replace("in.txt", "d/in.txt"), &[]).counts(), [0, 3, 0, 0]);
    fs::rename(place.path("d/in.txt"), place.path("d/new.txt")).unwrap();
    assert_eq!(place.run(&CHAIN.replace("in.txt", "d/new.txt"), &[]).counts(), [1, 2, 0, 0]);
}

#[test]
fn a_changed_command_environment_or_program_runs_again() {
    let place = Place::make();
    let program = place.write("tool.sh", "#!/bin/sh\necho 1 > out.txt\n");
    let make_executable = || {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    make_executable();
    let document = "{pial: 1, name: w, nodes: {a: {command: [./tool.sh], outputs: {out: out.txt}}}}";
    assert_eq!(place.run(document, &[]).counts(), [1, 0, 0, 0]);
    assert_eq!(place.again(&[]).counts(), [0, 1, 0, 0]);
    place.write("tool.sh", "#!/bin/sh\necho 2 > out.txt\n");
    make_executable();
    assert_eq!(place.again(&[]).counts(), [1, 0, 0, 0]);
    let other = document.replace("outputs", "environment: {A: 1}, outputs");
    assert_eq!(place.run(&other, &[]).counts(), [1, 0, 0, 0]);
    let other = document.replace("./tool.sh", "./tool.sh, x");
    assert_eq!(place.run(&other, &[]).counts(), [1, 0, 0, 0]);
}

#[test]
fn an_input_that_changes_while_its_step_runs_gives_no_result() {
    let place = Place::make();
    place.write("in.txt", "old");
    let document = "
pial: 1
name: w
nodes:
  a:
    command: [sh, -c, 'cat \"$0\" > out.txt; echo new > \"$0\"', '{i}']
    inputs: {i: {type: file, value: in.txt}}
    outputs: {out: out.txt}
";
    let ran = place.run(document, &[]);
    assert_eq!((ran.code, ran.counts()), (Some(1), [0, 0, 1, 0]));
    assert!(ran.failure("a").contains("in.txt changed while it ran"), "{}", ran.failure("a"));
    let ran = place.run(&document.replace("; echo new > \"$0\"", ""), &[]);
    assert_eq!(ran.counts(), [1, 0, 0, 0]);
    assert_eq!(place.read("work/w/a/out.txt"), "new\n");
}

#[test]
fn clocks_do_not_count() {
    let place = place();
    let log = place.read("work/.pial/log");
    let future: String = log.replace("\"time\":17", "\"time\":99").replace("\"time\":18", "\"time\":99");
    assert_ne!(log, future);
    place.write("work/.pial/log", &future);
    assert_eq!(place.again(&[]).counts(), [0, 3, 0, 0]);
}

#[test]
fn large_files_are_read_by_a_process_of_their_own() {
    let place = Place::make();
    let file = fs::File::create(place.path("large.bin")).unwrap();
    file.set_len(100_000_000).unwrap();
    let document = "
pial: 1
name: w
nodes:
  a: {command: [cp, '{i}', out.bin], inputs: {i: {type: file, value: large.bin}}, outputs: {out: out.bin}}
  b: {command: [cp, '{i}', out.bin], inputs: {i: {type: file, from: a.out}}, outputs: {out: out.bin}}
";
    let ran = place.run(document, &[]);
    assert_eq!(ran.counts(), [2, 0, 0, 0], "{:?}", ran.events);
    assert_eq!(place.again(&[]).counts(), [0, 2, 0, 0]);
    file.set_len(99_999_999).unwrap();
    assert_eq!(place.again(&[]).counts(), [2, 0, 0, 0]);
}

#[test]
fn a_large_result_that_changed_is_not_taken_for_the_old_one() {
    let place = Place::make();
    let document = "
pial: 1
name: w
parameters: {c: a}
nodes:
  big: {command: [sh, -c, 'head -c 40000000 /dev/zero | tr \"\\0\" $0 > x; touch -d 1990-01-01 x', '{c}'], outputs: {out: x}}
  first: {command: [head, -c, 3, '{x}'], inputs: {x: {type: file, from: big.out}}, outputs: {text: {stdout: string}}}
outputs: {text: {from: first.text}}
";
    let text = |ran: &crate::Ran| ran.events[ran.events.len() - 2]["value"].as_str().unwrap().to_owned();
    assert_eq!(text(&place.run(document, &[])), "aaa");
    let ran = place.again(&["--set", "c=b"]);
    assert_eq!((ran.counts(), &*text(&ran)), ([2, 0, 0, 0], "bbb"));
}

#[test]
fn what_is_handed_on_is_where_it_is_said_to_be() {
    let place = Place::make();
    place.write("v1/x.txt", "A");
    place.write("v2/x.txt", "A");
    let document = "
pial: 1
name: w
parameters: {src: {type: file, value: v1/x.txt}, p: 1}
nodes:
  i: {builtin: identity, inputs: {f: '{src}'}}
  c: {command: [sh, -c, 'cat \"$0\" && echo $1', '{x}', '{p}'], inputs: {x: {type: file, from: i.f}}, outputs: {t: {stdout: string}}}
outputs: {t: {from: c.t}}
";
    place.run(document, &[]);
    assert_eq!(place.again(&["--set", "src=v2/x.txt"]).code, Some(0));
    std::fs::remove_dir_all(place.path("v1")).unwrap();
    let ran = place.again(&["--set", "src=v2/x.txt", "--set", "p=2"]);
    assert_eq!((ran.code, ran.counts()[0]), (Some(0), 1), "{:?}", ran.events);
    assert_eq!(place.again(&["--set", "src=v2/x.txt", "--set", "p=2"]).counts(), [0, 2, 0, 0]);
}

#[test]
fn an_input_that_changed_and_was_seen_by_another_step_is_still_noticed() {
    let place = Place::make();
    place.write("s.txt", "one");
    let document = "
pial: 1
name: w
nodes:
  a:
    command: [sh, -c, 'echo TWO > \"$0\"; touch ../../../go; until [ -e ../../../seen ]; do sleep 0.01; done; cat \"$0\"', '{s}']
    inputs: {s: {type: file, value: s.txt}}
  wait: {command: [sh, -c, 'until [ -e ../../../go ]; do sleep 0.01; done; touch x'], outputs: {out: x}}
  b: {command: [sh, -c, 'touch ../../../seen', '{s}', '{w}'], inputs: {s: {type: file, value: s.txt}, w: {type: file, from: wait.out}}}
";
    let ran = place.run(document, &[]);
    assert!(ran.failure("a").contains("s.txt changed while it ran"), "{:?}", ran.events);
}

#[test]
fn a_program_that_an_input_names_counts_by_its_content() {
    let place = Place::make();
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = place.write("tool.sh", &format!("#!/bin/sh\necho {text}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let document = "{pial: 1, name: w, parameters: {tool: ./tool.sh}, nodes: {a: {command: ['{tool}'], outputs: {t: {stdout: string}}}}}";
    write("v1");
    assert_eq!(place.run(document, &[]).counts(), [1, 0, 0, 0]);
    assert_eq!(place.again(&[]).counts(), [0, 1, 0, 0]);
    write("v2");
    assert_eq!(place.again(&[]).counts(), [1, 0, 0, 0]);
}

#[test]
fn a_result_touched_many_times_still_stands() {
    let place = place();
    for round in 1..8_u64 {
        for name in ["a", "b", "c"] {
            let file = fs::File::options().write(true).open(place.path(&format!("work/w/{name}/out.txt"))).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(round * 77_777_777))
                .unwrap();
        }
        assert_eq!(place.again(&[]).counts(), [0, 3, 0, 0]);
        assert_eq!(place.again(&[]).counts(), [0, 3, 0, 0]);
    }
}

#[test]
fn values_that_read_like_labels_do_not_share_a_directory() {
    let place = Place::make();
    let document = "
pial: 1
name: w
parameters: {a: ['1', '1_b_2'], b: ['3', '2_b_3']}
nodes: {n: {command: [sh, -c, 'echo $0 $1 > x', '{a}', '{b}'], outputs: {out: x}}}
";
    assert_eq!(place.run(document, &[]).counts(), [4, 0, 0, 0]);
    assert_eq!(place.again(&[]).counts(), [0, 4, 0, 0]);
}
