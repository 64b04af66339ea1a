//! What a recorded log says.

use super::LogFormat;
use crate::{
    Outcome, TestId,
    ktap::{Document, Point},
};
use std::collections::BTreeMap;

/// What a log says of its tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// What the log was read as; `None` where nothing in it looks like results.
    pub format: Option<LogFormat>,
    /// The tests in the order of their ends, each with an id of its own.
    pub tests: Vec<RecordedTest>,
    /// Tests and results past the bounds, which are only counted.
    pub uncounted: BTreeMap<Outcome, u64>,
    /// What does not add up in the log or is worth knowing, as sentences.
    pub problems: Vec<String>,
}

/// One test of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTest {
    /// Its name.
    pub id: TestId,
    /// How it came out.
    pub end: RecordedEnd,
    /// The results inside it.
    pub document: Document,
    /// The first error that the kernel reported while its program ran, where the log has the kernel's words too.
    pub oops: Option<String>,
}

/// How a test of a log ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedEnd {
    /// Its program exited with this status, which is to be held against the results inside.
    Exited(i32),
    /// The log has the verdict.
    Said {
        /// The verdict.
        outcome: Outcome,
        /// Why; empty for a plain pass.
        message: String,
    },
}

/// One result inside a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtest {
    /// Names from the outermost to this one.
    pub path: Vec<String>,
    /// How it came out.
    pub outcome: Outcome,
    /// Its reason and diagnostics; may be empty.
    pub message: String,
}

/// The results inside a test: the leaves, and each parent whose own outcome nothing below it explains, behind its
/// children.
#[must_use]
pub fn subtests(document: &Document) -> Vec<Subtest> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    collect(&document.results, &mut path, &mut found);
    found
}

/// A set of outcomes, a bit each.
type Outcomes = u16;

fn bit(outcome: Outcome) -> Outcomes {
    1 << outcome as u16
}

fn collect<'a>(points: &'a [Point], path: &mut Vec<&'a str>, found: &mut Vec<Subtest>) -> Outcomes {
    let mut seen = 0;
    for point in points {
        path.push(&point.name);
        let below = collect(&point.children, path, found);
        seen |= below;
        if point.children.is_empty() || !explained(point.outcome, below) {
            seen |= bit(point.outcome);
            found.push(Subtest {
                path: path.iter().map(|&name| name.into()).collect(),
                outcome: point.outcome,
                message: message(point),
            });
        }
        path.pop();
    }
    seen
}

/// Whether an outcome follows from the outcomes of what is below.
fn explained(outcome: Outcome, below: Outcomes) -> bool {
    let good: Outcomes = Outcome::ALL
        .iter()
        .filter(|o| o.is_good())
        .map(|&o| bit(o))
        .sum();
    match outcome {
        outcome if outcome.is_good() => below != 0,
        Outcome::Fail => below & !good != 0,
        outcome => below & bit(outcome) != 0,
    }
}

/// Whether the outcomes of the results inside a test say what its own outcome says. Where not, the test counts beside
/// them.
pub fn explain(inside: impl IntoIterator<Item = Outcome>, outcome: Outcome) -> bool {
    explained(outcome, inside.into_iter().fold(0, |all, o| all | bit(o)))
}

/// What a result says beside its outcome: its reason and its diagnostics.
#[must_use]
pub fn message(point: &Point) -> String {
    let parts = [point.reason.trim(), point.diagnostics.trim()];
    let parts: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::*;

    fn point(name: &str, outcome: Outcome, children: Vec<Point>) -> Point {
        Point {
            number: 1,
            name: name.into(),
            outcome,
            reason: String::new(),
            diagnostics: String::new(),
            children,
        }
    }

    fn found(points: Vec<Point>) -> Vec<String> {
        let document = Document {
            results: points,
            ..Document::default()
        };
        let line = |s: Subtest| format!("{} {}", s.outcome, s.path.join("/"));
        subtests(&document).into_iter().map(line).collect()
    }

    #[test]
    fn parents_are_left_out_unless_nothing_below_them_explains_them() {
        let leaf = |outcome| vec![point("leaf", outcome, vec![])];
        assert_eq!(found(vec![point("p", Fail, leaf(Fail))]), ["fail p/leaf"]);
        assert_eq!(found(vec![point("p", Pass, leaf(Fail))]), ["fail p/leaf"]);
        assert_eq!(found(vec![point("p", Skip, leaf(Pass))]), ["pass p/leaf"]);
        assert_eq!(
            found(vec![point("p", Fail, leaf(TimeOut))]),
            ["time-out p/leaf"]
        );
        assert_eq!(
            found(vec![point("p", Fail, leaf(Pass))]),
            ["pass p/leaf", "fail p"]
        );
        assert_eq!(
            found(vec![point("p", TimeOut, leaf(Fail))]),
            ["fail p/leaf", "time-out p"]
        );
        // One that stands for itself explains those around it.
        let inner = vec![point("inner", Fail, leaf(Pass))];
        assert_eq!(
            found(vec![point("outer", Fail, inner)]),
            ["pass outer/inner/leaf", "fail outer/inner"]
        );
    }
}
