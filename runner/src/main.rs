//! `runner`: runs Linux kernel test suites in a throwaway virtual machine and leaves a verdict that can be trusted.
#![forbid(unsafe_code)]

mod artifact;
mod cli;
mod dispatch;
mod exit;
mod kernel;
mod machine;
mod packed;
mod plan;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}

/// An error and everything that caused it, on one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
