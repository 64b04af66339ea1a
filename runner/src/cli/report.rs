//! `runner report`.

use super::Failure;
use crate::{error_chain, exit::Exit};
use std::path::PathBuf;

/// Arguments of `runner report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Output directory of a run
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs `runner report`: the journal is what a killed run leaves whole, the other reports are drawn from it.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let summary = reports::render(&args.dir).map_err(|e| Failure::host(error_chain(&e)))?;
    match &summary.finished {
        Some(finished) => println!("{}", finished.reason),
        None => println!("the run was killed: tests without a result are listed as not run"),
    }
    Ok(Exit::Good)
}
