//! Who is told what happens on a machine, and who says what it is to do.

use reports::{Event, ReportError, Reports, Stream};
use std::{collections::VecDeque, time::Duration};
use suites::TestId;

/// Who is told what happens on a machine.
pub trait Listener {
    /// Says what happened.
    ///
    /// # Errors
    /// When it cannot be written down: the session ends.
    fn emit(&mut self, event: Event) -> Result<(), ReportError>;
    /// Shows the next bytes of a test's output.
    fn output(&mut self, id: &TestId, stream: Stream, bytes: &[u8]);
    /// Lets the progress show the time.
    fn tick(&self);
    /// How often [`Listener::tick`] is to be called, if at all.
    fn tick_every(&self) -> Option<Duration>;
    /// What became of a run that is given up, as it fits behind "the run was".
    fn given_up(&self) -> &'static str;
}

impl Listener for Reports {
    fn emit(&mut self, event: Event) -> Result<(), ReportError> {
        Reports::emit(self, event)
    }

    fn output(&mut self, id: &TestId, stream: Stream, bytes: &[u8]) {
        Reports::output(self, id, stream, bytes);
    }

    fn tick(&self) {
        Reports::tick(self);
    }

    fn tick_every(&self) -> Option<Duration> {
        Reports::tick_every(self)
    }

    fn given_up(&self) -> &'static str {
        "interrupted"
    }
}

/// Who says what a machine is to run.
pub trait Source {
    /// The number of the next test for this machine; `None` when there is none.
    fn next(&mut self) -> Option<usize>;
}

impl Source for VecDeque<usize> {
    fn next(&mut self) -> Option<usize> {
        self.pop_front()
    }
}
