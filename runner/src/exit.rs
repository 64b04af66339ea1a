//! The exit status of the command: public, and what `git bisect run` and CI act on. See `docs/exit-codes.md`.

use crate::dispatch::{CommandEnd, Interrupt};
use reports::{Change, Summary, TestResult};
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

impl Exit {
    /// The status of a run that is written down as a number; what no run ends with is a fault of the host.
    #[must_use]
    pub fn from_status(status: u8) -> Self {
        let all = [
            Self::Good,
            Self::Bad,
            Self::CannotJudge,
            Self::Interrupted,
            Self::Terminated,
        ];
        let found = all.into_iter().find(|exit| *exit as u8 == status);
        found.unwrap_or(Self::Host)
    }
}

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

/// How results become the exit status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What a kernel that does not boot means.
    pub boot_failure: BootFailure,
    /// Whether flaky tests were looked for, so that one of them is a fault; else they are tolerated.
    pub flaky_is_bad: bool,
}

/// The status of a run that came to its own end, and why, a plain sentence.
///
/// A fault of the kernel outweighs a test that could not be judged; that outweighs a pass. Where the run has a
/// baseline, what was not good in it does not count.
#[must_use]
pub fn of_run(summary: &Summary, verdict: Verdict) -> (Exit, String) {
    let compared = summary.changes().is_some();
    let counted: Vec<_> = summary
        .results
        .iter()
        .filter(|result| !summary.change(result).is_some_and(Change::is_none))
        .collect();
    let count = |wanted: &dyn Fn(&TestResult) -> bool| {
        counted.iter().filter(|result| wanted(result)).count()
    };
    let blamed = count(&|result| {
        let flaky = result.outcome == Outcome::Flaky && verdict.flaky_is_bad;
        flaky || result.outcome.blames_kernel() && result.outcome != Outcome::BootFailure
    });
    if blamed > 0 {
        let tests = if blamed == 1 { "test" } else { "tests" };
        let reason = match compared {
            true => format!("{blamed} {tests} found this kernel at fault, and not in the baseline"),
            false => format!("{blamed} {tests} found this kernel at fault"),
        };
        return (Exit::Bad, reason);
    }
    if count(&|result| result.outcome == Outcome::BootFailure) > 0 {
        return match verdict.boot_failure {
            BootFailure::Bad => (Exit::Bad, "this kernel does not boot".into()),
            BootFailure::Skip => (
                Exit::CannotJudge,
                "this kernel does not boot, which --boot-failure=skip leaves unjudged".into(),
            ),
        };
    }
    let error = |result: &TestResult| result.outcome == Outcome::HarnessError;
    if count(&|result| error(result) && result.machine.is_some()) > 0 {
        return (
            Exit::Host,
            "a test could not be judged, and the kernel is not to blame".into(),
        );
    }
    // It never got as far as a machine.
    if count(&|result| error(result) && result.machine.is_none()) > 0 {
        return (Exit::CannotJudge, "a selected test was not built".into());
    }
    let not_run = count(&|result| result.outcome == Outcome::NotRun);
    if not_run > 0 || summary.not_finished().next().is_some() {
        return (Exit::Host, "not every selected test was run".into());
    }
    if let Some(run) = summary.run.as_ref().filter(|run| run.tests.is_empty()) {
        let reason = match &run.shard {
            Some(shard) => format!("shard {}/{} has no tests", shard.index, shard.of),
            None => "there were no tests".into(),
        };
        return (Exit::Good, reason);
    }
    if compared {
        let reason = "nothing is worse than in the baseline".into();
        return (Exit::Good, reason);
    }
    let passed = summary.tests.get(Outcome::Pass) + summary.tests.get(Outcome::Flaky);
    match (passed, summary.tests.get(Outcome::Flaky)) {
        (0, _) => (
            Exit::CannotJudge,
            "no test passed: everything was skipped or failed as expected".into(),
        ),
        (_, 0) => (
            Exit::Good,
            "everything selected passed or was skipped".into(),
        ),
        (_, flaky) => (
            Exit::Good,
            format!(
                "everything selected passed or was skipped, {flaky} of it only when it was run again"
            ),
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
