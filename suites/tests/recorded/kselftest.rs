//! What `run_kselftest.sh` prints.

use crate::support::*;
use suites::recorded::LogFormat::Kselftest;

#[test]
fn a_document_per_collection() {
    let recorded = reads(
        "\
TAP version 13
1..2
# timeout set to 45
# selftests: size: get_size
# TAP version 13
# ok 1 get runtime memory use
# 1..1
ok 1 selftests: size: get_size
# timeout set to 45
# selftests: size: other
# last wordsnot ok 2 selftests: size: other # exit=3
TAP version 13
1..1
# selftests: filesystems/epoll: wakeup
#
not ok 1 selftests: filesystems/epoll: wakeup # TIMEOUT 45 seconds
",
        Kselftest,
        &[
            "exit=0 kselftest:size:get_size",
            "  pass get runtime memory use",
            "exit=3 kselftest:size:other",
            "time-out kselftest:filesystems/epoll:wakeup # it did not end within 45 seconds",
        ],
    );
    assert_eq!(recorded.problems, [""; 0]);
}

#[test]
fn one_plan_for_all_collections_and_a_program_that_was_not_built() {
    reads(
        "\
TAP version 13
1..4
# selftests: a: one
ok 1 selftests: a: one # SKIP
# selftests: b: two
# Warning: file two is missing!
not ok 2 selftests: b: two
# selftests: b: three
# # ok 1 deep
# # not ok 2 in
# ok 1 outer
ok 3 selftests: b: three
ok 4 selftests: c: four # XFAIL
# Totals: pass:2 fail:1 xfail:1 xpass:0 skip:1 error:0
",
        Kselftest,
        &[
            "exit=4 kselftest:a:one",
            "harness-error kselftest:b:two # two is missing: it was not built",
            "exit=0 kselftest:b:three",
            "  pass outer/deep",
            "  fail outer/in",
            "expected-fail kselftest:c:four # it failed as expected",
        ],
    );
}

#[test]
fn a_console_with_stamps_carriage_returns_colours_and_kernel_lines() {
    let recorded = reads(
        "\
[    0.000000] Linux version 6.12.0\r
login: TAP version 13\r
1..2\r
# selftests: a: one\r
# \u{1b}[32mok 1 x\u{1b}[0m\r
[   12.000001][  T123] ok 7 not a result of this program\r
# ok 2 y[   12.000002] eth0: link up\r
<4>[   12.000003] BUG: sleeping function called from invalid context\r
ok 1 selftests: a: one\r
# selftests: a: two\r
ok 2 selftests: a: two\r
",
        Kselftest,
        &[
            "exit=0 kselftest:a:one",
            "  pass x",
            "  pass y",
            "exit=0 kselftest:a:two",
        ],
    );
    assert_eq!(
        recorded.tests[0].oops.as_deref(),
        Some("BUG: sleeping function called from invalid context")
    );
    assert_eq!(recorded.tests[1].oops, None);
}

#[test]
fn a_panic_costs_the_program_that_ran_and_the_rest_was_not_run() {
    reads(
        "\
TAP version 13
1..4
# selftests: a: one
ok 1 selftests: a: one
# selftests: a: two
# TAP version 13
# 1..3
# ok 1 x
[   12.000001] Oops: general protection fault [#1]
[   12.000002] Kernel panic - not syncing: Fatal exception
[    0.000000] Linux version 6.12.0
",
        Kselftest,
        &[
            "exit=0 kselftest:a:one",
            "kernel-crash kselftest:a:two # Kernel panic - not syncing: Fatal exception, after \
             Oops: general protection fault [#1]",
            "  pass x",
            "  kernel-crash test 2",
            "  not-run test 3",
            "not-run kselftest:a:missing test 1 # the plan announced it and it never came",
            "not-run kselftest:a:missing test 2 # the plan announced it and it never came",
        ],
    );
}

#[test]
fn a_log_that_just_ends_was_not_run_and_one_with_an_oops_at_its_end_crashed() {
    let log = "TAP version 13\n1..1\n# selftests: a: one\n# working\n";
    reads(
        log,
        Kselftest,
        &["not-run kselftest:a:one # the log ends before its verdict"],
    );
    reads(
        &format!("{log}[    1.000000] kernel BUG at mm/x.c:1!\n"),
        Kselftest,
        &["kernel-crash kselftest:a:one # kernel BUG at mm/x.c:1!"],
    );
}

#[test]
fn programs_side_by_side_and_names_that_come_twice() {
    reads(
        "\
# selftests: a: one
# selftests: a: two
ok 1 selftests: a: two
ok 2 selftests: a: one
# selftests: a: one
not ok 1 selftests: a: one # exit=1
",
        Kselftest,
        &[
            "exit=0 kselftest:a:two",
            "exit=0 kselftest:a:one",
            "exit=1 kselftest:a:one #2",
        ],
    );
}

#[test]
fn a_verdict_behind_a_very_long_line_without_an_end() {
    let long = "x".repeat(70_000);
    reads(
        &format!("# selftests: a: one\n# {long}ok 1 selftests: a: one\n"),
        Kselftest,
        &["exit=0 kselftest:a:one"],
    );
}

#[test]
fn old_wrappers() {
    reads(
        "\
selftests: a: one
========================================
[RUN] words
selftests: a: one [PASS]
selftests: a: two
ok 1..2 selftests: a: two [SKIP]
",
        Kselftest,
        &["exit=0 kselftest:a:one", "exit=4 kselftest:a:two"],
    );
}
