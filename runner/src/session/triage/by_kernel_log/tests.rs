//! Splats, and what they make of verdicts.

use super::*;
use crate::{
    machine::StopReason,
    session::{
        findings::Findings,
        triage,
        triage::tests::{ended, ended_with, evidence, found, judge_end},
    },
};
use suites::{Intended, KnownFailure};
use wire::{ExitStatus, TestEnded};

const WARNING: &str = "WARNING: CPU: 0 PID: 1 at mm/file.c:12 culprit+0x1/0x10";

/// The verdict on a test that ended with status 0 and left these lines in the kernel log.
fn judge_log(lines: &[&str], policy: &SplatPolicy, allowed: &[&str]) -> Verdict {
    let allowed: Vec<Pattern> = allowed
        .iter()
        .map(|text| Pattern::new(text).expect("a glob"))
        .collect();
    triage::judge(&Evidence {
        findings: &found(lines),
        policy,
        allowed: &allowed,
        ..evidence(TestEnd::Ended(&ended(ExitStatus::Exited(0))))
    })
}

#[test]
fn a_kernel_that_oopsed_is_never_green() {
    let oops = found(&["BUG: unable to handle page fault"]);
    let ended = ended(ExitStatus::Exited(0));
    let verdict = judge_end(TestEnd::Ended(&ended), "", &oops, "");
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert!(verdict.message.expect("a reason").contains("page fault"));
    let failed = ended_with(1, &oops);
    assert_eq!(failed.outcome, Outcome::Fail);
    assert!(failed.message.expect("a reason").contains("page fault"));
    let expected = triage::judge(&Evidence {
        findings: &oops,
        policy: &SplatPolicy::allow_all(),
        ..evidence(TestEnd::Ended(&ended))
    });
    assert_eq!(expected.outcome, Outcome::Pass);
}

#[test]
fn a_warning_fails_the_test_it_came_in_unless_it_is_allowed() {
    let strict = SplatPolicy::default();
    let verdict = judge_log(&[WARNING], &strict, &[]);
    assert_eq!(verdict.outcome, Outcome::Fail);
    let message = verdict.message.expect("a reason");
    assert!(
        message.ends_with("ran: WARNING in culprit (mm/file.c:12)"),
        "{message}"
    );
    let two = judge_log(&[WARNING, WARNING], &strict, &[])
        .message
        .expect("a reason");
    assert!(two.ends_with("(and 1 more)"), "{two}");
    for pattern in ["warning", "WARNING in culp*"] {
        assert_eq!(
            judge_log(&[WARNING], &strict, &[pattern]).outcome,
            Outcome::Pass,
            "{pattern}"
        );
    }
    // One that is allowed does not excuse another.
    assert_eq!(
        judge_log(&[WARNING, "BUG: x"], &strict, &["warning"]).outcome,
        Outcome::Fail
    );
    // Remarks are not held against it.
    assert_eq!(
        judge_log(&["[Firmware Bug]: x"], &strict, &[]).outcome,
        Outcome::Pass
    );
}

#[test]
fn an_expected_splat_must_come() {
    let policy = SplatPolicy {
        allow: vec![],
        expect: vec![Pattern::new("warning").expect("a glob")],
    };
    assert_eq!(judge_log(&[WARNING], &policy, &[]).outcome, Outcome::Pass);
    let verdict = judge_log(&[], &policy, &[]);
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert!(
        verdict
            .message
            .expect("a reason")
            .ends_with("expects of it: warning")
    );
    assert_eq!(
        judge_log(&[WARNING, "BUG: x"], &policy, &[]).outcome,
        Outcome::Fail
    );
}

#[test]
fn a_log_with_gaps_is_never_green() {
    let judge_with =
        |status: i32, klog_seq: Option<u64>, log_end: Option<u64>, findings: &Findings| {
            let ended = TestEnded {
                klog_seq,
                ..ended(ExitStatus::Exited(status))
            };
            triage::judge(&Evidence {
                findings,
                policy: &SplatPolicy::allow_all(),
                log_end,
                ..evidence(TestEnd::Ended(&ended))
            })
            .outcome
        };
    let quiet = Findings::default();
    let mut lost = Findings::default();
    lost.lost = 3;
    assert_eq!(judge_with(0, Some(7), Some(7), &quiet), Outcome::Pass);
    for status in [0, 4] {
        assert_eq!(
            judge_with(status, None, Some(7), &quiet),
            Outcome::HarnessError
        );
        assert_eq!(
            judge_with(status, Some(7), Some(6), &quiet),
            Outcome::HarnessError
        );
        assert_eq!(
            judge_with(status, Some(7), None, &quiet),
            Outcome::HarnessError
        );
        assert_eq!(
            judge_with(status, Some(7), Some(7), &lost),
            Outcome::HarnessError
        );
    }
    assert_eq!(judge_with(1, None, None, &lost), Outcome::Fail);
}

fn known(splats: &[&str]) -> KnownFailure {
    let glob = |text: &&str| Pattern::new(text).expect("a glob");
    KnownFailure {
        why: "bug 7".into(),
        splats: splats.iter().map(glob).collect(),
    }
}

#[test]
fn a_known_failure_does_not_excuse_what_the_kernel_reports() {
    let judged = |status: i32, lines: &[&str], splats: &[&str]| {
        let verdict = triage::judge(&Evidence {
            findings: &found(lines),
            known_failure: Some(&known(splats)),
            ..evidence(TestEnd::Ended(&ended(ExitStatus::Exited(status))))
        });
        (verdict.outcome, verdict.message.unwrap_or_default())
    };
    let (outcome, message) = judged(1, &[], &[]);
    assert_eq!(outcome, Outcome::ExpectedFail);
    assert_eq!(message, "known failure: bug 7: exit status 1");

    let (outcome, message) = judged(1, &[WARNING], &[]);
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(
        message,
        "the kernel reported an error while the test, by itself an expected-fail (known failure: bug 7: exit status 1), \
         ran: WARNING in culprit (mm/file.c:12)"
    );
    assert_eq!(
        judged(1, &[WARNING], &["WARNING in culp*"]).0,
        Outcome::ExpectedFail
    );
    assert_eq!(
        judged(1, &[WARNING, "BUG: x"], &["warning"]).0,
        Outcome::Fail
    );

    // It is the splat that is known, and the test by itself passes.
    let (outcome, message) = judged(0, &[WARNING, WARNING], &["warning"]);
    assert_eq!(outcome, Outcome::ExpectedFail);
    assert_eq!(
        message,
        "known failure: bug 7: the kernel reported an error while the test, by itself a pass, ran: WARNING in culprit \
         (mm/file.c:12) (and 1 more)"
    );
    assert_eq!(judged(0, &[WARNING], &["bug"]).0, Outcome::Fail);
    assert_eq!(judged(0, &[], &["warning"]).0, Outcome::Pass);
}

#[test]
fn a_known_failure_is_not_expected_where_the_log_has_gaps() {
    let mut lost = Findings::default();
    lost.lost = 3;
    let verdict = triage::judge(&Evidence {
        findings: &lost,
        known_failure: Some(&known(&[])),
        ..evidence(TestEnd::Ended(&ended(ExitStatus::Exited(1))))
    });
    assert_eq!(verdict.outcome, Outcome::HarnessError);
}

#[test]
fn an_end_that_is_meant_does_not_excuse_what_the_kernel_reports_before_it() {
    let panic = "Kernel panic - not syncing: on purpose";
    let reset = StopReason::Reset;
    let judged = |intention, lines: &[&str], console: &str| {
        triage::judge(&Evidence {
            findings: &found(lines),
            intended: Some(intention),
            console,
            ..evidence(TestEnd::MachineGone(&reset))
        })
    };
    let restart = "reboot: Restarting system";
    assert_eq!(
        judged(Intended::Reboot, &[], restart).outcome,
        Outcome::Pass
    );
    let verdict = judged(Intended::Reboot, &[WARNING], restart);
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert!(
        verdict
            .message
            .expect("a reason")
            .ends_with("by itself a pass, ran: WARNING in culprit (mm/file.c:12)")
    );
    // What it says of its CPUs after a panic is part of that.
    let end = "---[ end Kernel panic - not syncing: on purpose ]---";
    assert_eq!(
        judged(Intended::Panic, &[panic, end, WARNING], panic).outcome,
        Outcome::Pass
    );
    assert_eq!(
        judged(Intended::Panic, &[WARNING, panic], panic).outcome,
        Outcome::Fail
    );
}

#[test]
fn what_took_too_long_says_what_the_kernel_reported_meanwhile() {
    let late = TestEnded {
        timed_out: true,
        ..ended(ExitStatus::Signaled(9))
    };
    let verdict = judge_end(TestEnd::Ended(&late), "", &found(&[WARNING]), "");
    assert_eq!(verdict.outcome, Outcome::TimeOut);
    assert_eq!(
        verdict.message.as_deref(),
        Some("it did not end within 45 s; the kernel reported: WARNING in culprit (mm/file.c:12)")
    );
}
