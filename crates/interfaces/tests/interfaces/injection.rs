//! No value can add a word, end one, or start a command: hostile values through every kind of template.

use serde_json::json;

use crate::{argv, descriptor, input};

const HOSTILE: &[&str] = &[
    "a b",
    " ",
    "",
    "'",
    "\"",
    "\\",
    "\n",
    "\t",
    ";rm -rf ~",
    "$(id)",
    "`id`",
    "${HOME}",
    "a|b",
    "a&&b",
    ">f",
    "#",
    "*",
    "[B]",
    "[A] [A]",
    "-rf",
    "--",
    "'; id; '",
    "\"; id; \"",
    "日本 語",
    "\u{202e}x",
    "a\\\nb",
    "=",
    ",",
    "!!",
];

/// A small generator (splitmix64): the same texts in every run.
fn texts(count: usize) -> Vec<String> {
    let mut state = 7_u64;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) as usize
    };
    let pieces: Vec<&str> = HOSTILE.iter().copied().chain(["x", "y/z", "0"]).collect();
    let text = |next: &mut dyn FnMut() -> usize| (0..next() % 6).map(|_| pieces[next() % pieces.len()]).collect();
    let random: Vec<String> = (0..count).map(|_| text(&mut next)).collect();
    HOSTILE.iter().map(|text| (*text).to_owned()).chain(random).collect()
}

#[test]
fn a_value_stays_in_its_word() {
    let tool = descriptor(json!({
        "command-line": "tool [A] --b=[B] \"q [C] q\" '[D]' [E] [F] end",
        "inputs": [
            input("a", "String", json!({})), input("b", "String", json!({})), input("c", "File", json!({})),
            input("d", "String", json!({"list": true})),
            input("e", "String", json!({"command-line-flag": "-e", "list": true, "list-separator": ","})),
            input("f", json!({"id": "sub", "command-line": "--g [G] h[G]", "inputs": [input("g", "String", json!({}))]}), json!({})),
        ],
    }));
    for text in texts(2000) {
        let given = json!({"a": text, "b": text, "c": text, "d": [text, text], "e": [text, text], "f": {"g": text}});
        let expected = [
            "tool".to_owned(),
            text.clone(),
            format!("--b={text}"),
            format!("q {text} q"),
            format!("{text} {text}"),
            "-e".to_owned(),
            format!("{text},{text}"),
            "--g".to_owned(),
            text.clone(),
            format!("h{text}"),
            "end".to_owned(),
        ];
        assert_eq!(argv(&tool, given), expected, "{text:?}");
    }
}

#[test]
fn a_value_stays_in_its_word_of_a_shell() {
    let tool = descriptor(json!({
        "shell": "/bin/sh",
        "command-line": "printf '%s\\0' [A] x[B]y $(printf end)",
        "inputs": [input("a", "String", json!({})), input("b", "String", json!({}))],
    }));
    for text in texts(200) {
        let argv = argv(&tool, json!({"a": text, "b": text}));
        let output = std::process::Command::new(&argv[0]).args(&argv[1..]).output().expect("a POSIX shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{text}\0x{text}y\0end\0"), "{text:?}");
        assert!(output.stderr.is_empty(), "{text:?}");
    }
}
