//! Reading one test's output as it comes, in whichever format it prints.

mod json_lines;
mod reader;

pub use reader::OutputReader;
