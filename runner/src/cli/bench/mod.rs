//! `runner bench`: measurements of our own machinery.

mod args;
mod boot;
mod files;
mod measure;
mod patterns;
mod table;
mod tree;

pub use args::{BenchArgs, run};
