//! Kernels that boot, in every way that machines differ, and kernels that do not.

mod common;

use common::{Finished, Run};

/// What every boot failure leaves: nothing was run, everything selected is listed, the kernel's words are kept.
#[track_caller]
fn check_boot_failure(run: &Finished) {
    assert_eq!(run.outcome("runner:boot"), "boot-failure");
    for test in ["smoke:boot", "smoke:dmesg", "exec:echo never"] {
        run.assert_outcome(test, "not-run", "did not boot");
        assert_eq!(run.case(test).outcome, "not-run");
    }
    let case = run.case("runner:boot");
    assert!(case.element.is_some() && !case.message.is_empty());
    let started = |event: &serde_json::Value| event["event"] == "test-started";
    assert!(!run.events.iter().any(started));
    for log in ["console.log", "kernel.log"] {
        assert!(run.file(log).contains("Linux version "), "{log}");
    }
}

/// A run whose kernel finds no init.
fn without_init() -> Option<Run> {
    let run = Run::on_kernel()?.suite("smoke").suite("exec:echo never");
    Some(run.args(["--append", "rdinit=/nonexistent"]))
}

#[test]
fn a_kernel_that_panics_while_it_boots_is_bad_and_its_panic_is_the_reason() {
    let Some(run) = without_init() else { return };
    let run = run.run();
    run.assert_status(1);
    run.assert_outcome("runner:boot", "boot-failure", "Kernel panic - not syncing");
    check_boot_failure(&run);
    assert!(run.file("kernel.log").contains("Kernel panic"));
    assert!(run.stderr.contains("this kernel does not boot"));
}

#[test]
fn a_kernel_that_does_not_boot_can_be_left_unjudged() {
    let Some(run) = without_init() else { return };
    let run = run.args(["--boot-failure", "skip"]).run();
    run.assert_status(125);
    check_boot_failure(&run);
}

#[test]
fn a_boot_that_never_ends_is_given_up_and_the_last_line_named() {
    let Some(run) = without_init() else { return };
    // It panics and then stands still.
    let run = run
        .args(["--append", "panic=0"])
        .args(["--boot-timeout", "12", "--timeout-scale", "1"])
        .run();
    run.assert_status(1);
    check_boot_failure(&run);
    let reason = "was not ready within 12 s; the last line on its console: [";
    run.assert_outcome("runner:boot", "boot-failure", reason);
    // Not the answer to what the command asks of a machine before it gives up.
    let message = run.message("runner:boot");
    assert!(!message.contains("sysrq"), "{message}");
}

#[test]
fn a_machine_that_the_host_cannot_give_is_no_fault_of_the_kernel() {
    let Some(run) = Run::on_kernel() else { return };
    let run = run.suite("exec:true").args(["--memory", "16384G"]).run();
    run.assert_status(128);
    run.assert_outcome("exec:true", "not-run", "memory");
}

/// The smoke checks, all of them, on what `run` asks for.
#[track_caller]
fn smoke(run: Run) -> Finished {
    let run = run.suite("smoke").run();
    run.assert_status(0);
    assert_eq!(run.results["counts"]["tests"]["pass"], 9, "{}", run.stderr);
    run
}

#[test]
fn a_distributions_kernel_boots_on_one_cpu_and_little_memory() {
    let Some(run) = Run::on_kernel() else { return };
    smoke(run.args(["--cpus", "1", "--memory", "512M"]));
}

#[test]
fn a_bzimage_that_unpacks_itself_boots_on_four_cpus() {
    let Some(run) = Run::on_kernel() else { return };
    smoke(run.args(["--cpus", "4", "--boot", "bzimage"]));
}

#[test]
fn a_kernel_with_everything_built_in_boots_on_both_buses() {
    let Some(kernel) = common::extra_kernel("bzImage") else {
        return;
    };
    for (transport, cpus) in [("pci", "4"), ("mmio", "1")] {
        let run = Run::new().kernel(&kernel);
        smoke(run.args(["--transport", transport, "--cpus", cpus]));
    }
}

#[test]
fn a_vmlinux_boots() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let Some(kernel) = common::extra_vmlinux(dir.path()) else {
        return;
    };
    smoke(Run::new().kernel(&kernel));
}
