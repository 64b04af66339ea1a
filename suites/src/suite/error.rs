//! What can be wrong with a suite's tests before any of them runs.

use crate::toml_file::FileError;
use std::path::PathBuf;

/// Why a suite has no tests to choose from.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file that the user wrote is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two manifests have one name, and so would their tests.
    #[error(
        "{} and {} are both called {name}: give one of them another name = \"...\"",
        first.display(),
        second.display()
    )]
    SameName {
        /// The name.
        name: String,
        /// The one read first.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

impl SuiteError {
    /// Whether the command line or the host is at fault, and not this kernel.
    #[must_use]
    pub fn blames_host(&self) -> bool {
        match self {
            Self::File(_) | Self::SameName { .. } => true,
        }
    }
}
