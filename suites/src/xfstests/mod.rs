//! xfstests: reading what its `check` prints.

mod check;

pub use check::Check;
pub(crate) use check::is_mark;
