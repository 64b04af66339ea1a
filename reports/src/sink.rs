//! Where a run's events go.

use crate::{
    Event, Journal, Record, ReportError, Stream, Summary, Terminal, TerminalOptions, journal, json,
    junit,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use suites::TestId;

/// Rewriting the reports takes at most one part in this many of a run's time, until the end.
const REWRITE_SHARE: u32 = 10;

/// All reports of a run.
pub struct Reports {
    journal: Journal,
    summary: Summary,
    terminal: Terminal,
    run_dir: PathBuf,
    started: Instant,
    /// When the reports were last rewritten, and how long that took.
    rewritten: Option<(Instant, Duration)>,
}

impl Reports {
    /// Starts the reports of a run in its output directory, which exists. The run's clock starts here.
    ///
    /// # Errors
    ///
    /// When the journal cannot be started.
    pub fn create(run_dir: &Path, options: TerminalOptions) -> Result<Self, ReportError> {
        let journal = Journal::create(run_dir)?;
        Ok(Self::with(
            journal,
            Terminal::new(options, run_dir),
            run_dir,
        ))
    }

    fn with(journal: Journal, terminal: Terminal, run_dir: &Path) -> Self {
        Self {
            journal,
            summary: Summary::default(),
            terminal,
            run_dir: run_dir.into(),
            started: Instant::now(),
            rewritten: None,
        }
    }

    /// Says what happened: the journal first, then the reports drawn from it.
    ///
    /// # Errors
    ///
    /// The first report that could not be written. All others have the event, and this one gets what it missed with
    /// the next event that succeeds; only a journal stays without it.
    pub fn emit(&mut self, event: Event) -> Result<(), ReportError> {
        let record = Record {
            at_ms: self.now_ms(),
            event,
        };
        let path = self.journal.path().to_owned();
        let journaled = self
            .journal
            .record(&record)
            .map_err(ReportError::writing(&path));
        self.summary.apply(&record);
        let written = if self.is_rewrite_due(&record.event) {
            self.rewrite()
        } else {
            Ok(())
        };
        // Last, so that the files it names at the end are there.
        self.terminal.apply(&record, &self.summary);
        journaled.and(written)
    }

    /// Shows the next bytes of a test's output, if the options say so. They are kept elsewhere.
    pub fn output(&mut self, id: &TestId, stream: Stream, bytes: &[u8]) {
        self.terminal.output(id, stream, bytes);
    }

    /// How often [`Reports::tick`] is to be called while a run goes on, if at all.
    #[must_use]
    pub fn tick_every(&self) -> Option<Duration> {
        self.terminal.is_live().then_some(Duration::from_secs(1))
    }

    /// Lets the progress show the time.
    pub fn tick(&self) {
        self.terminal.tick(&self.summary);
    }

    /// Whether a test's output is shown as it comes.
    #[must_use]
    pub fn shows_output(&self) -> bool {
        self.terminal.shows_output()
    }

    /// What is known so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Milliseconds since the run started.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_rewrite_due(&self, event: &Event) -> bool {
        match event {
            Event::RunStarted(_) | Event::RunFinished { .. } => true,
            Event::TestFinished(_) => self
                .rewritten
                .is_none_or(|(at, took)| at.elapsed() >= took * REWRITE_SHARE),
            Event::Baseline(_)
            | Event::Warning { .. }
            | Event::MachineStarted { .. }
            | Event::MachineReady { .. }
            | Event::TestStarted { .. }
            | Event::SplatsOutside { .. }
            | Event::TestAttempted(_)
            | Event::MachineEnded { .. } => false,
        }
    }

    fn rewrite(&mut self) -> Result<(), ReportError> {
        let begin = Instant::now();
        let written = write(&self.summary, &self.run_dir);
        self.rewritten = Some((Instant::now(), begin.elapsed()));
        written
    }
}

/// Writes the reports of a run that was killed, or theirs anew, from the journal in its output directory.
///
/// # Errors
///
/// When the journal cannot be read or a report cannot be written.
pub fn render(run_dir: &Path) -> Result<Summary, ReportError> {
    let records = journal::read(&run_dir.join(journal::JOURNAL))?;
    let summary = Summary::of(&records);
    write(&summary, run_dir)?;
    Ok(summary)
}

/// Writes all reports of a run that is over, from its records, in the output directory `run_dir`, which has no journal.
///
/// # Errors
///
/// When a report cannot be written.
pub fn retell(
    records: &[Record],
    run_dir: &Path,
    options: TerminalOptions,
) -> Result<Summary, ReportError> {
    let mut journal = Journal::create(run_dir)?;
    let path = journal.path().to_owned();
    for record in records {
        let written = journal.record(record);
        written.map_err(ReportError::writing(&path))?;
    }
    let whole = Summary::of(records);
    write(&whole, run_dir)?;
    let mut terminal = Terminal::new(options, run_dir);
    for record in records {
        terminal.apply(record, &whole);
    }
    Ok(whole)
}

/// Writes both, whatever becomes of the first.
fn write(summary: &Summary, run_dir: &Path) -> Result<(), ReportError> {
    let junit = junit::write(summary, run_dir);
    let json = json::write(summary, run_dir);
    junit.and(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Captured};
    use std::{fs, io};

    fn reports(dir: &Path, journal: Journal) -> (Reports, Captured) {
        let out = Captured::default();
        let terminal = Terminal::on(Box::new(out.clone()), TerminalOptions::default(), dir);
        (Reports::with(journal, terminal, dir), out)
    }

    fn events() -> impl Iterator<Item = Event> {
        testing::a_run().into_iter().map(|record| record.event)
    }

    #[test]
    fn every_report_is_there_at_the_end_and_at_every_moment_after_the_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = Journal::create(dir.path()).expect("writable");
        let (mut reports, out) = reports(dir.path(), journal);
        for event in events() {
            reports.emit(event).expect("writable");
            for name in [junit::JUNIT, json::RESULTS] {
                assert!(dir.path().join(name).exists(), "{name}");
            }
        }
        let xml = fs::read_to_string(dir.path().join(junit::JUNIT)).expect("readable");
        assert!(!xml.contains("its turn had not come"));
        assert!(out.take().ends_with("events.jsonl\n"));
        let records = journal::read(&dir.path().join(journal::JOURNAL)).expect("readable");
        assert_eq!(&Summary::of(&records), reports.summary());
    }

    #[test]
    fn a_killed_run_is_rendered_from_its_journal() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut journal = Journal::create(dir.path()).expect("writable");
        for record in &testing::a_run()[..6] {
            journal.record(record).expect("writable");
        }
        let summary = render(dir.path()).expect("rendered");
        assert_eq!(
            (summary.results.len(), summary.not_finished().count()),
            (1, 10)
        );
        for name in [junit::JUNIT, json::RESULTS] {
            assert!(dir.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn a_full_disk_loses_nothing_but_the_journals_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut reports, out) = reports(dir.path(), Journal::on_full_disk());
        let mut events = events();
        let start = events.next().expect("an event");
        let error = reports.emit(start).expect_err("the disk is full");
        assert!(
            matches!(&error, ReportError::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull),
            "{error:?}"
        );
        for event in events {
            reports.emit(event).expect_err("the disk is still full");
        }
        assert_eq!(reports.summary().results.len(), 11);
        assert!(out.take().contains("Summary [  12.300s] 7 tests run"));
        let xml = fs::read_to_string(dir.path().join(junit::JUNIT)).expect("readable");
        assert!(!xml.contains("its turn had not come"));
    }

    #[test]
    fn one_report_that_fails_does_not_stop_the_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = Journal::create(dir.path()).expect("writable");
        let (mut reports, _) = reports(dir.path(), journal);
        fs::create_dir(dir.path().join(junit::JUNIT)).expect("writable");
        let start = events().next().expect("an event");
        let error = reports.emit(start).expect_err("a directory is in the way");
        assert!(error.to_string().contains("junit.xml"), "{error}");
        assert!(dir.path().join(json::RESULTS).exists());
    }

    #[test]
    fn a_costly_rewrite_waits_but_for_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = Journal::create(dir.path()).expect("writable");
        let (mut reports, _) = reports(dir.path(), journal);
        let events: Vec<_> = events().collect();
        let finished = events
            .iter()
            .find(|e| matches!(e, Event::TestFinished(_)))
            .expect("a result");
        let end = events.last().expect("an end");
        reports.rewritten = Some((Instant::now(), Duration::from_secs(60)));
        assert!(!reports.is_rewrite_due(finished));
        assert!(reports.is_rewrite_due(end));
        reports.rewritten = Some((Instant::now(), Duration::ZERO));
        assert!(reports.is_rewrite_due(finished));
    }
}
