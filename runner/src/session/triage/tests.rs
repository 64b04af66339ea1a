//! The table of verdicts.

use super::*;
use suites::{OutputFormat, Pattern, SplatPolicy, ktap::Parser, output::OutputReader};

fn ktap(text: &str) -> Document {
    let mut parser = Parser::new(OutputFormat::Auto);
    parser.push(text.as_bytes());
    parser.finish()
}

/// How a test ended, and nothing else to say of it.
pub(super) fn ended(status: ExitStatus) -> TestEnded {
    TestEnded {
        test: 1,
        status,
        timed_out: false,
        duration_us: 1,
        dropped: [0, 0],
        artifacts_dropped: 0,
        unkillable: vec![],
        unfit: None,
        taint: 0,
        klog_seq: Some(9),
    }
}

/// What a kernel log of these lines shows.
fn found(lines: &[&str]) -> Findings {
    let mut scanner = splats::Scanner::new();
    for text in lines {
        scanner.push(splats::Line {
            usec: None,
            caller: None,
            text,
        });
    }
    Findings::default().ended(scanner)
}

fn judge_end(end: TestEnd<'_>, text: &str, findings: &Findings, console: &str) -> Verdict {
    judge(&Evidence {
        end,
        ktap: &ktap(text),
        format: OutputFormat::Auto,
        findings,
        limit: Some(Duration::from_secs(45)),
        policy: &SplatPolicy::default(),
        allowed: &[],
        log_end: Some(9),
        last_words: console,
        seen: &Seen::default(),
    })
}

fn exit(status: i32, text: &str) -> (Outcome, String) {
    let ended = ended(ExitStatus::Exited(status));
    let verdict = judge_end(TestEnd::Ended(&ended), text, &Findings::default(), "");
    (verdict.outcome, verdict.message.unwrap_or_default())
}

#[test]
fn exit_status_alone_decides_without_results() {
    assert_eq!(exit(0, "hello"), (Outcome::Pass, String::new()));
    assert_eq!(exit(4, "").0, Outcome::Skip);
    assert_eq!(exit(1, ""), (Outcome::Fail, "exit status 1".into()));
    assert_eq!(exit(2, "").0, Outcome::Fail);
    assert_eq!(exit(139, "").0, Outcome::Fail);
}

#[test]
fn a_contradiction_is_a_failure_and_says_so() {
    let failed = "TAP version 13\n1..2\nok 1 a\nnot ok 2 b\n";
    for status in [0, 4] {
        let (outcome, message) = exit(status, failed);
        assert_eq!(outcome, Outcome::Fail);
        assert!(
            message.contains("contradicts") && message.contains('b'),
            "{message}"
        );
    }
    let (outcome, message) = exit(1, "TAP version 13\n1..1\nok 1 a\n");
    assert_eq!(outcome, Outcome::Fail);
    assert!(message.contains("contradicts"), "{message}");
    let (outcome, message) = exit(0, "TAP version 13\n1..3\nok 1 a\n");
    assert_eq!(outcome, Outcome::Fail);
    assert!(message.contains("contradicts"), "{message}");
}

#[test]
fn ltps_exit_status_is_a_mask_and_its_output_has_the_details() {
    let judged = |status, text: &str| {
        let mut reader = OutputReader::new(OutputFormat::Ltp);
        reader.push(text.as_bytes());
        let ended = ended(ExitStatus::Exited(status));
        let verdict = judge(&Evidence {
            end: TestEnd::Ended(&ended),
            ktap: &reader.finish(),
            format: OutputFormat::Ltp,
            findings: &Findings::default(),
            limit: None,
            log_end: Some(9),
            policy: &SplatPolicy::default(),
            allowed: &[],
            last_words: "",
            seen: &Seen::default(),
        });
        (verdict.outcome, verdict.message.unwrap_or_default())
    };
    assert_eq!(judged(0, "a.c:1: TPASS: x\n").0, Outcome::Pass);
    let (outcome, message) = judged(32, "a.c:1: TCONF: no device\n");
    assert_eq!((outcome, message.as_str()), (Outcome::Skip, "no device"));
    let (outcome, message) = judged(1, "a.c:1: TPASS: x\na.c:2: TFAIL: y\n");
    assert_eq!((outcome, message.as_str()), (Outcome::Fail, "a.c:2 failed"));
    assert_eq!(judged(2, "a.c:2: TBROK: y\n").0, Outcome::Fail);
    let (outcome, message) = judged(2, "");
    assert_eq!(
        (outcome, message.as_str()),
        (Outcome::Fail, "exit status 2: broken")
    );
    // A warning alone is for the output to decide; 4 is no skip here.
    assert_eq!(
        judged(4, "a.c:1: TPASS: x\na.c:2: TWARN: y\n").0,
        Outcome::Pass
    );
    assert_eq!(judged(4, "a.c:2: TWARN: y\n").0, Outcome::Fail);
    assert_eq!(judged(0, "a.c:2: TFAIL: y\n").0, Outcome::Fail);
}

#[test]
fn agreement_is_plain() {
    assert_eq!(exit(0, "TAP version 13\n1..1\nok 1 a\n").0, Outcome::Pass);
    assert_eq!(
        exit(1, "TAP version 13\n1..1\nnot ok 1 a\n"),
        (Outcome::Fail, "a failed".into())
    );
    assert_eq!(
        exit(0, "TAP version 13\n1..1\nok 1 a # SKIP no device\n"),
        (Outcome::Skip, "no device".into())
    );
    assert_eq!(
        exit(0, "TAP version 13\n1..0 # SKIP not root\n"),
        (Outcome::Skip, "not root".into())
    );
    assert_eq!(
        exit(0, "TAP version 13\n1..1\nok 1 a # XFAIL known\n").0,
        Outcome::ExpectedFail
    );
    assert_eq!(
        exit(2, "TAP version 13\n1..1\nok 1 a # XFAIL known\n").0,
        Outcome::ExpectedFail
    );
    assert_eq!(
        exit(0, "TAP version 13\n1..2\nok 1 a # SKIP x\nok 2 b\n").0,
        Outcome::Pass
    );
    assert_eq!(
        exit(1, "TAP version 13\n1..2\nok 1 a\nBail out! no memory\n").0,
        Outcome::Fail
    );
}

#[test]
fn signals_time_outs_and_survivors() {
    let quiet = Findings::default();
    let verdict = judge_end(
        TestEnd::Ended(&ended(ExitStatus::Signaled(9))),
        "",
        &quiet,
        "",
    );
    assert_eq!(
        verdict,
        Verdict::new(Outcome::Fail, "killed by signal 9 (SIGKILL)")
    );
    let mut late = ended(ExitStatus::Signaled(15));
    late.timed_out = true;
    let verdict = judge_end(TestEnd::Ended(&late), "", &quiet, "");
    assert_eq!(
        verdict,
        Verdict::new(Outcome::TimeOut, "it did not end within 45 s")
    );
    late.unkillable = vec!["dd".into()];
    assert_eq!(
        judge_end(TestEnd::Ended(&late), "", &quiet, "").outcome,
        Outcome::Hang
    );
    let missing = ended(ExitStatus::NotStarted("no such file: /x".into()));
    assert_eq!(
        judge_end(TestEnd::Ended(&missing), "", &quiet, "").outcome,
        Outcome::HarnessError
    );
}

fn ended_with(status: i32, findings: &Findings) -> Verdict {
    let ended = ended(ExitStatus::Exited(status));
    judge_end(TestEnd::Ended(&ended), "", findings, "")
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
    let expected = judge(&Evidence {
        end: TestEnd::Ended(&ended),
        ktap: &ktap(""),
        format: OutputFormat::Auto,
        findings: &oops,
        limit: None,
        policy: &SplatPolicy::allow_all(),
        allowed: &[],
        log_end: Some(9),
        last_words: "",
        seen: &Seen::default(),
    });
    assert_eq!(expected.outcome, Outcome::Pass);
}

/// The verdict on a test that ended with status 0 and left these lines in the kernel log.
fn judge_log(lines: &[&str], policy: &SplatPolicy, allowed: &[&str]) -> Verdict {
    let allowed: Vec<Pattern> = allowed
        .iter()
        .map(|text| Pattern::new(text).expect("a glob"))
        .collect();
    judge(&Evidence {
        end: TestEnd::Ended(&ended(ExitStatus::Exited(0))),
        ktap: &ktap(""),
        format: OutputFormat::Auto,
        findings: &found(lines),
        policy,
        allowed: &allowed,
        log_end: Some(9),
        limit: None,
        last_words: "",
        seen: &Seen::default(),
    })
}

const WARNING: &str = "WARNING: CPU: 0 PID: 1 at mm/file.c:12 culprit+0x1/0x10";

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
            judge(&Evidence {
                end: TestEnd::Ended(&ended),
                ktap: &ktap(""),
                format: OutputFormat::Auto,
                findings,
                policy: &SplatPolicy::allow_all(),
                allowed: &[],
                log_end,
                limit: None,
                last_words: "",
                seen: &Seen::default(),
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

#[test]
fn a_panic_says_what_came_before_it() {
    let oops = found(&[
        "BUG: kernel NULL pointer dereference, address: 0",
        "Kernel panic - not syncing: Fatal exception",
    ]);
    let verdict = judge_end(TestEnd::MachineGone(&StopReason::Reset), "", &oops, "");
    assert_eq!(verdict.outcome, Outcome::KernelCrash);
    assert_eq!(
        verdict.message.as_deref(),
        Some(
            "Kernel panic - not syncing: Fatal exception\nbefore it the kernel reported: BUG: kernel NULL pointer dereference"
        )
    );
}

#[test]
fn the_ways_a_machine_goes_are_told_apart() {
    let quiet = Findings::default();
    let panic = found(&["Kernel panic - not syncing: x"]);
    let gone = |reason: &StopReason, findings: &Findings, console: &str| {
        judge_end(TestEnd::MachineGone(reason), "", findings, console).outcome
    };
    assert_eq!(gone(&StopReason::Reset, &panic, ""), Outcome::KernelCrash);
    assert_eq!(gone(&StopReason::Reset, &quiet, ""), Outcome::KernelCrash);
    assert_eq!(
        gone(
            &StopReason::Reset,
            &quiet,
            "[ 1.0] reboot: Restarting system\n"
        ),
        Outcome::Fail
    );
    assert_eq!(gone(&StopReason::PowerOff, &quiet, ""), Outcome::Fail);
    assert_eq!(
        gone(&StopReason::EngineDied("killed".into()), &quiet, ""),
        Outcome::HarnessError
    );
    assert_eq!(
        gone(&StopReason::InternalError("x".into()), &quiet, ""),
        Outcome::HarnessError
    );
    let silent = judge_end(TestEnd::Silent(Duration::from_secs(15)), "", &quiet, "");
    assert_eq!(silent.outcome, Outcome::Hang);
    let standing = judge_end(TestEnd::Silent(Duration::from_secs(15)), "", &panic, "");
    assert_eq!(standing.outcome, Outcome::KernelCrash);
    let broken = judge_end(TestEnd::LinkBroken("rubbish"), "", &quiet, "");
    assert_eq!(broken.outcome, Outcome::HarnessError);
}

fn judge_seen(end: TestEnd<'_>, findings: &Findings, seen: &Seen) -> Verdict {
    judge(&Evidence {
        end,
        ktap: &ktap(""),
        format: OutputFormat::Auto,
        findings,
        limit: None,
        policy: &SplatPolicy::default(),
        allowed: &[],
        log_end: Some(9),
        last_words: "",
        seen,
    })
}

#[test]
fn what_was_seen_from_outside_counts() {
    let quiet = Findings::default();
    let oops = found(&["BUG: x"]);
    let panicked = Seen {
        panicked: true,
        ..Seen::default()
    };
    let silent = TestEnd::Silent(Duration::from_secs(15));
    for end in [
        silent,
        TestEnd::MachineGone(&StopReason::Reset),
        TestEnd::LinkBroken("x"),
    ] {
        let verdict = judge_seen(end, &oops, &panicked);
        assert_eq!(verdict.outcome, Outcome::KernelCrash);
        let message = verdict.message.expect("a reason");
        assert!(
            message.contains("announced a panic") && message.ends_with("BUG: x"),
            "{message}"
        );
    }
    let fault = Seen {
        place: Some("foo+0x1".into()),
        ..Seen::default()
    };
    let verdict = judge_seen(
        TestEnd::MachineGone(&StopReason::TripleFault),
        &quiet,
        &fault,
    );
    assert_eq!(
        verdict,
        Verdict::new(
            Outcome::KernelCrash,
            "the machine ended in a triple fault at foo+0x1"
        )
    );
    let stalled = Seen {
        stall: Some("vCPU 0 spins at foo+0x1".into()),
        ..Seen::default()
    };
    let verdict = judge_seen(silent, &quiet, &stalled);
    assert_eq!(verdict.outcome, Outcome::Hang);
    let message = verdict.message.expect("a reason");
    assert!(
        message.ends_with("for 15 s; vCPU 0 spins at foo+0x1"),
        "{message}"
    );
}

#[test]
fn a_known_failure_is_expected_and_nothing_else_is() {
    let known = |outcome| known_failure(Verdict::new(outcome, "exit status 1"), "bug 7");
    for outcome in [Outcome::Fail, Outcome::TimeOut] {
        let verdict = known(outcome);
        assert_eq!(verdict.outcome, Outcome::ExpectedFail);
        assert_eq!(
            verdict.message.as_deref(),
            Some("known failure: bug 7: exit status 1")
        );
    }
    for outcome in [
        Outcome::KernelCrash,
        Outcome::Hang,
        Outcome::Skip,
        Outcome::Pass,
    ] {
        assert_eq!(known(outcome).outcome, outcome);
        assert_eq!(known(outcome).message.as_deref(), Some("exit status 1"));
    }
}
