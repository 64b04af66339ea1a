//! Shared by the other files.

use std::collections::BTreeMap;
use suites::{
    Outcome,
    recorded::{LogFormat, Reader, Recorded, RecordedEnd, explain, subtests},
};

pub fn read_as(format: Option<LogFormat>, log: impl AsRef<[u8]>) -> Recorded {
    let mut reader = Reader::new(format);
    reader.push(log.as_ref());
    reader.finish()
}

pub fn read(log: impl AsRef<[u8]>) -> Recorded {
    read_as(None, log)
}

/// A line for each test and each result inside: `fail kselftest:a:b # reason`, `  pass c/d`.
pub fn outline(recorded: &Recorded) -> Vec<String> {
    let mut lines = Vec::new();
    for test in &recorded.tests {
        let (outcome, message) = match &test.end {
            RecordedEnd::Exited(status) => (format!("exit={status}"), String::new()),
            RecordedEnd::Said { outcome, message } => (outcome.to_string(), message.clone()),
        };
        let message = message.replace('\n', " | ");
        lines.push(match message.as_str() {
            "" => format!("{outcome} {}", test.id),
            message => format!("{outcome} {} # {message}", test.id),
        });
        for subtest in subtests(&test.document) {
            let path = subtest.path.join("/");
            lines.push(format!("  {} {path}", subtest.outcome));
        }
    }
    lines
}

#[track_caller]
pub fn reads(log: &str, format: LogFormat, expected: &[&str]) -> Recorded {
    let recorded = read(log);
    assert_eq!(outline(&recorded), expected);
    assert_eq!(recorded.format, Some(format));
    assert_eq!(outline(&read_as(Some(format), log)), expected);
    recorded
}

/// How many leaves came out how: as `runner parse` counts, but for verdicts that need an exit status.
pub fn counts(recorded: &Recorded) -> BTreeMap<Outcome, u64> {
    let mut counts = recorded.uncounted.clone();
    for test in &recorded.tests {
        let inside = subtests(&test.document);
        let outcomes: Vec<Outcome> = inside.iter().map(|s| s.outcome).collect();
        let only_counted = test.document.overflow.keys().copied();
        let all = outcomes.iter().copied().chain(only_counted);
        if !explain(all, test.end.outcome()) {
            *counts.entry(test.end.outcome()).or_default() += 1;
        }
        for outcome in outcomes {
            *counts.entry(outcome).or_default() += 1;
        }
        for (&outcome, &count) in &test.document.overflow {
            *counts.entry(outcome).or_default() += count;
        }
    }
    counts
}
