//! Tests that take their machine with them: what is known of them is kept, and the others run all the same.

mod common;

use common::{Finished, Run, extra_kernel};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Freezes init itself: the machine goes on, and nobody answers.
const FREEZE_INIT: &str = "g=/sys/fs/cgroup/e2e-frozen; mkdir $g && echo 1 > $g/cgroup.procs && \
                           echo about to freeze && echo 1 > $g/cgroup.freeze; sleep 1000";

/// Fails unless there were this many machines, and every one but the last is said to have ended for a reason that
/// contains the words given for it.
#[track_caller]
fn assert_machines(done: &Finished, reasons: &[&str]) {
    let machines = done.results["machines"].as_array().expect("machines");
    assert_eq!(machines.len(), reasons.len() + 1, "{machines:#?}");
    for (machine, reason) in machines.iter().zip(reasons) {
        let ended = machine["ended"].as_str().expect("it ended");
        assert!(ended.contains(reason), "{reason}: {ended}");
    }
}

#[test]
fn a_panic_is_the_tests_that_caused_it_and_a_new_machine_runs_the_rest() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh("before", "echo e2e-before > /dev/kmsg; echo kept")
        .sh(
            "panics",
            "echo last words; echo c > /proc/sysrq-trigger; sleep 1000",
        )
        .sh(
            "after",
            "echo another machine; cat /proc/sys/kernel/tainted",
        )
        .run();
    done.assert_status(1);
    done.assert_outcome("before", "pass", "");
    assert_eq!(done.output("before", "stdout"), "kept\n");
    done.assert_outcome(
        "panics",
        "kernel-crash",
        "Kernel panic - not syncing: sysrq triggered crash",
    );
    assert_eq!(done.output("panics", "stdout"), "last words\n");
    let log = done.output("panics", "kernel_log");
    for line in [
        "sysrq: Trigger a crash",
        "Kernel panic - not syncing",
        "Call Trace:",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line} in {log}");
    }
    assert!(!log.contains("e2e-before"), "{log}");
    assert!(
        done.case("panics")
            .system_err
            .contains("Kernel panic - not syncing")
    );
    assert!(done.stderr.contains("Call Trace:"), "{}", done.stderr);
    done.assert_outcome("after", "pass", "");
    assert_eq!(done.output("after", "stdout"), "another machine\n0\n");
    assert_eq!(done.result("before")["machine"], 1);
    assert_eq!(done.result("panics")["machine"], 1);
    assert_eq!(done.result("after")["machine"], 2);
    assert_machines(&done, &["Kernel panic"]);
    assert!(done.file("kernel.log").contains("Kernel panic"));
    assert!(done.file("console.log").contains("Kernel panic"));
}

#[test]
fn a_test_that_ends_its_machine_has_failed_whichever_way_it_did() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh("powers-off", "echo o > /proc/sysrq-trigger; sleep 1000")
        .sh("resets", "echo b > /proc/sysrq-trigger; sleep 1000")
        .sh("last", "exit 0")
        .run();
    done.assert_status(1);
    done.assert_outcome("powers-off", "fail", "the test switched the machine off");
    done.assert_outcome(
        "resets",
        "fail",
        "the test reset the machine with the SysRq key",
    );
    done.assert_outcome("last", "pass", "");
    assert_eq!(done.result("last")["machine"], 3);
    assert_machines(&done, &["switched the machine off", "reset the machine"]);
}

#[test]
fn a_machine_that_stops_answering_hangs_and_says_where() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .args(["--timeout-scale", "1"])
        .sh("before", "exit 0")
        .sh("freezes", FREEZE_INIT)
        .sh(
            "stands-still",
            "echo 0 > /proc/sys/kernel/panic; echo c > /proc/sysrq-trigger; sleep 1000",
        )
        .sh("after", "exit 0")
        .run();
    done.assert_status(1);
    done.assert_outcome("before", "pass", "");
    done.assert_outcome("freezes", "hang", "the machine stopped answering");
    assert_eq!(done.case("freezes").element.as_deref(), Some("error"));
    let log = done.output("freezes", "kernel_log");
    for line in [
        "sysrq: Show backtrace of all active CPUs",
        "sysrq: Show Blocked State",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
    // A panic is a crash, even of a machine that neither ends nor answers after it.
    done.assert_outcome("stands-still", "kernel-crash", "sysrq triggered crash");
    done.assert_outcome("after", "pass", "");
    assert_eq!(done.result("after")["machine"], 3);
    assert_machines(&done, &["the machine stopped answering", "Kernel panic"]);
}

#[test]
fn a_machine_whose_process_is_killed_is_the_hosts_fault() {
    let Some(run) = Run::on_kernel() else { return };
    let mut run = run
        .sh("before", "exit 0")
        .sh("victim", "echo e2e-running; sleep 1000")
        .sh("after", "exit 0")
        .start();
    run.wait_for_output("e2e-running");
    let machines = run.processes.machines();
    assert_eq!(machines.len(), 1, "{:?}", run.processes.list());
    let machine = Pid::from_raw(machines[0]).expect("a process");
    kill_process(machine, Signal::KILL).expect("it is there");
    let done = run.finish();
    done.assert_status(128);
    done.assert_outcome("before", "pass", "");
    done.assert_outcome("victim", "harness-error", "qemu was killed by signal 9");
    assert_eq!(done.output("victim", "stdout"), "e2e-running\n");
    done.assert_outcome("after", "pass", "");
    assert_machines(&done, &["qemu was killed by signal 9"]);
}

/// Makes the kernel misbehave by its own means (`CONFIG_LKDTM`).
fn lkdtm(what: &str) -> String {
    format!("echo {what} > /sys/kernel/debug/provoke-crash/DIRECT")
}

#[test]
fn a_kernel_that_breaks_is_told_from_a_test_that_fails() {
    let Some(kernel) = extra_kernel("bzImage") else {
        return;
    };
    let done = Run::new()
        .kernel(&kernel)
        .args(["--timeout-scale", "1", "--cpus", "1"])
        .sh("oopses", &format!("sh -c '{}'; exit 0", lkdtm("EXCEPTION")))
        .sh("same-machine", "exit 0")
        .sh("panics", &lkdtm("PANIC"))
        .sh("locks-up", &lkdtm("HARDLOCKUP"))
        .sh("after", "exit 0")
        .run();
    done.assert_status(1);
    done.assert_outcome(
        "oopses",
        "fail",
        "the kernel reported an error while the test",
    );
    assert!(
        done.message("oopses").contains("BUG: "),
        "{}",
        done.message("oopses")
    );
    assert!(done.output("oopses", "kernel_log").contains("Call Trace:"));
    done.assert_outcome("same-machine", "pass", "");
    assert_eq!(done.result("same-machine")["machine"], 1);
    done.assert_outcome(
        "panics",
        "kernel-crash",
        "Kernel panic - not syncing: dumptest",
    );
    done.assert_outcome("locks-up", "hang", "the machine stopped answering");
    done.assert_outcome("after", "pass", "");
    assert_machines(&done, &["Kernel panic", "the machine stopped answering"]);
}

/// What `results.json` says of the splats of a test: class, title, and whether they are held against it.
fn splats_of<'r>(done: &'r Finished, name: &str) -> Vec<(&'r str, &'r str, bool)> {
    let splats = done.result(name)["splats"].as_array();
    let word = |splat: &'r Value, member: &str| splat[member].as_str().expect("a word");
    let all = splats.into_iter().flatten();
    all.map(|splat| {
        let counts = splat["counts"].as_bool().expect("said");
        (word(splat, "class"), word(splat, "title"), counts)
    })
    .collect()
}

#[test]
fn splats_are_put_down_to_their_tests() {
    let Some(kernel) = extra_kernel("bzImage") else {
        return;
    };
    let done = Run::new()
        .kernel(&kernel)
        .args(["--timeout-scale", "1", "--cpus", "1"])
        .args([
            "--allow-splat",
            "refcount",
            "--allow-splat",
            "list_add corruption*",
        ])
        .sh("warns", &lkdtm("WARNING"))
        .sh("clean", "echo BUG: says a program > /dev/kmsg; exit 0")
        .sh("again", &lkdtm("WARNING"))
        .sh("counts-wrong", &lkdtm("REFCOUNT_SUB_AND_TEST_NEGATIVE"))
        .sh("adds-wrong", &lkdtm("CORRUPT_LIST_ADD"))
        .sh("bugs", &format!("sh -c '{}'; exit 3", lkdtm("BUG")))
        .run();
    done.assert_status(1);
    let title = "WARNING in lkdtm_WARNING (drivers/misc/lkdtm/bugs.c:";
    for name in ["warns", "again"] {
        done.assert_outcome(name, "fail", title);
        let splats = splats_of(&done, name);
        assert!(
            matches!(splats[..], [("warning", found, true)] if found.starts_with(title)),
            "{splats:?}"
        );
    }
    let first = &done.result("warns")["splats"][0];
    assert_eq!(
        first["fingerprint"],
        done.result("again")["splats"][0]["fingerprint"]
    );
    assert_eq!(first["frames"][0]["function"], "lkdtm_WARNING");
    // Its lines are those of the test's kernel log.
    let log = done.output("warns", "kernel_log");
    let line = |member: &str| {
        let number = first[member].as_u64().expect("a number");
        log.lines()
            .nth(usize::try_from(number).expect("small") - 1)
            .expect("a line")
    };
    assert!(
        line("first_line").ends_with("[ cut here ]------------"),
        "{log}"
    );
    assert!(line("last_line").contains("---[ end trace"), "{log}");
    done.assert_outcome("clean", "pass", "");
    assert_eq!(splats_of(&done, "clean"), []);
    done.assert_outcome("counts-wrong", "pass", "");
    assert!(matches!(
        splats_of(&done, "counts-wrong")[..],
        [("refcount", _, false)]
    ));
    done.assert_outcome("adds-wrong", "pass", "");
    assert!(matches!(
        splats_of(&done, "adds-wrong")[..],
        [("list-corruption", _, false)]
    ));
    done.assert_outcome(
        "bugs",
        "fail",
        "exit status 3; the kernel reported: kernel BUG in lkdtm_BUG",
    );
    let shown = &done.case("warns").system_err;
    assert!(
        shown.contains("--- splat: WARNING in lkdtm_WARNING"),
        "{shown}"
    );
    for said in [
        "--- splat: WARNING in lkdtm_WARNING",
        "direct_entry+0x",
        "3 splats in tests, 2 distinct",
    ] {
        assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
    }
}
