//! `events.jsonl`: what happened, one JSON object a line, on disk before any other report knows of it.

use crate::{Record, ReportError};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The journal's name in the output directory.
pub const JOURNAL: &str = "events.jsonl";

/// A journal being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Length of the whole lines in the file, in bytes.
    len: u64,
    /// Whether a part of a line may follow them.
    torn: bool,
}

impl Journal {
    /// Starts a journal in the output directory `dir`.
    ///
    /// # Errors
    ///
    /// When the host cannot, or `dir` already has a journal: two runs in one file could not be told apart.
    pub fn create(dir: &Path) -> Result<Self, ReportError> {
        let path = dir.join(JOURNAL);
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(ReportError::writing(&path))?;
        Ok(Self {
            path,
            file,
            len: 0,
            torn: false,
        })
    }

    /// A journal that every write fails for.
    #[cfg(test)]
    pub(crate) fn on_full_disk() -> Self {
        let path = PathBuf::from("/dev/full");
        let file = File::options()
            .write(true)
            .open(&path)
            .expect("every Linux has it");
        Self {
            path,
            file,
            len: 0,
            torn: false,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line, with one write(2), so that a kill between two events tears nothing.
    ///
    /// # Errors
    ///
    /// When the host cannot. Part of a line is taken back, at the latest by the next call, so that the lines
    /// before and after stay readable.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if self.torn {
            self.file.set_len(self.len)?;
            self.torn = false;
        }
        let written = self.file.write_all(&line);
        match &written {
            Ok(()) => self.len += line.len() as u64,
            Err(_) => self.torn = self.file.set_len(self.len).is_err(),
        }
        written
    }
}

/// Reads the journal at `path`, in order. A last line without its end is of a run that was killed and is left out.
///
/// # Errors
///
/// When the file cannot be read, or a line of it is not an event.
pub fn read(path: &Path) -> Result<Vec<Record>, ReportError> {
    let bytes = fs::read(path).map_err(ReportError::reading(path))?;
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| line.ends_with(b"\n"))
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| ReportError::NotAnEvent {
                file: path.into(),
                line: index + 1,
                source,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, testing};
    use proptest::prelude::*;

    fn written(dir: &Path, records: &[Record]) -> PathBuf {
        let mut journal = Journal::create(dir).expect("writable");
        for record in records {
            journal.record(record).expect("writable");
        }
        journal.path().into()
    }

    fn warning(text: &str) -> Record {
        Record {
            at_ms: 1,
            event: Event::Warning { text: text.into() },
        }
    }

    #[test]
    fn every_event_comes_back_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let records = testing::a_run();
        let path = written(dir.path(), &records);
        assert_eq!(read(&path).expect("readable"), records);
        let lines = fs::read_to_string(&path).expect("readable").lines().count();
        assert_eq!(lines, records.len());
    }

    #[test]
    fn a_torn_last_line_is_left_out_wherever_it_is_torn() {
        let dir = tempfile::tempdir().expect("a directory");
        let records = [warning("one"), warning("two")];
        let path = written(dir.path(), &records);
        let whole = fs::read(&path).expect("readable");
        let first = whole.iter().position(|b| *b == b'\n').expect("a line") + 1;
        for len in first..whole.len() {
            fs::write(&path, &whole[..len]).expect("writable");
            assert_eq!(read(&path).expect("readable"), records[..1], "{len} bytes");
        }
    }

    #[test]
    fn a_line_that_is_not_an_event_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = written(dir.path(), &[warning("one")]);
        let mut bytes = fs::read(&path).expect("readable");
        bytes.extend_from_slice(b"{\"at_ms\":2,\"event\":\"no-such\"}\n");
        fs::write(&path, bytes).expect("writable");
        let error = read(&path).expect_err("not an event");
        assert!(error.to_string().starts_with("line 2 of "), "{error}");
    }

    #[test]
    fn a_line_that_failed_is_taken_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut journal = Journal::create(dir.path()).expect("writable");
        journal.record(&warning("one")).expect("writable");
        let read_only = File::open(journal.path()).expect("readable");
        let file = std::mem::replace(&mut journal.file, read_only);
        journal
            .record(&warning("lost"))
            .expect_err("not open for writing");
        journal.file = file;
        // As if part of that line had reached the file.
        journal.file.write_all(b"{\"at_ms\"").expect("writable");
        assert!(journal.torn);
        journal.record(&warning("two")).expect("writable");
        assert_eq!(
            read(journal.path()).expect("readable"),
            [warning("one"), warning("two")]
        );
    }

    #[test]
    fn a_directory_with_a_journal_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        written(dir.path(), &[]);
        let error = Journal::create(dir.path()).expect_err("taken");
        assert!(matches!(error, ReportError::Write { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_result_comes_back_as_it_was(results in prop::collection::vec(testing::any_result(), 0..8)) {
            let dir = tempfile::tempdir().expect("a directory");
            let records: Vec<Record> = results.into_iter().enumerate().map(|(n, result)| Record {
                at_ms: n as u64,
                event: Event::TestFinished(Box::new(result)),
            }).collect();
            let path = written(dir.path(), &records);
            prop_assert_eq!(read(&path).expect("readable"), records);
        }
    }
}
