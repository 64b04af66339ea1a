//! Memory and time that do not grow with what a program prints.

use crate::support::*;
use std::fmt::Write;
use suites::{
    Outcome::*,
    OutputFormat,
    ktap::{MAX_DEPTH, MAX_DIAGNOSTICS, MAX_LINE, MAX_NAME, MAX_PROBLEMS, MAX_RESULTS, Parser},
};

#[test]
fn nesting_has_a_floor() {
    let mut output = String::new();
    for depth in 0..100 {
        writeln!(output, "{:w$}1..1", "", w = depth * 2).unwrap();
    }
    for depth in (0..100).rev() {
        writeln!(output, "{:w$}ok 1 at {depth}", "", w = depth * 2).unwrap();
    }
    let document = parse(&output);
    let deepest = document.leaves().map(|(path, _)| path.len()).max();
    assert_eq!(deepest, Some(MAX_DEPTH));
}

#[test]
fn a_long_line_is_read_up_to_its_bound() {
    let long = "x".repeat(70_000);
    let document = parse(format!(
        "1..3\nok 1 {long}\n{long}\nnot ok 2 b # {long}\nok 3\n"
    ));
    assert_eq!(document.problems, [""; 0]);
    assert_eq!(document.results[0].name.len(), MAX_NAME);
    assert_eq!(document.results[1].reason.len(), MAX_DIAGNOSTICS);
    assert_eq!(document.results[1].diagnostics.len(), MAX_DIAGNOSTICS);
    assert_eq!(document.results[2].name, "test 3");
    // A cut in the middle of a character.
    for pad in ["", "y", "yy"] {
        let wide = pad.to_owned() + &"\u{20ac}".repeat(MAX_LINE);
        let document = parse(format!("1..1\n{wide}\nnot ok 1 {wide}\n"));
        assert!(document.results[0].name.len() <= MAX_NAME);
    }
}

#[test]
fn an_output_without_end_is_kept_within_bounds() {
    let mut parser = Parser::new(OutputFormat::Kselftest);
    let noise = format!("# {}\n", "noise ".repeat(600));
    for _ in 0..MAX_RESULTS / 100 {
        for _ in 0..110 {
            parser.push(b"not ok 1 the same # and a reason\n");
        }
        parser.push(noise.as_bytes());
    }
    let document = parser.finish();
    let all = MAX_RESULTS as u64 / 10 * 11;
    assert_eq!(document.results.len(), MAX_RESULTS);
    assert_eq!(document.counts(), [(Fail, all)].into());
    assert_eq!(document.overflow, [(Fail, all - MAX_RESULTS as u64)].into());
    let text = document
        .results
        .iter()
        .map(|p| p.reason.len() + p.diagnostics.len());
    assert!(text.sum::<usize>() <= 4 << 20);

    // Parents of what was kept are kept, and what they contradict is still told.
    let document = parse("# ok 1 a\n".repeat(MAX_RESULTS) + "# not ok 1 b\nnot ok 1 parent\n");
    assert_eq!(document.results.len(), 1);
    assert_eq!(document.results[0].children.len(), MAX_RESULTS);
    assert_eq!(document.counts()[&Fail], 1);
    let document = parse("ok 1 a\n".repeat(MAX_RESULTS) + "# 1..3\nok 1 parent\n");
    assert_eq!(document.problems, ["the plan says 3 results, 0 came"]);

    let document = parse("1..3\nok 1 a\n1..4\n# x\n".repeat(10_000));
    assert_eq!(document.problems.len(), MAX_PROBLEMS + 1);
    let last = document.problems.last().unwrap();
    assert!(last.ends_with(" more problems"), "{last}");
}

/// Inputs at which a careless parser would take time that grows with the square of their size, or worse: at this size
/// that would be a test without end.
#[test]
fn adversarial_inputs_take_linear_time() {
    const SIZE: usize = 2 << 20;
    for piece in [
        "ok 1\n",
        "not ok 1 a\n  ok 1 a\n",
        "  ok 1 a\n",
        "ok 1 a\nok 2 a #2\nok 3 a #3\n",
        "# ",
        "# # ok 1\n",
        " # \t",
        "ok 2 ",
        "not ok 2 not ok 3 ",
        "ok ",
        "# # # # # # # # # # # # # # # # # # ok 1 ok 2 ok 3\n",
        "TAP version 13\n",
        "1..1\n1..2\n",
        "    KTAP version 1\n    # Subtest: x\n    ok 1 y\n",
        "# Subtest: x\n    1..3\n",
        "not ok 1\n  ---\n",
        "\x1b[",
        "\x1b]",
        "#SKIP #",
        "Bail out! x\n",
        "ok 1 a\n    ok 1 a\n  ok 1 b\n",
        "\r",
        "\0",
        "\u{fffd}\n",
    ] {
        let output = "TAP version 13\nok 1 x\n".to_owned() + &piece.repeat(SIZE / piece.len());
        assert!(parse(output).is_ktap, "{piece:?}");
    }
}
