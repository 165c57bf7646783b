//! `pial clean`.

use crate::{Place, SUBJECTS};

#[test]
fn a_sound_working_directory_keeps_everything() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    assert_eq!(place.pial(&["clean", "--orphans", "--failed"]).out, "nothing to remove\n");
    assert_eq!(place.json(&["plan", "w.yaml"])["cached"], 7);
}

#[test]
fn the_log_loses_what_nothing_reads_and_results_stand() {
    let place = Place::with(SUBJECTS);
    for width in ["1", "2", "1", "1"] {
        place.run(&["--set", &format!("width={width}")]);
    }
    let log = place.path("work/.pial/log");
    let before = std::fs::read(&log).unwrap();
    let freed = place.json(&["clean", "--dry-run"])["log_bytes"].as_u64().unwrap();
    assert!(freed > 0 && std::fs::read(&log).unwrap() == before);
    place.pial(&["clean"]);
    assert_eq!(std::fs::metadata(&log).unwrap().len(), before.len() as u64 - freed);
    for width in ["1", "2"] {
        assert_eq!(place.json(&["plan", "w.yaml", "--set", &format!("width={width}")])["cached"], 7);
    }
    assert!(place.pial(&["status"]).out.contains("7 done before"));
    assert!(place.pial(&["why", "wide"]).out.contains("is done"));
}

#[test]
fn orphans_go_with_their_empty_folders_and_foreign_files_stay() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    place.write("work/demo/mine.txt", "mine");
    place.write("w.yaml", &SUBJECTS.replace("s: [a é, b]", "s: [b]"));
    place.run(&[]);
    let told = place.json(&["clean", "--orphans", "--dry-run"]);
    assert!(place.path("work/demo/_s_aé/load").exists(), "{told}");
    place.pial(&["clean", "--orphans"]);
    assert!(!place.path("work/demo/_s_aé").exists());
    assert!(place.path("work/demo/_s_b/load/copy.txt").exists() && place.path("work/demo/mine.txt").exists());
    assert_eq!(place.json(&["plan", "w.yaml"])["cached"], 5);
}

#[test]
fn failed_nodes_go_with_their_crash_files() {
    let place = Place::with(
        "pial: 1\nnodes:\n  a: {command: [touch, x], outputs: {x: x}}\n  b: {command: [sh, -c, 'touch y; exit 3']}\n",
    );
    assert_eq!(place.run(&[]).code, Some(1));
    assert!(place.path("work/workflow/b/y").exists());
    let cleaned = place.json(&["clean", "--failed"]);
    assert_eq!(cleaned["paths"].as_array().unwrap().len(), 3, "{cleaned}");
    assert!(!place.path("work/workflow/b").exists() && !place.path("work/crash").exists());
    assert!(place.path("work/workflow/a/x").exists());
}

#[test]
fn all_is_what_pial_made_and_nothing_else() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    place.write("work/demo/mine.txt", "mine");
    assert_eq!(place.pial(&["clean", "--all"]).code, Some(0));
    let mut left: Vec<String> = Vec::new();
    let mut open = vec![place.path("work")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            left.push(path.strip_prefix(place.path("work")).unwrap().to_string_lossy().into_owned());
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    assert_eq!(left, ["demo", "demo/mine.txt"]);
    assert_eq!(place.run(&[]).code, Some(0));
}

#[test]
fn a_directory_of_someone_else_is_left_alone() {
    let place = Place::empty();
    place.write("other/file", "x");
    let said = place.pial(&["clean", "--all", "--work", "other"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(place.path("other/file").exists() && !place.path("other/.pial").exists());
}

/// Another workflow with nodes of the same names, in the same working directory.
fn second(place: &Place) {
    place.write("second.yaml", &SUBJECTS.replace("name: demo", "name: second"));
    assert_eq!(place.pial(&["run", "second.yaml", "-j2", "-q"]).code, Some(0));
}

#[test]
fn orphans_of_one_workflow_leave_the_others_alone() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    second(&place);
    let second_log =
        || std::fs::read_to_string(place.path("work/.pial/log")).unwrap().matches(r#""dir":"second/"#).count();
    let before = second_log();
    place.write("w.yaml", &SUBJECTS.replace("s: [a é, b]", "s: [b]"));
    assert_eq!(place.pial(&["clean", "--orphans"]).code, Some(0));
    assert!(place.path("work/demo/_s_aé/load/copy.txt").exists());
    assert_eq!(place.pial(&["clean", "--orphans", "w.yaml"]).code, Some(0));
    assert!(!place.path("work/demo/_s_aé").exists() && place.path("work/demo/_s_b/load/copy.txt").exists());
    assert!(place.path("work/second/_s_aé/load/copy.txt").exists());
    assert_eq!(second_log(), before);
}

#[test]
fn what_a_standing_result_points_to_is_no_orphan() {
    let document = |made: &str| {
        format!(
            "pial: 1\nname: demo\nnodes:\n{made}  find: {{builtin: selectfiles, inputs: {{base_directory: work/demo/made, templates: {{t: '*.txt'}}}}}}\n"
        )
    };
    let place = Place::with(&document("  made: {command: [touch, x.txt], outputs: {x: x.txt}}\n"));
    std::fs::create_dir_all(place.path("work/demo/made")).unwrap();
    place.write("w.yaml", "pial: 1\nname: demo\nnodes:\n  made: {command: [touch, x.txt], outputs: {x: x.txt}}\n");
    assert_eq!(place.run(&[]).code, Some(0));
    place.write("w.yaml", &document(""));
    let ran = place.run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    place.pial(&["clean", "--orphans"]);
    assert!(place.path("work/demo/made/x.txt").exists());
}

#[test]
fn all_has_a_line_for_each_template_and_verbose_for_each_directory() {
    let place = Place::with(SUBJECTS);
    place.run(&[]);
    let told = place.pial(&["clean", "--all", "--dry-run"]).out;
    assert!(told.contains("demo: load") && told.contains("2 directories made by pial"), "{told}");
    assert!(!told.contains("_s_b"), "{told}");
    let told = place.pial(&["clean", "--all", "--dry-run", "--verbose"]).out;
    assert!(told.contains("demo/_s_b/load    made by pial"), "{told}");
}
