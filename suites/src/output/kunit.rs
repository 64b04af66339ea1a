//! KUnit's results as those of one suite's cases.

use crate::ktap::{Document, Point};

/// The results of one suite as those of its cases: the test itself has the suite's name. A suite that says more than its cases do,
/// because it failed and they did not, or because it has none, stays a result of its own.
pub(super) fn cases(mut document: Document) -> Document {
    let says_more = |suite: &Point| {
        let fine = |case: &Point| case.outcome.is_good();
        suite.children.is_empty() || !suite.outcome.is_good() && suite.children.iter().all(fine)
    };
    let suite = document.results.pop_if(|suite| !says_more(suite));
    match suite {
        Some(suite) if document.results.is_empty() => document.results = suite.children,
        suite => document.results.extend(suite),
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, OutputFormat, output::OutputReader};

    /// The names and outcomes of what is left of KUnit's results.
    fn kunit(text: &str) -> Vec<(String, Outcome)> {
        let mut reader = OutputReader::new(OutputFormat::Kunit);
        reader.push(text.as_bytes());
        let document = reader.finish();
        assert!(document.problems.is_empty(), "{:?}", document.problems);
        let leaf = |(path, point): (Vec<&str>, &Point)| (path.join(" / "), point.outcome);
        document.leaves().map(leaf).collect()
    }

    #[test]
    fn cases_of_kunit_are_called_by_their_names_alone() {
        let suite =
            "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n";
        let param = "        KTAP version 1\n        # Subtest: b\n        ok 1 x\n    ok 2 b\n";
        assert_eq!(
            kunit(&format!("{suite}{param}ok 1 s\n")),
            [("a".into(), Outcome::Pass), ("b / x".into(), Outcome::Pass)]
        );
        let failed = format!("{suite}    not ok 2 b\nnot ok 1 s\n");
        assert_eq!(
            kunit(&failed),
            [("a".into(), Outcome::Pass), ("b".into(), Outcome::Fail)]
        );
    }

    #[test]
    fn a_suite_of_kunit_that_failed_by_itself_is_not_lost() {
        let text = "KTAP version 1\n1..1\n    # s:     # failed to initialize (-5)\nnot ok 1 s\n";
        assert_eq!(kunit(text), [("s".into(), Outcome::Fail)]);
        let text = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..1\n    ok 1 a\nnot ok 1 s\n";
        let mut reader = OutputReader::new(OutputFormat::Kunit);
        reader.push(text.as_bytes());
        let document = reader.finish();
        assert_eq!(document.results[0].name, "s");
        assert_eq!(document.results[0].outcome, Outcome::Fail);
    }
}
