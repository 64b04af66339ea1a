//! From evidence to outcome. The only place where that is decided; everything here is pure.

mod by_format;
mod by_kernel_log;
mod intended;
mod known;

pub use by_kernel_log::counts;

use super::{findings::Findings, look::Seen};
use crate::machine::StopReason;
use std::time::Duration;
use suites::{Intended, KnownFailure, Outcome, OutputFormat, Pattern, SplatPolicy, ktap::Document};
use wire::{ExitStatus, TestEnded};

/// How a test's time on a machine came to its end.
#[derive(Debug, Clone, Copy)]
pub enum TestEnd<'a> {
    /// Init said so.
    Ended(&'a TestEnded),
    /// The machine is gone.
    MachineGone(&'a StopReason),
    /// Init has not answered for this long.
    Silent(Duration),
    /// Init answers, but has not ended the test although its time, grace included, is long up.
    Overdue,
    /// The guest no longer keeps to the protocol, or a port failed: a plain sentence.
    LinkBroken(&'a str),
}

/// Everything known about a test when it is over.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// How it ended.
    pub end: TestEnd<'a>,
    /// What its output claims.
    pub ktap: &'a Document,
    /// What its output was read as, and with it how its exit status is to be read.
    pub format: OutputFormat,
    /// What the kernel log showed while it ran.
    pub findings: &'a Findings,
    /// The number of the last record of the kernel log that came.
    pub log_end: Option<u64>,
    /// Its time limit, scaled.
    pub limit: Option<Duration>,
    /// Which splats are no failure of this test, and which must come.
    pub policy: &'a SplatPolicy,
    /// Which splats are no failure of any test of the run.
    pub allowed: &'a [Pattern],
    /// How it ends its machine on purpose, if it does.
    pub intended: Option<Intended>,
    /// What is known of it where it is known to fail.
    pub known_failure: Option<&'a KnownFailure>,
    /// The end of what the kernel said on its console.
    pub console: &'a str,
    /// The end of the console and of the kernel log, for the words of a guest that switched itself off.
    pub last_words: &'a str,
    /// What was seen of the guest from outside.
    pub seen: &'a Seen,
}

/// An outcome and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What became of the test.
    pub outcome: Outcome,
    /// Why; none for a plain pass.
    pub message: Option<String>,
}

impl Verdict {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            message: Some(message.into()),
        }
    }
}

/// Exit status by which a test declines to run (`tools/testing/selftests/kselftest.h`, `KSFT_SKIP`).
const EXIT_SKIP: i32 = 4;

/// Exit status of an expected failure (`KSFT_XFAIL`); believed only where the output says the same.
const EXIT_XFAIL: i32 = 2;

/// Judges one test: by how it ended and what it said, by what was meant and is known of it, and then by what the kernel
/// reported meanwhile, which neither of these excuses.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = by_itself(evidence);
    if let Some(intention) = evidence.intended {
        verdict = intended::intended(intention, verdict, evidence);
    }
    if let Some(known) = evidence.known_failure {
        verdict = known::known_failure(verdict, &known.why);
    }
    by_kernel_log::judge(evidence, verdict)
}

/// What is to be said of a test by how it ended, and by what it said.
fn by_itself(evidence: &Evidence<'_>) -> Verdict {
    // Whatever became of the machine after it: a panic may leave it standing still (`kernel.panic`).
    if let Some(panic) = evidence.findings.panic() {
        return Verdict::new(Outcome::KernelCrash, panic);
    }
    if evidence.seen.panicked {
        return after_oops(
            evidence,
            "the kernel announced a panic, and what it said of it is lost",
        );
    }
    let stalled = |words: String| {
        let doing = evidence.seen.stall.as_ref();
        let doing = doing.map_or_else(String::new, |doing| format!("; {doing}"));
        Verdict::new(Outcome::Hang, format!("{words}{doing}"))
    };
    let lost = match &evidence.end {
        TestEnd::MachineGone(reason) => {
            matches!(reason, StopReason::Reset | StopReason::TripleFault)
        }
        TestEnd::Silent(_) | TestEnd::Overdue => true,
        TestEnd::LinkBroken(_) | TestEnd::Ended(_) => false,
    };
    if lost && is_asleep(evidence.console) {
        return Verdict::new(
            Outcome::HarnessError,
            "the test suspended the machine, which does not wake up again: its root and its ports are virtio devices, which \
             the kernel does not bring back (--skip leaves the test out)",
        );
    }
    match &evidence.end {
        TestEnd::MachineGone(reason) => machine_gone(evidence, reason),
        TestEnd::Silent(silence) => stalled(format!(
            "the machine stopped answering: nothing came from its init for {}",
            seconds(*silence)
        )),
        TestEnd::Overdue => stalled(
            "the test's time is long up, and the machine's init, although it answers, has not been able to end it"
                .into(),
        ),
        TestEnd::LinkBroken(why) => Verdict::new(Outcome::HarnessError, (*why).to_owned()),
        TestEnd::Ended(ended) => ended_test(evidence, ended),
    }
}

/// Whether the kernel said last that it suspends the machine (`kernel/power/suspend.c`, `pm_suspend()`).
fn is_asleep(console: &str) -> bool {
    let said = |words: &str| console.rfind(words);
    said("PM: suspend entry") > said("PM: suspend exit")
}

/// A crash, and the error that the kernel reported before it, if it did.
fn after_oops(evidence: &Evidence<'_>, words: &str) -> Verdict {
    let text = match evidence.findings.error() {
        Some(oops) => format!("{words}; before it the kernel reported: {oops}"),
        None => words.to_owned(),
    };
    Verdict::new(Outcome::KernelCrash, text)
}

fn machine_gone(evidence: &Evidence<'_>, reason: &StopReason) -> Verdict {
    let said = |words: &str| evidence.last_words.lines().any(|line| line.contains(words));
    match reason {
        StopReason::PowerOff => Verdict::new(Outcome::Fail, "the test switched the machine off"),
        // kernel/reboot.c, kernel_restart()
        StopReason::Reset if said("reboot: Restarting system") => {
            Verdict::new(Outcome::Fail, "the test restarted the machine")
        }
        StopReason::Reset if said("sysrq: Resetting") => Verdict::new(
            Outcome::Fail,
            "the test reset the machine with the SysRq key",
        ),
        StopReason::Reset => match evidence.findings.error() {
            Some(oops) => Verdict::new(
                Outcome::KernelCrash,
                format!("the machine reset after: {oops}"),
            ),
            None => Verdict::new(
                Outcome::KernelCrash,
                "the machine reset without a word from its kernel (a triple fault, or a reset by a device)",
            ),
        },
        StopReason::TripleFault => after_oops(evidence, &triple_fault(evidence.seen)),
        StopReason::InternalError(words) => Verdict::new(
            Outcome::HarnessError,
            format!("the virtual hardware gave up: {words}"),
        ),
        StopReason::EngineDied(words) => Verdict::new(
            Outcome::HarnessError,
            format!("the machine's process died: {words}"),
        ),
    }
}

/// What is said of a triple fault.
pub fn triple_fault(seen: &Seen) -> String {
    let place = seen.place.as_ref();
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    format!("the machine ended in a triple fault{place}")
}

fn ended_test(evidence: &Evidence<'_>, ended: &TestEnded) -> Verdict {
    if !ended.unkillable.is_empty() {
        return Verdict::new(
            Outcome::Hang,
            format!(
                "processes of the test cannot be killed: {}",
                ended.unkillable.join(", ")
            ),
        );
    }
    if ended.timed_out {
        let limit = evidence
            .limit
            .map_or_else(String::new, |limit| format!(" within {}", seconds(limit)));
        return Verdict::new(Outcome::TimeOut, format!("it did not end{limit}"));
    }
    match &ended.status {
        ExitStatus::NotStarted(why) => Verdict::new(
            Outcome::HarnessError,
            format!("it could not be started: {why}"),
        ),
        ExitStatus::Signaled(signal) => {
            Verdict::new(Outcome::Fail, format!("killed by {}", signal_name(*signal)))
        }
        ExitStatus::Exited(status) => by_format::exited(evidence.format, evidence.ktap, *status),
    }
}

/// Holds an exit status against what the output claims.
#[must_use]
pub fn exited(ktap: &Document, status: i32) -> Verdict {
    if let Some(reason) = &ktap.bail_out {
        return Verdict::new(Outcome::Fail, format!("it bailed out: {reason}"));
    }
    let mut failed: Vec<String> = ktap
        .leaves()
        .filter(|(_, point)| !point.outcome.is_good())
        .map(|(path, _)| path.join(" / "))
        .collect();
    let why = first_reason(ktap);
    let uncounted: u64 = ktap
        .overflow
        .iter()
        .filter(|(outcome, _)| !outcome.is_good())
        .map(|(_, n)| n)
        .sum();
    if uncounted > 0 {
        failed.push(format!("{uncounted} of the results that were only counted"));
    }
    let good = ktap
        .leaves()
        .filter(|(_, point)| point.outcome.is_good())
        .count();
    let problem = ktap.problems.first();
    if !failed.is_empty() {
        let what = listed(&failed);
        return match status {
            0 => Verdict::new(
                Outcome::Fail,
                format!("exit status 0 contradicts its output, where {what} failed"),
            ),
            EXIT_SKIP => Verdict::new(
                Outcome::Fail,
                format!("exit status 4 (skip) contradicts its output, where {what} failed"),
            ),
            1 => Verdict::new(Outcome::Fail, format!("{what} failed{why}")),
            other => Verdict::new(
                Outcome::Fail,
                format!("{what} failed, exit status {other}{why}"),
            ),
        };
    }
    match status {
        0 => match (problem, &ktap.skip_all) {
            (Some(problem), _) => Verdict::new(
                Outcome::Fail,
                format!("exit status 0 contradicts its output: {problem}"),
            ),
            (None, Some(reason)) => {
                Verdict::new(Outcome::Skip, reason_or(reason, "its plan says skip"))
            }
            (None, None) => by_results(ktap, good),
        },
        EXIT_SKIP => {
            let reason = ktap
                .skip_all
                .clone()
                .or_else(|| last_skip_reason(ktap))
                .unwrap_or_default();
            Verdict::new(Outcome::Skip, reason_or(&reason, "exit status 4"))
        }
        EXIT_XFAIL
            if ktap
                .leaves()
                .any(|(_, p)| p.outcome == Outcome::ExpectedFail) =>
        {
            Verdict::new(
                Outcome::ExpectedFail,
                "it failed as expected (exit status 2)",
            )
        }
        other if good > 0 => Verdict::new(
            Outcome::Fail,
            match problem {
                Some(problem) => format!("exit status {other}; {problem}"),
                None => format!(
                    "exit status {other} contradicts its output, where none of {good} results failed"
                ),
            },
        ),
        other => Verdict::new(Outcome::Fail, format!("exit status {other}")),
    }
}

/// Exit status 0 and nothing failed: a pass, unless everything inside was skipped or failed as expected.
fn by_results(ktap: &Document, good: usize) -> Verdict {
    let count = |outcome| ktap.leaves().filter(|(_, p)| p.outcome == outcome).count();
    let (skipped, expected) = (count(Outcome::Skip), count(Outcome::ExpectedFail));
    if good > 0 && skipped == good {
        let reason = last_skip_reason(ktap).unwrap_or_default();
        Verdict::new(
            Outcome::Skip,
            reason_or(&reason, "everything in it was skipped"),
        )
    } else if expected > 0 && expected + skipped == good {
        Verdict::new(
            Outcome::ExpectedFail,
            "everything in it failed as expected or was skipped",
        )
    } else {
        Verdict {
            outcome: Outcome::Pass,
            message: None,
        }
    }
}

/// What the first failure says of itself, behind a colon; nothing where it says nothing.
fn first_reason(ktap: &Document) -> String {
    let mut failed = ktap.leaves().filter(|(_, p)| !p.outcome.is_good());
    let reason = failed.find_map(|(_, p)| p.reason.lines().find(|line| !line.trim().is_empty()));
    reason.map_or_else(String::new, |reason| format!(": {}", reason.trim()))
}

fn last_skip_reason(ktap: &Document) -> Option<String> {
    let skipped = ktap.leaves().filter(|(_, p)| p.outcome == Outcome::Skip);
    skipped
        .map(|(_, p)| p.reason.clone())
        .filter(|reason| !reason.is_empty())
        .last()
}

fn reason_or(reason: &str, otherwise: &str) -> String {
    if reason.trim().is_empty() {
        otherwise.to_owned()
    } else {
        reason.trim().to_owned()
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `3 s`, `1.5 s`.
pub fn seconds(duration: Duration) -> String {
    let tenths = (duration.as_secs_f64() * 10.0).round() / 10.0;
    format!("{tenths} s")
}

/// `signal 9 (SIGKILL)`.
pub fn signal_name(signal: i32) -> String {
    match signal_hook::low_level::signal_name(signal) {
        Some(name) => format!("signal {signal} ({name})"),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests;
