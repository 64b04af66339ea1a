//! What can go wrong with a report.

use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Why a report could not be written or read. Never a reason to stop a run.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A report is not on disk as it should be; an earlier version of it, if there was one, still is.
    #[error("{} cannot be written", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// A journal could not be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// A line of a journal, other than a torn last one, is not an event.
    #[error("line {line} of {} is not an event of this version", file.display())]
    NotAnEvent {
        /// Which journal.
        file: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl ReportError {
    /// For `map_err` of what writes `file`.
    pub(crate) fn writing(file: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Write {
            file: file.into(),
            source,
        }
    }

    /// For `map_err` of what reads `file`.
    pub(crate) fn reading(file: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Read {
            file: file.into(),
            source,
        }
    }
}
