//! What a test suite is: how its tests are named, selected, found and run, and how their output is read.
//!
//! Nothing here starts a machine or judges a kernel: this crate says what to run and what a test's output
//! claims; the verdict is made by the command from that and from everything else it knows.
#![forbid(unsafe_code)]

pub mod exec;
mod filter;
mod id;
pub mod kselftest;
pub mod ktap;
mod outcome;
mod select;
mod smoke;
mod spec;
mod splats;
mod test;

pub use filter::Pattern;
pub use id::TestId;
pub use outcome::Outcome;
pub use select::{Kselftest, SelectError, Selected, Selection, Sources};
pub use smoke::{SMOKE_CHECKS, SmokeCheck};
pub use spec::{Skip, Spec, SpecError};
pub use splats::SplatPolicy;
pub use test::{OutputFormat, Program, Test};
