//! Logs of a real kernel that was made to misbehave (LKDTM, Linux 6.12), in the directory `splats` below the one that
//! `RUNNER_TEST_LOGS` names. What is in them was found by reading.

use crate::support::*;
use splats::Class::{self, *};
use std::path::PathBuf;

fn log(name: &str) -> Option<String> {
    let Some(directory) = std::env::var_os("RUNNER_TEST_LOGS") else {
        println!("SKIP: RUNNER_TEST_LOGS does not name a directory of kernel logs");
        return None;
    };
    let path = PathBuf::from(directory).join("splats").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn every_misbehaviour_is_found_once_from_its_first_to_its_last_line() {
    let Some(log) = log("many.log") else { return };
    let expected: &[(Class, u64, u64, &str)] = &[
        (
            Warning,
            328,
            363,
            "WARNING in lkdtm_WARNING (drivers/misc/lkdtm/bugs.c:112)",
        ),
        (
            Warning,
            366,
            403,
            "WARNING in lkdtm_WARNING_MESSAGE (drivers/misc/lkdtm/bugs.c:117)",
        ),
        (
            Bug,
            406,
            455,
            "kernel BUG in lkdtm_BUG (drivers/misc/lkdtm/bugs.c:105)",
        ),
        (
            NullDeref,
            459,
            512,
            "BUG: kernel NULL pointer dereference in lkdtm_EXCEPTION",
        ),
        (
            ListCorruption,
            518,
            556,
            "list_add corruption in lkdtm_CORRUPT_LIST_ADD",
        ),
        (
            ListCorruption,
            562,
            600,
            "list_del corruption in lkdtm_CORRUPT_LIST_DEL",
        ),
        (
            Refcount,
            606,
            644,
            "refcount_t: saturated; leaking memory in lkdtm_REFCOUNT_INC_OVERFLOW",
        ),
        (
            Refcount,
            649,
            687,
            "refcount_t: underflow; use-after-free in lkdtm_REFCOUNT_SUB_AND_TEST_NEGATIVE",
        ),
        (
            Refcount,
            693,
            731,
            "refcount_t: decrement hit 0; leaking memory in lkdtm_REFCOUNT_DEC_ZERO",
        ),
        (
            StackOverflow,
            736,
            785,
            "BUG: stack guard page was hit in lkdtm_STACK_GUARD_PAGE_LEADING",
        ),
        (
            NullDeref,
            791,
            845,
            "BUG: kernel NULL pointer dereference in execute_location",
        ),
        (
            PageFault,
            850,
            903,
            "BUG: unable to handle page fault in lkdtm_ACCESS_USERSPACE",
        ),
        (
            SchedulingWhileAtomic,
            919,
            942,
            "BUG: scheduling while atomic in syscall_exit_to_user_mode",
        ),
    ];
    let found = scan(&log);
    let found: Vec<_> = found
        .iter()
        .map(|s| (s.class, s.first_line, s.last_line, s.title.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn each_end_of_a_kernel_is_one_splat() {
    for (name, class, lines, title, panic) in [
        (
            "hung.log",
            HungTask,
            (323, 346),
            "task hung in lkdtm_HUNG_TASK",
            None,
        ),
        (
            "panic-noroot.log",
            Panic,
            (336, 351),
            "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            None,
        ),
        (
            "panic-lkdtm.log",
            Panic,
            (321, 344),
            "Kernel panic - not syncing: dumptest",
            None,
        ),
        (
            "panic-sysrq.log",
            Panic,
            (321, 345),
            "Kernel panic - not syncing: sysrq triggered crash",
            None,
        ),
        (
            "panic-end-marker.log",
            Panic,
            (322, 346),
            "Kernel panic - not syncing: dumptest",
            None,
        ),
        (
            "panic-oops.log",
            NullDeref,
            (327, 380),
            "BUG: kernel NULL pointer dereference in lkdtm_EXCEPTION",
            Some("Fatal exception"),
        ),
    ] {
        let Some(log) = log(name) else { return };
        let splat = only(&log);
        assert_eq!(
            (splat.class, splat.title.as_str()),
            (class, title),
            "{name}"
        );
        assert_eq!((splat.first_line, splat.last_line), lines, "{name}");
        assert_eq!(splat.panic.as_deref(), panic, "{name}");
    }
}

#[test]
fn a_quiet_log_is_quiet() {
    for name in [
        "double-fault.log",
        "../kunit-debugfs-6.12.log",
        "../kunit-list-6.12.log",
    ] {
        let Some(log) = log(name) else { return };
        assert_eq!(titles(&scan(&log)), [], "{name}");
    }
}
