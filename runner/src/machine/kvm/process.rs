//! The process of one machine: the hidden subcommand `runner __machine`.

use super::handover::receive;
use crate::{error_chain, machine::child::bind_to};
use std::{
    os::{fd::AsFd, unix::process::CommandExt},
    panic,
    process::{Command, ExitCode},
};

/// Arguments of the hidden subcommand. Everything else comes over the control socket, its standard input.
#[derive(Debug, clap::Args)]
pub struct RunMachineArgs {
    /// Process that must still be our parent.
    #[arg(long)]
    parent: i32,
}

/// Status of a process that could not build its machine; its standard error says why.
pub const CANNOT_BUILD: u8 = 3;

/// Status of a process of which a thread panicked.
const PANICKED: i32 = 101;

/// A command that, once spawned from this thread with the control socket as its standard input, runs one machine and
/// dies with us. It gets a process group of its own, as [`crate::machine::child::bound_command`] says.
#[must_use]
pub fn machine_command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("__machine")
        .arg("--parent")
        .arg(std::process::id().to_string())
        .process_group(0);
    command
}

/// Runs the hidden subcommand: one machine from its making to its end.
#[must_use]
pub fn run_machine(args: &RunMachineArgs) -> ExitCode {
    if let Err(code) = bind_to(args.parent) {
        return code;
    }
    // A machine that lost a thread is not to be believed any more: the process ends, and its owner sees that.
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::exit(PANICKED);
    }));
    let control = std::io::stdin().as_fd().try_clone_to_owned();
    let built = control
        .map_err(|e| format!("cannot take over the control socket: {e}"))
        .and_then(|control| receive(control).map_err(|e| error_chain(&e)))
        .and_then(|(config, descriptors)| {
            vmm_core::run(&config, descriptors).map_err(|e| error_chain(&e))
        });
    match built {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("{words}");
            ExitCode::from(CANNOT_BUILD)
        }
    }
}
