//! What needs a KVM that runs guest code at speed: on this host where it has one, else in a machine that does.
//!
//! How this works, and how to add to it: `common/nested.rs`.

mod common;

use common::nested;
use vmm_core::KvmHealth;

#[test]
fn on_real_kvm() {
    nested::run_ignored_tests();
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
fn qemu_runs_a_kernel_on_it() {
    let Some(run) = common::Run::on_kernel() else {
        return;
    };
    let run = run.args(["--engine", "qemu"]).suite("smoke").run();
    run.assert_status(0);
    assert_eq!(run.events[0]["accelerator"], "kvm");
}
