//! Runs a plan: machine after machine until every test has its outcome.

mod run;
mod signals;

pub use run::run;
pub use signals::{Cancel, Interrupt};
