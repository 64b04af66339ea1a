//! The ways a test can come out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of a test. Every report keeps these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran and found nothing wrong.
    Pass,
    /// It ran and found something wrong.
    Fail,
    /// It declined to run here: exit status 4 or KTAP's `SKIP`.
    Skip,
    /// It failed as its author says it must: KTAP's `XFAIL`, TAP's `TODO`.
    ExpectedFail,
    /// It was run more than once, and passed as well as failed.
    Flaky,
    /// It did not end in its time; the machine was still well.
    TimeOut,
    /// The machine stopped answering while it ran.
    Hang,
    /// The kernel panicked or the machine reset while it ran.
    KernelCrash,
    /// The machine never got as far as running a test.
    BootFailure,
    /// It was selected, and the run ended before its turn.
    NotRun,
    /// It could not be judged, and the kernel is not to blame: it could not be started, was not built, or the host failed.
    HarnessError,
}

impl Outcome {
    /// All of them, in the order that summaries print them.
    pub const ALL: [Self; 11] = [
        Self::Pass,
        Self::Fail,
        Self::Skip,
        Self::ExpectedFail,
        Self::Flaky,
        Self::TimeOut,
        Self::Hang,
        Self::KernelCrash,
        Self::BootFailure,
        Self::NotRun,
        Self::HarnessError,
    ];

    /// The name used in every report: `kernel-crash`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::ExpectedFail => "expected-fail",
            Self::Flaky => "flaky",
            Self::TimeOut => "time-out",
            Self::Hang => "hang",
            Self::KernelCrash => "kernel-crash",
            Self::BootFailure => "boot-failure",
            Self::NotRun => "not-run",
            Self::HarnessError => "harness-error",
        }
    }

    /// Whether the kernel under test is at fault, by this outcome alone: of a flaky test it cannot be told.
    #[must_use]
    pub const fn blames_kernel(self) -> bool {
        matches!(
            self,
            Self::Fail | Self::TimeOut | Self::Hang | Self::KernelCrash | Self::BootFailure
        )
    }

    /// Whether nothing is wrong: a pass, a skip, or a failure that was expected. A flaky test is not good.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Pass | Self::Skip | Self::ExpectedFail)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_are_what_serde_writes() {
        for outcome in Outcome::ALL {
            let json = serde_json::to_string(&outcome).expect("a unit variant");
            assert_eq!(json, format!("\"{outcome}\""));
            let same = Outcome::ALL
                .iter()
                .filter(|o| o.as_str() == outcome.as_str())
                .count();
            assert_eq!(same, 1);
        }
    }
}
