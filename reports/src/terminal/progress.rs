//! What goes on right now, in a line.

use crate::{Machine, Summary, text::terminal_line};
use suites::Outcome;

/// Tests that are named where several run at once, oldest first.
const NAMED: usize = 3;

/// `1 failed; kselftest:timers:posix_timers (3 s)`, as it is `now_ms` after the start of the run.
pub(super) fn line(summary: &Summary, now_ms: u64) -> String {
    let wrong = |outcome: Outcome| !outcome.is_good() && outcome != Outcome::NotRun;
    let failed = match summary.tests.total_of(wrong) {
        0 => None,
        n => Some(format!("{n} failed")),
    };
    let parts: Vec<_> = failed
        .into_iter()
        .chain(activity(summary, now_ms))
        .collect();
    parts.join("; ")
}

fn activity(summary: &Summary, now_ms: u64) -> Option<String> {
    if !summary.running.is_empty() {
        let named = summary.running.iter().take(NAMED).map(|running| {
            let seconds = now_ms.saturating_sub(running.since_ms) / 1000;
            format!("{} ({seconds} s)", terminal_line(&running.id.to_string()))
        });
        let text = named.collect::<Vec<_>>().join(", ");
        return Some(match summary.running.len().saturating_sub(NAMED) {
            0 => text,
            more => format!("{text} and {more} more"),
        });
    }
    let booting = |m: &&Machine| m.release.is_none() && m.ended.is_none();
    let machine = summary.machines.iter().find(booting)?;
    Some(format!("machine {} boots", machine.machine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn it_says_what_runs_for_how_long_and_what_failed() {
        let records = testing::a_run();
        let at = |len: usize, now_ms| line(&Summary::of(&records[..len]), now_ms);
        assert_eq!(at(1, 0), "");
        assert_eq!(at(3, 500), "machine 1 boots");
        assert_eq!(at(4, 500), "");
        assert_eq!(at(5, 3600), "kselftest:timers:nanosleep (3 s)");
        assert_eq!(at(9, 900), "1 failed; kselftest:timers:rtcpie (0 s)");
    }

    #[test]
    fn several_tests_at_once_are_counted() {
        let mut summary = Summary::of(&testing::a_run()[..5]);
        let name = "kselftest:timers:nanosleep (0 s)";
        summary.running.push(summary.running[0].clone());
        assert_eq!(line(&summary, 400), format!("{name}, {name}"));
        for _ in 0..3 {
            summary.running.push(summary.running[0].clone());
        }
        assert_eq!(
            line(&summary, 400),
            format!("{name}, {name}, {name} and 2 more")
        );
    }
}
