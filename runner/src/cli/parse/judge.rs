//! From what a log says to outcomes.

use crate::session;
use ::reports::{Counts, Event, Record, SubtestResult, Summary, TestResult};
use std::collections::BTreeMap;
use suites::{
    Outcome,
    recorded::{LogFormat, Recorded, RecordedEnd, RecordedTest, explain, subtests},
};

/// Collections that make the kernel report errors on purpose.
const ON_PURPOSE: [&str; 1] = ["lkdtm"];

/// A log, judged.
pub struct Judged {
    /// What it was read as.
    pub format: Option<LogFormat>,
    /// Its tests with their outcomes and the results inside them.
    pub tests: Vec<TestResult>,
    /// Of each test, whether it counts beside the results inside it.
    pub counted: Vec<bool>,
    /// How many leaves came out how.
    pub counts: Counts,
    /// Tests that are only counted.
    pub uncounted: BTreeMap<Outcome, u64>,
    /// What is worth knowing.
    pub problems: Vec<String>,
}

impl Judged {
    /// Judges each test as `runner test` would with the same evidence.
    pub fn of(recorded: Recorded) -> Self {
        let mut judged = Self {
            format: recorded.format,
            tests: Vec::with_capacity(recorded.tests.len()),
            counted: Vec::with_capacity(recorded.tests.len()),
            counts: Counts::default(),
            uncounted: recorded.uncounted,
            problems: recorded.problems,
        };
        for (&outcome, &count) in &judged.uncounted {
            judged.counts.add_many(outcome, count);
        }
        for test in recorded.tests {
            judged.add(test);
        }
        judged
    }

    fn add(&mut self, test: RecordedTest) {
        let is_not_built = test.id.suite == "kselftest"
            && matches!(
                test.end,
                RecordedEnd::Said {
                    outcome: Outcome::HarnessError,
                    ..
                }
            );
        let (outcome, message) = verdict(&test);
        let inside = subtests(&test.document);
        let outcomes = inside.iter().map(|subtest| subtest.outcome);
        let only_counted = test.document.overflow.keys().copied();
        let counted = !explain(outcomes.clone().chain(only_counted), outcome);
        for inner in outcomes {
            self.counts.add(inner);
        }
        for (&inner, &count) in &test.document.overflow {
            self.counts.add_many(inner, count);
        }
        if counted {
            self.counts.add(outcome);
        }
        self.counted.push(counted);
        self.tests.push(TestResult {
            outcome,
            message,
            subtests: inside
                .into_iter()
                .map(|subtest| SubtestResult {
                    path: subtest.path,
                    outcome: subtest.outcome,
                    message: Some(subtest.message).filter(|m| !m.is_empty()),
                })
                .collect(),
            // Of what was not built there was none.
            machine: (!is_not_built).then_some(1),
            ..TestResult::not_run(&test.id, "")
        });
    }

    /// Whether the log has no results at all.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.uncounted.is_empty()
    }

    /// The fold that the exit status is made from.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for test in &self.tests {
            summary.apply(&Record {
                at_ms: 0,
                event: Event::TestFinished(Box::new(TestResult {
                    outcome: test.outcome,
                    ..TestResult::not_run(&test.id, "")
                })),
            });
        }
        for (&outcome, &count) in &self.uncounted {
            summary.tests.add_many(outcome, count);
        }
        summary
    }
}

/// The outcome of a test and why.
fn verdict(test: &RecordedTest) -> (Outcome, Option<String>) {
    let (outcome, message) = match &test.end {
        RecordedEnd::Exited(status) => {
            let verdict = session::exited(&test.document, *status);
            (verdict.outcome, verdict.message)
        }
        RecordedEnd::Said { outcome, message } => (*outcome, said(*outcome, message)),
    };
    let on_purpose = test.id.group.as_deref();
    let on_purpose = on_purpose.is_some_and(|group| ON_PURPOSE.contains(&group));
    match &test.oops {
        Some(oops) if outcome.is_good() && !on_purpose => (
            Outcome::Fail,
            Some(format!(
                "the kernel reported an error while the test, by itself a {outcome}, ran: {oops}"
            )),
        ),
        _ => (outcome, message),
    }
}

/// Every outcome but a pass has a message.
fn said(outcome: Outcome, message: &str) -> Option<String> {
    match (message.trim(), outcome) {
        ("", Outcome::Pass) => None,
        ("", Outcome::Skip) => Some("skipped, and the log does not say why".into()),
        ("", outcome) => Some(format!("the log says {outcome}")),
        (message, _) => Some(message.into()),
    }
}
