//! The way into a test's output.

use super::{json_lines::JsonLines, kunit, last_words::LastWords, perf::Perf, stress_ng::StressNg};
use crate::{
    OutputFormat, blktests,
    ktap::{Document, MAX_RESULTS, Parser},
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
            Self::Kunit(parser) => kunit::cases(parser.finish()),
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
