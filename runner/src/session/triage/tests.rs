//! The table of verdicts.

use super::*;
use std::sync::LazyLock;
use suites::{OutputFormat, SplatPolicy, ktap::Parser, output::OutputReader};

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
pub(super) fn found(lines: &[&str]) -> Findings {
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

static SILENT: LazyLock<Document> = LazyLock::new(|| ktap(""));
static QUIET: LazyLock<Findings> = LazyLock::new(Findings::default);
static UNSEEN: LazyLock<Seen> = LazyLock::new(Seen::default);
static STRICT: LazyLock<SplatPolicy> = LazyLock::new(SplatPolicy::default);

/// Evidence of a test that ended like this, and of nothing else.
pub(super) fn evidence(end: TestEnd<'_>) -> Evidence<'_> {
    Evidence {
        end,
        ktap: &SILENT,
        format: OutputFormat::Auto,
        findings: &QUIET,
        limit: Some(Duration::from_secs(45)),
        policy: &STRICT,
        allowed: &[],
        intended: None,
        known_failure: None,
        log_end: Some(9),
        console: "",
        last_words: "",
        seen: &UNSEEN,
    }
}

pub(super) fn judge_end(
    end: TestEnd<'_>,
    text: &str,
    findings: &Findings,
    console: &str,
) -> Verdict {
    judge(&Evidence {
        ktap: &ktap(text),
        findings,
        last_words: console,
        ..evidence(end)
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

/// The verdict on a program that ended with an exit status and printed a text of some format.
fn judged_as(format: OutputFormat, status: i32, text: &str) -> (Outcome, String) {
    let mut reader = OutputReader::new(format);
    reader.push(text.as_bytes());
    let ended = ended(ExitStatus::Exited(status));
    let verdict = judge(&Evidence {
        ktap: &reader.finish(),
        format,
        ..evidence(TestEnd::Ended(&ended))
    });
    (verdict.outcome, verdict.message.unwrap_or_default())
}

#[test]
fn a_check_that_gives_no_verdict_is_nobodys_pass_or_fail() {
    for format in [OutputFormat::Xfstests, OutputFormat::Blktests] {
        for (status, text, words) in [
            (0, "", "it printed nothing"),
            (1, "x is not a block device\n", "x is not a block device"),
        ] {
            let (outcome, message) = judged_as(format, status, text);
            assert_eq!(outcome, Outcome::HarnessError, "{message}");
            assert!(message.contains(words), "{message}");
        }
    }
    let none = judged_as(
        OutputFormat::Blktests,
        0,
        "srp/***   [not run]\n    no rdma\n",
    );
    assert_eq!(none, (Outcome::Skip, "no rdma".into()));
    let line = "generic/001       [not run] needs a device\n";
    let none = judged_as(OutputFormat::Xfstests, 0, line);
    assert_eq!(none, (Outcome::Skip, "needs a device".into()));
}

#[test]
fn perfs_words_count_where_its_exit_status_says_nothing() {
    let judged = |text: &str| judged_as(OutputFormat::Perf, 0, text);
    // One part that works is a pass, whatever was skipped beside it.
    assert_eq!(
        judged(" 4.1: a : Ok\n 4.2: b : Skip (rights)\n").0,
        Outcome::Pass
    );
    let skipped = judged(" 4.1: a : Skip\n 4.2: b : Skip (rights)\n");
    assert_eq!(skipped, (Outcome::Skip, "rights".into()));
    let (outcome, message) = judged(" 4.1: a : Ok\n 4.2: b : FAILED!\n");
    assert_eq!((outcome, message.as_str()), (Outcome::Fail, "b failed"));
    let (outcome, message) = judged("no such thing\n");
    assert_eq!(outcome, Outcome::HarnessError);
    assert!(message.contains("no such thing"), "{message}");
    let (outcome, _) = judged_as(OutputFormat::Perf, 1, " 4.1: a : Ok\n");
    assert_eq!(outcome, Outcome::Fail);
}

#[test]
fn a_stressor_that_did_nothing_has_not_passed() {
    let judged = |status, text: &str| judged_as(OutputFormat::StressNg, status, text);
    let skipped = "stress-ng: info:  [7] x stressor will be skipped, no x\n";
    let idle = format!("{skipped}stress-ng: error: [7] No stress workers invoked\n");
    let reason = "x stressor will be skipped, no x";
    assert_eq!(judged(0, &idle), (Outcome::Skip, reason.into()));
    assert_eq!(judged(0, skipped).0, Outcome::Pass);
    assert_eq!(judged(0, "stress-ng: info:  [7] done\n").0, Outcome::Pass);
    assert_eq!(judged(3, skipped), (Outcome::Skip, reason.into()));
    assert_eq!(judged(4, "").0, Outcome::Skip);
    let (outcome, message) = judged(2, "stress-ng: fail:  [7] vm: wrong bits\n");
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(message, "vm failed: wrong bits");
    for status in [1, 2, 5, 6, 7] {
        assert_eq!(judged(status, "").0, Outcome::Fail, "{status}");
    }
}

#[test]
fn ltps_exit_status_is_a_mask_and_its_output_has_the_details() {
    let judged = |status, text: &str| judged_as(OutputFormat::Ltp, status, text);
    assert_eq!(judged(0, "a.c:1: TPASS: x\n").0, Outcome::Pass);
    let (outcome, message) = judged(32, "a.c:1: TCONF: no device\n");
    assert_eq!((outcome, message.as_str()), (Outcome::Skip, "no device"));
    let (outcome, message) = judged(1, "a.c:1: TPASS: x\na.c:2: TFAIL: y\n");
    assert_eq!(
        (outcome, message.as_str()),
        (Outcome::Fail, "a.c:2 failed: y")
    );
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
    // As `runner parse` has it.
    let over = "tst_test.c:9: TBROK: Test killed! (timeout?)\n";
    assert_eq!(judged(2, over).0, Outcome::TimeOut);
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

pub(super) fn ended_with(status: i32, findings: &Findings) -> Verdict {
    let ended = ended(ExitStatus::Exited(status));
    judge_end(TestEnd::Ended(&ended), "", findings, "")
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
        findings,
        seen,
        ..evidence(end)
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
fn a_machine_that_sleeps_is_no_fault_of_its_kernel() {
    let entry = "[    2.4] PM: suspend entry (deep)\n[    2.5] Freezing user space processes\n";
    let exit = "[    7.0] PM: suspend exit\n";
    let judged = |end, console: &str| {
        let evidence = Evidence {
            console,
            ..evidence(end)
        };
        judge(&evidence).outcome
    };
    let silent = TestEnd::Silent(Duration::from_secs(15));
    for end in [
        silent,
        TestEnd::Overdue,
        TestEnd::MachineGone(&StopReason::Reset),
    ] {
        assert_eq!(judged(end, entry), Outcome::HarnessError, "{end:?}");
    }
    // It woke up and hangs all the same; it was switched off; it panicked while it fell asleep.
    assert_eq!(judged(silent, &[entry, exit].concat()), Outcome::Hang);
    let off = TestEnd::MachineGone(&StopReason::PowerOff);
    assert_eq!(judged(off, entry), Outcome::Fail);
    let panicked = Evidence {
        console: entry,
        findings: &found(&["Kernel panic - not syncing: x"]),
        ..evidence(silent)
    };
    assert_eq!(judge(&panicked).outcome, Outcome::KernelCrash);
}
