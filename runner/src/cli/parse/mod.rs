//! `runner parse`: judging a log that was recorded elsewhere.

mod args;
mod judge;
mod reports;
mod show;

pub use args::{ParseArgs, run};
