//! The way into a test's output.

use super::{json_lines::JsonLines, last_words::LastWords, perf::Perf, stress_ng::StressNg};
use crate::{
    OutputFormat, blktests,
    ktap::{Document, MAX_RESULTS, Parser, Point},
    ltp,
    recorded::{CheckOutput, Line, Lines, pieces},
    xfstests,
};

/// Bytes of a JSON line that are read.
const MAX_ROW: usize = 256 << 10;

/// Reads a test's output as it comes, in pieces of any size.
pub struct OutputReader(Inner);

enum Inner {
    Ktap(Parser),
    ByLine(Lines, ByLine),
}

enum ByLine {
    /// KUnit's results may have the prefixes of the kernel log.
    Kunit(Parser),
    Ltp(ltp::Output),
    Xfstests(xfstests::Check, LastWords),
    Blktests(blktests::Check, LastWords),
    JsonLines(JsonLines),
    Perf(Perf, LastWords),
    StressNg(StressNg),
}

impl OutputReader {
    /// A reader for the output of a test that prints `format`.
    #[must_use]
    pub fn new(format: OutputFormat) -> Self {
        let by_line = match format {
            OutputFormat::Auto | OutputFormat::Kselftest | OutputFormat::ExitStatus => {
                return Self(Inner::Ktap(Parser::new(format)));
            }
            OutputFormat::Kunit => ByLine::Kunit(Parser::of_log(format, MAX_RESULTS)),
            OutputFormat::Ltp => ByLine::Ltp(ltp::Output::default()),
            OutputFormat::Xfstests => {
                ByLine::Xfstests(xfstests::Check::default(), LastWords::default())
            }
            OutputFormat::Blktests => {
                ByLine::Blktests(blktests::Check::default(), LastWords::default())
            }
            OutputFormat::JsonLines => ByLine::JsonLines(JsonLines::default()),
            OutputFormat::Perf => ByLine::Perf(Perf::default(), LastWords::default()),
            OutputFormat::StressNg => ByLine::StressNg(StressNg::default()),
        };
        let lines = match format {
            OutputFormat::JsonLines => Lines::long(MAX_ROW),
            _ => Lines::default(),
        };
        Self(Inner::ByLine(lines, by_line))
    }

    /// Takes the next piece of output.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Ktap(parser) => parser.push(bytes),
            Inner::ByLine(lines, reader) => lines.push(bytes, |line| reader.line(line)),
        }
    }

    /// Ends the output. A last line without newline counts.
    #[must_use]
    pub fn finish(self) -> Document {
        match self.0 {
            Inner::Ktap(parser) => parser.finish(),
            Inner::ByLine(lines, mut reader) => {
                lines.finish(|line| reader.line(line));
                reader.finish()
            }
        }
    }
}

impl ByLine {
    fn line(&mut self, line: &str) {
        match self {
            Self::Kunit(parser) => pieces(line, |line: Line<'_>| {
                parser.push(line.text.as_bytes());
                parser.push(b"\n");
            }),
            Self::Ltp(output) => {
                output.line(line);
            }
            Self::Xfstests(check, last) => {
                check.line(line);
                last.line(line);
            }
            Self::Blktests(check, last) => {
                check.line(line);
                last.line(line);
            }
            Self::JsonLines(lines) => lines.line(line),
            Self::Perf(perf, last) => {
                perf.line(line);
                last.line(line);
            }
            Self::StressNg(reader) => reader.line(line),
        }
    }

    fn finish(self) -> Document {
        match self {
            Self::Kunit(parser) => cases(parser.finish()),
            Self::Ltp(output) => output.finish(),
            Self::Xfstests(check, last) => last.explain(check.finish()),
            Self::Blktests(check, last) => last.explain(check.finish()),
            Self::JsonLines(lines) => lines.finish(),
            Self::Perf(perf, last) => last.explain(perf.finish()),
            Self::StressNg(reader) => reader.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_any_verdict_has_a_problem_and_its_last_words() {
        for format in [
            OutputFormat::Xfstests,
            OutputFormat::Blktests,
            OutputFormat::Perf,
        ] {
            let read = |text: &str| {
                let mut reader = OutputReader::new(format);
                reader.push(text.as_bytes());
                reader.finish()
            };
            for (text, problem) in [
                ("", "it printed nothing"),
                (
                    "one\n  no such device \n\n",
                    "its last words: no such device",
                ),
            ] {
                let document = read(text);
                assert!(document.is_ktap && document.results.is_empty());
                assert_eq!(document.problems, [problem]);
            }
            let document = read(
                "loop/001 (x) 1s ... [not run] y\nloop/001 (x)  [not run]\n 1: x : Ok\nlast\n",
            );
            assert!(!document.results.is_empty() && document.problems.is_empty());
        }
    }
}

/// The results of one suite as those of its cases: the test itself has the suite's name. A suite that says more than its cases do,
/// because it failed and they did not, or because it has none, stays a result of its own.
fn cases(mut document: Document) -> Document {
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
    use crate::Outcome;

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
