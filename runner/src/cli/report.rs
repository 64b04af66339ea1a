//! `runner report`.

use super::{Failure, merge};
use crate::{error_chain, exit::Exit};
use std::path::{Path, PathBuf};

/// Arguments of `runner report`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ReportArgs {
    /// Output directory of a run
    #[arg(value_name = "DIR", required = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<ReportCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum ReportCommand {
    /// Join the results of several runs, such as the shards of one, into one set of reports
    Merge(merge::MergeArgs),
}

/// Runs `runner report`.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    match (&args.command, &args.dir) {
        (Some(ReportCommand::Merge(args)), _) => merge::run(args),
        (None, Some(dir)) => draw(dir),
        (None, None) => unreachable!("clap requires one of the two"),
    }
}

/// The journal is what a killed run leaves whole, the other reports are drawn from it.
fn draw(dir: &Path) -> Result<Exit, Failure> {
    let summary = reports::render(dir).map_err(|e| Failure::host(error_chain(&e)))?;
    match &summary.finished {
        Some(finished) => println!("{}", finished.reason),
        None => println!("the run was killed: tests without a result are listed as not run"),
    }
    Ok(Exit::Good)
}
