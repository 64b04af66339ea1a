//! Documents, subtests, and what belongs to which result.

use crate::support::*;
use suites::Outcome::*;

#[test]
fn a_flat_document() {
    let document = reads(
        "TAP version 13\n1..3\n# about one\nok 1 one\nok 2 - two\nok 3\n# Totals: pass:3 fail:0\n",
        &["pass one", "pass two", "pass test 3"],
    );
    assert_eq!(document.plan, Some(3));
    assert_eq!(document.counts(), [(Pass, 3)].into());
    assert_eq!((document.skip_all, document.bail_out), (None, None));
}

#[test]
fn equal_names_are_told_apart_even_from_names_that_look_so() {
    reads(
        "1..6\nok 1 a\nok 2 a\nok 3 a #2\nok 4 a\nok 5\nok 6 test 5\n",
        &[
            "pass a",
            "pass a #2",
            "pass a #2 #2",
            "pass a #3",
            "pass test 5",
            "pass test 5 #2",
        ],
    );
}

#[test]
fn subtests_by_blanks_tabs_and_hashes_have_the_same_tree() {
    let nested = "KTAP version 1\n1..2\n>KTAP version 1\n>1..2\n>>KTAP version 1\n>>1..1\n>># note\n>>ok 1 leaf\n\
                  >ok 1 case\n>not ok 2 other\nnot ok 1 suite\nok 2 alone\n";
    for indent in ["  ", "   ", "    ", "\t", "# "] {
        let document = reads(
            &nested.replace('>', indent),
            &[
                "fail suite",
                "  pass case",
                "    pass leaf",
                "  fail other",
                "pass alone",
            ],
        );
        assert_eq!(document.plan, Some(2));
        assert_eq!(
            paths(&document),
            ["suite/case/leaf", "suite/other", "alone"]
        );
        assert_eq!(document.counts(), [(Pass, 2), (Fail, 1)].into());
    }
}

#[test]
fn kunit_style_headers_and_a_parameterised_case_without_plan() {
    reads(
        "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: list\n    # module: list_test\n    1..2\n\
         \x20       KTAP version 1\n        # Subtest: sizes\n        ok 1 small\n        ok 2 large\n\
         \x20   # sizes: pass:2 fail:0 skip:0 total:2\n    ok 1 sizes\n    ok 2 plain # SKIP not here\n\
         # list: pass:1 fail:0 skip:1 total:2\nok 1 list\n\
         \x20   # broken:     # failed to initialize (-12)\nnot ok 2 broken\n",
        &[
            "pass list",
            "  pass sizes",
            "    pass small",
            "    pass large",
            "  skip plain # not here",
            "fail broken",
        ],
    );
}

#[test]
fn old_kunit_style_without_nested_versions() {
    reads(
        "TAP version 14\n1..1\n\t# Subtest: suite\n\t1..2\n\tok 1 - a\n\tok 2 - b\nok 1 - suite\n",
        &["pass suite", "  pass a", "  pass b"],
    );
}

#[test]
fn tap_14_style_subtest_lines_announce_the_level_below() {
    let output = "TAP version 14\n1..2\n# Subtest: one\n    # Subtest: inner\n        1..1\n        ok 1 x\n\
                  \x20   ok 1 - inner\n    1..1\nok 1 - one\n# Subtest: two\n    1..1\n    ok 1 y\nok 2 - two\n";
    reads(
        output,
        &[
            "pass one",
            "  pass inner",
            "    pass x",
            "pass two",
            "  pass y",
        ],
    );
    // Without its last line the name is still known.
    let cut = parse(output.strip_suffix("ok 2 - two\n").unwrap());
    assert_eq!(outline(&cut)[3..], ["fail two", "  pass y"]);
}

#[test]
fn a_wrapper_that_prefixes_and_puts_its_plan_last() {
    let output = "TAP version 13\n# ----------\n# running ./first\n# ----------\n# TAP version 13\n# 1..2\n# # a note\n\
                  # ok 1 x\n# not ok 2 y\n# [FAIL]\nnot ok 1 first # exit=1\n# ----------\n# running ./second\n\
                  # no such device\n# [SKIP]\nok 2 second # SKIP\n# SUMMARY: PASS=0 SKIP=1 FAIL=1\nPLAN\n";
    for plan in ["1..2", "# 1..2"] {
        let document = reads(
            &output.replace("PLAN", plan),
            &["fail first # exit=1", "  pass x", "  fail y", "skip second"],
        );
        assert_eq!(document.plan, Some(2));
        let diagnostics = &document.results[1].diagnostics;
        assert!(diagnostics.ends_with("no such device\n[SKIP]"));
    }
    let output = output.replace("PLAN", "# 1..3");
    complains(&output, &["the plan says 3 results, 2 came"]);
}

#[test]
fn two_levels_of_hashes() {
    reads(
        "1..1\n# 1..1\n# # 1..2\n# # # deep note\n# # ok 1 a\n# # ok 2 b\n# ok 1 middle\nok 1 outer\n",
        &["pass outer", "  pass middle", "    pass a", "    pass b"],
    );
}

#[test]
fn a_script_that_prefixes_everything_is_a_document_all_the_same() {
    let document = reads(
        "# TAP version 13\n# 1..2\n# ok 1 a\n# ok 2 b\n# done\n",
        &["pass a", "pass b"],
    );
    assert_eq!(document.plan, Some(2));
}

#[test]
fn indentation_that_shrinks_in_steps() {
    reads(
        "        ok 1 x\n    ok 1 y\n  ok 1 z\nok 1 top\n",
        &["pass top", "  pass z", "    pass y", "      pass x"],
    );
}

#[test]
fn documents_one_after_another() {
    let document = reads(
        "TAP version 13\n1..1\nok 1 a\n# Totals\n\nTAP version 13\n1..2\nok 1 a\nok 2 b\n\
         TAP version 13\nok 1 c\nok 2 d\n1..2\n",
        &["pass a", "pass a #2", "pass b", "pass c", "pass d"],
    );
    assert_eq!(document.plan, Some(5));
    let document = complains(
        "TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..3\nok 1 a\n# killed\nTAP version 13\n1..1\nok 1 c\n",
        &["in document 2: the plan says 3 results, 1 came"],
    );
    assert_eq!(document.plan, Some(5));
}

#[test]
fn documents_without_version_are_told_apart_by_plan_and_number() {
    let three = &["pass a", "pass b", "pass c"];
    reads("1..1\nok 1 a\n1..2\nok 1 b\nok 2 c\n", three);
    reads("ok 1 a\nok 2 b\nok 1 c\n", three);
    reads("ok 1 a\nok 2 b\n1..2\nok 1 c\n1..1\n", three);
    let document = reads("ok 1 a\nok 2 b\n1..1\nok 1 c\n", three);
    assert_eq!(document.plan, Some(1));
    // What is nested before a restarted number belongs to it.
    reads(
        "ok 1 a\n# ok 1 x\nok 1 b\n",
        &["pass a", "pass b", "  pass x"],
    );
}

#[test]
fn nested_documents_one_after_another_share_a_parent() {
    let document = reads(
        "# TAP version 13\n# 1..1\n# ok 1 a\n# TAP version 13\n# 1..1\n# not ok 1 a\nnot ok 1 run.sh # exit=1\n",
        &["fail run.sh # exit=1", "  pass a", "  fail a #2"],
    );
    assert_eq!(paths(&document), ["run.sh/a", "run.sh/a #2"]);
}

#[test]
fn a_header_printed_twice_by_a_fork_is_one_header() {
    let document = reads(
        "TAP version 13\n1..2\nTAP version 13\n1..2\nok 1 a\nok 2 b\n",
        &["pass a", "pass b"],
    );
    assert_eq!(document.plan, Some(2));
    reads("1..1\n1..1\nok 1 a\n", &["pass a"]);
    complains(
        "TAP version 13\n1..2\n# died here\nTAP version 13\n1..2\nok 1 a\nok 2 b\n",
        &["the plan says 2 results, 0 came"],
    );
    complains(
        "TAP version 13\n1..2\nTAP version 13\n1..1\nok 1 a\n",
        &["the plan says 2 results, 0 came"],
    );
}

#[test]
fn remarks_that_look_nested_do_no_harm_behind_the_last_result() {
    reads(
        "1..1\nok 1 a\n# ok 1 remark\n",
        &["pass a", "pass test 2", "  pass remark"],
    );
}

#[test]
fn a_yaml_block_belongs_to_the_result_before_it() {
    let document = reads(
        "TAP version 13\nnot ok 1 a\n# report:\n ---\n Values:\n   ok 1 is no result\n ...\nok 2 b\n1..2\n",
        &["fail a", "pass b"],
    );
    let diagnostics = &document.results[0].diagnostics;
    assert_eq!(diagnostics, "Values:\nok 1 is no result");
    // One that never ends is over with its indentation, or with a version line.
    reads(
        "1..2\nok 1 a\n  ---\n  x: y\nok 2 b\n",
        &["pass a", "pass b"],
    );
    reads(
        "1..2\nok 1 a\n   ---\n    TAP version 13\n    ok 1 x\nok 2 b\n",
        &["pass a", "pass b", "  pass x"],
    );
    // The ruler of a wrapper is none.
    reads(
        "1..2\nok 1 a\n# ---\n# ok 1 x\nok 2 b\n",
        &["pass a", "pass b", "  pass x"],
    );
}

#[test]
fn diagnostics_come_before_the_result_and_are_kept_unless_it_passes() {
    let document = reads(
        "1..3\n# one\nok 1 a\n# two\nplain output\n#three\nnot ok 2 b\nok 3 c # SKIP\n",
        &["pass a", "fail b", "skip c"],
    );
    let diagnostics = document.results.iter().map(|p| p.diagnostics.as_str());
    let expected = ["", "two\nplain output\n#three", ""];
    assert_eq!(diagnostics.collect::<Vec<_>>(), expected);
}

#[test]
fn one_blank_is_sloppiness_and_not_a_level() {
    reads(
        " TAP version 13\n1..2\n ok 1 a\nok 2 b\n",
        &["pass a", "pass b"],
    );
}

#[test]
fn outcomes_of_leaves_count_and_those_of_parents_do_not() {
    let document = parse(
        "# ok 1 a\n# not ok 2 b # TIMEOUT\n# ok 3 c # XFAIL\n# ok 4 # SKIP d\nnot ok 1 outer\n",
    );
    let expected = [(Pass, 1), (TimeOut, 1), (ExpectedFail, 1), (Skip, 1)];
    assert_eq!(document.counts(), expected.into());
}
