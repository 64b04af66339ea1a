//! Where what was found in a log is kept, within bounds.

use super::{LogFormat, Recorded, RecordedEnd, RecordedTest};
use crate::{
    Outcome, TestId,
    ktap::{Document, MAX_PROBLEMS, MAX_RESULTS, Point},
};
use std::collections::{HashMap, HashSet};

/// Bytes of all texts of all results of a log.
const MAX_TEXT: usize = 32 << 20;

/// The tests found so far.
#[derive(Debug)]
pub struct Shelf {
    recorded: Recorded,
    /// Results inside tests that may still be kept.
    results: usize,
    /// Bytes that may still be kept.
    text: usize,
    lost_problems: u64,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            recorded: Recorded::default(),
            results: MAX_RESULTS,
            text: MAX_TEXT,
            lost_problems: 0,
        }
    }
}

impl Shelf {
    /// Adds a test with the results inside it. Past the bounds first the results are only counted, then the test too: `None`.
    pub fn add(
        &mut self,
        id: TestId,
        end: RecordedEnd,
        mut document: Document,
    ) -> Option<&mut RecordedTest> {
        let (points, bytes) = weight(&document.results);
        let message = match &end {
            RecordedEnd::Said { message, .. } => message.len(),
            RecordedEnd::Exited(_) => 0,
        };
        let own = id.case.len() + id.group.as_ref().map_or(0, String::len) + message;
        if self.recorded.tests.len() >= MAX_RESULTS || own > self.text {
            for (outcome, count) in document.counts() {
                self.uncounted(outcome, count);
            }
            self.uncounted(end.outcome(), 1);
            return None;
        }
        self.text -= own;
        if points > self.results || bytes > self.text {
            document.overflow = document.counts();
            document.results = Vec::new();
        } else {
            self.results -= points;
            self.text -= bytes;
        }
        self.recorded.tests.push(RecordedTest {
            id,
            end,
            document,
            oops: None,
        });
        self.recorded.tests.last_mut()
    }

    /// Adds a test that the log has a verdict of.
    pub fn said(&mut self, id: TestId, outcome: Outcome, message: impl Into<String>) {
        let message = message.into();
        self.add(
            id,
            RecordedEnd::Said { outcome, message },
            Document::default(),
        );
    }

    /// How many more tests, or results inside them, are kept at least.
    #[must_use]
    pub fn room(&self) -> usize {
        self.results.min(MAX_RESULTS - self.recorded.tests.len())
    }

    /// Counts what is not kept.
    pub fn uncounted(&mut self, outcome: Outcome, count: u64) {
        let sum = self.recorded.uncounted.entry(outcome).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Adds a sentence.
    pub fn problem(&mut self, problem: impl Into<String>) {
        if self.recorded.problems.len() < MAX_PROBLEMS {
            self.recorded.problems.push(problem.into());
        } else {
            self.lost_problems += 1;
        }
    }

    /// What was found. Every test has an id of its own: the second `x` is `x #2`.
    #[must_use]
    pub fn finish(mut self, format: LogFormat) -> Recorded {
        self.recorded.format = Some(format);
        if self.lost_problems > 0 {
            let more = format!("{} more problems", self.lost_problems);
            self.recorded.problems.push(more);
        }
        tell_apart(&mut self.recorded.tests);
        self.recorded
    }
}

impl RecordedEnd {
    /// The outcome as far as the log alone says it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Said { outcome, .. } => *outcome,
            Self::Exited(0) => Outcome::Pass,
            Self::Exited(4) => Outcome::Skip,
            Self::Exited(_) => Outcome::Fail,
        }
    }
}

/// Points and bytes of text.
fn weight(points: &[Point]) -> (usize, usize) {
    points.iter().fold((0, 0), |(count, bytes), point| {
        let (below, text) = weight(&point.children);
        let own = point.name.len() + point.reason.len() + point.diagnostics.len();
        (count + 1 + below, bytes + own + text)
    })
}

fn tell_apart(tests: &mut [RecordedTest]) {
    let mut taken: HashSet<TestId> = HashSet::with_capacity(tests.len());
    let mut next: HashMap<TestId, u64> = HashMap::new();
    for test in tests {
        if taken.contains(&test.id) {
            let number = next.entry(test.id.clone()).or_insert(2);
            let id = loop {
                let id = TestId {
                    case: format!("{} #{number}", test.id.case),
                    ..test.id.clone()
                };
                *number += 1;
                if !taken.contains(&id) {
                    break id;
                }
            };
            test.id = id;
        }
        taken.insert(test.id.clone());
    }
}
