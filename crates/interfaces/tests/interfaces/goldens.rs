//! Golden command lines of the field's tools, from small descriptors written for these tests.

use serde_json::{Value as Json, json};

use crate::{argv, descriptor, input, problems};

fn joined(words: &[String]) -> String {
    words.join(" ")
}

#[test]
fn fsl_bet() {
    let bet = descriptor(json!({
        "name": "bet",
        "command-line": "bet [IN_FILE] [OUT_FILE] [FRAC] [CENTER] [MASK] [ROBUST] [FUNCTIONAL]",
        "inputs": [
            input("in_file", "File", json!({})),
            input("out_file", "String", json!({"default-value": "brain.nii.gz"})),
            input("frac", "Number", json!({"command-line-flag": "-f", "optional": true, "minimum": 0, "maximum": 1})),
            input("center", "Number", json!({"command-line-flag": "-c", "optional": true, "list": true, "integer": true,
                "min-list-entries": 3, "max-list-entries": 3})),
            input("mask", "Flag", json!({"command-line-flag": "-m"})),
            input("robust", "Flag", json!({"command-line-flag": "-R"})),
            input("functional", "Flag", json!({"command-line-flag": "-F"})),
        ],
        "groups": [{"id": "mode", "name": "Mode", "members": ["robust", "functional"], "mutually-exclusive": true}],
    }));
    for (given, expected) in [
        (json!({"in_file": "/d/T1.nii.gz"}), "bet /d/T1.nii.gz brain.nii.gz"),
        (
            json!({"in_file": "T1.nii.gz", "out_file": "b", "frac": 0.35, "mask": true, "robust": true}),
            "bet T1.nii.gz b -f 0.35 -m -R",
        ),
        (
            json!({"in_file": "T1.nii.gz", "center": [90, 110, 88], "functional": true, "robust": false}),
            "bet T1.nii.gz brain.nii.gz -c 90 110 88 -F",
        ),
    ] {
        assert_eq!(joined(&argv(&bet, given)), expected);
    }
    assert_eq!(
        problems(&bet, json!({"in_file": "a", "robust": true, "functional": true})),
        ["only one may be given of robust, functional"]
    );
}

#[test]
fn fsl_maths_with_operations_in_order() {
    let operation = |id: &str, kind: &str| json!({"id": id, "command-line": format!("-{id} [VALUE]"), "inputs": [input("value", kind, json!({}))]});
    let maths = descriptor(json!({
        "command-line": "fslmaths [DT] [IN] [OPERATIONS] [OUT]",
        "inputs": [
            input("dt", "String", json!({"command-line-flag": "-dt", "optional": true, "value-choices": ["char", "float"]})),
            input("in", "File", json!({})),
            input("operations", json!([operation("thr", "Number"), operation("mas", "File"),
                {"id": "bin", "command-line": "-bin", "inputs": []}]), json!({"list": true})),
            input("out", "String", json!({})),
        ],
    }));
    let given = json!({
        "dt": "float", "in": "a.nii", "out": "b.nii",
        "operations": [{"@type": "thr", "value": 0.5}, {"mas": {"value": "m.nii"}}, "bin", {"@type": "bin"}],
    });
    assert_eq!(joined(&argv(&maths, given)), "fslmaths -dt float a.nii -thr 0.5 -mas m.nii -bin -bin b.nii");
}

#[test]
fn freesurfer_mri_convert() {
    let convert = descriptor(json!({
        "command-line": "mri_convert [CONFORM] [OUT_TYPE] [VOXSIZE] [APPLY] [IN] [OUT]",
        "inputs": [
            input("conform", "Flag", json!({"command-line-flag": "--conform"})),
            input("out_type", "String", json!({"command-line-flag": "--out_type", "optional": true,
                "value-choices": ["mgz", "nii"]})),
            input("voxsize", "Number", json!({"command-line-flag": "-vs", "list": true, "optional": true})),
            input("apply", "File", json!({"command-line-flag": "--apply_transform", "optional": true})),
            input("in", "File", json!({})),
            input("out", "String", json!({})),
        ],
        "environment-variables": [{"name": "SUBJECTS_DIR", "value": "."}],
    }));
    let given = json!({"conform": true, "out_type": "mgz", "voxsize": [1, 1, 1.5], "in": "001.dcm", "out": "orig.mgz"});
    assert_eq!(joined(&argv(&convert, given)), "mri_convert --conform --out_type mgz -vs 1 1 1.5 001.dcm orig.mgz");
}

#[test]
fn afni_3dcalc_with_selectors_and_an_expression() {
    let calc = descriptor(json!({
        "command-line": "3dcalc -a [A]'[0..3]' [B] [EXPR] [PREFIX] -datum float",
        "inputs": [
            input("a", "File", json!({})),
            input("b", "File", json!({"command-line-flag": "-b", "optional": true})),
            input("expr", "String", json!({"command-line-flag": "-expr"})),
            input("prefix", "String", json!({"command-line-flag": "-prefix", "command-line-flag-separator": " "})),
        ],
    }));
    assert_eq!(
        argv(&calc, json!({"a": "e+orig", "expr": "step(a-9)*b | $c", "prefix": "o"})),
        ["3dcalc", "-a", "e+orig[0..3]", "-expr", "step(a-9)*b | $c", "-prefix", "o", "-datum", "float"]
    );
}

fn ants_registration() -> Json {
    let step = json!([input("step", "Number", json!({}))]);
    let sampling = json!({"optional": true, "command-line-flag": ",", "command-line-flag-separator": ""});
    let stage = json!({
        "id": "stage",
        "command-line": "[TRANSFORM] [METRIC] [CONVERGENCE] [SHRINK]",
        "inputs": [
            input("transform", json!([
                {"id": "rigid", "command-line": "Rigid[[STEP]]", "inputs": step},
                {"id": "syn", "command-line": "SyN[[STEP],[UPDATE],[TOTAL]]", "inputs": [
                    input("step", "Number", json!({})), input("update", "Number", json!({"default-value": 3})),
                    input("total", "Number", json!({"default-value": 0}))]},
            ]), json!({"command-line-flag": "--transform"})),
            input("metric", json!([
                {"id": "mi", "command-line": "MI[[FIXED],[MOVING],[WEIGHT],[BINS][STRATEGY][PERCENT]]", "inputs": [
                    input("fixed", "File", json!({})), input("moving", "File", json!({})),
                    input("weight", "Number", json!({"default-value": 1})),
                    input("bins", "Number", json!({"integer": true, "default-value": 32})),
                    input("strategy", "String", sampling.clone()), input("percent", "Number", sampling)]},
            ]), json!({"command-line-flag": "--metric", "list": true})),
            input("convergence", "Number", json!({"command-line-flag": "--convergence", "list": true, "list-separator": "x"})),
            input("shrink", "Number", json!({"command-line-flag": "--shrink-factors", "list": true, "list-separator": "x"})),
        ],
    });
    json!({
        "name": "antsRegistration",
        "command-line": "antsRegistration [DIMENSION] [OUTPUT] [INITIAL] [STAGES] [FLOAT]",
        "inputs": [
            input("dimension", "Number", json!({"integer": true, "value-choices": [2, 3, 4], "optional": true,
                "command-line-flag": "--dimensionality"})),
            input("output", {
                json!({"id": "output", "command-line": "[[PREFIX][,WARPED]]", "inputs": [
                    input("prefix", "String", json!({})),
                    {"id": "warped", "name": "w", "type": "String", "value-key": "[,WARPED]", "optional": true,
                     "command-line-flag": ",", "command-line-flag-separator": ""}],
                    "output-files": [
                        {"id": "affine", "name": "a", "path-template": "[PREFIX]0GenericAffine.mat"},
                        {"id": "image", "name": "i", "path-template": "[,WARPED]", "optional": true}]})
            }, json!({"command-line-flag": "--output"})),
            input("initial", json!([
                {"id": "file", "command-line": "[[TRANSFORM][USE_INVERSE]]", "inputs": [
                    input("transform", "File", json!({})),
                    input("use_inverse", "Number", json!({"integer": true, "optional": true, "command-line-flag": ",",
                        "command-line-flag-separator": ""}))]},
                {"id": "images", "command-line": "[[FIXED],[MOVING],[FEATURE]]", "inputs": [
                    input("fixed", "File", json!({})), input("moving", "File", json!({})),
                    input("feature", "Number", json!({"integer": true}))]},
            ]), json!({"optional": true, "command-line-flag": "--initial-moving-transform"})),
            input("stages", stage, json!({"list": true})),
            input("float", "Flag", json!({"command-line-flag": "--float 1"})),
        ],
    })
}

#[test]
fn ants_registration_with_nested_commands() {
    let registration = descriptor(ants_registration());
    let mi = json!({"mi": {"fixed": "f.nii", "moving": "m 1.nii"}});
    let regular = json!({"@type": "ants/antsRegistration/mi", "fixed": "f.nii", "moving": "m 1.nii", "strategy": "Regular", "percent": 0.25});
    let given = json!({
        "dimension": 3,
        "output": {"prefix": "out_", "warped": "w.nii.gz"},
        "initial": {"images": {"fixed": "f.nii", "moving": "m 1.nii", "feature": 1}},
        "stages": [
            {"transform": {"@type": "rigid", "step": 0.1}, "metric": [regular], "convergence": [1000, 500], "shrink": [8, 4]},
            {"transform": {"syn": {"step": 0.2}}, "metric": [mi.clone(), mi], "convergence": [100], "shrink": [1]},
        ],
        "float": true,
    });
    assert_eq!(
        argv(&registration, given),
        [
            "antsRegistration",
            "--dimensionality",
            "3",
            "--output",
            "[out_,w.nii.gz]",
            "--initial-moving-transform",
            "[f.nii,m 1.nii,1]",
            "--transform",
            "Rigid[0.1]",
            "--metric",
            "MI[f.nii,m 1.nii,1,32,Regular,0.25]",
            "--convergence",
            "1000x500",
            "--shrink-factors",
            "8x4",
            "--transform",
            "SyN[0.2,3,0]",
            "--metric",
            "MI[f.nii,m 1.nii,1,32]",
            "MI[f.nii,m 1.nii,1,32]",
            "--convergence",
            "100",
            "--shrink-factors",
            "1",
            "--float",
            "1",
        ]
    );
}

#[test]
fn ants_registration_faults_name_their_place() {
    let registration = descriptor(ants_registration());
    let given = json!({
        "output": {"prefix": "o", "wraped": "w"},
        "initial": {"@type": "imgaes"},
        "stages": [
            {"transform": {"@type": "rigid"}, "metric": [{"fixed": "f", "moving": "m", "bins": 1.5}], "convergence": [1], "shrink": ["x"]},
            {"transform": {"step": 1}, "metric": [], "convergence": [1], "shrink": [1]},
        ],
    });
    assert_eq!(
        problems(&registration, given),
        [
            "output: output.wraped: there is no such input; did you mean \"warped\"?",
            "initial: initial: \"imgaes\" is none of file, images; did you mean \"images\"?",
            "stages: stages[0].transform.step: is mandatory, and not given",
            "stages: stages[0].metric[0].bins: expected int, got 1.5",
            "stages: stages[0].shrink: expected float, got \"x\"",
            "stages: stages[1].transform: say with \"@type\" which one it is: rigid, syn",
        ]
    );
}
