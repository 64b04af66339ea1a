//! A log for every class.

use crate::{reports::*, support::*};
use splats::{Class, Severity};
use std::collections::BTreeSet;

/// A class, the title, and a report.
fn every_class() -> Vec<(Class, &'static str, String)> {
    use Class::*;
    let traced = |headline: &str, helpers: &[&str], culprit: &str| {
        format!("{headline}\n{}", stack(helpers, culprit))
    };
    vec![
        (Panic, "Kernel panic - not syncing: sysrq triggered crash",
            traced("Kernel panic - not syncing: sysrq triggered crash", &["panic"], "sysrq_handle_crash") + "Kernel Offset: disabled\n"),
        (StackProtector, "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: culprit",
            traced("Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: culprit+0x8e/0x90", &["panic", "__stack_chk_fail"], "culprit")),
        (DoubleFault, "double fault in culprit",
            exception("traps: PANIC: double fault, error_code: 0x0\nOops: double fault: 0000 [#1] PREEMPT SMP\n", "culprit")),
        (NullDeref, "BUG: kernel NULL pointer dereference in culprit",
            exception("BUG: kernel NULL pointer dereference, address: 0000000000000008\n#PF: supervisor write access in kernel mode\n\
                #PF: error_code(0x0002) - not-present page\nPGD 0 P4D 0 \nOops: Oops: 0002 [#1] PREEMPT SMP\n", "culprit")),
        (PageFault, "BUG: unable to handle page fault in culprit",
            exception("BUG: unable to handle page fault for address: ffffdead00000000\n#PF: supervisor read access in kernel mode\n\
                Oops: 0000 [#1] PREEMPT SMP\n", "culprit")),
        (Gpf, "general protection fault in culprit",
            exception("Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] PREEMPT SMP\n\
                KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]\n", "culprit")),
        (StackOverflow, "BUG: stack guard page was hit in culprit",
            exception("BUG: TASK stack guard page was hit at 000000004500097f (stack is 0000000028f9c21c..000000004b46bd5b)\n\
                Oops: stack guard page: 0000 [#1] PREEMPT SMP\n", "culprit")),
        (Oops, "divide error in culprit", exception("Oops: divide error: 0000 [#1] PREEMPT SMP\n", "culprit")),
        (Bug, "kernel BUG in culprit (mm/file.c:12)",
            exception("------------[ cut here ]------------\nkernel BUG at mm/file.c:12!\nOops: invalid opcode: 0000 [#1] PREEMPT SMP\n", "culprit")),
        (Warning, "WARNING in culprit (mm/file.c:12)", warn("a word of it 17\n", "mm/file.c:12", "culprit", "caller")),
        (Kasan, "KASAN: slab-out-of-bounds in culprit",
            ruled(66, &format!("BUG: KASAN: slab-out-of-bounds in culprit+0x8e/0x90 [some_module]\nWrite of size 1 at addr ffff888001234567 by task cat/42\n\n{}\n\
                Allocated by task 42:\n kasan_save_stack+0x22/0x50\n allocator+0x1/0x10\n\n\
                The buggy address belongs to the object at ffff888001234500\n\nMemory state around the buggy address:\n \
                ffff888001234480: fc fc fc fc\n>ffff888001234500: 00 00 00 03\n                            ^\n",
                stack(&["dump_stack_lvl", "print_report", "kasan_report"], "culprit"))) + "Disabling lock debugging due to kernel taint\n"),
        (Kfence, "KFENCE: use-after-free read in culprit",
            ruled(66, "BUG: KFENCE: use-after-free read in culprit+0x76/0x171\n\nUse-after-free read at 0x00000000fd3ed7ba (in kfence-#17):\n \
                culprit+0x76/0x171\n caller+0x1/0x10\n\nkfence-#17: 0x00000000fd3ed7ba-0x00000000fd3ed7d9, size=32, cache=kmalloc-32\n\n\
                allocated by task 42 on cpu 1 at 2.4s:\n allocator+0x1/0x10\n\nCPU: 1 UID: 0 PID: 42 Comm: cat\n")),
        (Kmsan, "KMSAN: uninit-value in culprit",
            ruled(53, "BUG: KMSAN: uninit-value in culprit+0x12/0x30\n culprit+0x12/0x30\n caller+0x1/0x10\n\nUninit was created at:\n allocator+0x1/0x10\n\n\
                CPU: 1 UID: 0 PID: 42 Comm: cat\n")),
        (Kcsan, "KCSAN: data-race in culprit / accomplice",
            ruled(66, "BUG: KCSAN: data-race in culprit / accomplice+0x1/0x30\n\nwrite to 0xffff888001234567 of 4 bytes by task 42 on cpu 1:\n \
                culprit+0x1/0x30\n\nread to 0xffff888001234567 of 4 bytes by interrupt on cpu 0:\n accomplice+0x1/0x30\n\n\
                Reported by Kernel Concurrency Sanitizer on:\nCPU: 1 UID: 0 PID: 42 Comm: cat\n")),
        (Ubsan, "UBSAN: array-index-out-of-bounds in culprit (fs/file.c:34)",
            format!("------------[ cut here ]------------\nUBSAN: array-index-out-of-bounds in fs/file.c:34:5\nindex 8 is out of range for type 'int [8]'\n{}---[ end trace ]---\n",
                stack(&["dump_stack_lvl", "__ubsan_handle_out_of_bounds"], "culprit"))),
        (Lockdep, "possible circular locking dependency detected in culprit",
            lockdep("WARNING: possible circular locking dependency detected", "culprit")),
        (SuspiciousRcu, "suspicious RCU usage in culprit (net/file.c:56)",
            format!("\n=============================\nWARNING: suspicious RCU usage\n6.12.0 #1 Not tainted\n-----------------------------\n\
                net/file.c:56 suspicious rcu_dereference_check() usage!\n\nother info that might help us debug this:\n\n\
                rcu_scheduler_active = 2, debug_locks = 1\nno locks held by cat/42.\n\nstack backtrace:\n{}",
                stack(&["dump_stack_lvl", "lockdep_rcu_suspicious"], "culprit"))),
        (Spinlock, "BUG: spinlock bad magic in culprit",
            traced("BUG: spinlock bad magic on CPU#1, cat/42\n lock: 0xffff888001234567, .magic: 00000000, .owner: <none>/-1, .owner_cpu: 0", &["dump_stack_lvl", "spin_bug"], "culprit")),
        (RcuStall, "rcu_preempt self-detected stall in culprit",
            traced("rcu: INFO: rcu_preempt self-detected stall on CPU\nrcu: \t1-....: (2099 ticks this GP) idle=1/1/0x4000 softirq=1/1 fqs=1\n\
                rcu: \t(t=2100 jiffies g=1 q=1 ncpus=2)", &[], "culprit")),
        (SoftLockup, "soft lockup in culprit",
            format!("watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [cat:42]\nModules linked in:\nRIP: 0010:culprit+0x7/0x10\nCode: eb <fe>\n{}", stack(&[], "caller"))),
        (HardLockup, "hard lockup in culprit",
            format!("watchdog: Watchdog detected hard LOCKUP on cpu 1\nModules linked in:\nRIP: 0010:culprit+0x7/0x10\nCode: eb <fe>\n{}", stack(&[], "caller"))),
        (HungTask, "task hung in culprit",
            "INFO: task cat:42 blocked for more than 120 seconds.\n      Not tainted 6.12.0 #1\n\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.\n\
                task:cat             state:D stack:0     pid:42    tgid:42    ppid:1      flags:0x00000002\nCall Trace:\n <TASK>\n __schedule+0x400/0x1320\n schedule+0x22/0x90\n \
                mutex_lock+0x1/0x10\n culprit+0x27/0x30\n </TASK>\n\nShowing all locks held in the system:\n1 lock held by khungtaskd/12:\n \
                #0: ffffffff82345678 (rcu_read_lock){....}-{1:2}, at: debug_show_all_locks+0x1/0x10\n\n=============================================\n".into()),
        (WorkqueueLockup, "workqueue lockup",
            "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!\nShowing busy workqueues and worker pools:\n\
             workqueue events: flags=0x0\n  pwq 2: cpus=1 node=0 flags=0x0 nice=0 active=1/256 refcnt=2\n    in-flight: 42:some_work\n".into()),
        (SchedulingWhileAtomic, "BUG: scheduling while atomic in culprit",
            traced("BUG: scheduling while atomic: cat/42/0x00000002\nModules linked in:", &["dump_stack_lvl", "__schedule_bug", "__schedule", "schedule"], "culprit")),
        (SleepingInAtomic, "BUG: sleeping function called from invalid context in culprit",
            traced("BUG: sleeping function called from invalid context at mm/slab.h:12\nin_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 42, name: cat\n\
                preempt_count: 1, expected: 0", &["dump_stack_lvl", "__might_resched"], "culprit")),
        (Preemptible, "BUG: using smp_processor_id() in preemptible code in culprit",
            traced("BUG: using smp_processor_id() in preemptible [00000000] code: cat/42\ncaller is culprit+0x1/0x10", &["dump_stack_lvl", "check_preemption_disabled"], "culprit")),
        (ListCorruption, "list_add corruption in culprit",
            warn("list_add corruption. next->prev should be prev (ffa0000000453db8), but was 0000000000000000.\n", "lib/list_debug.c:29", "__list_add_valid_or_report", "culprit")),
        (Refcount, "refcount_t: underflow; use-after-free in culprit",
            warn("refcount_t: underflow; use-after-free.\n", "lib/refcount.c:28", "refcount_warn_saturate", "culprit")),
        (DebugObjects, "ODEBUG: free active in culprit",
            warn("ODEBUG: free active (active state 0) object: ffff888001234567 object type: timer_list hint: some_timer+0x0/0x10\n", "lib/debugobjects.c:514", "debug_print_object", "culprit")),
        (Usercopy, "usercopy: Kernel memory exposure attempt detected in culprit",
            format!("usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-32' (offset 1, size 64)!\n{}",
                exception("------------[ cut here ]------------\nkernel BUG at mm/usercopy.c:102!\nOops: invalid opcode: 0000 [#1] PREEMPT SMP\n", "usercopy_abort").replace(" caller+", " culprit+"))),
        (Fortify, "memcpy: detected buffer overflow in culprit",
            warn("memcpy: detected buffer overflow: 12 byte write of buffer size 10\n", "lib/string_helpers.c:1032", "__fortify_report", "culprit")),
        (SlabCorruption, "BUG kmalloc-32: Object already free in culprit",
            format!("{}\nBUG kmalloc-32 (Tainted: G    B  ): Object already free\n{}\n\nAllocated in allocator+0x1/0x10 age=1 cpu=1 pid=42\n allocator+0x1/0x10\n\
                Slab 0xffffea0000123440 objects=32 used=1\nObject 0xffff888001234567 @offset=1 fp=0x0\n\n{}FIX kmalloc-32: Object at 0xffff888001234567 not freed\n",
                "=".repeat(77), "-".repeat(77), warn("", "mm/slub.c:1147", "object_err", "culprit"))),
        (BadPage, "BUG: Bad page state in culprit",
            traced("BUG: Bad page state in process cat  pfn:1234\npage: refcount:-1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x1234\n\
                flags: 0x4000000000000000(zone=1)\npage dumped because: nonzero _refcount\nModules linked in:", &["dump_stack_lvl", "bad_page"], "culprit")),
        (MemoryLeak, "kmemleak: new suspected memory leaks", "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n".into()),
        (NetdevRefcount, "unregister_netdevice: waiting for a device to become free",
            "unregister_netdevice: waiting for veth0 to become free. Usage count = 2\n".into()),
        (BusyInodes, "VFS: Busy inodes after unmount", "VFS: Busy inodes after unmount of sda (ext4)\n".into()),
        (DuplicateName, "sysfs: cannot create duplicate filename in culprit",
            traced("sysfs: cannot create duplicate filename '/class/x'", &["dump_stack_lvl", "sysfs_warn_dup"], "culprit")),
        (AllocationFailure, "page allocation failure in culprit",
            traced("cat: page allocation failure: order:9, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO), nodemask=(null)", &["dump_stack_lvl", "warn_alloc"], "culprit")),
        (FsError, "EXT4-fs error in ext4_lookup", "EXT4-fs error (device sda): ext4_lookup:1785: inode #2: comm cat: deleted inode referenced: 12\n".into()),
        (IoError, "I/O error", "I/O error, dev sda, sector 12345 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0\n".into()),
        (Oom, "out of memory: killed a process",
            "Out of memory: Killed process 42 (cat) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0\n".into()),
        (Firmware, "[Firmware Bug]: TSC not synchronous to P0", "[Firmware Bug]: TSC not synchronous to P0\n".into()),
        (DroppedMessages, "printk messages dropped", "** 17 printk messages dropped **\n".into()),
    ]
}

#[test]
fn every_class_is_found_whole() {
    let mut seen = BTreeSet::new();
    for (class, title, report) in every_class() {
        seen.insert(class);
        let log = within(&report);
        let splat = only(&log);
        assert_eq!((splat.class, splat.title.as_str()), (class, title), "{log}");
        assert_eq!(splat.severity, class.severity(), "{log}");
        assert_eq!(splat.panic, None);
        // Empty lines around it are nobody's. A list without a stack ends somewhere.
        let ends_somewhere = matches!(class, Class::WorkqueueLockup);
        let lines: Vec<&str> = report.lines().collect();
        let blank = lines.iter().take_while(|line| line.is_empty()).count() as u64;
        assert_eq!(splat.first_line, 2 + blank, "{log}");
        if !ends_somewhere {
            assert_eq!(splat.last_line, 1 + lines.len() as u64, "{class}: {log}");
        }
    }
    assert_eq!(seen.len(), Class::ALL.len(), "a class has no log");
}

#[test]
fn a_splat_has_the_frames_of_its_own_stack() {
    for (class, _, report) in every_class() {
        let splat = only(&within(&report));
        let names: Vec<&str> = splat
            .frames
            .iter()
            .map(|frame| frame.function.as_str())
            .collect();
        for other in ["allocator", "chain_function", "quite_another"] {
            assert!(!names.contains(&other), "{class}: {names:?}");
        }
        if report.contains("Call Trace:") {
            let frame = splat
                .frames
                .iter()
                .find(|frame| frame.module.is_some() && frame.function == "vfs_write");
            if class != Class::HungTask {
                assert_eq!(
                    frame.and_then(|frame| frame.module.as_deref()),
                    Some("some_module"),
                    "{class}: {names:?}"
                );
            }
            let doubtful: Vec<_> = splat
                .frames
                .iter()
                .filter(|frame| frame.doubtful)
                .map(|f| f.function.as_str())
                .collect();
            assert!(
                doubtful.iter().all(|name| *name == "stale_entry"),
                "{class}: {doubtful:?}"
            );
        }
    }
}

#[test]
fn fingerprints_tell_bugs_apart_and_one_bug_is_itself_in_another_build() {
    let mut prints = BTreeSet::new();
    for (class, _, report) in every_class() {
        let splat = only(&within(&report));
        assert_eq!(splat.fingerprint.len(), 12);
        assert!(prints.insert(splat.fingerprint.clone()), "{class}");
        let other = report
            .replace("+0x1f/0x2e0", "+0x2f/0x3e0")
            .replace("culprit+0x", "culprit.isra.0+0x")
            .replace(".c:", ".c:9")
            .replace("PID: 42", "PID: 4711")
            .replace(" cat", " dog")
            .replace("ffff88800123", "ffff88807654")
            .replace("CPU#1", "CPU#0");
        let again = only(&within(&other));
        assert_eq!(
            again.fingerprint, splat.fingerprint,
            "{class}: {} {}",
            splat.title, again.title
        );
    }
}

#[test]
fn a_race_is_the_same_whichever_side_notices_it() {
    let access = |what: &str, function: &str| {
        format!(
            "{what} to 0xffffffffc0004400 of 4 bytes by task 42 on cpu 1:\n {function}+0x1/0x30\n caller_of_{function}+0x1/0x30\n\n"
        )
    };
    let report = |first: &str, second: &str| {
        let headline = "BUG: KCSAN: data-race in culprit [some_module] / accomplice [some_module]";
        only(&within(&ruled(
            66,
            &format!(
                "{headline}\n\n{first}{second}Reported by Kernel Concurrency Sanitizer on:\nCPU: 1 UID: 0 PID: 42 Comm: cat\n"
            ),
        )))
    };
    let (reads, writes) = (access("read", "culprit"), access("write", "accomplice"));
    let (one, other) = (report(&reads, &writes), report(&writes, &reads));
    assert_eq!(one.title, "KCSAN: data-race in culprit / accomplice");
    assert_eq!(one.fingerprint, other.fingerprint);
}

#[test]
fn every_class_is_found_among_records_and_with_callers_too() {
    for (class, title, report) in every_class() {
        let records: String = report
            .lines()
            .zip(7..)
            .map(|(line, n)| {
                format!(
                    "4,{n},{n}000,-,caller=T42;{}\n",
                    line.replace('\t', "\\x09")
                )
            })
            .collect();
        let called = called(1_000_000, "T42", &report);
        for log in [records, called, report.clone()] {
            let splat = only(&log);
            assert_eq!((splat.class, splat.title.as_str()), (class, title), "{log}");
        }
    }
}

#[test]
fn severities_go_from_remarks_to_the_end() {
    assert!(
        Severity::Info < Severity::Warning
            && Severity::Warning < Severity::Error
            && Severity::Error < Severity::Fatal
    );
}
