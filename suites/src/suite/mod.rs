//! The suites beside the built-in checks and the selftests: whose tests they are, and how each is run.

mod cargo;
mod check_suites;
mod error;
mod find;
mod host;
mod kunit;
mod ltp;
mod manifest;
mod packaged;
mod places;

pub use error::SuiteError;
pub(crate) use find::Suites;
use find::{Found, bounded_text, entries};
pub(crate) use kunit::boot_options;
pub use places::{Kunit, KunitModule, Places};

/// The kernel's unit tests.
pub(crate) const KUNIT: &str = "kunit";
/// The tests of a Rust workspace.
pub(crate) const CARGO: &str = "cargo";
/// The Linux Test Project.
pub(crate) const LTP: &str = "ltp";
/// Tests of file systems.
pub(crate) const XFSTESTS: &str = "xfstests";
/// Tests of the block layer.
pub(crate) const BLKTESTS: &str = "blktests";
/// Stressors.
pub(crate) const STRESS_NG: &str = "stress-ng";
/// Tests of perf.
pub(crate) const PERF: &str = "perf";
/// The user's own.
pub(crate) const MANIFEST: &str = "manifest";
