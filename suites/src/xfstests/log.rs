//! Reading a log of xfstests' `check`.

use super::check::Check;
use crate::recorded::{Line, LogFormat, Recorded, Shelf, Trouble, numbered, trouble};

/// Reads such a log line by line.
#[derive(Default)]
pub(crate) struct Log {
    check: Check,
}

impl Log {
    pub fn line(&mut self, line: Line<'_>) {
        match trouble(line.text) {
            Some(Trouble::Panic) => self.check.crash(line.text.trim_start()),
            Some(Trouble::Boot) => self.check.crash("the machine restarted"),
            Some(Trouble::Oops) => {}
            // The kernel's own lines stand between a name and its verdict.
            None if line.kernel => {}
            None => self.check.line(line.text),
        }
    }

    pub fn finish(self) -> Recorded {
        let mut shelf = Shelf::default();
        numbered("xfstests", self.check.finish(), &mut shelf);
        shelf.finish(LogFormat::Xfstests)
    }
}
