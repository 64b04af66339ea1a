//! `runner bench`: measurements of our own machinery.

mod args;
mod bench;
mod boot;
mod files;
mod patterns;
mod table;
mod tree;

pub use args::{BenchArgs, run};
