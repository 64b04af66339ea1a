//! Forms of single lines.

use crate::support::*;
use suites::{Outcome::*, OutputFormat, ktap::Document};

#[test]
fn every_directive_in_any_case_and_spelling() {
    reads(
        "1..19\n\
         ok 1 a # SKIP no such device\n\
         not ok 2 b # skip\n\
         ok 3 c # Skip: needs root\n\
         ok 4 d #SKIP\n\
         ok 5 e # Skipped: old compiler\n\
         not ok 6 f # TODO later\n\
         ok 7 g # XFAIL known\n\
         not ok 8 h # xfail\n\
         not ok 9 i # TIMEOUT 45 seconds\n\
         not ok 10 j # ERROR no memory\n\
         ok 11 k # XPASS unexpectedly\n\
         not ok 12 l # XPASS\n\
         not ok 13 m #  Expected 1 == 2\n\
         not ok 14 n # exit=139\n\
         ok 15 o # ERROR handling works\n\
         ok 16 p # SKIPPING is no directive\n\
         ok 17 issue #42 is fixed\n\
         ok 18 a \\# that is no mark\n\
         ok 19 pound # sign # SKIP indeed\n",
        &[
            "skip a # no such device",
            "skip b",
            "skip c # needs root",
            "skip d",
            "skip e # old compiler",
            "expected-fail f # later",
            "expected-fail g # known",
            "expected-fail h",
            "time-out i # 45 seconds",
            "harness-error j # no memory",
            "pass k # XPASS unexpectedly",
            "fail l # XPASS",
            "fail m # Expected 1 == 2",
            "fail n # exit=139",
            "pass o # ERROR handling works",
            "pass p # SKIPPING is no directive",
            "pass issue #42 is fixed",
            "pass a # that is no mark",
            "skip pound # sign # indeed",
        ],
    );
}

#[test]
fn a_directive_in_place_of_the_description_gives_the_name() {
    reads(
        "TAP version 13\n1..6\nok 1 # SKIP CLOCK_A    \nok 2 # XFAIL odd one\nnot ok 3 # error set up\n\
         not ok 4 # TIMEOUT slow one\nok 5 # remark\nok 6 # SKIP\n",
        &[
            "skip CLOCK_A",
            "expected-fail odd one",
            "fail set up",
            "time-out slow one",
            "pass remark",
            "skip test 6",
        ],
    );
}

#[test]
fn a_dash_before_the_name_is_not_part_of_it() {
    reads(
        "1..4\nok 1 - name\nok 2 -\nok 3 -flag\nok 4 - # SKIP why \n",
        &["pass name", "pass test 2", "pass -flag", "skip why"],
    );
}

#[test]
fn results_glued_behind_other_text() {
    let document = reads(
        "TAP version 13\n1..6\nDiff too high: 3732272..not ok 1 VIRTUAL\n# messageok 2 two\n\
         ok 3 threeok 4 four # SKIP hereok 5 five\n(file.c:12) - ok 6 six\n",
        &[
            "fail VIRTUAL",
            "pass two",
            "pass three",
            "skip four # here",
            "pass five",
            "pass six",
        ],
    );
    assert_eq!(document.results[0].diagnostics, "Diff too high: 3732272..");
    reads(
        "TAP version 13\n1..1\n# TAP version 13\n# 1..2\n# ok 1 a\n# waiting..not ok 2 b\nnot ok 1 outer\n",
        &["fail outer", "  pass a", "  fail b"],
    );
    reads(
        "1..2\n# no newline at endok 1 first\n# more # textnot ok 2 second # exit=2\n",
        &["pass first", "fail second # exit=2"],
    );
}

#[test]
fn text_that_only_resembles_a_line_of_ktap_is_text() {
    for text in [
        "it took 2 seconds",
        "we look 2 lines below",
        "all is ok 3 times",
        "all is ok 2 times",
        "ok",
        "not ok",
        "ok two",
        "ok 2x",
        "OK 2 x",
        "Ok 2 x",
        "okay 2",
        "oks 2",
        "ok 99999999999999999999999 x",
        "ok -2 x",
        "ok 2: x",
        "[OK]",
        "#            OK  fixture.test",
        "1..",
        "1..x",
        "1..2 items",
        "2..3",
        "TAP version",
        "TAP version x",
    ] {
        reads(&format!("1..1\nok 1 a\n{text}\n"), &["pass a"]);
        assert!(!parse(text).is_ktap, "{text}");
    }
    // A result behind text must be due, in a document that has begun and by its plan is not over.
    reads(
        "1..1\nok 1 all is ok 2 times\nall is ok 2 times\n",
        &["pass all is ok 2 times"],
    );
    assert!(!parse("this is ok 1 time").is_ktap);
}

#[test]
fn half_a_line_at_the_end() {
    reads("1..2\nok 1 a\nok 2", &["pass a", "pass test 2"]);
    for half in ["n", "not o", "not ok", "not ok ", "ok", "ok "] {
        let document = complains(
            &format!("1..2\nok 1 a\n{half}"),
            &["the plan says 2 results, 1 came"],
        );
        assert_eq!(document.results.len(), 1, "{half}");
    }
}

#[test]
fn formats_differ_in_what_makes_an_output_ktap() {
    let headless = "ok 1 a\nnot ok 2 b\n";
    assert_eq!(parse(headless).counts(), [(Pass, 1), (Fail, 1)].into());
    assert_eq!(parse_as(OutputFormat::Auto, headless), Document::default());
    for output in [
        "1..2\nok 1 a\nok 2 b\n",
        "ok 1 a\nok 2 b\n1..2\n",
        "KTAP version 1\nok 1 a\nok 2 b\n",
    ] {
        let document = parse_as(OutputFormat::Auto, output);
        assert!(document.is_ktap, "{output}");
        assert_eq!(document.results.len(), 2, "{output}");
        let document = parse_as(OutputFormat::ExitStatus, output);
        assert_eq!(document, Document::default());
    }
    for nothing in [
        "",
        "\n\n",
        "PASS\n",
        "[OK]\tfine\nTEST: x  [ OK ]\n#1/2 name:OK\n",
    ] {
        assert_eq!(parse(nothing), Document::default());
    }
}

#[test]
fn any_version_counts() {
    for version in [
        "KTAP version 1",
        "KTAP version 2",
        "TAP version 13",
        "TAP version 14",
        "TAP version 1.3",
    ] {
        assert!(parse_as(OutputFormat::Auto, version).is_ktap, "{version}");
    }
}

#[test]
fn line_ends_escapes_controls_and_invalid_utf8() {
    let document = parse(
        b"\x1b[37m\x1b[mTAP version 13\r\n1..6\r\n\
          \x1b[32mok\x1b[0m 1 gr\x1b[1;31meen\x1b(B\x1b[m\r\n\
          \x1b]0;title\x07ok 2 t\x1b]8;;x\x1b\\wo\r\n 10%\r 90%\rok 3 progress\n\
          ok 4 a\0b\x08c\nok 5 \xff\xfe caf\xc3\xa9\nok 6 tail  \t\n",
    );
    assert_eq!(
        outline(&document),
        [
            "pass green",
            "pass two",
            "pass progress",
            "pass abc",
            "pass \u{fffd}\u{fffd} caf\u{e9}",
            "pass tail"
        ],
    );
    assert_eq!(document.problems, [""; 0]);
    for unfinished in [
        "\x1b",
        "\x1b[",
        "\x1b[3",
        "\x1b]",
        "\x1b]x",
        "\x1b]x\x1b",
        "\x1b(",
    ] {
        reads(&format!("1..1\nok 1 a{unfinished}"), &["pass a"]);
        reads(&format!("1..1\nok 1 a\n{unfinished}\n"), &["pass a"]);
    }
}
