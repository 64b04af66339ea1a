//! The logs that the kernel's own parser of KUnit results is tested with, `tools/testing/kunit/test_data`, in the source
//! that RUNNER_TEST_LINUX_SOURCE names: the counts are those that its tests expect and `kunit_parser.py` prints.

use crate::support::*;
use std::{collections::BTreeMap, env, fs, path::PathBuf};
use suites::{
    Outcome::{self, *},
    recorded::LogFormat,
};

/// What `kunit_parser.py` calls crashed is a kernel crash where the log has the panic.
const LOGS: &[(&str, &[(Outcome, u64)])] = &[
    ("test_config_printk_time", &[(Pass, 10)]),
    ("test_insufficient_memory", &[]),
    ("test_interrupted_tap_output", &[(Pass, 10)]),
    ("test_is_test_passed-all_passed", &[(Pass, 10)]),
    ("test_is_test_passed-all_passed_nested", &[(Pass, 7)]),
    ("test_is_test_passed-failure", &[(Pass, 9), (Fail, 1)]),
    ("test_is_test_passed-kselftest", &[(Pass, 2)]),
    ("test_is_test_passed-missing_plan", &[(Pass, 10)]),
    ("test_is_test_passed-no_tests_no_plan", &[(Pass, 1)]),
    ("test_is_test_passed-no_tests_run_no_header", &[]),
    ("test_is_test_passed-no_tests_run_with_header", &[]),
    (
        "test_kernel_panic_interrupt",
        &[(Pass, 8), (KernelCrash, 2)],
    ),
    ("test_multiple_prefixes", &[(Pass, 10)]),
    ("test_output_isolated_correctly", &[(Pass, 2)]),
    ("test_output_with_prefix_isolated_correctly", &[(Pass, 10)]),
    ("test_parse_attributes", &[(Pass, 2)]),
    ("test_parse_ktap_output", &[(Pass, 3)]),
    ("test_parse_subtest_header", &[(Pass, 1)]),
    ("test_pound_no_prefix", &[(Pass, 10)]),
    ("test_pound_sign", &[(Pass, 10)]),
    ("test_skip_all_tests", &[(Skip, 5)]),
    ("test_skip_tests", &[(Pass, 4), (Skip, 1)]),
    ("test_strip_hyphen", &[(Pass, 2)]),
];

#[test]
fn the_kernels_own_logs_have_the_kernels_own_counts() {
    let Some(source) = env::var_os("RUNNER_TEST_LINUX_SOURCE") else {
        println!("SKIP: RUNNER_TEST_LINUX_SOURCE names no source of Linux");
        return;
    };
    let directory = PathBuf::from(source).join("tools/testing/kunit/test_data");
    let mut found = 0;
    for (name, expected) in LOGS {
        // Which logs there are depends on the version.
        let Ok(log) = fs::read(directory.join(format!("{name}.log"))) else {
            continue;
        };
        found += 1;
        let expected: BTreeMap<Outcome, u64> = expected.iter().copied().collect();
        let recorded = read_as(Some(LogFormat::Kunit), &log);
        assert_eq!(
            counts(&recorded),
            expected,
            "{name}: {:?}",
            outline(&recorded)
        );
        // `run_kselftest.sh` is recognised, and has results inside its programs.
        if !name.ends_with("-kselftest") {
            assert_eq!(counts(&read(&log)), expected, "{name}, recognised");
        }
    }
    assert!(found >= 15, "{}: {found} logs", directory.display());
}
