//! Engine processes that never outlive us.
//!
//! A machine's process is started through a hidden subcommand of this same program, which asks the kernel for
//! SIGKILL when its parent dies (`PR_SET_PDEATHSIG`, kept across `execve`) and then becomes the engine. So
//! nothing is left after `kill -9` of the run, and no code runs between fork and exec.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::{
    ffi::OsString,
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{ChildStderr, Command, ExitCode, ExitStatus},
};

/// How much of an engine's standard error is kept, from its end, in bytes.
const STDERR_KEPT: usize = 8 * 1024;

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
    if let Err(code) = bind_to(args.parent) {
        return code;
    }
    let (program, rest) = args.command.split_first().expect("clap requires one");
    let error = Command::new(program).args(rest).exec();
    eprintln!("cannot start {}: {error}", program.display());
    ExitCode::from(127)
}

/// Has this process killed when its parent `parent` dies.
///
/// # Errors
/// The status to end with, when the parent is gone already or the system refuses.
pub fn bind_to(parent: i32) -> Result<(), ExitCode> {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("cannot ask to be killed with the parent: {error}");
        return Err(ExitCode::from(126));
    }
    // It may have died before the signal was asked for.
    if getppid().map(Pid::as_raw_pid) == Some(parent) {
        Ok(())
    } else {
        Err(ExitCode::from(126))
    }
}

/// The end of what an engine's process wrote to its standard error.
pub struct LastWords {
    stderr: Option<ChildStderr>,
    kept: Vec<u8>,
}

impl LastWords {
    /// Of this stream.
    #[must_use]
    pub const fn new(stderr: ChildStderr) -> Self {
        Self {
            stderr: Some(stderr),
            kept: Vec::new(),
        }
    }

    /// Has [`LastWords::read`] return at once when there is nothing to read.
    ///
    /// # Errors
    /// When the system refuses that.
    pub fn make_nonblocking(&self) -> io::Result<()> {
        let set = |stderr| rustix::io::ioctl_fionbio(stderr, true);
        Ok(self.stderr.as_ref().map_or(Ok(()), set)?)
    }

    /// Becomes readable when there is more to read.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stderr.as_ref().map(AsFd::as_fd)
    }

    /// Takes what has come.
    pub fn read(&mut self) {
        let Some(stderr) = &mut self.stderr else {
            return;
        };
        let mut buffer = [0; 4096];
        loop {
            match stderr.read(&mut buffer) {
                Ok(0) => break self.stderr = None,
                Ok(n) => {
                    self.kept.extend_from_slice(&buffer[..n]);
                    let excess = self.kept.len().saturating_sub(STDERR_KEPT);
                    self.kept.drain(..excess);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => break self.stderr = None,
            }
        }
    }

    /// All of it on one line, but for lines that contain one of `noise`.
    pub fn text(&self, noise: &[&str]) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !noise.iter().any(|noise| line.contains(noise)))
            .collect();
        lines.join("; ")
    }
}

/// How a process called `name` ended, with its last words if it had any: `qemu ended with status 1: no space left`.
#[must_use]
pub fn how_it_ended(name: &str, status: ExitStatus, words: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("{name} ended with status {code}"),
        (None, Some(signal)) => format!("{name} was killed by signal {signal}"),
        (None, None) => format!("{name} ended"),
    };
    if words.is_empty() {
        how
    } else {
        format!("{how}: {words}")
    }
}
