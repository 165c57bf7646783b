//! What ends up where, and what is refused before anything is written.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

/// A place with sources in `work`, the results' `out`, and a scratch directory.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[&str]) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        for file in files {
            let path = place.path("work").join(file);
            fs::create_dir_all(if file.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
            if !file.ends_with('/') {
                fs::write(path, file).unwrap();
            }
        }
        place
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Sinks `name=json` inputs, in which `WORK` stands for the sources' directory; out_file or the error.
    fn sink(&self, inputs: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let (root, work) = (self.0.path().to_string_lossy(), self.path("work"));
        let json = |json: &str| json.replace("WORK", &work.to_string_lossy());
        let value = |text: &str| Value::from(serde_json::from_str::<serde_json::Value>(&json(text)).unwrap());
        let mut given: Vec<_> = inputs.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
        given.push(("base_directory".to_owned(), Value::String(self.path("out").to_string_lossy().into_owned())));
        let short = |text: &str| text.replace(&format!("{root}/"), "");
        let outcome = run(Inputs(&given), &self.path("scratch")).map_err(|error| short(&error.to_string()))?;
        let Value::List(out_file) = &outcome.outputs[0].1 else { panic!("{outcome:?}") };
        let written: Vec<String> = out_file.iter().map(ToString::to_string).collect();
        assert_eq!(written, outcome.sinks);
        Ok(written.iter().map(|path| short(path)).collect())
    }
}

#[test]
fn names_folders_and_substitutions_decide_the_place() {
    let place = Place::new(&[
        "wf/_subject_id_s1/_run_2/node/f.nii",
        "wf/plain/g 'h'\n\"é\".nii",
        "wf/_x/dir/a",
        "wf/_x/dir/b/c",
    ]);
    let f = "\"WORK/wf/_subject_id_s1/_run_2/node/f.nii\"";
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[], &[]),
        (&[("anat", "null"), ("func", "[]")], &[]),
        (&[("anat", f)], &["out/anat/_subject_id_s1/_run_2/f.nii"]),
        (&[("@anat", f)], &["out/_subject_id_s1/_run_2/f.nii"]),
        (&[("a.b.@c", f), ("container", "\"s1/x\"")], &["out/s1/x/a/b/_subject_id_s1/_run_2/f.nii"]),
        (&[("a.@b.c", f), ("parameterization", "false")], &["out/a/c/f.nii"]),
        (&[("a", f), ("strip_dir", "\"_subject_id_s1/_run_2\"")], &["out/a/f.nii"]),
        (&[("a", f), ("substitutions", r#"[["_subject_id_", "sub-"], ["/_run_2", ""]]"#)], &["out/a/sub-s1/f.nii"]),
        (&[("a", f), ("substitutions", r#"["_subject_id_s1/", ""]"#)], &["out/a/_run_2/f.nii"]),
        (
            &[("a", f), ("substitutions", r#"{"out": "never", "work": "never"}"#)],
            &["out/a/_subject_id_s1/_run_2/f.nii"],
        ),
        (
            &[("a", f), ("regexp_substitutions", r#"[["/_subject_id_(\\w+)/_run_(?P<r>\\d+)", "/\\1_run-\\g<r>"]]"#)],
            &["out/a/s1_run-2/f.nii"],
        ),
        (&[("a", r#""WORK/wf/plain/g 'h'\n\"é\".nii""#)], &["out/a/g 'h'\n\"é\".nii"]),
        (&[("a", "[[\"WORK/wf/_x/dir/\"], null]")], &["out/a/_x/dir"]),
        (&[("a", "[\"WORK/wf/_x/dir/a\", \"WORK/wf/_x/../_x/dir/a\"]"), ("parameterization", "false")], &["out/a/a"]),
    ];
    for (inputs, written) in cases {
        assert_eq!(place.sink(inputs).unwrap(), *written, "{inputs:?}");
        for path in *written {
            assert!(place.path(path).exists(), "{path:?}");
        }
    }
    assert_eq!(fs::read_to_string(place.path("out/a/_x/dir/b/c")).unwrap(), "wf/_x/dir/b/c");
}

#[test]
fn every_mode_gives_the_content_twice_over() {
    for (mode, links) in [("copy", 1), ("hardlink", 2), ("symlink", 2)] {
        let place = Place::new(&["d/a", "d/b/c", "d/empty/"]);
        symlink("a", place.path("work/d/link")).unwrap();
        symlink("..", place.path("work/d/b/up")).unwrap();
        symlink("itself", place.path("work/d/itself")).unwrap();
        for _ in 0..2 {
            place.sink(&[("x", "\"WORK/d\""), ("mode", &format!("{mode:?}"))]).unwrap();
            let at = |name: &str| place.path("out/x/d").join(name);
            assert_eq!(fs::read_to_string(at("a")).unwrap(), "d/a");
            assert_eq!(fs::read_to_string(at("b/c")).unwrap(), "d/b/c");
            assert_eq!(fs::read_to_string(at("link")).unwrap(), "d/a");
            assert!(at("empty").is_dir());
            assert!(!at("b/up").exists() && !at("itself").exists());
            assert_eq!(fs::symlink_metadata(at("b/c")).unwrap().is_symlink(), mode == "symlink");
            if mode != "symlink" {
                assert_eq!(fs::metadata(at("b/c")).unwrap().nlink(), links);
            }
        }
    }
}

#[test]
fn a_changed_source_replaces_the_result_and_an_edit_of_a_copy_stays_its_own() {
    let place = Place::new(&["a"]);
    let inputs = [("x", "\"WORK/a\""), ("mode", "\"copy\"")];
    place.sink(&inputs).unwrap();
    fs::write(place.path("work/a"), "new").unwrap();
    assert_eq!(fs::read_to_string(place.path("out/x/a")).unwrap(), "a");
    place.sink(&inputs).unwrap();
    assert_eq!(fs::read_to_string(place.path("out/x/a")).unwrap(), "new");
}

#[test]
fn refusals_come_before_the_first_write() {
    let place = Place::new(&["p/f", "q/f", "r/f/", "d/_p/f", "d/g"]);
    symlink("nowhere", place.path("work/d/dead")).unwrap();
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("x", "[\"WORK/p/f\", \"WORK/q/f\"]")],
            "\"work/p/f\" and \"work/q/f\" would both become \"out/x/f\"; give them different folders (`folder.@name`) or \
             tell them apart with `substitutions`",
        ),
        (&[("x", "[\"WORK/p/f\", \"WORK/r/f\"]")], "\"work/p/f\" and \"work/r/f\" would both become \"out/x/f\""),
        (&[("x", "[\"WORK/r/f\", \"WORK/p/f\"]")], "\"work/r/f\" and \"work/p/f\" would both become \"out/x/f\""),
        (
            &[("x", "\"WORK/p/f\""), ("substitutions", r#"[["x", "../.."]]"#)],
            "input `x`: \"/../../f\" would leave the base directory \"out\"; mend `container` or `substitutions`, or set \
             `base_directory` to a directory above it",
        ),
        (&[("x", "\"WORK/p/f\""), ("container", "\"/etc\"")], "would leave the base directory"),
        (&[("x", "\"WORK/p/f\""), ("container", "\"a/../..\"")], "would leave the base directory"),
        (&[("x", "\"WORK/p/f\""), ("regexp_substitutions", r#"[[".*", ""]]"#)], "would leave the base directory"),
        (
            &[("x", "[\"WORK/p/f\", \"WORK/1\"]"), ("y", "\"WORK/2\"")],
            "2 things are missing:\n  `x`: \"work/1\" is not there, so it cannot be put away\n  `y`: \"work/2\" is not",
        ),
        (&[("x", "3")], "input `x`: expected a file or directory, by its absolute path, got 3"),
        (&[("x", "\"p/f\"")], "input `x`: expected a file or directory, by its absolute path, got \"p/f\""),
        (&[("x..y", "\"WORK/p/f\"")], "input `x..y`: its name spells folders"),
        (
            &[("x", "\"WORK/p/f\""), ("mode", "\"move\"")],
            "input `mode`: expected copy, hardlink or symlink, got \"move\"",
        ),
        (&[("substitutions", "[[\"a\"]]")], "input `substitutions`: expected [from, to] pairs of text, got [\"a\"]"),
        (&[("regexp_substitutions", "[[\"(\", \"\"]]")], "input `regexp_substitutions`: pattern \"(\": "),
        (&[("a", "\"WORK/p/f\""), ("x", "\"WORK/d\"")], "cannot read \"work/d/dead\": No such file"),
        (&[("x", "\"/dev/null\"")], "cannot copy \"/dev/null\": it is neither a file nor a directory"),
    ];
    for (inputs, message) in cases {
        let error = place.sink(inputs).unwrap_err();
        assert!(error.contains(message), "{error}");
        assert!(!place.path("out").exists(), "{inputs:?}");
    }
}

#[test]
fn remove_dest_dir_removes_only_what_comes_anew() {
    let place = Place::new(&["d/new", "f"]);
    for (path, content) in [("out/x/d/old", "old"), ("out/x/kept", "kept")] {
        fs::create_dir_all(place.path(path).parent().unwrap()).unwrap();
        fs::write(place.path(path), content).unwrap();
    }
    let inputs = [("x", "[\"WORK/d\", \"WORK/f\"]")];
    place.sink(&inputs).unwrap();
    assert!(place.path("out/x/d/old").exists());
    let with_removal = [&inputs[..], &[("remove_dest_dir", "true")]].concat();
    place.sink(&with_removal).unwrap();
    assert!(!place.path("out/x/d/old").exists() && place.path("out/x/d/new").exists());
    assert!(place.path("out/x/kept").exists() && place.path("out/x/f").exists());

    let base = place.path("out/x/d").to_string_lossy().into_owned();
    let itself = [("x", format!("{base:?}")), ("remove_dest_dir", "true".to_owned())];
    let itself: Vec<_> = itself.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let error = place.sink(&itself).unwrap_err();
    assert!(error.contains("cannot be removed first"), "{error}");
    assert!(place.path("out/x/d/new").exists());
}

#[test]
fn without_a_base_the_results_stay_in_the_node() {
    let place = Place::new(&["f"]);
    let given = [("x".to_owned(), Value::Path(place.path("work/f").to_string_lossy().into_owned()))];
    let outcome = run(Inputs(&given), &place.path("scratch")).unwrap();
    assert_eq!(outcome.sinks, Vec::<String>::new());
    assert!(place.path("scratch/x/f").exists());
}

#[test]
fn literal_settings_are_checked_before_the_run() {
    let odd = Value::String("move".to_owned());
    let problems = check(&[("mode", Some(&odd)), ("a..b", None), ("a.@b", None)]);
    let inputs: Vec<_> = problems.iter().map(|problem| problem.input.as_deref()).collect();
    assert_eq!(inputs, [Some("a..b"), Some("mode")]);
}
