//! Reading one test's output as it comes, in whichever format it prints.

mod json_lines;
mod kunit;
mod last_words;
mod perf;
mod reader;
mod stress_ng;

pub use reader::OutputReader;
