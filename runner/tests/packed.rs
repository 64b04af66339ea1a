//! A root without 9P: what tests need is packed into the initramfs.

mod common;

use common::Run;

/// The same tests over both transports.
fn on(transport: &str) -> Option<Run> {
    let run = Run::on_kernel()?.args(["--root-transport", transport]);
    Some(
        run.suite("smoke")
            .sh("calls", "nl /etc/hostname | grep -c . && id -u")
            .sh("writes", "echo x > /etc/hostname && cat /etc/hostname")
            .sh("fails", "echo to stderr >&2; exit 3")
            .sh("skips", "exit 4")
            .suite("exec:/bin/true")
            .suite("exec:no-such-program"),
    )
}

#[test]
fn what_fits_has_the_same_outcomes_as_over_9p() {
    let (Some(packed), Some(shared)) = (on("initramfs"), on("9p")) else {
        return;
    };
    let packed = packed.run();
    assert!(
        packed.stderr.contains("are packed into the initramfs"),
        "{}",
        packed.stderr
    );
    assert_eq!(packed.outcomes(), shared.run().outcomes());
}

#[test]
fn a_machine_too_small_for_it_is_refused_before_anything_is_made() {
    let Some(run) = Run::on_kernel() else { return };
    let run = run
        .args(["--root-transport", "initramfs", "--memory", "80M"])
        .suite("exec:/bin/sh -c true")
        .run();
    run.assert_status(128);
    assert!(run.stderr.contains("is too little"), "{}", run.stderr);
}
