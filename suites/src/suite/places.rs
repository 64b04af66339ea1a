//! Where suites are on the host.

use std::path::Path;

/// Directories, as far as the user names them.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The directory that paths are seen from.
    pub cwd: &'a Path,
}

impl Default for Places<'_> {
    fn default() -> Self {
        Self {
            cwd: Path::new("/"),
        }
    }
}
