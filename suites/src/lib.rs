//! What a test suite is: how its tests are named, selected, found and run, and how their output is read.
//!
//! Nothing here starts a machine or judges a kernel: this crate says what to run and what a test's output
//! claims; the verdict is made by the command from that and from everything else it knows.
#![forbid(unsafe_code)]

pub mod blktests;
pub mod exec;
mod filter;
mod hint;
mod id;
mod kconfig;
pub mod kselftest;
pub mod ktap;
mod lists;
pub mod ltp;
mod need;
mod outcome;
pub mod output;
pub mod recorded;
mod release;
mod select;
mod smoke;
mod spec;
mod splats;
mod suite;
mod test;
mod toml_file;
mod wishes;
pub mod xfstests;

pub use filter::Pattern;
pub use id::TestId;
pub use kconfig::Fragment;
pub use lists::{List, ListKind, RunFacts, lines};
pub use need::{Need, NeedError, package_of};
pub use outcome::Outcome;
pub use release::{KernelRange, RangeError};
pub use select::{Kselftest, SelectError, Selected, Selection, Sources};
pub use smoke::{SMOKE_CHECKS, SmokeCheck};
pub use spec::{Skip, Spec, SpecError};
pub use splats::{SplatPolicy, matches_any};
pub use suite::{Kunit, KunitModule, Places, SuiteError};
pub use test::{Intended, KnownFailure, OutputFormat, Program, Test};
pub use toml_file::FileError;
