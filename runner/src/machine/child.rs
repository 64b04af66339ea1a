//! Engine processes that never outlive us.
//!
//! A machine's process is started through a hidden subcommand of this same program, which asks the kernel for
//! SIGKILL when its parent dies (`PR_SET_PDEATHSIG`, kept across `execve`) and then becomes the engine. So
//! nothing is left after `kill -9` of the run, and no code runs between fork and exec.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

/// Arguments of the hidden subcommand.
#[derive(Debug, clap::Args)]
pub struct ChildArgs {
    /// Process that must still be our parent.
    #[arg(long)]
    parent: i32,
    /// Program and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// A command that, once spawned from this thread, runs `program` and dies with us.
///
/// It gets a process group of its own, so that ^C on the terminal reaches only us and the order of ending is ours.
#[must_use]
pub fn bound_command(program: &str, args: &[OsString]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("__child")
        .arg("--parent")
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program)
        .args(args)
        .process_group(0);
    command
}

/// Runs the hidden subcommand: returns only when it fails.
#[must_use]
pub fn run_child(args: &ChildArgs) -> ExitCode {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("cannot ask to be killed with the parent: {error}");
        return ExitCode::from(126);
    }
    if getppid().map(Pid::as_raw_pid) != Some(args.parent) {
        return ExitCode::from(126);
    }
    let (program, rest) = args.command.split_first().expect("clap requires one");
    let error = Command::new(program).args(rest).exec();
    eprintln!("cannot start {}: {error}", program.display());
    ExitCode::from(127)
}
