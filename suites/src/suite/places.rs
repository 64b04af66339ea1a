//! Where suites are on the host, and what they are found for.

use std::path::Path;

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
    /// Why it cannot run them, such as an option that is not set.
    pub lacks: Option<&'a str>,
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
