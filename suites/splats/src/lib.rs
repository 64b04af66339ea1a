//! The error reports ("splats") in a kernel's log: where each begins and ends, what it is, what to call it.
//!
//! Pure: text in, splats out. Everything read here was written by a machine under test, so it is bounded before it is kept:
//! time is linear in the input, memory does not grow with it beyond the splats that the caller has not taken.
#![forbid(unsafe_code)]

mod class;
mod frame;
mod headline;
mod intro;
mod kernel;
mod line;
mod normal;
mod oneline;
mod report;
mod scanner;
mod splat;
mod text;
mod title;

pub use class::{Class, Severity};
pub use line::{Caller, Line, Prefixed, Record};
pub use scanner::Scanner;
pub use splat::{Frame, Location, Splat};
pub use text::TextScanner;
