//! Logs that were made to break something.

use crate::support::*;
use suites::recorded::{LogFormat, Reader};

const RESULTS: usize = suites::ktap::MAX_RESULTS;

fn all_formats() -> impl Iterator<Item = Option<LogFormat>> {
    std::iter::once(None).chain(LogFormat::ALL.into_iter().map(Some))
}

#[test]
fn plans_beyond_all_bounds_give_bounded_results() {
    let plan = format!("KTAP version 1\n1..{}\nok 1 a\n", u64::MAX);
    let selftests = format!("1..{}\n# selftests: a: b\n", u64::MAX);
    let nested = format!("# selftests: a: b\n# 1..{}\n", u64::MAX);
    for log in [plan, selftests, nested] {
        for format in all_formats() {
            let recorded = read_as(format, log.repeat(50));
            assert!(recorded.tests.len() <= RESULTS);
            // Neither panics on overflow.
            let _ = counts(&recorded)
                .values()
                .fold(0u64, |a, &b| a.saturating_add(b));
        }
    }
}

#[test]
fn more_results_than_are_kept_are_counted() {
    let mut log = String::from("KTAP version 1\n");
    for number in 1..=RESULTS + 500 {
        log += &format!("ok {number} a\n");
    }
    let recorded = read(&log);
    let total: u64 = counts(&recorded).values().sum();
    assert_eq!(total, (RESULTS + 500) as u64);

    let mut log = String::new();
    for _ in 0..RESULTS + 500 {
        log += "ok 1 selftests: a: b\n";
    }
    let recorded = read(&log);
    assert_eq!(recorded.tests.len(), RESULTS);
    let total: u64 = counts(&recorded).values().sum();
    assert_eq!(total, (RESULTS + 500) as u64);
}

#[test]
fn programs_that_never_end_and_lines_without_end() {
    let mut log = String::new();
    for number in 0..5000 {
        log += &format!("# selftests: a: t{number}\n");
    }
    assert_eq!(read(&log).tests.len(), 5000);

    for format in all_formats() {
        let mut reader = Reader::new(format);
        for _ in 0..64 {
            reader.push(&[b'x'; 1 << 16]);
        }
        assert!(reader.finish().tests.is_empty());
    }
}

#[test]
fn a_boot_log_longer_than_what_waits_for_the_format() {
    let mut log = String::new();
    for number in 0..40_000 {
        log += &format!(
            "[    0.{number:06}] a line of the kernel's, \u{e9}\u{e9}\u{e9} and more of it\n"
        );
    }
    log += "[    1.000000] KTAP version 1\n[    1.000000] 1..1\n[    1.000000] ok 1 a\n";
    let recorded = read(&log);
    assert_eq!(recorded.format, Some(LogFormat::Kunit));
    assert_eq!(outline(&recorded), ["pass kunit:a"]);
}
