//! Where suites are on the host, and what they are found for.

use std::path::{Path, PathBuf};

/// Where the user says that suites are, and what the machine will be.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The directory that paths are seen from.
    pub cwd: &'a Path,
    /// `--ltp`: LTP as `make install` leaves it.
    pub ltp: Option<&'a Path>,
    /// `--xfstests`: xfstests as it is built.
    pub xfstests: Option<&'a Path>,
    /// `--blktests`: blktests as it is built.
    pub blktests: Option<&'a Path>,
    /// `--cargo-dir`: a directory in the Rust workspace whose tests are wanted.
    pub cargo: Option<&'a Path>,
    /// Factor on time limits, for suites that have limits of their own inside.
    pub time_factor: f64,
    /// A file with the kernel's configuration that the guest sees at the same path, for suites that look into it themselves.
    pub kconfig: Option<&'a Path>,
    /// What is known of the kernel's unit tests.
    pub kunit: Kunit<'a>,
}

/// What is known of a kernel's unit tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kunit<'a> {
    /// The names of its suites in the order they run; `None` where they cannot be read out of the image.
    pub suites: Option<&'a [String]>,
    /// The modules that have suites.
    pub modules: &'a [KunitModule],
    /// Why it cannot run any, such as an option that is not set.
    pub lacks: Option<&'a str>,
}

/// A module with suites of KUnit's, which run when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KunitModule {
    /// Its name, as `/proc/modules` shows it.
    pub name: String,
    /// The names of its suites.
    pub suites: Vec<String>,
    /// The files to load, those that it depends on first; why it cannot be loaded.
    pub files: Result<Vec<PathBuf>, String>,
}

impl Default for Places<'_> {
    fn default() -> Self {
        Self {
            cwd: Path::new("/"),
            ltp: None,
            xfstests: None,
            blktests: None,
            cargo: None,
            time_factor: 1.0,
            kconfig: None,
            kunit: Kunit::default(),
        }
    }
}
