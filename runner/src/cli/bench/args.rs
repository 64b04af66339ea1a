//! The arguments of `runner bench`.

use super::{boot, files};
use crate::{
    cli::{Failure, machine::MachineArgs},
    exit::Exit,
};
use clap::Subcommand;
use std::path::PathBuf;

/// Arguments of `runner bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Boot, run `true`, and end, as `runner test --suite exec:true` does: a timeline, exits, memory
    Boot(BootArgs),
    /// Read files of the host, each pattern cold in a machine of its own
    Files(FilesArgs),
}

/// Arguments of `runner bench boot`.
#[derive(Debug, clap::Args)]
pub struct BootArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Machines, one after the other
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: u32,
}

/// Arguments of `runner bench files`.
#[derive(Debug, clap::Args)]
pub struct FilesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Machines for each pattern, one after the other
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: u32,
    /// Fewer and smaller files
    #[arg(long)]
    pub quick: bool,
}

/// What both take.
#[derive(Debug, clap::Args)]
pub struct CommonArgs {
    /// Kernel image, bzImage or vmlinux [default: arch/x86/boot/bzImage of the kernel tree we stand in, else the running host's in /boot]
    #[arg(long, value_name = "PATH")]
    pub kernel: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables.
    Text,
    /// One JSON document with every run's figures.
    Json,
}

/// Runs `runner bench`.
pub fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    match &args.what {
        What::Boot(args) => boot::run(args),
        What::Files(args) => files::run(args),
    }
}
