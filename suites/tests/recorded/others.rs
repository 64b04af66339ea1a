//! What `check` of xfstests and of blktests print, and logs that are none.

use crate::support::*;
use suites::recorded::{
    LogFormat::{Blktests, Xfstests},
    Recorded,
};

#[test]
fn xfstests() {
    reads(
        "\
FSTYP         -- ext4
PLATFORM      -- Linux/x86_64 vm 6.12.0
MKFS_OPTIONS  -- /dev/vdb

generic/001 4s ...  5s
generic/002        1s
generic/003       [not run] atime is off
generic/004 3s ... [failed, exit status 1]- output mismatch (see /r/generic/004.out.bad)
    --- tests/generic/004.out
    +++ /r/generic/004.out.bad
    ...
generic/005       _check_dmesg: something found in dmesg (see /r/generic/005.dmesg)

generic/006 [   33.000001] run fstests generic/006 at 2026-11-22 00:00:00
[   33.100000] EXT4-fs (vdb): mounted filesystem
 7s
generic/007 2s ...  2s
ext4/001       [expunged]
Ran: generic/001 generic/002 generic/003 generic/004 generic/005 generic/006 generic/007
Not run: generic/003
Failures: generic/004 generic/005 generic/007
Failed 3 of 7 tests
",
        Xfstests,
        &[
            "pass xfstests:generic:001",
            "pass xfstests:generic:002",
            "skip xfstests:generic:003 # atime is off",
            "fail xfstests:generic:004 # [failed, exit status 1]- output mismatch (see \
             /r/generic/004.out.bad) |     --- tests/generic/004.out |     +++ /r/generic/004.out.bad |     ...",
            "fail xfstests:generic:005 # _check_dmesg: something found in dmesg (see /r/generic/005.dmesg)",
            "pass xfstests:generic:006",
            "fail xfstests:generic:007 # check lists it as failed",
            "skip xfstests:ext4:001 # expunged",
        ],
    );
}

#[test]
fn xfstests_sections_and_a_machine_that_stops() {
    reads(
        "\
SECTION       -- ext4_4k
FSTYP         -- ext4
generic/001 1s ...  1s
SECTION       -- ext4_1k
generic/001 1s ...  1s
generic/475 60s ... [  100.000000] Kernel panic - not syncing: Fatal exception
",
        Xfstests,
        &[
            "pass xfstests:generic:001 (ext4_4k)",
            "pass xfstests:generic:001 (ext4_1k)",
            "kernel-crash xfstests:generic:475 (ext4_1k) # Kernel panic - not syncing: Fatal exception",
        ],
    );
    reads(
        "FSTYP         -- ext4\ngeneric/001 1s ... ",
        Xfstests,
        &["not-run xfstests:generic:001 # its verdict never came"],
    );
}

#[test]
fn blktests() {
    reads(
        "\
block/001 (stress device hotplugging)                        [passed]
    runtime  4.1s  ...  4.2s
block/002 (remove a device while running blktrace)           [not run]
    blktrace is not available
nvme/005 (tr=tcp) (reset local loopback target)              [failed]
    runtime  0.725s  ...  0.798s
    something found in dmesg:
    [  108.473940] run blktests nvme/005 at 2025-11-22 16:12:20
block/005 => vdb (switch schedulers while doing IO)         
block/005 => vdb (switch schedulers while doing IO)          [passed]
    runtime  1.2s
loop/001 (scan loop device partitions)                      
[  110.000000] Kernel panic - not syncing: x
",
        Blktests,
        &[
            "pass blktests:block:001",
            "skip blktests:block:002 # blktrace is not available",
            "fail blktests:nvme:005 (tr=tcp) # something found in dmesg:",
            "pass blktests:block:005 (vdb)",
            "kernel-crash blktests:loop:001 # Kernel panic - not syncing: x",
        ],
    );
}

#[test]
fn what_is_no_log_of_tests_has_none() {
    for log in [
        "",
        "\n\n",
        "hello\nworld\n",
        "\0\0\0",
        "[    0.000000] Linux version 6.12\n",
    ] {
        assert_eq!(read(log), Recorded::default(), "{log:?}");
    }
}
