//! Real logs, in the directory that `RUNNER_TEST_LOGS` names. The sums were counted with grep and by reading.

use crate::support::*;
use std::path::PathBuf;
use suites::{
    Outcome::{self, *},
    recorded::LogFormat::{self, *},
};

/// A log, what it is recognised as, and how many leaves came out how.
type Log = (&'static str, LogFormat, &'static [(Outcome, u64)]);

const LOGS: &[Log] = &[
    ("kselftest-capabilities", Kselftest, &[(Pass, 21)]),
    ("kselftest-clone3", Kselftest, &[(Pass, 49), (Fail, 1)]),
    (
        "kselftest-edge-cases",
        Kselftest,
        &[
            (Pass, 10),
            (Fail, 7),
            (Skip, 2),
            (TimeOut, 4),
            (HarnessError, 1),
        ],
    ),
    ("kselftest-exec", Kselftest, &[(Pass, 114)]),
    ("kselftest-futex", Kselftest, &[(Pass, 46), (Fail, 1)]),
    ("kselftest-mqueue", Kselftest, &[(Pass, 1), (TimeOut, 1)]),
    (
        "kselftest-pidfd-hang",
        Kselftest,
        &[(Pass, 12), (TimeOut, 1), (NotRun, 4)],
    ),
    ("kselftest-sched", Kselftest, &[(Fail, 1)]),
    ("kselftest-timens", Kselftest, &[(Pass, 29)]),
    (
        "kselftest-timers",
        Kselftest,
        &[(Pass, 39), (Fail, 7), (Skip, 10)],
    ),
    ("kunit-badfilter-6.12", Kunit, &[(HarnessError, 2)]),
    (
        "kunit-debugfs-6.12",
        Kunit,
        &[(Pass, 29), (Skip, 14), (NotRun, 4)],
    ),
    ("kunit-list-6.12", Kunit, &[]),
    ("kunit-nomatch-6.12", Kunit, &[]),
];

#[test]
fn counts_of_real_logs() {
    let Some(directory) = std::env::var_os("RUNNER_TEST_LOGS") else {
        println!("SKIP: RUNNER_TEST_LOGS does not name a directory of logs");
        return;
    };
    for (name, format, expected) in LOGS {
        let path = PathBuf::from(&directory).join(format!("{name}.log"));
        let log = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let recorded = read(&log);
        assert_eq!(recorded.format, Some(*format), "{name}");
        let expected = expected.iter().copied().collect();
        assert_eq!(
            counts(&recorded),
            expected,
            "{name}: {:?}",
            outline(&recorded)
        );
    }
}
