//! What the KTAP parser makes of the output of real programs, and of anything else.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bounds;
mod lines;
mod logs;
mod properties;
mod structure;
mod sums;
mod support;
