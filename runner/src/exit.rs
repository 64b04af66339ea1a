//! The exit status of the command: public, and what `git bisect run` and CI act on. See `docs/exit-codes.md`.

use reports::Summary;
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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
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
