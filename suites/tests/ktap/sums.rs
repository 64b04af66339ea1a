//! What does not add up, and what ends a program early.

use crate::support::*;
use suites::{Outcome::*, OutputFormat, ktap::Document};

#[test]
fn plans_and_numbers_that_do_not_add_up() {
    let complaint = "the plan says 5 results, 3 came";
    complains("1..5\nok 1 a\nok 2 b\nok 3 c\n", &[complaint]);
    complains("ok 1 a\nok 2 b\nok 3 c\n1..5\n", &[complaint]);
    complains(
        "1..1\nok 1 a\nok 2 b\n",
        &["the plan says 1 result, 2 came"],
    );
    complains(
        "TAP version 13\n1..5\n# segfault\n",
        &["the plan says 5 results, 0 came"],
    );
    complains(
        "1..3\nok 1 a\nok 3 b\nok 4 c\n",
        &["result number 2 never came"],
    );
    complains(
        "1..4\nok 1 a\nok 2 b\nok 2 c\nok 6 d\n",
        &[
            "result number 3 to 5 never came",
            "result number 2 came more than once",
        ],
    );
    complains(
        "ok 2 a\nok 4 a\nok 6 a\nok 8 a\nok 10 a\n",
        &["result number 1, 3, 5 and others never came"],
    );
    // Out of order is fine, and so is counting from 0.
    reads(
        "1..3\nok 2 b\nok 1 a\nok 3 c\n",
        &["pass b", "pass a", "pass c"],
    );
    reads("1..2\nok 0 a\nok 1 b\n", &["pass a", "pass b"]);
}

#[test]
fn a_program_that_only_counts_its_results_is_believed_when_its_sums_fit_the_plan() {
    let counted = |sums: &str| {
        parse(format!(
            "TAP version 13\n1..3\nPASS: it\n# Totals: {sums}\n"
        ))
    };
    let fits = counted("pass:1 fail:0 xfail:1 xpass:0 skip:1 error:0");
    assert!(fits.is_ktap && fits.problems.is_empty(), "{fits:?}");
    for sums in [
        "pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0",
        "pass:2 fail:1 xfail:0 xpass:0 skip:0 error:0",
        "pass:3 fail",
        "",
    ] {
        assert_eq!(counted(sums).problems.len(), 1, "{sums}");
    }
    // Sums do not stand in for results that were printed.
    complains(
        "1..3\nok 1 a\n# Totals: pass:3 fail:0 xfail:0 xpass:0 skip:0 error:0\n",
        &["the plan says 3 results, 1 came"],
    );
}

#[test]
fn numbers_at_the_end_of_their_range_do_no_harm() {
    let max = u64::MAX;
    let document = parse(format!(
        "1..{max}\nok {max} a\nok {max} b\n1..{max}\nok 1 c\nok {max} dok 0 e\n"
    ));
    assert_eq!(document.results.len(), 4);
    assert_eq!(document.plan, Some(max));
}

#[test]
fn a_parent_that_contradicts_its_children() {
    complains(
        "# ok 1 a\n# not ok 2 b\nok 1 outer\n",
        &["\"outer\" is a pass, but \"b\" in it is a fail"],
    );
    complains(
        "# not ok 1 a\nok 1 outer # SKIP\n",
        &["\"outer\" is a skip, but \"a\" in it is a fail"],
    );
    complains(
        "# ok 1 a\nnot ok 1 outer # TIMEOUT 45 seconds\n",
        &["\"outer\" is a time-out, but nothing in it is bad (1 result)"],
    );
    complains(
        "# 1..3\n# ok 1 a\nnot ok 1 outer\n",
        &[
            "in \"outer\": the plan says 3 results, 1 came",
            "\"outer\" is a fail, but nothing in it is bad (1 result)",
        ],
    );
    reads(
        "# not ok 1 a\nok 1 outer # XFAIL known\n",
        &["expected-fail outer # known", "  fail a"],
    );
    reads("# ok 1 a # SKIP\nok 1 outer\n", &["pass outer", "  skip a"]);
}

#[test]
fn a_parent_whose_result_never_came_is_a_problem_and_keeps_its_children() {
    let document = complains(
        "TAP version 13\n1..2\nok 1 first\n# TAP version 13\n# 1..3\n# ok 1 x\n",
        &[
            "test 2 has no result line of its own",
            "in test 2: the plan says 3 results, 1 came",
            "the plan says 2 results, 1 came",
        ],
    );
    let expected = ["pass first", "pass test 2", "  pass x"];
    assert_eq!(outline(&document), expected);

    let document = complains(
        "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: one\n    1..2\n    ok 1 a\n\
         \x20   KTAP version 1\n    # Subtest: two\n    1..1\n    ok 1 b\nok 2 two\n",
        &[
            "\"one\" has no result line of its own",
            "in \"one\": the plan says 2 results, 1 came",
            "\"one\" is a fail, but nothing in it is bad (1 result)",
            "the plan says 2 results, 1 came",
            "result number 1 never came",
        ],
    );
    let expected = ["fail one", "  pass a", "pass two", "  pass b"];
    assert_eq!(outline(&document), expected);

    let document =
        parse("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: one\n    1..2\n");
    assert_eq!(outline(&document), ["fail one"]);
    assert_eq!(document.counts(), [(Fail, 1)].into());
}

#[test]
fn a_program_that_skips_as_a_whole() {
    let document = reads("TAP version 13\n1..0 # SKIP needs root\n", &[]);
    assert_eq!(document.skip_all.as_deref(), Some("needs root"));
    assert_eq!(document.plan, Some(0));
    assert_eq!(parse("1..0 # skip\n").skip_all.as_deref(), Some(""));
    assert_eq!(parse("1..0\n").skip_all, None);
    // Where it is one program of several the others count.
    let document = reads(
        "1..0 # SKIP no\nTAP version 13\n1..1\nok 1 a\n",
        &["pass a"],
    );
    assert_eq!(document.skip_all, None);
    let document = reads(
        "# 1..0 # SKIP no device\nok 1 outer # SKIP\n",
        &["skip outer"],
    );
    assert_eq!(document.results[0].diagnostics, "no device");
}

#[test]
fn a_program_that_skips_the_rest_of_its_plan() {
    reads(
        "TAP version 13\n1..5\nok 1 a\nok 2 # SKIP needs root\n# Totals: pass:1\n",
        &["pass a", "skip needs root"],
    );
    complains(
        "1..5\nok 1 a\nok 2 b # SKIP needs root\n",
        &["the plan says 5 results, 2 came"],
    );
}

#[test]
fn bail_out_is_found_on_any_level() {
    let document = complains(
        "TAP version 13\n1..2\nok 1 a\nBail out! no memory\nBail out! again\n",
        &["the plan says 2 results, 1 came"],
    );
    assert_eq!(document.bail_out.as_deref(), Some("no memory"));
    let document = parse("1..1\n# TAP version 13\n# Bail out!\nnot ok 1 a\n");
    assert_eq!(document.bail_out.as_deref(), Some(""));

    let alone = "Bail out! early\n";
    assert_eq!(parse(alone).bail_out.as_deref(), Some("early"));
    assert_eq!(parse_as(OutputFormat::Auto, alone), Document::default());
}
