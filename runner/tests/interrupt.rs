//! Runs that are not let finish leave what they know, and nothing else.

mod common;

use common::{Finished, Run, Started};
use rustix::process::Signal;
use std::fs;

/// A run of three tests, of which the second does not end by itself.
fn three_tests() -> Option<Started> {
    let run = Run::on_kernel()?
        .sh("before", "exit 0")
        .sh("running", "echo e2e-running; sleep 1000")
        .sh("after", "exit 0");
    Some(run.start())
}

#[track_caller]
fn assert_interrupted(done: &Finished, status: i32) {
    done.assert_status(status);
    done.assert_outcome("running", "not-run", "the run was interrupted");
    done.assert_outcome("after", "not-run", "the run was interrupted");
    assert_eq!(
        done.results["counts"]["tests"]["not-run"],
        done.junit.counts()["not-run"]
    );
}

#[test]
fn sigint_in_a_test_ends_the_run_and_keeps_what_is_known() {
    let Some(mut run) = three_tests() else { return };
    run.wait_for_output("e2e-running");
    assert_eq!(run.processes.machines().len(), 1);
    run.signal(Signal::INT);
    let done = run.finish();
    assert_interrupted(&done, 130);
    done.assert_outcome("before", "pass", "");
    assert_eq!(done.output("running", "stdout"), "e2e-running\n");
    assert_eq!(done.results["reason"], "interrupted by SIGINT");
}

#[test]
fn sigterm_in_a_test_does_too() {
    let Some(mut run) = three_tests() else { return };
    run.wait_for_output("e2e-running");
    run.signal(Signal::TERM);
    let done = run.finish();
    assert_interrupted(&done, 143);
    done.assert_outcome("before", "pass", "");
    assert_eq!(done.results["reason"], "ended by SIGTERM");
}

#[test]
fn a_boot_is_interrupted_as_well() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let Some(mut run) = three_tests() else { return };
        run.wait_until("the kernel speaks", |run| {
            fs::metadata(run.path("console.log")).is_ok_and(|meta| meta.len() > 0)
        });
        run.signal(signal);
        let done = run.finish();
        assert_interrupted(&done, status);
        done.assert_outcome("before", "not-run", "the run was interrupted");
    }
}

#[test]
fn a_killed_run_leaves_valid_reports_and_no_machine() {
    let Some(mut run) = three_tests() else { return };
    run.wait_for_output("e2e-running");
    assert_eq!(run.processes.machines().len(), 1);
    run.signal(Signal::KILL);
    // No machine and no temporary file: `end` looks.
    let done = run.end();
    assert_eq!(done.status, -1, "ended by a signal");
    done.check_agreement();
    done.assert_outcome("before", "pass", "");
    assert_eq!(done.results["finished"], false);
    assert_eq!(
        done.results["not_finished"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(done.junit.counts()["not-run"], 2);
    assert_ne!(done.events.last().expect("events")["event"], "run-finished");

    // The journal is enough to draw the others from.
    let before = done.file("junit.xml");
    for name in ["junit.xml", "results.json"] {
        fs::remove_file(done.path(name)).expect("removed");
    }
    let drawn = std::process::Command::new(env!("CARGO_BIN_EXE_runner"))
        .arg("report")
        .arg(done.path(""))
        .output()
        .expect("started");
    assert!(drawn.status.success(), "{drawn:?}");
    assert_eq!(
        String::from_utf8_lossy(&drawn.stdout),
        "the run was killed: tests without a result are listed as not run\n"
    );
    assert_eq!(
        done.file("junit.xml").lines().count(),
        before.lines().count()
    );
    done.check_agreement();
}
