//! What KUnit prints.

use crate::support::*;
use suites::recorded::LogFormat::{Ktap, Kunit};

#[test]
fn suites_cases_and_parameters_in_a_kernel_log() {
    let recorded = reads(
        "\
[    0.000000] Linux version 6.12.0
[    1.808254] KTAP version 1
[    1.808447] 1..3
[    1.872023]     KTAP version 1
[    1.872240]     # Subtest: first
[    1.872422]     # module: first_test
[    1.872949]     1..2
[    1.887446]     ok 1 one
[    1.887634]         KTAP version 1
[    1.887634]         # Subtest: two
[    1.887634]     # two: initializing
[    1.887634]         ok 1 value 1
[    1.887634] tsc: Refined TSC clocksource calibration
[    1.887634]         not ok 2 value 2
[    1.887634]     # two: pass:1 fail:1 skip:0 total:2
[    1.887634]     not ok 2 two
[    1.887634] # first: pass:1 fail:1 skip:0 total:2
[    1.887634] # Totals: pass:2 fail:1 skip:0 total:3
[    1.887634] not ok 1 first
[    1.888331]     # second: initializing suite
[    1.888445]     KTAP version 1
[    1.888500]     # Subtest: second
[    1.888631]     1..2
[    1.889405]     # a: ok 1 is what it says
[    1.892263]     ok 1 a # SKIP not here
[    1.892263] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.892263]     ok 2 b
[    1.903260] ok 2 second
[    1.903260]     # third:     # failed to initialize (-12)
[    1.903260] not ok 3 third
[    2.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
",
        Kunit,
        &[
            "pass kunit:first:one",
            "fail kunit:first:two # two: initializing",
            "  pass value 1",
            "  fail value 2",
            "skip kunit:second:a # not here | a: ok 1 is what it says",
            "pass kunit:second:b",
            "fail kunit:third # third:     # failed to initialize (-12)",
        ],
    );
    assert_eq!(recorded.problems, [""; 0]);
}

#[test]
fn a_panic_inside_a_suite() {
    let log = "\
[    1.0000] KTAP version 1
[    1.0000] 1..3
[    1.0000]     KTAP version 1
[    1.0000]     # Subtest: first
[    1.0000]     1..3
[    1.0000]     ok 1 one
[    1.0000] Kernel panic - not syncing: Fatal exception
[    1.0000]     ok 2 after the end
";
    reads(
        log,
        Kunit,
        &[
            "pass kunit:first:one",
            "kernel-crash kunit:first:test 2 # Kernel panic - not syncing: Fatal exception",
            "kernel-crash kunit:first:test 3 # Kernel panic - not syncing: Fatal exception",
            "not-run kunit:test 2 # its result never came",
            "not-run kunit:test 3 # its result never came",
            "pass kunit:after the end",
        ],
    );
}

#[test]
fn a_crash_among_the_parameters_of_a_case() {
    reads(
        "\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: first
    1..2
        KTAP version 1
        # Subtest: one
        ok 1 value 1
Kernel panic - not syncing: x
",
        Kunit,
        &[
            "kernel-crash kunit:first:one # Kernel panic - not syncing: x",
            "  pass value 1",
            "kernel-crash kunit:first:test 2 # Kernel panic - not syncing: x",
        ],
    );
}

#[test]
fn a_log_that_is_cut_and_a_case_without_a_result() {
    reads(
        "\
KTAP version 1
1..2
    # Subtest: first
    1..2
    ok 1 one
ok 1 first
    # Subtest: second
    1..2
    ok 1 one
",
        Kunit,
        &[
            "pass kunit:first:one",
            "not-run kunit:first:test 2 # its result never came",
            "pass kunit:second:one",
            "not-run kunit:second:test 2 # its result never came",
        ],
    );
}

#[test]
fn a_kernel_that_restarts_in_the_middle() {
    reads(
        "\
[    1.000000] KTAP version 1
[    1.000000] 1..1
[    1.000000]     # Subtest: first
[    1.000000]     1..1
[    0.000000] Linux version 6.12.0
[    1.000000] KTAP version 1
[    1.000000] 1..1
[    1.000000]     # Subtest: first
[    1.000000]     1..1
[    1.000000]     ok 1 one
[    1.000000] ok 1 first
",
        Kunit,
        &[
            "kernel-crash kunit:first:test 1 # the machine restarted",
            "pass kunit:first:one",
        ],
    );
}

#[test]
fn what_the_executor_says_instead_of_results() {
    reads(
        "[    1.894582] kunit executor: attribute not found: speeed>slow\n",
        Kunit,
        &["harness-error kunit:executor # attribute not found: speeed>slow"],
    );
    let disabled = reads("[    1.894582] kunit: disabled\n", Kunit, &[]);
    assert_eq!(
        disabled.problems,
        ["KUnit was switched off in this kernel (kunit.enable=0)"]
    );
    reads(
        "[    1.391687] KTAP version 1\n[    1.391884] 1..0\n",
        Kunit,
        &[],
    );
}

#[test]
fn ktap_of_anybody_and_prefixes_of_unknown_loggers() {
    reads(
        "\
2026-11-22T00:14:31Z | booted
2026-11-22T00:14:32Z | KTAP version 1
2026-11-22T00:14:32Z | 1..3
2026-11-22T00:14:33Z |   KTAP version 1
2026-11-22T00:14:33Z |   1..1
2026-11-22T00:14:33Z |   not ok 1 inner
2026-11-22T00:14:34Z | not ok 1 outer
2026-11-22T00:14:35Z | ok 2 other # XFAIL known
",
        Ktap,
        &[
            "fail ktap:outer",
            "  fail inner",
            "expected-fail ktap:other # known",
            "not-run ktap:test 3 # its result never came",
        ],
    );
    reads(
        "TAP version 13\n1..3\nok 1 a\nok 2 a\nBail out! no memory\n",
        Ktap,
        &[
            "pass ktap:a",
            "pass ktap:a #2",
            "not-run ktap:test 3 # its result never came",
            "fail ktap:Bail out! # no memory",
        ],
    );
    reads(
        "1..0 # SKIP no device\n",
        Ktap,
        &["skip ktap:all of it # no device"],
    );
}
