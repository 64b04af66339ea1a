//! The last words of a program that should have printed results and printed none.

use crate::ktap::{Document, head};

/// Bytes of a line that are kept.
const MAX_LINE: usize = 500;

/// Remembers the last line that says anything.
#[derive(Debug, Default)]
pub(super) struct LastWords(String);

impl LastWords {
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if !line.is_empty() {
            self.0 = head(line, MAX_LINE).into();
        }
    }

    /// Makes them the problem of a document without any result. That there is none is a problem for a program that
    /// runs only to print a verdict.
    pub fn explain(self, mut document: Document) -> Document {
        if document.results.is_empty() && document.overflow.is_empty() {
            document.is_ktap = true;
            document.problems.push(match self.0.as_str() {
                "" => "it printed nothing".into(),
                words => format!("its last words: {words}"),
            });
        }
        document
    }
}
