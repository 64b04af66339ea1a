//! xfstests: reading what its `check` prints.

mod check;
mod log;

pub use check::Check;
pub(crate) use check::is_mark;
pub(crate) use log::Log;
