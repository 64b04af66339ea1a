//! Sessions with machines that are scripts: what is seen from outside reaches the verdict and the logs.

use super::{
    Ended, Lane, Measured, Session, fake,
    fake::{Guest, News, Script, Scripted},
};
use crate::machine::{Control, Inspection, LogRecord, Mark, Sight, StopReason, VcpuState};
use reports::{Reports, Show, TerminalOptions};
use std::{
    collections::VecDeque,
    fs,
    io::Read,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    time::Duration,
};
use suites::{OutputFormat, Program, Test, TestId};
use vmm_core::control::{KernelLog, Registers};
use wire::GuestMessage;

/// What a session left.
struct Left {
    ended: Ended,
    result: Option<reports::TestResult>,
    kernel_log: String,
    asked: Vec<Control>,
    measured: Measured,
}

fn run(looks: Vec<Inspection>, script: impl FnOnce(Guest) + Send + 'static) -> Left {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (cancel, _run) = UnixStream::pair().expect("a socket pair");
    let settings = fake::settings(dir.path(), cancel);
    let mut script = Some(Box::new(script) as Script);
    let engine = Scripted {
        scripts: Mutex::new(Box::new(move || script.take().expect("one machine"))),
        looks,
        asked: Arc::default(),
    };
    let quiet = TerminalOptions {
        show: Show::Nothing,
        ..TerminalOptions::default()
    };
    let mut reports = Reports::create(dir.path(), quiet).expect("made");
    let tests = [Test::new(
        TestId::new("exec", "x"),
        Program::Exec(vec!["x".into()]),
        OutputFormat::Auto,
    )];
    let mut queue = VecDeque::from([0]);
    let (ended, measured) = Session::launch(&engine, &settings, &mut reports, 1, Lane(0), &[])
        .and_then(|mut session| Ok((session.run(&tests, &mut queue)?, session.measured.clone())))
        .expect("reports are written");
    let events = fs::read_to_string(dir.path().join("events.jsonl")).expect("written");
    let result = events.lines().find_map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        (event["event"] == "test-finished")
            .then(|| serde_json::from_value(event).expect("a result"))
    });
    let asked = engine.asked.lock().expect("whole").clone();
    Left {
        ended,
        result,
        kernel_log: fs::read_to_string(dir.path().join("kernel.log")).unwrap_or_default(),
        asked,
        measured,
    }
}

fn look(rip: u64, records: &[(u64, &str)]) -> Inspection {
    Inspection {
        vcpus: vec![VcpuState {
            id: 0,
            exits: 1,
            ran_nanos: 1_000_000_000,
            waited_nanos: 0,
            halted: false,
            registers: Registers {
                rip,
                ..Registers::default()
            },
            stack: vec![rip, 0xffff_ffff_8100_0001],
        }],
        log: Ok(KernelLog {
            records: records
                .iter()
                .map(|(sequence, text)| LogRecord {
                    sequence: *sequence,
                    nanos: sequence * 1_000_000_000,
                    level: 0,
                    facility: 0,
                    text: (*text).into(),
                })
                .collect(),
        }),
        kernel: None,
    }
}

/// The end of a test with nothing to complain about.
fn passed() -> GuestMessage {
    GuestMessage::Ended(wire::TestEnded {
        test: 0,
        status: wire::ExitStatus::Exited(0),
        timed_out: false,
        duration_us: 1,
        dropped: [0; 2],
        artifacts_dropped: 0,
        unkillable: vec![],
        unfit: None,
        taint: 0,
        klog_seq: None,
    })
}

const RIP: u64 = 0xffff_ffff_8123_4567;

#[test]
fn a_machine_that_dies_without_a_word_leaves_its_log_and_its_registers() {
    let left = run(vec![], |mut guest| {
        guest.boot();
        let end = look(RIP, &[(1, "known"), (2, "double fault is next")]);
        guest
            .process
            .say(News::Sight(Sight::Inspected(Box::new(end))));
        guest.gone(StopReason::TripleFault);
    });
    let result = left.result.expect("judged");
    assert_eq!(result.outcome, suites::Outcome::KernelCrash);
    assert_eq!(
        result.message.as_deref(),
        Some("the machine ended in a triple fault at 0xffffffff81234567")
    );
    for words in [
        "] double fault is next\n",
        "[runner: vCPU 0 was running]",
        "RIP: ffffffff81234567",
        "0xffffffff81000001]",
    ] {
        assert!(
            left.kernel_log.contains(words),
            "{words} in {}",
            left.kernel_log
        );
    }
    assert!(!left.kernel_log.contains("known"), "{}", left.kernel_log);
    assert!(result.kernel_log.expect("a slice").bytes > 100);
}

#[test]
fn a_panic_is_known_by_its_announcement_and_its_words_by_guest_memory() {
    let left = run(vec![], |mut guest| {
        guest.boot();
        guest.process.say(News::Sight(Sight::Panicked));
        guest.gone(StopReason::EngineDied("killed".into()));
    });
    let result = left.result.expect("judged");
    assert_eq!(result.outcome, suites::Outcome::KernelCrash);

    let left = run(vec![], |mut guest| {
        guest.boot();
        guest.process.say(News::Sight(Sight::Panicked));
        let end = look(RIP, &[(2, "Kernel panic - not syncing: x")]);
        guest
            .process
            .say(News::Sight(Sight::Inspected(Box::new(end))));
        guest.gone(StopReason::Reset);
    });
    let result = left.result.expect("judged");
    assert_eq!(
        result.message.as_deref(),
        Some("Kernel panic - not syncing: x")
    );
}

#[test]
fn a_kernel_that_dies_before_its_init_says_why() {
    let left = run(vec![], |mut guest| {
        let words = [
            (0, "Linux version 6"),
            (1, "Kernel panic - not syncing: VFS"),
        ];
        let end = look(RIP, &words);
        guest
            .process
            .say(News::Sight(Sight::Inspected(Box::new(end))));
        guest.gone(StopReason::Reset);
    });
    assert!(
        matches!(&left.ended, Ended::BootFailed(why) if why == "Kernel panic - not syncing: VFS"),
        "{:?}",
        left.ended
    );
    assert!(left.kernel_log.contains("Linux version 6"));

    let left = run(vec![], |guest| guest.gone(StopReason::TripleFault));
    assert!(
        matches!(&left.ended, Ended::BootFailed(why) if why.starts_with("the machine ended in a triple fault; it printed nothing")),
        "{:?}",
        left.ended
    );
}

#[test]
fn a_machine_that_stands_still_is_looked_into_until_it_says_something() {
    let still = look(RIP, &[(2, "last words")]);
    let left = run(vec![still], |mut guest| {
        guest.boot();
        // Until the session hangs up.
        let _ = guest.console.read(&mut [0; 1]);
    });
    let result = left.result.expect("judged");
    assert_eq!(result.outcome, suites::Outcome::Hang);
    let message = result.message.expect("a reason");
    assert!(
        message.ends_with("; vCPU 0 spins at 0xffffffff81234567"),
        "{message}"
    );
    use Control::{Inspect, Nmi, SysRq};
    assert_eq!(
        left.asked,
        [
            Inspect,
            Inspect,
            SysRq('l'),
            SysRq('w'),
            Inspect,
            Nmi,
            Inspect
        ]
    );
    for words in ["last words", "vCPU 0 spins at 0xffffffff81234567; 0 exits"] {
        assert!(
            left.kernel_log.contains(words),
            "{words} in {}",
            left.kernel_log
        );
    }
}

#[test]
fn a_boot_that_stands_still_says_how_far_it_came_before_it_was_asked() {
    let looks = vec![
        look(RIP, &[(0, "waiting for godot")]),
        look(RIP + 1, &[(0, "waiting for godot")]),
        look(
            RIP,
            &[(0, "waiting for godot"), (1, "sysrq: Show Blocked State")],
        ),
    ];
    let left = run(looks, |mut guest| {
        let _ = guest.console.read(&mut [0; 1]);
    });
    let Ended::BootFailed(why) = &left.ended else {
        panic!("{:?}", left.ended);
    };
    assert!(
        why.ends_with("the last line of its kernel log: waiting for godot; vCPU 0 runs, now at 0xffffffff81234568"),
        "{why}"
    );
    assert!(left.kernel_log.contains("sysrq: Show Blocked State"));
    assert!(!left.asked.contains(&Control::Nmi));
}

#[test]
fn a_machine_that_announced_a_panic_gets_no_further_test() {
    let left = run(vec![look(RIP, &[])], |mut guest| {
        guest.boot();
        guest.process.say(News::Sight(Sight::Panicked));
        // The test does not end before that has been heard.
        std::thread::sleep(Duration::from_millis(30));
        guest.send(&passed());
        let _ = guest.console.read(&mut [0; 1]);
    });
    let result = left.result.expect("judged");
    assert_eq!(result.outcome, suites::Outcome::KernelCrash);
    let Ended::MachineLost {
        useful: true,
        reason,
    } = &left.ended
    else {
        panic!("{:?}", left.ended);
    };
    assert!(reason.contains("announced a panic"), "{reason}");
}

#[test]
fn a_measured_machine_says_when_and_what_before_it_goes() {
    let left = run(vec![look(RIP, &[])], |mut guest| {
        for nanos in [5, 6] {
            let mark = Sight::Reached(Mark::Init, nanos);
            guest.process.say(News::Sight(mark));
        }
        guest.boot();
        guest.send(&passed());
        let _ = guest.console.read(&mut [0; 1]);
    });
    assert!(matches!(left.ended, Ended::Completed), "{:?}", left.ended);
    assert_eq!(left.asked, [Control::Quit]);
    let measured = left.measured;
    assert_eq!(
        measured.marks.into_iter().collect::<Vec<_>>(),
        [(Mark::Init, 5)]
    );
    assert_eq!(measured.statistics.map(|all| all.exits_total), Some(7));
    let [ready, done, gone] =
        [measured.ready, measured.test_done, measured.gone].map(|t| t.expect("reached"));
    assert!(measured.launched < ready && ready < done && done <= gone);
}
