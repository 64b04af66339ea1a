//! Guests that write rubbish to every device. What becomes of the guest is its own affair; the monitor lives, and the
//! run ends with a verdict.

use super::common::{Finished, on_path};
use super::on_kvm;
use std::{path::PathBuf, process::Command};

/// Ports where writing does not end the machine, that of itself: what is no device of ours too.
const HARMLESS: &str = "0-1f 70-71 80-9f 3f8-3ff 500-504 506-5ff 603-6ff cf8-cff 5600-57ff";

/// Every port of ours and of KVM's own devices.
const ALL: &str = "20-21 40-43 60-64 70-71 80-80 a0-a1 3f8-3ff 4d0-4d1 505-505 600-602 cf8-cff";

/// Writes to the registers of a device, whose directory is named first.
const MAP_MMIO: &str = r#"
    hit() {
        name=$(basename $1)
        start=$(sed -n "s/^ *\([0-9a-f]*\)-.* $name.*/\1/p" /proc/iomem | head -n 1)
        $RUBBISH $2 $3 pages /dev/mem 0x$start 0x1000
    }
    all=/sys/bus/platform/devices/LNRO0005:*
"#;

const MAP_PCI: &str = r#"
    hit() { echo 1 > $1/enable; $RUBBISH $2 $3 pages $1/resource0 0 0x8000; }
    all=$(grep -l 0x1af4 /sys/bus/pci/devices/*/vendor | xargs -n 1 dirname)
"#;

/// The program, or `None` after a line that says why there is none.
fn build(directory: &std::path::Path) -> Option<PathBuf> {
    if !on_path("gcc") {
        eprintln!("SKIP: gcc is not installed");
        return None;
    }
    let program = directory.join("rubbish");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rubbish/rubbish.c");
    let status = Command::new("gcc")
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(source)
        .status();
    assert!(status.expect("gcc starts").success());
    Some(program)
}

/// Runs the scripts one after the other, each on a machine that still works, and sees to it that the monitor was never at
/// fault. Those from `may_hang` on only with `RUNNER_TEST_LONG`: every machine that hangs takes its time limit to be told,
/// which in a slow machine adds up to a quarter of an hour.
fn attack(transport: &str, scripts: &[(&str, String)], may_hang: usize) -> Option<Finished> {
    let scripts = match std::env::var_os("RUNNER_TEST_LONG") {
        Some(_) => scripts,
        None => &scripts[..may_hang],
    };
    let directory = tempfile::tempdir().expect("temporary directory");
    let program = build(directory.path())?;
    let mut run = on_kvm()?
        .args(["--transport", transport, "--timeout", "30"])
        // Kernels deny registers that a driver has, unless told otherwise.
        .args(["--append", "iomem=relaxed"])
        .args(["--timeout-scale", "2", "--boot-timeout", "240"])
        .args(["--env", &format!("RUBBISH={}", program.display())]);
    for (name, script) in scripts {
        run = run.sh(name, script);
    }
    // What the last of them left may show only in the next test, on which the machine is replaced.
    let done = run.sh("next", "ls /").sh("last", "ls /").run();
    for (name, _) in scripts {
        let words = format!("{} {}", done.outcome(name), done.message(name));
        println!("{transport} {name}: {words}");
        // Skipped means that the kernel did not let it write at all.
        assert_ne!(done.outcome(name), "skip", "{name}: {words}");
        for fault in ["monitor", "process died", "gave up"] {
            assert!(!words.contains(fault), "{name}: {words}");
        }
    }
    let reasons = &done.results["machines"];
    assert!(!reasons.to_string().contains("monitor"), "{reasons}");
    done.assert_outcome("last", "pass", "");
    Some(done)
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn rubbish_at_every_port_and_in_configuration_space_harms_the_guest_alone() {
    let config = r#"for d in /sys/bus/pci/devices/*; do $RUBBISH 4 2000 file $d/config 4096; done"#;
    let scripts = [
        (
            "harmless-ports",
            format!("$RUBBISH 1 4000 ports {HARMLESS}"),
        ),
        ("all-ports", format!("$RUBBISH 2 4000 ports {ALL}")),
        ("configuration", config.to_owned()),
    ];
    let Some(done) = attack("pci", &scripts, 1) else {
        return;
    };
    done.assert_outcome("harmless-ports", "pass", "");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn rubbish_in_the_registers_of_devices_harms_the_guest_alone() {
    for (transport, map) in [("pci", MAP_PCI), ("mmio", MAP_MMIO)] {
        // Console, entropy, 9P: the order of the devices. The guest lives by the first and the third.
        let one =
            |n: usize, seed: u32| format!("{map} set -- $all; shift {n}; hit $1 {seed} 20000");
        let all = format!("{map} for d in $all; do hit $d 9 1000 & done; wait");
        let scripts = [
            ("entropy", one(1, 6)),
            ("files", one(2, 7)),
            ("console", one(0, 8)),
            ("all", all),
        ];
        if attack(transport, &scripts, 1).is_none() {
            return;
        }
    }
}
