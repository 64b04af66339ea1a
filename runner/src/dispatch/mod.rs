//! Runs a plan: machine after machine until every test has its outcome.

mod command;
mod run;
mod signals;

pub use command::{CommandEnd, measure_command, run_command};
pub use run::{host_words, run};
pub use signals::{Cancel, Interrupt};
