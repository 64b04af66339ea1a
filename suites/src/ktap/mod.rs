//! KTAP and TAP: what a test program says about its own tests.
//!
//! The grammar is that of the kernel's `Documentation/dev-tools/ktap.rst`, and of TAP 13 and 14. Real programs keep to
//! it loosely, so the parser is lenient about form and strict about sums: whatever it cannot place is ordinary output,
//! and whatever does not add up (a plan that was not met, a parent that passes over a failed child) is told in
//! [`Document::problems`].
//!
//! [`Parser`] takes the output as it comes, in bounded memory: every line, text and list has its limit.

mod document;
mod keep;
mod level;
mod line;
mod parser;
mod points;
mod problem;

pub use document::{Document, Point};
pub(crate) use keep::head;
pub use keep::{MAX_DIAGNOSTICS, MAX_NAME, MAX_PROBLEMS, MAX_RESULTS};
pub(crate) use line::clean;
pub use parser::{MAX_DEPTH, MAX_LINE, Parser};
pub(crate) use points::Points;
