//! The documents of `examples/` with the real tools on the real images: right numbers, failures as told, no work twice.
//!
//! Wants what `setup/install.sh` installs; `examples/data/fetch.py` brings the images to `demo-data/` once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::{Place, Ran};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Sees to it that the images are there.
fn fetch() {
    static FETCHED: Once = Once::new();
    FETCHED.call_once(|| {
        let own = root().join(".venv/bin/python");
        let python = if own.exists() { own } else { "python3".into() };
        let fetched = Command::new(python).args(["examples/data/fetch.py", "demo-data"]).current_dir(root()).status();
        assert!(fetched.unwrap().success(), "the images could not be fetched");
    });
}

/// Runs an example with its results and working files in a place of the test's own.
fn run(place: &Place, example: &str, more: &[&str]) -> Ran {
    fetch();
    let document = root().join("examples").join(example);
    let results = format!("results={}", place.path("results").display());
    let arguments = ["run", document.to_str().unwrap(), "--work", "work", "-j2", "--json"];
    Ran::of(place.pial(&[&arguments, more, &["--set", &results]].concat()).output().unwrap())
}

/// The numbers below a key of a JSON file.
fn numbers(place: &Place, file: &str, pointer: &str) -> Vec<f64> {
    let json: serde_json::Value = serde_json::from_str(&place.read(file)).unwrap();
    let list = json.pointer(pointer).and_then(serde_json::Value::as_array);
    list.unwrap_or_else(|| panic!("no {pointer} in {json}")).iter().map(|n| n.as_f64().unwrap()).collect()
}

/// Tools of another version may round otherwise, and no more than that.
fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance * b.abs());
    assert!(found.len() == expected.len() && near, "{found:?} instead of {expected:?}");
}

/// The voxel grid of an image, by MRtrix3.
fn size(place: &Place, image: &str) -> String {
    let told = Command::new("mrinfo").arg("-size").arg(place.path(image)).output();
    String::from_utf8(told.expect("mrinfo is installed by setup/install.sh").stdout).unwrap().trim().to_owned()
}

#[test]
fn diffusion_gives_known_numbers_and_is_not_done_twice() {
    let place = Place::make();
    let ran = run(&place, "diffusion.yaml", &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [28, 0, 0, 0]), "{}", ran.stderr);
    assert_near(&numbers(&place, "results/group/summary.json", "/mean_fa"), &[0.382242, 0.384553, 0.390262], 0.01);
    let series = numbers(&place, "results/group/summary.json", "/series/values");
    assert_near(&series, &[7399.75, 3430.28, 16909.0], 0.02);
    for subject in ["sub-01", "sub-02", "sub-03"] {
        assert_eq!(size(&place, &format!("results/fa/{subject}/fa.nii.gz")), "10 10 10");
    }
    assert_eq!(size(&place, "results/group/average_fa.nii.gz"), "10 10 10");
    assert_eq!(run(&place, "diffusion.yaml", &[]).counts(), [0, 28, 0, 0]);
    // What is joined depends on the subjects, the rest is what it was: average, summary and collect are new.
    let fewer = run(&place, "diffusion.yaml", &["--set", "subject=sub-02,sub-03"]);
    assert_eq!(fewer.counts(), [3, 19, 0, 0], "{}", fewer.stderr);
}

#[test]
fn structural_finds_the_displacement_back() {
    let place = Place::make();
    let ran = run(&place, "structural.yaml", &[]);
    assert_eq!((ran.code, ran.counts()), (Some(0), [16, 0, 0, 0]), "{}", ran.stderr);
    let report = "results/registration/registration.json";
    assert_near(&numbers(&place, report, "/cost_before"), &[1241.46, 1318.31], 0.02);
    assert!(numbers(&place, report, "/cost_after").iter().all(|cost| *cost < 30.0), "{}", place.read(report));
    assert!(numbers(&place, report, "/mean_difference").iter().all(|mean| *mean < 2.5), "{}", place.read(report));
    // The rotation put in is 6 degrees about z; the matrix begins with its cosine.
    let rigid = place.read("results/registration/voxel-3/rigid.txt");
    let first = rigid.lines().find(|line| !line.starts_with('#')).and_then(|line| line.split_whitespace().next());
    let angle = first.unwrap().parse::<f64>().unwrap().acos().to_degrees();
    assert!((angle - 6.0).abs() < 0.1, "{angle} degrees");
    assert_eq!(run(&place, "structural.yaml", &[]).counts(), [0, 16, 0, 0]);
}

#[test]
fn failing_fails_in_one_branch_as_it_says() {
    let place = Place::make();
    fetch();
    let document = root().join("examples/failing.yaml");
    let again = || Ran::of(place.pial(&["run", document.to_str().unwrap(), "-j2", "--json"]).output().unwrap());
    let ran = again();
    assert_eq!((ran.code, ran.counts()), (Some(1), [6, 0, 1, 1]), "{}", ran.stderr);
    let failed = ran.events.iter().find(|event| event["event"] == "node_failed").unwrap();
    assert_eq!(failed["node"], "mask[image=failing/multishell]");
    let crash = place.read(&format!("work/{}", failed["crash"].as_str().unwrap()));
    assert!(crash.contains("could not be classified into b-value shells"), "{crash}");
    assert_eq!(again().counts(), [0, 6, 1, 1]);
}
