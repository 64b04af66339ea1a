//! Reading one test's output as it comes, in whichever format it prints.

mod json_lines;
mod last_words;
mod reader;

pub use reader::OutputReader;
