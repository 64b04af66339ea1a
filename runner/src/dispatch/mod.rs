//! Runs a plan: machine after machine until every test has its outcome.

mod run;
mod signals;

pub use run::{host_words, run};
pub use signals::{Cancel, Interrupt};
