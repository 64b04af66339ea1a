//! Runs for tests.

use crate::{Event, OutputRef, Record, RunInfo, SubtestResult, Summary, TestResult};
use proptest::prelude::*;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use suites::{Outcome, TestId};

/// A run with one test of every outcome, in the order of [`Outcome::ALL`].
pub fn a_run() -> Vec<Record> {
    let results = every_outcome();
    let mut events = vec![
        Event::RunStarted(Box::new(info(
            results.iter().map(|r| r.id.clone()).collect(),
        ))),
        Event::Warning {
            text: "the kernel lacks CONFIG_POSIX_MQUEUE".into(),
        },
        Event::MachineStarted { machine: 1 },
        Event::MachineReady {
            machine: 1,
            release: "6.1.0-56-amd64".into(),
            boot_ms: 4100,
        },
    ];
    for result in results {
        if let Some(machine) = result.machine {
            events.push(Event::TestStarted {
                id: result.id.clone(),
                machine,
            });
        }
        let crashed = result.outcome == Outcome::KernelCrash;
        events.push(Event::TestFinished(Box::new(result)));
        if crashed {
            events.push(Event::MachineEnded {
                machine: 1,
                reason: "the kernel panicked".into(),
            });
            events.push(Event::MachineStarted { machine: 2 });
        }
    }
    events.push(Event::RunFinished {
        exit_status: 1,
        reason: "the kernel is at fault".into(),
        duration_ms: 12_300,
    });
    events
        .into_iter()
        .zip(0..)
        .map(|(event, n)| Record {
            at_ms: n * 100,
            event,
        })
        .collect()
}

/// A run's description.
fn info(tests: Vec<TestId>) -> RunInfo {
    RunInfo {
        version: "0.1.0".into(),
        started: "2026-03-01T12:00:00.25Z".into(),
        command: vec!["runner".into(), "test".into()],
        kernel: "/boot/vmlinuz-6.1.0-56-amd64".into(),
        release: "6.1.0-56-amd64".into(),
        engine: "qemu".into(),
        accelerator: "tcg".into(),
        boot: "bzImage".into(),
        engine_reason: "/dev/kvm interprets guest code".into(),
        cpus: 2,
        memory_mib: 1024,
        timeout_scale: 8.0,
        jobs: 1,
        repeat: 1,
        retries: 0,
        shard: None,
        tests,
    }
}

/// What is known of a run that has just started.
pub fn started(tests: Vec<TestId>) -> Summary {
    Summary::of(&[Record {
        at_ms: 0,
        event: Event::RunStarted(Box::new(info(tests))),
    }])
}

/// A result with nothing but its verdict.
pub fn result(id: TestId, outcome: Outcome) -> TestResult {
    TestResult {
        outcome,
        message: None,
        duration_ms: 512,
        machine: Some(1),
        ..TestResult::not_run(&id, "")
    }
}

/// A reference to a file of the output directory.
pub fn output(file: &str) -> Option<OutputRef> {
    Some(OutputRef {
        file: file.into(),
        bytes: 1,
        dropped: 0,
    })
}

fn every_outcome() -> Vec<TestResult> {
    let timers = |case| TestId::grouped("kselftest", "timers", case);
    let mut results: Vec<_> = [
        (timers("nanosleep"), None),
        (timers("posix_timers"), Some("exit status 1")),
        (timers("rtcpie"), Some("/dev/rtc0 not found")),
        (timers("leapcrash"), Some("known to fail")),
        (timers("raw_skew"), Some("1 of 2 attempts failed")),
        (
            TestId::grouped("kselftest", "net", "tls"),
            Some("no end in 45 s"),
        ),
        (
            TestId::new("smoke", "clock"),
            Some("the machine stopped answering"),
        ),
        (
            TestId::new("exec", "make check"),
            Some("Oops: 0000\nKernel panic - not syncing"),
        ),
        (TestId::new("smoke", "cpus"), Some("no answer in 60 s")),
        (
            TestId::new("smoke", "memory"),
            Some("the run ended before its turn"),
        ),
        (
            TestId::new("smoke", "tmpfs"),
            Some("the program was not built"),
        ),
    ]
    .into_iter()
    .zip(Outcome::ALL)
    .map(|((id, message), outcome)| TestResult {
        message: message.map(String::from),
        ..result(id, outcome)
    })
    .collect();
    for never_ran in &mut results[8..] {
        never_ran.machine = None;
        never_ran.duration_ms = 0;
    }
    results[0].subtests = vec![subtest("relative", Outcome::Pass)];
    results[1].subtests = vec![
        subtest("itimer", Outcome::Pass),
        subtest("signal", Outcome::Fail),
    ];
    results[1].stdout = output("tests/1/stdout");
    results[1].stderr = output("tests/1/stderr");
    results[7].kernel_log = output("tests/6/kernel.log");
    results
}

fn subtest(name: &str, outcome: Outcome) -> SubtestResult {
    SubtestResult {
        path: vec!["clock".into(), name.into()],
        outcome,
        message: None,
    }
}

/// Text as a hostile machine would have it, often like another.
pub fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12)
            .prop_map(|b| String::from_utf8_lossy(&b).into_owned()),
        any::<String>(),
        prop::sample::select(vec![
            "a", "a #2", "a\n", "a ", "", "]]>", "<&'\">", "\x1b[1m", "\u{fffe}"
        ])
        .prop_map(String::from),
    ]
}

/// Any outcome.
pub fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(Outcome::ALL.to_vec())
}

prop_compose! {
    fn any_id()(suite in any_text(), group in prop::option::of(any_text()), case in any_text()) -> TestId {
        TestId { suite, group, case }
    }
}

prop_compose! {
    fn any_subtest()(
        path in prop::collection::vec(any_text(), 0..3),
        outcome in any_outcome(),
        message in prop::option::of(any_text()),
    ) -> SubtestResult {
        SubtestResult { path, outcome, message }
    }
}

prop_compose! {
    /// Any result, its outputs in the files `out`, `err` and `log`.
    pub fn any_result()(
        id in any_id(),
        outcome in any_outcome(),
        message in prop::option::of(any_text()),
        duration_ms in any::<u64>(),
        machine in any::<Option<u32>>(),
        exit in prop::option::of(any_text()),
        subtests in prop::collection::vec(any_subtest(), 0..4),
        outputs in any::<[bool; 3]>(),
    ) -> TestResult {
        let output_if = |there: bool, file| if there { output(file) } else { None };
        TestResult {
            id, outcome, message, duration_ms, machine, exit, subtests,
            stdout: output_if(outputs[0], "out"),
            stderr: output_if(outputs[1], "err"),
            kernel_log: output_if(outputs[2], "log"),
            artifacts: vec![],
            splats: vec![],
            attempts: vec![],
        }
    }
}

/// A writer that remembers.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What was written since the last call.
    pub fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no test panics while writing"));
        String::from_utf8(bytes).expect("reports are UTF-8")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while writing")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
