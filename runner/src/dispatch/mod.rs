//! Runs a plan: machines, one after the other or side by side, until every test has its outcome.

mod attempts;
mod budget;
mod command;
mod pool;
mod run;
mod schedule;
mod signals;

pub use budget::{Budget, MOST as MOST_MACHINES};
pub use command::{CommandEnd, measure_command, run_command};
pub use run::{Orders, host_words, run};
pub use schedule::{Isolate, Repetition, Rules};
pub use signals::{Cancel, Interrupt};
