//! Ends of a machine that a test brings about on purpose.

use super::{Evidence, TestEnd, Verdict};
use crate::machine::StopReason;
use suites::{Intended, Outcome};

/// What a kernel says before it jumps into another one (`kernel/kexec_core.c`, `kernel_kexec()`).
const KEXEC: &str = "kexec_core: Starting new kernel";
/// What it says before it restarts (`kernel/reboot.c`, `kernel_restart()`).
const RESTART: &str = "reboot: Restarting system";
/// The same of the SysRq key (`drivers/tty/sysrq.c`).
const SYSRQ: &str = "sysrq: Resetting";
/// How the message of a crash begins that was a panic (`kernel/panic.c`).
const PANIC: &str = "Kernel panic - not syncing";

/// What `verdict`, drawn without knowing of an intention, is for a test that has one.
///
/// The intended end is a pass. Any other end of the machine is what it is, and a test that ended by itself without
/// bringing it about has failed; only a skip stays one.
pub fn intended(intention: Intended, verdict: Verdict, evidence: &Evidence<'_>) -> Verdict {
    let (end, console) = (&evidence.end, evidence.console);
    let said = |words: &str| console.lines().any(|line| line.contains(words));
    let message = verdict.message.as_deref().unwrap_or_default();
    let crashed = verdict.outcome == Outcome::KernelCrash;
    let panicked = crashed && (evidence.seen.panicked || message.starts_with(PANIC));
    let has_ended = matches!(end, TestEnd::Ended(_));
    let reached = match intention {
        Intended::Panic => panicked,
        Intended::PowerOff => matches!(end, TestEnd::MachineGone(StopReason::PowerOff)),
        Intended::Reboot => {
            let reset = matches!(end, TestEnd::MachineGone(StopReason::Reset));
            reset && !panicked && (said(RESTART) || said(SYSRQ))
        }
        // The other kernel has no init of ours: it is silent, or ends the machine.
        Intended::Kexec => {
            let broken = matches!(
                end,
                TestEnd::MachineGone(StopReason::EngineDied(_) | StopReason::InternalError(_))
            );
            !has_ended && !broken && said(KEXEC)
        }
    };
    if reached {
        return Verdict {
            outcome: Outcome::Pass,
            message: None,
        };
    }
    if has_ended && matches!(verdict.outcome, Outcome::Pass | Outcome::ExpectedFail) {
        let what = match intention {
            Intended::Panic => "make the kernel panic",
            Intended::PowerOff => "switch the machine off",
            Intended::Reboot => "restart the machine",
            Intended::Kexec => "start another kernel",
        };
        let message = format!("the test ended and was to {what}");
        return Verdict::new(Outcome::Fail, message);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{
        look::Seen,
        triage::tests::{ended, evidence},
    };
    use std::time::Duration;
    use wire::ExitStatus;

    const ALL: [Intended; 4] = [
        Intended::Reboot,
        Intended::PowerOff,
        Intended::Panic,
        Intended::Kexec,
    ];

    /// Outcomes for each intention, in the order of [`ALL`].
    fn judged(outcome: Outcome, message: &str, end: &TestEnd<'_>, console: &str) -> [Outcome; 4] {
        ALL.map(|intention| {
            let verdict = Verdict::new(outcome, message);
            let evidence = Evidence {
                console,
                ..evidence(*end)
            };
            intended(intention, verdict, &evidence).outcome
        })
    }

    #[test]
    fn each_end_is_a_pass_for_what_was_meant_and_nothing_else() {
        use Outcome::{Fail, Hang, KernelCrash, Pass};
        let gone = TestEnd::MachineGone;
        assert_eq!(
            judged(
                Fail,
                "restarted",
                &gone(&StopReason::Reset),
                "[ 1.0] reboot: Restarting system"
            ),
            [Pass, Fail, Fail, Fail]
        );
        assert_eq!(
            judged(
                Fail,
                "off",
                &gone(&StopReason::PowerOff),
                "reboot: Power down"
            ),
            [Fail, Pass, Fail, Fail]
        );
        let panic = "Kernel panic - not syncing: x";
        assert_eq!(
            judged(KernelCrash, panic, &gone(&StopReason::Reset), panic),
            [KernelCrash, KernelCrash, Pass, KernelCrash]
        );
        // It stands still after the panic.
        assert_eq!(
            judged(
                KernelCrash,
                panic,
                &TestEnd::Silent(Duration::from_secs(15)),
                panic
            )[2],
            Pass
        );
        assert_eq!(
            judged(
                Hang,
                "silent",
                &TestEnd::Silent(Duration::from_secs(15)),
                KEXEC
            ),
            [Hang, Hang, Hang, Pass]
        );
        // Without a word it is a triple fault as much as a restart.
        assert_eq!(
            judged(KernelCrash, "reset", &gone(&StopReason::Reset), ""),
            [KernelCrash; 4]
        );
        let died = StopReason::EngineDied("x".into());
        assert_eq!(
            judged(Outcome::HarnessError, "died", &gone(&died), KEXEC),
            [Outcome::HarnessError; 4]
        );
    }

    #[test]
    fn a_test_that_ends_without_it_has_failed_unless_it_was_skipped() {
        let ended = ended(ExitStatus::Exited(0));
        let end = TestEnd::Ended(&ended);
        assert_eq!(judged(Outcome::Pass, "", &end, KEXEC), [Outcome::Fail; 4]);
        assert_eq!(judged(Outcome::Skip, "", &end, ""), [Outcome::Skip; 4]);
        assert_eq!(
            judged(Outcome::TimeOut, "", &end, ""),
            [Outcome::TimeOut; 4]
        );
    }

    #[test]
    fn an_announced_panic_is_one() {
        let gone = TestEnd::MachineGone(&StopReason::Reset);
        let crash = Verdict::new(Outcome::KernelCrash, "the kernel announced a panic");
        let seen = Seen {
            panicked: true,
            ..Seen::default()
        };
        let evidence = Evidence {
            seen: &seen,
            ..evidence(gone)
        };
        let verdict = intended(Intended::Panic, crash, &evidence);
        assert_eq!(verdict.outcome, Outcome::Pass);
    }
}
