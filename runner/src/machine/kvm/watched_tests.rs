//! A machine whose monitor is a script and this test.

use super::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::OwnedFd;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};
use vmm_core::control::{Inspection, KernelLog, LogRecord, Statistics, Stopped};

/// A machine whose process runs `script`, and the monitor's end of its control socket, which that process has too.
fn machine(script: &str) -> (KvmMachine, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let child = Command::new("sh")
        .args(["-c", script])
        .stdin(OwnedFd::from(theirs.try_clone().expect("cloned")))
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts");
    (KvmMachine::watch(child, ours).expect("watched"), theirs)
}

/// Waits until the machine is gone.
fn until_gone(machine: &mut KvmMachine) -> StopReason {
    loop {
        if let Some(reason) = machine.process().expect("watched") {
            return reason;
        }
        let fds = machine.poll_fds();
        let mut polled: Vec<PollFd<'_>> = fds
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let a_minute = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        let ready = poll(&mut polled, Some(&a_minute)).expect("polled");
        assert!(ready > 0, "nothing happens");
    }
}

fn say(monitor: &mut UnixStream, event: &Event) {
    let mut line = serde_json::to_vec(event).expect("JSON");
    line.push(b'\n');
    monitor.write_all(&line).expect("room");
}

fn stopped(reason: control::StopReason, inspection: Option<Inspection>) -> Event {
    Event::Stopped(Box::new(Stopped {
        reason,
        inspection,
        statistics: Statistics::default(),
    }))
}

#[test]
fn what_the_monitor_reports_is_seen_in_order() {
    let (mut machine, mut monitor) = machine("exec sleep 1000");
    assert_eq!(machine.process().expect("watched"), None);
    let inspection = Inspection {
        vcpus: vec![],
        log: Ok(KernelLog {
            records: vec![LogRecord {
                sequence: 7,
                nanos: 5,
                level: 0,
                facility: 0,
                text: "Kernel panic - not syncing: x".into(),
            }],
        }),
        kernel: None,
    };
    say(&mut monitor, &Event::Panicked);
    say(
        &mut monitor,
        &stopped(control::StopReason::Reset, Some(inspection.clone())),
    );
    assert_eq!(until_gone(&mut machine), StopReason::Reset);
    assert_eq!(
        machine.sights(),
        [
            Sight::Panicked,
            Sight::Inspected(Box::new(inspection)),
            Sight::Counted(Box::default())
        ]
    );
    assert!(machine.sights().is_empty());
}

#[test]
fn every_reason_has_its_counterpart() {
    use control::StopReason as Theirs;
    for (theirs, ours) in [
        (Theirs::PowerOff, StopReason::PowerOff),
        (Theirs::TripleFault, StopReason::TripleFault),
        (
            Theirs::InternalError("x".into()),
            StopReason::InternalError("x".into()),
        ),
        (
            Theirs::MonitorError("y".into()),
            StopReason::EngineDied("y".into()),
        ),
    ] {
        let (mut machine, mut monitor) = machine("exec sleep 1000");
        say(&mut monitor, &stopped(theirs, None));
        assert_eq!(until_gone(&mut machine), ours);
        assert_eq!(machine.sights(), [Sight::Counted(Box::default())]);
    }
}

#[test]
fn requests_reach_the_monitor() {
    let (mut machine, monitor) = machine("exec sleep 1000");
    machine.control(machine::Control::SysRq('w'));
    machine.control(machine::Control::Nmi);
    machine.control(machine::Control::Inspect);
    let lines: Vec<Request> = BufReader::new(monitor)
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(&line.expect("readable")).expect("a request"))
        .collect();
    assert_eq!(lines, [Request::SysRq('w'), Request::Nmi, Request::Inspect]);
}

/// Why a machine is gone whose process ran `script`, this test having let go of the control socket.
fn died(script: &str) -> String {
    let (mut machine, monitor) = machine(script);
    drop(monitor);
    match until_gone(&mut machine) {
        StopReason::EngineDied(words) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_monitor_that_dies_says_how_and_its_last_words_are_kept() {
    assert_eq!(
        died("echo 'cannot create a VM: busy' >&2; exit 3"),
        "cannot create a VM: busy"
    );
    assert_eq!(
        died("echo thread panicked >&2; echo at x.rs >&2; exit 101"),
        "the machine monitor ended with status 101: thread panicked; at x.rs"
    );
    assert_eq!(
        died("kill -9 $$"),
        "the machine monitor was killed by signal 9"
    );
    // Without having said why: that is no end of a machine.
    assert_eq!(died("exit 0"), "the machine monitor ended with status 0");
}

#[test]
fn a_monitor_that_talks_nonsense_is_killed() {
    let (mut machine, mut monitor) = machine("exec sleep 1000");
    monitor.write_all(b"{\"reboot\":1}\n").expect("room");
    let reason = until_gone(&mut machine);
    assert!(
        matches!(&reason, StopReason::EngineDied(words) if words.starts_with("the machine monitor sent no event")),
        "{reason:?}"
    );
    assert!(machine.process.ended().expect("waited").is_some());
}

#[test]
fn a_killed_machine_is_gone() {
    let (mut machine, _monitor) = machine("exec sleep 1000");
    machine.kill();
    machine.kill();
    assert!(machine.process.ended().expect("waited").is_some());
}
