//! What needs a KVM that runs guest code at speed: on this host where it has one, else in a machine that does.
//!
//! How this works, and how to add to it: `common/nested.rs`.

mod common;

use common::nested;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use vmm_core::KvmHealth;

/// By which the tests that are run elsewhere find [`selftests`].
const SELFTESTS: &str = "RUNNER_TEST_KSELFTEST";

/// Selftests that are quick, need no library, and say something of the machine: clocks and alarms, memory, processors.
const QUICK: [&str; 5] = ["kcmp", "membarrier", "sigaltstack", "size", "timens"];

#[test]
fn on_real_kvm() {
    let selftests = selftests();
    nested::run_ignored_tests_with(selftests.as_ref().map(|dir| (SELFTESTS, dir.as_os_str())));
}

/// The collections of [`QUICK`], built on this host, which is quicker at it.
fn selftests() -> Option<PathBuf> {
    let source = std::env::var_os("RUNNER_TEST_LINUX_SOURCE").filter(|path| !path.is_empty())?;
    let cache = common::shared_dir().join("cache");
    let mut list = Command::new(env!("CARGO_BIN_EXE_runner"));
    list.args(["list", "--tree"])
        .arg(source)
        .args(QUICK.map(|name| format!("--suite=kselftest:{name}")))
        .env("XDG_CACHE_HOME", &cache)
        .stdin(Stdio::null());
    let output = list.output().expect("the command starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let builds = std::fs::read_dir(cache.join("runner/kselftest")).expect("there are builds");
    let installs = builds.flatten().map(|build| build.path().join("install"));
    let mut trees: Vec<_> = installs
        .flat_map(|install| std::fs::read_dir(install).into_iter().flatten().flatten())
        .map(|tree| tree.path())
        .filter(|tree| {
            let list = std::fs::read_to_string(tree.join("kselftest-list.txt"));
            list.is_ok_and(|list| {
                QUICK.iter().all(|name| {
                    let collection = name.split(':').next().unwrap_or(name);
                    list.contains(&format!("{collection}:"))
                })
            })
        })
        .collect();
    assert!(!trees.is_empty(), "no build has them all");
    trees.sort_by_key(|tree| tree.metadata().and_then(|file| file.modified()).ok());
    trees.pop()
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn the_probe_calls_it_healthy() {
    // It gives up within a second, which on a busy host an emulated machine may take.
    let mut probes = std::iter::repeat_with(vmm_core::probe).take(5);
    let busy = KvmHealth::Broken(vmm_core::Fault::NoAnswer);
    let health = probes.find(|health| *health != busy).unwrap_or(busy);
    assert!(matches!(health, KvmHealth::Healthy { .. }), "{health}");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn an_emulated_machine_keeps_kvm_in_use() {
    if std::env::var_os("KSFT_MACHINE_SLOW").is_none() {
        return eprintln!("SKIP: this is no emulated machine");
    }
    let open = std::fs::read_dir("/proc/1/fd").expect("root may look");
    let machines = open
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter(|target| target == Path::new("anon_inode:kvm-vm"));
    assert_eq!(machines.count(), 2);
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn qemu_runs_a_kernel_on_it() {
    let Some(run) = common::Run::on_kernel() else {
        return;
    };
    let run = run.args(["--engine", "qemu"]).suite("smoke").run();
    run.assert_status(0);
    assert_eq!(run.events[0]["accelerator"], "kvm");
}

/// A run by our own monitor, on the machine's kernel.
fn on_our_monitor() -> Option<common::Run> {
    Some(common::Run::on_kernel()?.args(["--engine", "kvm", "--memory", "512M"]))
}

/// Has the kernel misbehave by its own means (`CONFIG_LKDTM`), and waits.
fn lkdtm(what: &str) -> String {
    format!(
        "mount -t debugfs none /sys/kernel/debug 2>/dev/null; echo {what} > /sys/kernel/debug/provoke-crash/DIRECT; sleep 1000"
    )
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn both_engines_find_the_same() {
    let run = |engine: &str| {
        let run = common::Run::on_kernel()?.args(["--engine", engine, "--memory", "512M"]);
        let run = run
            .suite("smoke")
            .sh("fails", "echo to stderr >&2; exit 3")
            .sh("skips", "exit 4")
            .sh("dies", "kill -9 $$")
            .sh(
                "reports",
                "echo TAP version 13; echo 1..2; echo ok 1 a; echo not ok 2 b; exit 1",
            )
            .sh("switches-off", "echo o > /proc/sysrq-trigger; sleep 1000")
            .sh("resets", "echo b > /proc/sysrq-trigger; sleep 1000")
            .sh("panics", "echo c > /proc/sysrq-trigger; sleep 1000")
            .run();
        run.assert_status(1);
        assert_eq!(run.events[0]["engine"], engine);
        Some(run.outcomes())
    };
    let Some(ours) = run("kvm") else { return };
    assert_eq!(Some(ours), run("qemu"));
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn selftests_find_the_same_on_both_engines() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    assert_same_selftests(&kernel);
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn selftests_find_the_same_on_both_engines_with_everything_built_in() {
    let Some(kernel) = common::extra_kernel("bzImage") else {
        return;
    };
    assert_same_selftests(&kernel);
}

#[track_caller]
fn assert_same_selftests(kernel: &Path) {
    let Some(tree) = std::env::var_os(SELFTESTS) else {
        return eprintln!("SKIP: RUNNER_TEST_LINUX_SOURCE names no kernel source tree");
    };
    let ours = selftests_on("kvm", kernel, &tree);
    assert_eq!(ours, selftests_on("qemu", kernel, &tree));
}

fn selftests_on(engine: &str, kernel: &Path, tree: &OsStr) -> Vec<String> {
    let run = common::Run::new()
        .kernel(kernel)
        .arg("--kselftest")
        .arg(tree);
    let run = run.args(["--engine", engine, "--memory", "512M"]);
    let suites = QUICK.map(|name| format!("kselftest:{name}"));
    let run = suites.iter().fold(run, |run, suite| run.suite(suite)).run();
    assert!(!run.events.is_empty(), "{}", run.stderr);
    assert_eq!(run.events[0]["engine"], engine);
    let outcomes = run.outcomes();
    assert!(outcomes.len() >= QUICK.len(), "{outcomes:?}");
    outcomes
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn it_is_chosen_unasked() {
    let Some(run) = common::Run::on_kernel() else {
        return;
    };
    let run = run.suite("exec:true").run();
    run.assert_status(0);
    assert_eq!(run.events[0]["engine"], "kvm");
    assert!(
        run.stderr.contains(" on kvm (/dev/kvm works), "),
        "{}",
        run.stderr
    );
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn every_way_to_build_a_machine_boots() {
    let variants: [&[&str]; 4] = [
        &["--memory", "512M", "--boot", "bzimage"],
        &[
            "--memory",
            "512M",
            "--cpus",
            "8",
            "--sockets",
            "2",
            "--threads",
            "2",
        ],
        &["--memory", "512M", "--cpus", "2", "--numa", "2"],
        &["--memory", "5G"],
    ];
    for arguments in variants {
        let Some(run) = common::Run::on_kernel() else {
            return;
        };
        let run = run.args(["--engine", "kvm"]).args(arguments);
        let run = run.suite("smoke").run();
        run.assert_status(0);
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_panic_before_init_keeps_its_log_without_a_word_on_the_console() {
    let Some(run) = on_our_monitor() else { return };
    let run = run
        .args(["--append", "quiet rdinit=/nonexistent console=null"])
        .suite("exec:true")
        .run();
    run.assert_status(1);
    run.assert_outcome("runner:boot", "boot-failure", "Kernel panic - not syncing");
    let log = run.file("kernel.log");
    for words in [
        "Linux version ",
        "Kernel panic - not syncing",
        "Call Trace:",
    ] {
        assert!(log.contains(words), "{words} in {log}");
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_kernel_without_handlers_ends_in_a_triple_fault() {
    let Some(kernel) = common::extra_kernel("bzImage") else {
        return;
    };
    // What `reboot=t` means: an empty table of handlers, and an exception.
    let run = common::Run::new()
        .kernel(&kernel)
        .args([
            "--engine", "kvm", "--memory", "512M", "--append", "reboot=t",
        ])
        .sh("faults", "echo b > /proc/sysrq-trigger; sleep 1000")
        .run();
    run.assert_status(1);
    run.assert_outcome("faults", "kernel-crash", "ended in a triple fault");
    let log = run.output("faults", "kernel_log");
    for words in ["sysrq: Resetting", "  RIP: ", "   RAX: "] {
        assert!(log.contains(words), "{words} in {log}");
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_machine_that_hangs_with_interrupts_off_is_looked_into() {
    let Some(kernel) = common::extra_kernel("bzImage") else {
        return;
    };
    let run = common::Run::new()
        .kernel(&kernel)
        .args(["--engine", "kvm", "--memory", "512M", "--cpus", "1"])
        .args(["--timeout-scale", "2"])
        .sh("locks-up", &lkdtm("HARDLOCKUP"))
        .run();
    run.assert_status(1);
    run.assert_outcome("locks-up", "hang", "vCPU 0 spins at lkdtm_HARDLOCKUP+");
    let log = run.output("locks-up", "kernel_log");
    for words in [
        "Performing direct entry HARDLOCKUP",
        "[runner: vCPU 0 spins at lkdtm_HARDLOCKUP+",
        "vfs_write+",
    ] {
        assert!(log.contains(words), "{words} in {log}");
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_monitor_that_is_killed_is_the_hosts_fault() {
    let Some(run) = on_our_monitor() else { return };
    let mut run = run.sh("victim", "echo e2e-running; sleep 1000").start();
    run.wait_for_output("e2e-running");
    let machines = run.processes.machines();
    assert_eq!(machines.len(), 1, "{:?}", run.processes.list());
    let machine = rustix::process::Pid::from_raw(machines[0]).expect("a process");
    rustix::process::kill_process(machine, rustix::process::Signal::KILL).expect("it is there");
    let done = run.finish();
    done.assert_status(128);
    done.assert_outcome(
        "victim",
        "harness-error",
        "the machine monitor was killed by signal 9",
    );
}
