//! `pial why`.

use insta::assert_snapshot;

use crate::{Place, SUBJECTS};

/// Dates, digests and times made the same.
fn told(place: &Place, arguments: &[&str]) -> String {
    let said = place.pial(&[&["why"], arguments].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    let dated: Vec<&str> = said.out.split_inclusive('\n').collect();
    dated.iter().map(|line| without_dates(line)).collect()
}

fn without_dates(line: &str) -> String {
    let mut text = line.to_owned();
    while let Some(at) = text.find(" UTC") {
        text.replace_range(at - 19..at + 4, "DATE");
    }
    while let Some(at) = text.find("content ") {
        text.replace_range(at..at + 20, "DIGEST");
    }
    text
}

#[test]
fn old_and_new_of_a_file_and_who_waits_for_it() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    place.write("in/b.txt", "longer\n");
    assert_snapshot!(told(&place, &["load[s=b]"]), @r"
    load[s=b] would run: its last result was for other inputs, tools or code.
      file of input `f`
        was  HERE/in/b.txt (DIGEST, 2 B)
        is   HERE/in/b.txt (DIGEST, 7 B, modified DATE)
    ");
    assert_snapshot!(told(&place, &["count"]), @r"
    count[s=a é] is done since DATE; nothing it depends on has changed.

    count[s=b] waits for load[s=b]; load[s=b] would run: file of input `f` changed.
    Changed for load[s=b]:
      file of input `f`
        was  HERE/in/b.txt (DIGEST, 2 B)
        is   HERE/in/b.txt (DIGEST, 7 B, modified DATE)
    ");
    let json = place.json(&["why", "all"]);
    assert_eq!([&json[0]["state"], &json[0]["waits_for"]], ["waits", "load[s=b]"]);
}

#[test]
fn after_the_run_the_last_change_is_still_told() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    place.run(&["--set", "width=4"]);
    assert_snapshot!(told(&place, &["wide"]), @r"
    wide is done since DATE; nothing it depends on has changed.
    Its result before that was for other inputs, tools or code.
      input `width`
        was  3
        is   4
    ");
}

#[test]
fn settings_of_the_last_run_or_those_that_are_given() {
    let place = Place::with(SUBJECTS);
    place.run(&["--set", "width=4"]);
    assert!(told(&place, &["wide"]).contains("is done"));
    assert!(told(&place, &["wide", "w.yaml"]).contains("was  4\n    is   3"));
    assert!(told(&place, &["wide", "w.yaml", "--set", "width=5"]).contains("was  4\n    is   5"));
    assert_eq!(place.pial(&["why", "wide", "--set", "width=5"]).code, Some(2));
}

#[test]
fn code_environment_and_executable() {
    let place = Place::with("");
    place.write("bin/tool", "#!/bin/sh\necho 1\n");
    std::process::Command::new("chmod").arg("+x").arg(place.path("bin/tool")).status().unwrap();
    let document = |environment: &str, word: &str| {
        let tool = place.path("bin/tool");
        format!("pial: 1\nnodes:\n  a: {{command: ['{}', {word}], environment: {{{environment}}}}}\n", tool.display())
    };
    place.write("w.yaml", &document("A: 1", "x"));
    assert_eq!(place.run(&[]).code, Some(0));
    place.write("w.yaml", &document("A: 2", "y"));
    place.write("bin/tool", "#!/bin/sh\necho 2\n");
    let json = place.json(&["why", "a"]);
    let aspects: Vec<&str> =
        json[0]["changes"].as_array().unwrap().iter().map(|c| c["aspect"].as_str().unwrap()).collect();
    assert_eq!(aspects, ["command", "environment", "executable"]);
    assert_eq!(
        (&json[0]["changes"][1]["old"]["value"], &json[0]["changes"][1]["new"]["value"]),
        (&"1".into(), &"2".into())
    );
}

#[test]
fn outputs_that_were_removed_and_failures_are_named() {
    let place = Place::with(
        "pial: 1\nnodes:\n  a: {command: [touch, x], outputs: {x: x}}\n  b: {command: [sh, -c, 'exit 3']}\n",
    );
    assert_eq!(place.run(&[]).code, Some(1));
    std::fs::remove_file(place.path("work/workflow/a/x")).unwrap();
    assert!(told(&place, &["a"]).contains("its output workflow/a/x is missing or was changed"));
    let failed = told(&place, &["b"]);
    assert!(failed.contains("failed when it was last tried") && failed.contains("exited with code 3"), "{failed}");
    place.run(&[]);
    let again = told(&place, &["a"]);
    assert!(again.contains("its files were missing or changed"), "{again}");
}

#[test]
fn names_are_suggested() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    for (name, hint) in [("lod", "`load`"), ("load[s=bb]", "`load[s=b]`"), ("load[s=nothing like it]", "there are")] {
        let said = place.pial(&["why", name]);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains(hint), "{}", said.err);
    }
}

const LISTED: &str = "
pial: 1
nodes:
  find: {builtin: selectfiles, inputs: {base_directory: in, templates: {t: '*.txt'}, force_lists: true}}
  each: {command: [cat, '{f}'], map: f, inputs: {f: {type: file, from: find.t}}, outputs: {t: {stdout: string}}}
";

#[test]
fn what_was_found_and_gathered_is_told() {
    let place = Place::with(LISTED);
    assert_eq!(place.run(&[]).code, Some(0));
    place.write("in/c.txt", "c\n");
    let found = told(&place, &["find"]);
    assert!(found.contains("what it found has changed") && found.contains("was  2 files\n    is   3 files"), "{found}");
    assert_eq!(place.run(&[]).code, Some(0));
    let (found, each) = (told(&place, &["find"]), told(&place, &["each"]));
    assert!(found.contains("What it found changed") && !found.contains("missing or changed"), "{found}");
    assert!(each.contains("The list of items was 2, is 3") && !each.contains("missing or changed"), "{each}");
    place.write("in/c.txt", "other\n");
    assert_eq!(place.run(&[]).code, Some(0));
    let each = told(&place, &["each"]);
    assert!(each.contains("What it gathered changed"), "{each}");
    place.write("w.yaml", &LISTED.replace("from: find.t", "value: [in/b.txt]"));
    let each = told(&place, &["each"]);
    assert!(each.contains("the list of items was 3, is 1"), "{each}");
}

#[test]
fn who_waits_for_what_failed_says_so() {
    let document = |code: &str| {
        format!(
            "pial: 1\nnodes:\n  a: {{command: 'echo 1; exit {code}', shell: true, outputs: {{o: {{stdout: string}}}}}}\n  b: {{command: [echo, '{{x}}'], inputs: {{x: {{from: a.o}}}}, outputs: {{o: {{stdout: string}}}}}}\n  c: {{command: [echo, '{{x}}'], inputs: {{x: {{from: b.o}}}}}}\n"
        )
    };
    let place = Place::with(&document("3"));
    let waits = || {
        for node in ["b", "c"] {
            assert!(told(&place, &[node]).starts_with(&format!("{node} waits for a, which failed last time")));
            assert_eq!(place.json(&["why", node])[0]["waits_for"], "a");
        }
        assert!(place.pial(&["plan", "w.yaml", "--all"]).out.contains("  waits for a, which failed last time"));
        assert!(place.pial(&["show", "c"]).out.contains("; waits for"));
    };
    assert_eq!(place.run(&[]).code, Some(1));
    waits();
    place.write("w.yaml", &document("0"));
    assert_eq!(place.run(&[]).code, Some(0));
    place.write("w.yaml", &document("4"));
    assert_eq!(place.run(&[]).code, Some(1));
    waits();
}
