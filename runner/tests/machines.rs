//! Our own monitor on real KVM: every shape of machine, every kernel and bus, several at once, and machines that are not
//! let finish.
//!
//! How this runs where the host's KVM is not fit for it: `common/nested.rs`.

mod common;
mod refusals;
mod rubbish;

use common::{Run, Started, extra_kernel, extra_vmlinux, nested};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn on_real_kvm() {
    nested::run_ignored_tests();
}

/// A run on our own monitor, or `None` after a line that says why there is none.
fn on_kvm() -> Option<Run> {
    Some(Run::on_kernel()?.args(["--engine", "kvm"]))
}

/// What the kernel found, one fact a line.
const FACTS: &str = r#"
    echo cpus $(nproc)
    echo memory $(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    cd /sys/devices/system/cpu
    echo packages $(cat cpu[0-9]*/topology/physical_package_id)
    echo cores $(cat cpu[0-9]*/topology/core_id)
    echo threads $(cat cpu[0-9]*/topology/thread_siblings_list | sort -u)
    cd ../node
    echo nodes $(cat node[0-9]*/cpulist)
    echo distances $(cat node[0-9]*/distance)
    for node in node[0-9]*; do echo $node $(sed -n 's/.* MemTotal: *\([0-9]*\) kB/\1/p' $node/meminfo); done
    echo buses $(ls -d /sys/bus/virtio/devices/* | xargs -n 1 readlink -f | grep -o 'pci0000\|LNRO0005\|virtio-mmio' | sort -u)
    echo clock $(cat ../clocksource/clocksource0/current_clocksource)
    echo complaints $(dmesg --level=emerg,alert,crit,err | grep -v 'PCI: Fatal: No config space' | head -n 5)
"#;

/// The value of a fact.
#[track_caller]
fn fact<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("no {name} in:\n{text}"))
        .trim()
}

/// A shape, and what the kernel must make of it.
struct Shape {
    args: &'static [&'static str],
    facts: &'static [(&'static str, &'static str)],
    /// MiB that were asked for.
    memory: u64,
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn the_kernel_finds_the_shape_that_was_asked_for() {
    let shapes = [
        Shape {
            args: &["--cpus=1", "--memory=128M", "--transport=mmio"],
            facts: &[
                ("cpus", "1"),
                ("packages", "0"),
                ("nodes", "0"),
                ("buses", "LNRO0005"),
            ],
            memory: 128,
        },
        Shape {
            args: &[],
            facts: &[
                ("cpus", "2"),
                ("packages", "0 0"),
                ("cores", "0 1"),
                ("threads", "0 1"),
                ("nodes", "0-1"),
                ("buses", "pci0000"),
            ],
            memory: 1024,
        },
        // More than the host of these tests may have: what is not touched takes nothing.
        Shape {
            args: &[
                "--sockets=2",
                "--cores=2",
                "--threads=2",
                "--numa=2",
                "--memory=5G",
            ],
            facts: &[
                ("cpus", "8"),
                ("packages", "0 0 0 0 1 1 1 1"),
                // Not which threads share a core: kernels believe AMD's leaves about that only with TOPOEXT, which the
                // emulated processor of a nested machine does not have.
                ("nodes", "0-3 4-7"),
                ("distances", "10 20 20 10"),
                ("buses", "pci0000"),
            ],
            memory: 5120,
        },
    ];
    for shape in shapes {
        let Some(run) = on_kvm() else { return };
        let done = run.args(shape.args).sh("facts", FACTS).run();
        done.assert_status(0);
        assert_eq!(done.events[0]["engine"], "kvm");
        let text = done.output("facts", "stdout");
        for (name, value) in shape.facts {
            assert_eq!(fact(&text, name), *value, "{:?}:\n{text}", shape.args);
        }
        assert_eq!(fact(&text, "complaints"), "", "{:?}:\n{text}", shape.args);
        // The kernel keeps a part for itself and its page structures.
        let kib = shape.memory * 1024;
        let total: u64 = fact(&text, "memory").parse().expect("a number");
        assert!((kib * 3 / 5..kib).contains(&total), "{total} of {kib} KiB");
        if shape.facts.contains(&("cpus", "8")) {
            for node in ["node0", "node1"] {
                let part: u64 = fact(&text, node).parse().expect("a number");
                assert!((kib * 2 / 5..kib * 3 / 5).contains(&part), "{text}");
            }
        }
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_kernel_with_everything_built_in_boots_by_every_entry_on_both_buses() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (Some(bzimage), Some(vmlinux)) = (extra_kernel("bzImage"), extra_vmlinux(directory.path()))
    else {
        return;
    };
    let mut versions = vec![];
    for (kernel, boot, transport, bus) in [
        (&bzimage, "auto", "pci", "pci0000"),
        (&bzimage, "bzimage", "mmio", "LNRO0005"),
        (&vmlinux, "auto", "mmio", "LNRO0005"),
        (&vmlinux, "auto", "pci", "pci0000"),
    ] {
        let done = Run::new()
            .kernel(kernel)
            .args(["--engine", "kvm", "--boot", boot, "--transport", transport])
            .sh("facts", FACTS)
            .sh("version", "uname -v")
            .run();
        done.assert_status(0);
        let text = done.output("facts", "stdout");
        assert_eq!(fact(&text, "cpus"), "2");
        assert_eq!(fact(&text, "buses"), bus);
        versions.push(done.output("version", "stdout"));
    }
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
}

/// Where the kernel's text is.
const TEXT: &str = "sed -n 's/ T _text$//p' /proc/kallsyms";

/// Where it is linked to be.
const LINKED: &str = "ffffffff81000000\n";

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_kernel_that_unpacks_itself_moves_to_a_random_address_unless_told_not_to() {
    let place = |args: &[&str]| {
        let run = on_kvm()?.args(["--boot", "bzimage"]).args(args);
        let done = run.sh("text", TEXT).run();
        done.assert_status(0);
        assert_eq!(done.events[0]["boot"], "bzImage");
        Some(done.output("text", "stdout"))
    };
    let Some(first) = place(&[]) else { return };
    // One of about 500 places is that one.
    assert!(first != LINKED || place(&[]).as_deref() != Some(LINKED));
    assert_eq!(place(&["--append=nokaslr"]).as_deref(), Some(LINKED));
}

/// Boots with these options and fails unless both processors run and every interrupt of a virtio device comes by `way`.
#[track_caller]
fn assert_interrupts(options: &[&str], way: &str) {
    let Some(run) = on_kvm() else { return };
    let done = run
        .args(["--transport", "pci"])
        .args(options)
        .sh("interrupts", "cat /proc/interrupts")
        .sh("cpus", "nproc")
        .run();
    done.assert_status(0);
    assert_eq!(done.output("cpus", "stdout"), "2\n", "{options:?}");
    let text = done.output("interrupts", "stdout");
    let devices: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("virtio"))
        .collect();
    assert!(!devices.is_empty(), "{options:?}:\n{text}");
    let comes = |line: &&str| line.contains(way);
    assert!(devices.iter().all(comes), "{options:?}:\n{text}");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn kernel_options_that_take_a_part_of_the_machine_away_leave_one_that_works() {
    // Pins instead of messages, and the older mode of the local APIC.
    assert_interrupts(
        &["--append=pci=nomsi nox2apic", "--append=mitigations=off"],
        "IO-APIC",
    );
    // No ACPI tables: the MP table has the processors and the pins.
    assert_interrupts(&["--append=acpi=off", "--append=pci=nomsi"], "IO-APIC");
    // ACPI's processors, and the MP table's pins.
    assert_interrupts(&["--append=acpi=noirq pci=nomsi"], "IO-APIC");
    // Messages alone, and a serial port whose interrupt goes nowhere.
    assert_interrupts(&["--append=noapic"], "PCI-MSI");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn the_clocks_alarm_interrupts() {
    let script = r#"
        set -e
        cd /sys/class/rtc/rtc0
        [ "$(cat date)" = "$(date -u +%F)" ]
        echo +2 > wakealarm
        for n in 1 2 3 4 5 6 7 8 9 10; do
            [ -z "$(cat wakealarm)" ] && break
            sleep 1
        done
        set -- $(grep rtc0 /proc/interrupts)
        echo "$@"
        [ $2 -gt 0 ]"#;
    let Some(run) = on_kvm() else { return };
    let done = run.args(["--cpus", "1"]).sh("alarm", script).run();
    done.assert_outcome("alarm", "pass", "");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn four_machines_run_at_once() {
    let start = |transport: &str| {
        let run = on_kvm()?.args(["--cpus", "1", "--transport", transport]);
        Some(run.suite("smoke").start())
    };
    let runs = ["pci", "mmio", "pci", "mmio"].map(start);
    for run in runs.into_iter().flatten() {
        assert_eq!(run.finish().assert_status(0).results["finished"], true);
    }
}

/// A run of three tests, of which the second, which has begun, does not end by itself.
fn in_its_second_test() -> Option<Started> {
    let mut run = on_kvm()?
        .args(["--cpus", "1"])
        .sh("before", "exit 0")
        .sh("running", "echo e2e-running; sleep 1000")
        .sh("after", "exit 0")
        .start();
    run.wait_for_output("e2e-running");
    assert_eq!(run.processes.machines().len(), 1);
    Some(run)
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn an_interrupted_or_killed_run_leaves_no_machine() {
    let Some(run) = in_its_second_test() else {
        return;
    };
    run.signal(Signal::INT);
    let done = run.finish();
    done.assert_status(130);
    done.assert_outcome("running", "not-run", "the run was interrupted");

    let Some(run) = in_its_second_test() else {
        return;
    };
    run.signal(Signal::KILL);
    // No process and no temporary file: `end` looks.
    let done = run.end();
    assert_eq!(done.status, -1, "ended by a signal");
    done.check_agreement();
    done.assert_outcome("before", "pass", "");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_monitor_that_is_killed_is_no_fault_of_the_kernels() {
    let Some(run) = in_its_second_test() else {
        return;
    };
    let machine = run.processes.machines()[0];
    kill_process(Pid::from_raw(machine).expect("a process"), Signal::KILL).expect("killed");
    let done = run.finish();
    done.assert_status(128);
    done.assert_outcome("before", "pass", "");
    done.assert_outcome("running", "harness-error", "killed by signal 9");
    done.assert_outcome("after", "pass", "");
    assert_eq!(done.results["machines"].as_array().map(Vec::len), Some(2));
}
