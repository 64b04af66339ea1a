//! The kernel's unit tests: one test a suite, which the kernel ran while it booted.
//!
//! A suite of KUnit that is built in runs before there is a root (`kunit_run_all_tests` in `init/main.c`), and nothing can start
//! it later: one that did not run has no directory in debugfs (`lib/kunit/debugfs.c`). So the machine is booted with KUnit
//! enabled, and the test reads what the suite left.

use super::{Found, KUNIT, Places, SuiteError};
use crate::{OutputFormat, Program, Test, TestId, filter::Pattern};
use std::{ffi::OsString, time::Duration};

/// Limit of reading a result.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Turns KUnit on where `CONFIG_KUNIT_DEFAULT_ENABLED` does not (`lib/kunit/test.c`).
const ENABLE: &str = "kunit.enable=1";

/// Where suites leave their results.
const DEBUGFS: &str = "/sys/kernel/debug/kunit";

/// Prints what the suite `$1` left, or says that it did not run.
const RESULTS: &str = "cd \"$0/$1\" 2>/dev/null && exec cat results; \
    echo \"the suite $1 did not run: $0 has no directory of it\" >&2; exit 1";

/// Prints the part of the kernel log that the suite `$0` left: from its name, or the results before it, to its result.
const FROM_LOG: &str = "dmesg | sed 's/^\\[[^]]*\\] //' | awk -v s=\"$0\" '\
    index($0, \"# Subtest: \" s) && substr($0, index($0, \": \") + 2) == s { on = 1; print \"KTAP version 1\"; print \"1..1\" } \
    on { line = $0; if (line ~ /^(not )?ok [0-9]+ /) { sub(/ok [0-9]+ /, \"ok 1 \", line); print line; found = 1; exit } print line } \
    END { if (!found) exit 1 }' || { echo \"the kernel log has no result of the suite $0\" >&2; exit 1; }";

/// The suites that fit, of one of which only some cases may be asked for.
pub(super) fn find(
    places: &Places<'_>,
    group: Option<&Pattern>,
    case: Option<&Pattern>,
) -> Result<Found, SuiteError> {
    let kunit = &places.kunit;
    if let Some(why) = kunit.lacks {
        return Err(SuiteError::NoKunit(why.into()));
    }
    let literal = group.and_then(Pattern::literal);
    let names: Vec<&str> = match (kunit.suites, literal) {
        (Some(suites), _) => suites.iter().map(String::as_str).collect(),
        (None, Some(name)) => vec![name],
        (None, None) => return Err(SuiteError::KunitUnknown),
    };
    let tests = names
        .into_iter()
        .map(|name| test_of(name, case, kunit.debugfs));
    Ok(Found {
        tests: tests.collect(),
        dirs: Vec::new(),
    })
}

fn test_of(name: &str, case: Option<&Pattern>, debugfs: bool) -> Test {
    let id = match case {
        None => TestId::new(KUNIT, name),
        Some(case) => TestId::grouped(KUNIT, name, case.as_str()),
    };
    let words = match debugfs {
        true => vec!["/bin/sh", "-c", RESULTS, DEBUGFS, name],
        false => vec!["/bin/sh", "-c", FROM_LOG, name],
    };
    let words = words.into_iter().map(OsString::from).collect();
    Test {
        timeout: Some(TIMEOUT),
        ..Test::new(id, Program::Exec(words), OutputFormat::Kselftest)
    }
}

/// What a machine has to be booted with for the KUnit suites among these tests; nothing where there are none.
///
/// The kernel takes one filter. Suites that one glob of the user names are filtered by it, else all of them run.
pub(crate) fn boot_options(tests: &[Test]) -> Vec<String> {
    let mut suites = tests.iter().filter(|test| test.id.suite == KUNIT);
    let Some(first) = suites.next() else {
        return Vec::new();
    };
    let mut options = vec![ENABLE.to_owned()];
    if suites.next().is_none() {
        let filter = match &first.id.group {
            Some(suite) => format!("{suite}.{}", first.id.case),
            None => first.id.case.clone(),
        };
        options.push(format!("kunit.filter_glob={filter}"));
    }
    options
}
