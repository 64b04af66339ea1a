//! The Linux Test Project: reading what its programs and their runners print.

mod log;
mod output;
mod runners;
mod status;

pub(crate) use log::Log;
pub use output::Output;
pub(crate) use output::is_mark;
pub use status::{Status, status};
