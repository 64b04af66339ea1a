//! One event stream in; JUnit, JSON and terminal reports out.
//!
//! A run says what happens as [`Event`]s. The journal writes them to `events.jsonl` first; every other
//! report is a fold over them.
#![forbid(unsafe_code)]

mod event;

pub use event::{Event, OutputRef, Record, RunInfo, SubtestResult, TestResult};
