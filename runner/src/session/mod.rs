//! One machine's life, from launch to its end: talking to it, watching it, collecting what it says, judging its tests.

mod console;
mod driver;
#[cfg(test)]
pub mod fake;
mod files;
mod findings;
mod intake;
mod klog;
mod link;
mod listen;
mod look;
mod measure;
mod outcome;
mod pass_on;
mod reported;
mod settings;
mod stall;
mod start;
mod state;
mod taint;
#[cfg(test)]
mod tests;
mod triage;
mod watchdog;

pub use listen::{Listener, Source};
pub use measure::{Measured, Memory};
pub use pass_on::PassOn;
pub use settings::{Lane, Settings};
pub use stall::Symbols;
pub use state::{Ended, Finished, Session, SessionError};
#[cfg(test)]
pub use triage::Verdict;
pub use triage::exited;
