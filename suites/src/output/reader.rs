//! The way into a test's output.

use super::json_lines::JsonLines;
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
    Xfstests(xfstests::Check),
    Blktests(blktests::Check),
    JsonLines(JsonLines),
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
            OutputFormat::Xfstests => ByLine::Xfstests(xfstests::Check::default()),
            OutputFormat::Blktests => ByLine::Blktests(blktests::Check::default()),
            OutputFormat::JsonLines => ByLine::JsonLines(JsonLines::default()),
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
            Self::Xfstests(check) => check.line(line),
            Self::Blktests(check) => check.line(line),
            Self::JsonLines(lines) => lines.line(line),
        }
    }

    fn finish(self) -> Document {
        match self {
            Self::Kunit(parser) => parser.finish(),
            Self::Ltp(output) => output.finish(),
            Self::Xfstests(check) => check.finish(),
            Self::Blktests(check) => check.finish(),
            Self::JsonLines(lines) => lines.finish(),
        }
    }
}
