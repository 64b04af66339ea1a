//! One event stream in; JUnit, JSON and terminal reports out.
//!
//! A run says what happens as [`Event`]s, to [`Reports`]. The [`Journal`] writes them to `events.jsonl` first; every
//! other report is drawn from the [`Summary`], a fold over them.
#![forbid(unsafe_code)]

mod atomic;
mod baseline;
mod counts;
mod error;
mod event;
mod excerpt;
pub mod journal;
pub mod json;
pub mod junit;
pub mod merge;
mod sink;
mod splats;
mod summary;
mod terminal;
#[cfg(test)]
mod testing;
mod text;

pub use baseline::{Baseline, BaselineError, Change, Changes, Known};
pub use counts::Counts;
pub use error::ReportError;
pub use event::{Event, OutputRef, Record, RunInfo, Shard, SubtestResult, TestResult, TestSplat};
pub use journal::Journal;
pub use sink::{Reports, render, retell};
pub use summary::{Finished, Machine, OutsideSplat, Running, Summary};
pub use terminal::{Show, Stream, Terminal, TerminalOptions};
