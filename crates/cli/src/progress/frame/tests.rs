//! Frames as a person sees them.

use super::*;

const PLAIN: Look = Look { colour: false, unicode: true };

fn counts(total: u32, done: u32, cached: u32, failed: u32, skipped: u32) -> Counts {
    Counts { total, done, cached, failed, skipped }
}

fn steps(list: &[(&'static str, f64, u64)]) -> Vec<Running<'static>> {
    let step = |(node, seconds, rss): &(&'static str, f64, u64)| Running {
        node: (*node).into(),
        seconds: *seconds,
        rss_bytes: (*rss > 0).then_some(*rss),
    };
    list.iter().map(step).collect()
}

fn view(counts: Counts, running: &[(&'static str, f64, u64)]) -> View<'static> {
    View { counts, running: steps(running), elapsed_s: 200.0, left_s: Some(170.0), interrupts: 0, look: PLAIN }
}

const FOUR: [(&str, f64, u64); 4] = [
    ("dwi.denoise[subject=sub-01]", 75.0, 1_200_000_000),
    ("anat.register[subject=sub-02,session=ses-baseline]", 12.34, 512_300_000),
    ("脳.mask[subject=sub-03]", 4.0, 9_900_000),
    ("fa", 0.4, 0),
];

#[track_caller]
fn assert_frame(view: &View<'_>, columns: usize, rows: usize, expected: &[&str]) {
    let lines = frame(view, columns, rows);
    assert_eq!(lines, expected, "\n{}\n", lines.join("\n"));
    assert!(lines.len() <= rows && lines.iter().all(|line| width(line) <= columns));
}

#[test]
fn a_usual_terminal() {
    let view = view(counts(500, 120, 20, 1, 4), &FOUR);
    let expected = [
        "[█████████▓x-▒░░░░░░░░░░░░░░░░░░░░░░░░░░░]  29%  3 min 20 s, about 3 min left",
        "120 done, 20 done before, 1 failed, 4 skipped, 4 running, 351 waiting",
    ];
    assert_eq!(frame(&view, 80, 2), expected);
}

#[test]
fn steps_in_columns() {
    let view = view(counts(500, 120, 20, 1, 4), &FOUR);
    let expected = [
        "  dwi.denoise[subject=sub-01]                    1 min 15 s  RSS   1.2 GB",
        "  anat.register[subject=…,session=ses-baseline]      12.3 s  RSS 512.3 MB",
        "  脳.mask[subject=sub-03]                             4.0 s  RSS   9.9 MB",
        "  fa                                                  0.4 s",
    ];
    assert_eq!(frame(&view, 73, 23)[2..], expected);
}

#[test]
fn a_narrow_terminal() {
    let view = view(counts(500, 120, 20, 1, 4), &FOUR[1..3]);
    let expected = [
        "[███▓x-▒░░░░░░]  29%",
        "3 min 20 s, about 3…",
        "120 done,",
        "20 done before,",
        "1 failed, 4 skipped,",
        "2 running,",
        "353 waiting",
        "  anat.…ine]  12.3 s",
        "  脳.ma…-03]   4.0 s",
    ];
    assert_frame(&view, 20, 24, &expected);
}

#[test]
fn few_rows() {
    let view = view(counts(6, 0, 0, 0, 0), &FOUR);
    let expected = [
        "[▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░░]   0%  3 min 20 s, about 3 min left",
        "4 running, 2 waiting",
        "  dwi.denoise[subject=sub-01]  1 min 15 s  RSS   1.2 GB",
        "  and 3 more",
    ];
    for rows in [0, 1, 2] {
        assert_eq!(frame(&view, 79, rows).len(), rows);
    }
    assert_eq!(frame(&view, 79, 3)[2], "  and 4 more");
    assert_eq!(frame(&view, 79, 4)[1..], expected[1..]);
    assert_eq!(frame(&view, 79, 6).len(), 6);
}

#[test]
fn every_size_is_kept_to() {
    for interrupts in 0..3 {
        let view = View { interrupts, ..view(counts(100_000, 12_345, 20_000, 1, 4000), &FOUR) };
        for columns in 1..120 {
            for rows in 0..12 {
                let lines = frame(&view, columns, rows);
                assert!(lines.len() <= rows, "{columns} x {rows}");
                assert!(lines.iter().all(|line| width(line) <= columns), "{columns} x {rows}: {lines:#?}");
            }
        }
    }
}

#[test]
fn an_interruption_stands_first() {
    let table = [
        (1, 3, "interrupted: ending 3 steps (Ctrl-C again kills them)"),
        (1, 1, "interrupted: ending 1 step (Ctrl-C again kills it)"),
        (2, 3, "interrupted: killing 3 steps"),
        (2, 0, "interrupted"),
    ];
    for (interrupts, running, expected) in table {
        let view = View { interrupts, ..view(counts(10, 0, 0, 0, 0), &FOUR[..running]) };
        let lines = frame(&view, 79, 23);
        assert_eq!(lines[0], expected);
        assert!(lines[1].ends_with("  3 min 20 s"), "no estimate for a run that ends: {}", lines[1]);
    }
}

#[test]
fn without_colours_or_unicode() {
    let look = Look { colour: false, unicode: false };
    let view = View { look, left_s: None, ..view(counts(20, 8, 4, 2, 1), &FOUR[1..2]) };
    let expected = [
        "[########+++xx->....]  75%  3 min 20 s",
        "8 done, 4 done before, 2 failed, 1 skipped,",
        "1 running, 4 waiting",
    ];
    let lines = frame(&view, 43, 23);
    assert_eq!(lines[1..3], expected[1..]);
    assert_eq!(lines[3], "  anat.register[su..n=ses-baseline]  12.3 s");
}

#[test]
fn colours_take_no_columns() {
    let look = Look { colour: true, unicode: true };
    let view = View { look, ..view(counts(4, 2, 0, 0, 0), &[]) };
    let expected = [
        "[\x1b[32m██████\x1b[0m\x1b[90m░░░░░░\x1b[0m]  50%  3 min 20 s, about 3 min left",
        "\x1b[32m2 done\x1b[0m, \x1b[90m2 waiting\x1b[0m",
    ];
    assert_frame(&view, 49, 23, &expected);
}

#[test]
fn items_of_a_map_node_are_one_node() {
    let view = view(counts(3, 0, 0, 0, 0), &[("map#0", 1.0, 0), ("map#1", 1.0, 0), ("map2", 1.0, 0)]);
    assert_eq!(frame(&view, 79, 23)[1], "2 running, 1 waiting");
}

#[test]
fn bars_are_full_and_show_all_that_is_not_zero() {
    let table: [(&[u32], usize, &[usize]); 6] = [
        (&[500, 0, 0], 10, &[10, 0, 0]),
        (&[0, 0, 0], 4, &[0, 0, 4]),
        (&[1, 0, 99_999], 10, &[1, 0, 9]),
        (&[1, 1, 1], 10, &[3, 3, 4]),
        (&[99, 1, 0], 10, &[9, 1, 0]),
        (&[1, 1, 1], 2, &[1, 1, 0]),
    ];
    for (counts, columns, expected) in table {
        assert_eq!(apportion(counts, columns), expected, "{counts:?} in {columns}");
    }
}
