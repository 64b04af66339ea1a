//! Logs of the two suites whose runner is a program `check`: blktests and xfstests.

use super::{Line, LogFormat, Recorded, Shelf, Trouble, numbered, trouble};
use crate::ktap::Document;

/// What such a program prints.
pub(crate) trait CheckOutput: Default {
    /// The suite.
    const SUITE: &str;
    /// The format.
    const FORMAT: LogFormat;

    /// Takes the next line.
    fn line(&mut self, line: &str);

    /// Says that the machine stopped here.
    fn crash(&mut self, words: &str);

    /// What was printed, as results.
    fn finish(self) -> Document;
}

/// Reads such a log line by line.
#[derive(Default)]
pub(crate) struct CheckLog<C>(C);

impl<C: CheckOutput> CheckLog<C> {
    pub fn line(&mut self, line: Line<'_>) {
        match trouble(line.text) {
            Some(Trouble::Panic) => self.0.crash(line.text.trim_start()),
            Some(Trouble::Boot) => self.0.crash("the machine restarted"),
            Some(Trouble::Oops) => {}
            // The kernel's own lines stand between its lines, and between a name and its verdict.
            None if line.kernel => {}
            None => self.0.line(line.text),
        }
    }

    pub fn finish(self) -> Recorded {
        let mut shelf = Shelf::default();
        numbered(C::SUITE, self.0.finish(), &mut shelf);
        shelf.finish(C::FORMAT)
    }
}
