//! The command line: one file per subcommand.

mod args;
mod bench;
mod cpus;
mod exec;
mod input;
mod kconfig;
mod list;
mod machine;
mod merge;
mod parse;
mod pool;
mod report;
mod splats;
mod test;

pub use args::SelectArgs;

use crate::exit::Exit;
use clap::{Parser, Subcommand, error::ErrorKind};
use std::process::ExitCode;

/// Runs Linux kernel test suites in a throwaway virtual machine and leaves a verdict that can be trusted.
#[derive(Debug, Parser)]
#[command(name = "runner", version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The end of `--help`: the statuses are an interface.
pub const EXIT_STATUS: &str = "\
Exit status:
    0  everything selected passed (with --retries also when run again) or was skipped, and at least
       one test passed; with --baseline, nothing is worse than then
    1  the kernel is at fault: a test failed or timed out, a crash, a hang, a boot failure
  125  this kernel cannot be judged: nothing selected, nothing but skips, an unreadable image,
       a kernel that lacks what the suites need, selftests that do not build
  128  the host or the command line is at fault
  130  interrupted by SIGINT;  143  by SIGTERM
`git bisect run` takes 1 as bad, skips at 125 and stops at 128 and above.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run test suites on a kernel
    Test(Box<test::TestArgs>),
    /// Run one command on a kernel, for its output and exit status
    Exec(Box<exec::ExecArgs>),
    /// Print what a selection means, without booting
    List(list::ListArgs),
    /// Print the kernel configuration that a selection wants, as a fragment
    Kconfig(kconfig::KconfigArgs),
    /// Write junit.xml and results.json anew from a run's events, or join those of several runs
    Report(report::ReportArgs),
    /// Judge a log that was recorded elsewhere: a serial console, run_kselftest.sh, KUnit, LTP
    Parse(parse::ParseArgs),
    /// List the error reports in a recorded kernel log
    Splats(splats::SplatsArgs),
    /// Measure how fast machines boot and read the host's files
    Bench(Box<bench::BenchArgs>),
    #[command(name = "__child", hide = true)]
    Child(crate::machine::ChildArgs),
    #[command(name = "__scratch", hide = true)]
    Scratch,
    #[command(name = "__machine", hide = true)]
    Machine(crate::machine::MonitorArgs),
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a terminal that does not take the message.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => Exit::Host.into(),
            };
        }
    };
    let result = match cli.command {
        Command::Child(args) => return crate::machine::run_child(&args),
        Command::Scratch => return crate::artifact::run_keeper(),
        Command::Machine(args) => return crate::machine::run_machine(&args),
        Command::Bench(args) => bench::run(&args).map(ExitCode::from),
        Command::Exec(args) => exec::run(&args),
        Command::Test(args) => test::run(&args).map(ExitCode::from),
        Command::List(args) => list::run(&args).map(ExitCode::from),
        Command::Parse(args) => parse::run(&args).map(ExitCode::from),
        Command::Kconfig(args) => kconfig::run(&args).map(ExitCode::from),
        Command::Report(args) => report::run(&args).map(ExitCode::from),
        Command::Splats(args) => splats::run(&args).map(ExitCode::from),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            eprintln!("runner: {}", failure.message);
            failure.exit.into()
        }
    }
}

/// A command that ends before there is a run to report: a plain sentence and the status it means.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong and the way out.
    pub message: String,
    /// The exit status.
    pub exit: Exit,
}

impl Failure {
    /// The host or the command line is at fault.
    pub fn host(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::Host,
        }
    }

    /// This kernel cannot be judged.
    pub fn cannot_judge(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::CannotJudge,
        }
    }
}
