//! Reading files in TOML that people write: bounded, and with the line in every complaint.

use crate::Pattern;
use serde::de::DeserializeOwned;
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use toml::Spanned;

/// Longest file that is read, in bytes.
const MAX: u64 = 4 << 20;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of it is wrong.
    #[error("{}:{line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong and what is allowed.
        why: String,
    },
}

/// The file's text.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    let bounded = || {
        let mut text = String::new();
        File::open(path)?.take(MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is longer than {MAX} bytes"),
            ));
        }
        Ok(text)
    };
    bounded().map_err(|source| FileError::Unreadable {
        path: path.into(),
        source,
    })
}

/// What the text of a file in TOML says.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        at(path, text, offset, error.message())
    })
}

/// A complaint about what begins at this byte of the text.
pub(crate) fn at(path: &Path, text: &str, offset: usize, why: impl Into<String>) -> FileError {
    FileError::Line {
        path: path.into(),
        line: line_of(text, offset),
        why: why.into(),
    }
}

/// Globs in the text of a file.
pub(crate) fn patterns(
    path: &Path,
    text: &str,
    globs: &[Spanned<String>],
) -> Result<Vec<Pattern>, FileError> {
    let pattern = |glob: &Spanned<String>| {
        Pattern::new(glob.get_ref())
            .map_err(|error| at(path, text, glob.span().start, error.to_string()))
    };
    globs.iter().map(pattern).collect()
}

/// The line, from 1, that a byte is on.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|&&byte| byte == b'\n').count()
}
