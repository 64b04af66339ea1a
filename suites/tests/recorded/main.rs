//! What is made of logs that were recorded elsewhere.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bounds;
mod kernel_source;
mod kselftest;
mod kunit;
mod ltp;
mod others;
mod properties;
mod recorded_logs;
mod support;
