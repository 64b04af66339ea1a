//! Logs that are KTAP or TAP as a whole: a program's output, a boot with KUnit.

use super::{
    Line, LogFormat, Recorded, RecordedEnd, Shelf, Trouble,
    result::{explain, message, subtests},
    trouble,
};
use crate::{
    Outcome, OutputFormat, TestId,
    kselftest::title,
    ktap::{Document, MAX_RESULTS, Parser, Point},
};

/// Whose results these are, as far as names go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Anybody's: `ktap:NAME`.
    Ktap,
    /// KUnit's: `kunit:SUITE:CASE`.
    Kunit,
}

impl Family {
    fn parser(self, missing: usize) -> Parser {
        let format = match self {
            Self::Ktap => OutputFormat::Kselftest,
            Self::Kunit => OutputFormat::Kunit,
        };
        Parser::of_log(format, missing)
    }
}

/// Reads such a log line by line.
pub(crate) struct KtapLog {
    family: Family,
    parser: Parser,
    shelf: Shelf,
    /// What an unknown logger puts before each line.
    prefix: String,
}

impl KtapLog {
    pub fn new(family: Family) -> Self {
        Self {
            family,
            parser: family.parser(MAX_RESULTS),
            shelf: Shelf::default(),
            prefix: String::new(),
        }
    }

    pub fn line(&mut self, line: Line<'_>) {
        let text = self.without_prefix(line.text);
        match trouble(text) {
            Some(Trouble::Panic) => {
                self.parser.crash(text.trim_start());
                return self.end_document();
            }
            Some(Trouble::Boot) if self.parser.has_begun() => {
                self.parser.crash("the machine restarted");
                return self.end_document();
            }
            Some(Trouble::Oops) => self.parser.crash(text.trim_start()),
            Some(Trouble::Boot) | None => {}
        }
        if self.family == Family::Kunit {
            if let Some(error) = text.trim_start().strip_prefix("kunit executor: ") {
                // lib/kunit/executor.c: a filter or an action that it does not know.
                let id = TestId::new("kunit", "executor");
                return self.shelf.said(id, Outcome::HarnessError, error);
            }
            if text.trim_start() == "kunit: disabled" {
                return self
                    .shelf
                    .problem("KUnit was switched off in this kernel (kunit.enable=0)");
            }
            if is_sum(text) {
                return;
            }
        }
        if !self.parser.has_begun() && is_version(text) {
            // What came before has nothing to do with the tests.
            self.parser = self.family.parser(self.shelf.room());
        }
        self.parser.push(text.as_bytes());
        self.parser.push(b"\n");
    }

    /// Learns what stands before a version line and takes it off the lines that have the like.
    fn without_prefix<'a>(&mut self, text: &'a str) -> &'a str {
        if !self.prefix.is_empty() && is_alike(&self.prefix, text) {
            return &text[self.prefix.len()..];
        }
        let Some(at) = version_inside(text) else {
            return text;
        };
        text[..at].clone_into(&mut self.prefix);
        &text[at..]
    }

    fn end_document(&mut self) {
        let next = self.family.parser(0);
        let document = std::mem::replace(&mut self.parser, next).finish();
        self.shelve(document);
        // A log of nothing but plans must not take more than its share.
        self.parser = self.family.parser(self.shelf.room());
    }

    fn shelve(&mut self, document: Document) {
        for problem in document.problems {
            self.shelf.problem(problem);
        }
        for (outcome, count) in document.overflow {
            self.shelf.uncounted(outcome, count);
        }
        for point in document.results {
            match (title(&point.name), self.family) {
                (Some((collection, test)), _) => {
                    let id = TestId::grouped("kselftest", collection, test);
                    self.add(id, point);
                }
                (None, Family::Ktap) => self.add(TestId::new("ktap", &point.name), point),
                (None, Family::Kunit) => self.suite(point),
            }
        }
        if let Some(reason) = document.bail_out {
            let id = TestId::new(self.name(), "Bail out!");
            self.shelf.said(id, Outcome::Fail, reason);
        }
        if let Some(reason) = document.skip_all {
            let id = TestId::new(self.name(), "all of it");
            self.shelf.said(id, Outcome::Skip, reason);
        }
    }

    fn name(&self) -> &'static str {
        match self.family {
            Family::Ktap => "ktap",
            Family::Kunit => "kunit",
        }
    }

    /// A KUnit suite: its cases are the tests.
    fn suite(&mut self, mut suite: Point) {
        let cases = std::mem::take(&mut suite.children);
        let document = Document {
            results: cases,
            ..Document::default()
        };
        let inside = subtests(&document);
        let alone = inside.is_empty() || !explain(inside.iter().map(|s| s.outcome), suite.outcome);
        for case in document.results {
            self.add(TestId::grouped("kunit", &suite.name, &case.name), case);
        }
        if alone {
            self.add(TestId::new("kunit", &suite.name), suite);
        }
    }

    fn add(&mut self, id: TestId, mut point: Point) {
        let document = Document {
            is_ktap: true,
            results: std::mem::take(&mut point.children),
            ..Document::default()
        };
        let end = RecordedEnd::Said {
            outcome: point.outcome,
            message: message(&point),
        };
        self.shelf.add(id, end, document);
    }

    pub fn finish(mut self) -> Recorded {
        self.end_document();
        self.shelf.finish(match self.family {
            Family::Ktap => LogFormat::Ktap,
            Family::Kunit => LogFormat::Kunit,
        })
    }
}

fn is_version(text: &str) -> bool {
    let text = text.trim_start();
    let text = text.strip_prefix('K').unwrap_or(text);
    text.starts_with("TAP version ")
}

/// Where a version stands at the end of a line behind something else.
fn version_inside(text: &str) -> Option<usize> {
    let at = text.find("TAP version ")?;
    let number = &text[at + "TAP version ".len()..];
    let at = text[..at].strip_suffix('K').map_or(at, str::len);
    let is_end = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    // Indentation is nesting, and `# ` too.
    let before = text[..at].trim_matches([' ', '\t', '#']);
    (is_end && !before.is_empty()).then_some(at)
}

/// Whether `text` begins like `prefix`, but for letters and digits: a time stamp of the same shape.
fn is_alike(prefix: &str, text: &str) -> bool {
    let Some(start) = text.get(..prefix.len()) else {
        return false;
    };
    let same = |(a, b): (u8, u8)| a == b || (a.is_ascii_digit() && b.is_ascii_digit());
    prefix.bytes().zip(start.bytes()).all(same)
}

/// `# Totals: pass:8 fail:0 skip:4 total:12` and `# SUITE: pass:7 ...`, which lib/kunit/test.c prints beside the nesting.
fn is_sum(text: &str) -> bool {
    text.trim_start()
        .strip_prefix("# ")
        .and_then(|text| text.split_once(": pass:"))
        .is_some_and(|(_, rest)| rest.contains(" fail:") && rest.contains(" total:"))
}
