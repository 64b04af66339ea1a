//! The lines of a run.

use super::style::{Color, Style, color};
use crate::{
    Change, Changes, Counts, Summary, TestResult, journal::JOURNAL, json::RESULTS, junit::JUNIT,
    text::terminal_line,
};
use std::path::Path;
use suites::{Outcome, TestId};

/// Spaces before what belongs to the line above: the width of a status word, and one.
pub(super) const INDENT: &str = "              ";
/// Tests that never ran are listed by name at the end up to this many; they were named once already.
const NOT_RUN_LISTED: usize = 20;

/// The status word of an outcome, at most 13 characters.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::Skip => "SKIP",
        Outcome::ExpectedFail => "XFAIL",
        Outcome::Flaky => "FLAKY",
        Outcome::TimeOut => "TIME-OUT",
        Outcome::Hang => "HANG",
        Outcome::KernelCrash => "KERNEL-CRASH",
        Outcome::BootFailure => "BOOT-FAILURE",
        Outcome::NotRun => "NOT-RUN",
        Outcome::HarnessError => "HARNESS-ERROR",
    }
}

/// What is said of `n` tests with an outcome.
fn counted(outcome: Outcome, n: u64) -> String {
    let what = match outcome {
        Outcome::Pass => "passed",
        Outcome::Fail => "failed",
        Outcome::Skip => "skipped",
        Outcome::ExpectedFail => "failed as expected",
        Outcome::Flaky => "flaky",
        Outcome::TimeOut => "timed out",
        Outcome::Hang => "hung",
        Outcome::KernelCrash => "crashed the kernel",
        Outcome::BootFailure => "failed to boot",
        Outcome::NotRun => "not run",
        Outcome::HarnessError => "could not be judged",
    };
    format!("{n} {what}")
}

/// `4 passed, 1 failed`: what there is any of.
fn tally(counts: &Counts) -> String {
    let there: Vec<_> = counts
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(outcome, n)| counted(outcome, n))
        .collect();
    there.join(", ")
}

/// A word in the status column.
pub(super) fn label(style: Style, color: Color, word: &str) -> String {
    style.paint(color, &format!("{word:>13}"))
}

/// `[   0.512s]`.
pub(super) fn clock(ms: u64) -> String {
    format!("[{:>4}.{:03}s]", ms / 1000, ms % 1000)
}

/// `PASS [   0.512s] kselftest:timers:nanosleep (2 subtests: 2 passed)`.
pub(super) fn result(style: Style, result: &TestResult) -> String {
    let time = result
        .machine
        .map_or("[         ]".into(), |_| clock(result.duration_ms));
    let mut line = status(style, result.outcome, &time, &result.id);
    if !result.subtests.is_empty() {
        let counts: Counts = result.subtests.iter().map(|s| s.outcome).collect();
        let n = counts.total();
        let plural = if n == 1 { "" } else { "s" };
        line += &format!(" ({n} subtest{plural}: {})", tally(&counts));
    }
    line
}

fn status(style: Style, outcome: Outcome, time: &str, id: &TestId) -> String {
    let word = label(style, color(outcome), word(outcome));
    format!("{word} {time} {}", terminal_line(&id.to_string()))
}

/// The end of a run: the counts, what went wrong once more, why the command ends as it does, and where to read on.
pub(super) fn summary(style: Style, summary: &Summary, run_dir: &Path) -> Vec<String> {
    let finished = summary.finished.as_ref();
    let left: Vec<&TestId> = summary.not_finished().collect();
    let mut counts = summary.tests;
    counts.add_many(Outcome::NotRun, left.len() as u64);
    let run = counts.total_of(|outcome| {
        !matches!(
            outcome,
            Outcome::Skip | Outcome::BootFailure | Outcome::NotRun | Outcome::HarnessError
        )
    });

    let well = if counts.bad() == 0 {
        Color::Green
    } else {
        Color::Red
    };
    let mut totals = format!(
        "{} {} {run} test{} run",
        label(style, well, "Summary"),
        clock(finished.map_or(summary.at_ms, |f| f.duration_ms)),
        if run == 1 { "" } else { "s" },
    );
    if counts.total() > 0 {
        totals += &format!(": {}", tally(&counts));
    }

    let mut lines = vec!["-".repeat(60), totals];
    let (splats, distinct) = summary.splats();
    if splats > 0 {
        let s = if splats == 1 { "" } else { "s" };
        lines.push(format!(
            "{} the kernel reported {splats} splat{s} in tests, {distinct} distinct",
            label(style, Color::Red, "Splats")
        ));
    }
    let ran = summary.in_order().into_iter();
    let wrong = ran.filter(|r| {
        let same = summary.change(r).is_some_and(Change::is_none);
        !r.outcome.is_good() && r.outcome != Outcome::NotRun && !same
    });
    lines.extend(wrong.map(|r| result(style, r)));
    lines.extend(not_run(style, summary, &left));
    lines.extend(summary.changes().map(|changes| compared(style, &changes)));
    if let Some(finished) = finished {
        lines.push(format!(
            "exit status {}: {}",
            finished.exit_status,
            terminal_line(&finished.reason)
        ));
    }
    for (what, name) in [("JUnit", JUNIT), ("JSON", RESULTS), ("Events", JOURNAL)] {
        let path = run_dir.join(name).display().to_string();
        lines.push(format!("{what:>13} {}", terminal_line(&path)));
    }
    lines
}

/// `Baseline 1 new failure, 2 fixed, 0 still failing, 1 new test, 0 missing, compared with linux 6.12 in results.json`.
fn compared(style: Style, changes: &Changes<'_>) -> String {
    let new = changes.new_failures.len();
    let well = if new == 0 { Color::Green } else { Color::Red };
    let tests = changes.new_tests.len();
    let missing = match &changes.missing_tests {
        None => String::new(),
        Some(missing) => format!(", {} missing", missing.len()),
    };
    format!(
        "{} {new} new failure{}, {} fixed, {} still failing, {tests} new test{}{missing}, compared with linux {} in {}",
        label(style, well, "Baseline"),
        if new == 1 { "" } else { "s" },
        changes.fixed.len(),
        changes.still_failing.len(),
        if tests == 1 { "" } else { "s" },
        terminal_line(changes.release),
        terminal_line(changes.file),
    )
}

fn not_run(style: Style, summary: &Summary, left: &[&TestId]) -> Vec<String> {
    let results = summary.results.iter();
    let said = results
        .filter(|r| r.outcome == Outcome::NotRun)
        .map(|r| &r.id);
    let ids: Vec<&TestId> = said.chain(left.iter().copied()).collect();
    let mut lines: Vec<_> = ids
        .iter()
        .take(NOT_RUN_LISTED)
        .map(|id| status(style, Outcome::NotRun, "[         ]", id))
        .collect();
    if ids.len() > NOT_RUN_LISTED {
        let more = ids.len() - NOT_RUN_LISTED;
        lines.push(format!("{INDENT}and {more} more, all of them in {RESULTS}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn words_are_distinct_and_fit_their_column() {
        for outcome in Outcome::ALL {
            assert!(word(outcome).len() <= 13);
            assert_eq!(
                Outcome::ALL
                    .iter()
                    .filter(|o| word(**o) == word(outcome))
                    .count(),
                1
            );
            assert_eq!(
                Outcome::ALL
                    .iter()
                    .filter(|o| counted(**o, 1) == counted(outcome, 1))
                    .count(),
                1
            );
        }
    }

    #[test]
    fn times_are_aligned() {
        assert_eq!(clock(512), "[   0.512s]");
        assert_eq!(clock(3_601_007), "[3601.007s]");
        assert_eq!(clock(123_456_789), "[123456.789s]");
    }

    #[test]
    fn many_tests_that_never_ran_are_counted() {
        let mut whole = testing::started(
            (0..25)
                .map(|n| TestId::new("exec", &n.to_string()))
                .collect(),
        );
        whole.at_ms = 2;
        let lines = summary(Style { color: false }, &whole, Path::new("out"));
        assert_eq!(
            lines[1],
            "      Summary [   0.002s] 0 tests run: 25 not run"
        );
        assert_eq!(lines[2], "      NOT-RUN [         ] exec:0");
        assert_eq!(
            lines[22],
            "              and 5 more, all of them in results.json"
        );
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        let hostile = testing::result(TestId::new("exec", "\x1b[2Ja\nb"), Outcome::Pass);
        assert_eq!(
            result(Style { color: false }, &hostile),
            "         PASS [   0.512s] exec:a\u{fffd}b"
        );
    }
}
