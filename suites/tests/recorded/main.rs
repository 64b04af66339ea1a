//! What is made of logs that were recorded elsewhere.

mod bounds;
mod kernel_source;
mod kselftest;
mod kunit;
mod ltp;
mod others;
mod properties;
mod recorded_logs;
mod support;
