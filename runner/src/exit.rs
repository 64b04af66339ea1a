//! The exit status of the command: public, and what `git bisect run` and CI act on. See `docs/exit-codes.md`.

use crate::dispatch::{CommandEnd, Interrupt};
use reports::Summary;
use signal_hook::consts::SIGPIPE;
use std::process::ExitCode;
use suites::Outcome;

/// Every status the command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything selected passed or was skipped, and at least one test passed.
    Good = 0,
    /// The kernel is at fault.
    Bad = 1,
    /// This kernel cannot be judged; `git bisect run` skips it.
    CannotJudge = 125,
    /// The host or the command line is at fault; `git bisect run` stops.
    Host = 128,
    /// Interrupted by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

/// `runner exec`: the machine died under the command. No convention has it, and `git bisect run` takes it as bad.
pub const MACHINE_DIED: u8 = 123;
/// `runner exec`: the time was up, as timeout(1) says it.
pub const TIMED_OUT: u8 = 124;
/// `runner exec`: the command could not be started, as a shell says it.
pub const NOT_STARTED: u8 = 127;
/// What a shell adds to the number of a signal that ended a command.
const SIGNALED: i32 = 128;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Interrupt> for Exit {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Int => Self::Interrupted,
            Interrupt::Term => Self::Terminated,
        }
    }
}

/// `--boot-failure`: what a kernel that does not boot means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BootFailure {
    /// It is bad: exit status 1.
    Bad,
    /// It cannot be judged: exit status 125.
    Skip,
}

/// The status of `runner exec`, and why, a plain sentence.
#[must_use]
pub fn of_command(end: &CommandEnd) -> (u8, String) {
    let with = |text: String, oops: &Option<String>| match oops {
        Some(oops) => format!("{text}, and the kernel reported: {oops}"),
        None => text,
    };
    match end {
        CommandEnd::Exited { status, oops } => (
            *status,
            with(format!("the command ended with status {status}"), oops),
        ),
        CommandEnd::Signaled { signal, oops } => (
            u8::try_from(SIGNALED.saturating_add(*signal)).unwrap_or(u8::MAX),
            with(format!("signal {signal} ended the command"), oops),
        ),
        CommandEnd::NotStarted(why) => (NOT_STARTED, why.clone()),
        CommandEnd::TimedOut(why) => (TIMED_OUT, format!("the command was ended: {why}")),
        CommandEnd::MachineDied(why) => (MACHINE_DIED, format!("the machine died: {why}")),
        CommandEnd::Host(why) => (Exit::Host as u8, why.clone()),
        CommandEnd::OutputClosed => (
            u8::try_from(SIGNALED + SIGPIPE).expect("a small number"),
            "standard output was closed".into(),
        ),
        CommandEnd::Interrupted(interrupt) => (
            Exit::from(*interrupt) as u8,
            "the command was interrupted".into(),
        ),
    }
}

/// The status of a run that came to its own end, and why, a plain sentence.
///
/// A fault of the kernel outweighs a test that could not be judged; that outweighs a pass.
#[must_use]
pub fn of_run(summary: &Summary, boot_failure: BootFailure, unavailable: u64) -> (Exit, String) {
    let count = |outcome: Outcome| summary.tests.get(outcome);
    let blamed: u64 = Outcome::ALL
        .iter()
        .filter(|outcome| outcome.blames_kernel() && **outcome != Outcome::BootFailure)
        .map(|&outcome| count(outcome))
        .sum();
    if blamed > 0 {
        let tests = if blamed == 1 { "test" } else { "tests" };
        return (
            Exit::Bad,
            format!("{blamed} {tests} found this kernel at fault"),
        );
    }
    if count(Outcome::BootFailure) > 0 {
        return match boot_failure {
            BootFailure::Bad => (Exit::Bad, "this kernel does not boot".into()),
            BootFailure::Skip => (
                Exit::CannotJudge,
                "this kernel does not boot, which --boot-failure=skip leaves unjudged".into(),
            ),
        };
    }
    let errors = count(Outcome::HarnessError);
    if errors > unavailable {
        return (
            Exit::Host,
            "a test could not be judged, and the kernel is not to blame".into(),
        );
    }
    if unavailable > 0 {
        return (Exit::CannotJudge, "a selected test was not built".into());
    }
    if count(Outcome::NotRun) > 0 {
        return (Exit::Host, "not every selected test was run".into());
    }
    match count(Outcome::Pass) {
        0 => (
            Exit::CannotJudge,
            "no test passed: everything was skipped or failed as expected".into(),
        ),
        _ => (
            Exit::Good,
            "everything selected passed or was skipped".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_own_status_is_passed_on_and_ours_are_apart() {
        let exited = |status| CommandEnd::Exited { status, oops: None };
        assert_eq!(of_command(&exited(0)).0, 0);
        assert_eq!(of_command(&exited(255)).0, 255);
        let signaled = |signal| CommandEnd::Signaled { signal, oops: None };
        assert_eq!(of_command(&signaled(9)).0, 137);
        // No signal has that number; a guest may say so.
        assert_eq!(of_command(&signaled(i32::MAX)).0, 255);
        assert_eq!(of_command(&CommandEnd::OutputClosed).0, 141);
        let complained = CommandEnd::Exited {
            status: 3,
            oops: Some("BUG: x".into()),
        };
        let (status, why) = of_command(&complained);
        assert_eq!(status, 3);
        assert_eq!(
            why,
            "the command ended with status 3, and the kernel reported: BUG: x"
        );
    }
}
