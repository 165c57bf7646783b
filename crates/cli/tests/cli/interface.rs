//! `pial interface`.

use insta::assert_snapshot;

use crate::Place;

const CAT: &str = r#"{"name": "cat", "description": "Joins files. And more.", "schema-version": "0.5",
 "command-line": "cat [N] [FILES]", "tool-version": "9",
 "inputs": [
  {"id": "in_files", "name": "Files", "type": "File", "list": true, "value-key": "[FILES]"},
  {"id": "number", "name": "Number lines", "type": "Flag", "optional": true, "command-line-flag": "-n", "value-key": "[N]"}],
 "stdout-output": {"id": "joined", "name": "Joined"}}"#;

fn place() -> Place {
    let place = Place::with("");
    place.write("tools/cat.json", CAT);
    place
}

#[test]
fn list_filters_and_has_own_catalogues() {
    let place = place();
    let all = place.json(&["interface", "list"]);
    assert!(all.as_array().unwrap().len() > 40);
    let found = place.pial(&["interface", "list", "DWIDENOISE"]).out;
    assert!(found.lines().count() == 1 && found.starts_with("mrtrix3/dwidenoise  Removes noise"), "{found}");
    let own = place.command(&["interface", "list", "cat"]).env("PIAL_CATALOGUE", place.path("tools")).output().unwrap();
    assert!(
        String::from_utf8(own.stdout)
            .unwrap()
            .lines()
            .any(|line| line.starts_with("cat ") && line.ends_with("  Joins files"))
    );
}

#[test]
fn show_is_a_table_with_an_example() {
    let place = place();
    assert_snapshot!(place.pial(&["interface", "show", "tools/cat.json"]).out, @r"
    tools/cat.json
    Joins files. And more.

    program  cat
    version  9

    inputs
      input     type        flag  must  default  what it is
      in_files  list[file]        yes            Files
      number    bool        -n                   Number lines

    outputs
      joined  file  always

    example
      cat:
        interface: tools/cat.json
        inputs:
          in_files: [data/in_files.nii.gz]
    ");
    assert_eq!(place.json(&["interface", "show", "mrtrix3/dwidenoise"])["inputs"][0]["mandatory"], true);
    let said = place.pial(&["interface", "show", "dwidenois"]);
    assert_eq!(said.code, Some(2));
}

#[test]
fn every_interface_can_be_shown() {
    let place = place();
    for interface in place.json(&["interface", "list"]).as_array().unwrap() {
        let name = interface["name"].as_str().unwrap();
        assert!(place.pial(&["interface", "show", name]).out.contains("example"), "{name}");
        place.json(&["interface", "show", name]);
    }
}

#[test]
fn check_names_every_problem() {
    let place = place();
    assert_eq!(place.pial(&["interface", "check", "tools/cat.json"]).code, Some(0));
    place.write("bad.json", r#"{"name": "x", "schema-version": "0.4", "command-line": "x [A]", "inputs": []}"#);
    let said = place.pial(&["interface", "check", "bad.json", "tools/cat.json"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("bad.json: /schema-version") && said.err.contains("[A]"), "{}", said.err);
    let json = place.pial(&["interface", "check", "bad.json", "--json"]);
    assert_eq!(json.code, Some(2));
    serde_json::from_str::<serde_json::Value>(&json.out).unwrap();
}

#[test]
fn run_takes_options_and_runs_the_tool() {
    let place = place();
    let base = ["interface", "run", "tools/cat.json"];
    let files = ["--in-files", "in/a é.txt", "--in_files=in/b.txt"];
    let dry = place.pial(&[&base[..], &files, &["--number", "--dry-run"]].concat());
    assert_eq!(dry.out, "cat -n 'HERE/in/a é.txt' 'HERE/in/b.txt'\n");
    let said = place.pial(&[&base[..], &files, &["--directory", "new é"]].concat());
    assert_eq!((said.code, said.out.as_str()), (Some(0), "joined  HERE/new é/stdout\n"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(place.path("new é/stdout")).unwrap(), "hello\nb\n");
    let json = place.json(&[&base[..], &files].concat());
    assert_eq!((&json["exit_code"], &json["outputs"]["joined"]), (&0.into(), &"HERE/stdout".into()));
    assert!(place.pial(&[&base[..], &["--help"]].concat()).out.contains("Number lines"));
}

#[test]
fn an_input_of_the_same_name_wins_after_the_name() {
    let place = place();
    place.write("ls.json", &CAT.replace("in_files", "directory").replace("\"File\"", "\"String\""));
    let said = place.pial(&["interface", "run", "--dry-run", "ls.json", "--directory", "x"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "cat x\n"), "{}", said.err);
}

#[test]
fn run_tells_all_problems_at_once() {
    let place = place();
    let said = place.pial(&["interface", "run", "tools/cat.json", "--in_filez", "x", "--number=5", "-x"]);
    assert_eq!(said.code, Some(2));
    assert_snapshot!(said.err, @r#"
    pial: tools/cat.json cannot be run so (see `pial interface show`):
      --in_filez: there is no such input; did you mean `in_files`?
      --number: expected bool, got "5"
      "-x" is no option; write --NAME VALUE
      --in_files: is mandatory, and not given
    "#);
    let missing = place.pial(&["interface", "run", "tools/cat.json", "--in_files", "none,nowhere"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("HERE/none") && missing.err.contains("HERE/nowhere"), "{}", missing.err);
}

#[test]
fn a_tool_that_fails_gives_1() {
    let place = place();
    let said = place.pial(&["interface", "run", "tools/cat.json", "--in_files", "in"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("cat exited with code 1"), "{}", said.err);
}
