//! Reports as real kernels printed them (`make faults`), shortened.

use crate::support::*;
use splats::Class;

/// The CPU that noticed asks the other for its back trace, and that one is another caller (`CONFIG_PRINTK_CALLER`).
#[test]
fn a_cpu_that_is_asked_tells_its_stack_for_the_one_that_asks() {
    let asks = called(
        129_274_844,
        "C0",
        "watchdog: Watchdog detected hard LOCKUP on cpu 1\n\
         Modules linked in: fault(O)\n\
         irq event stamp: 75846\n\
         hardirqs last  enabled at (75845): [<ffffffff8110f69b>] do_idle+0xeb/0x160\n\
         hardirqs last disabled at (75846): [<ffffffff81820df5>] common_interrupt+0x15/0xc0\n\
         softirqs last  enabled at (75840): [<ffffffff8109aac5>] irq_exit_rcu+0xa5/0x100\n\
         softirqs last disabled at (75835): [<ffffffff8109aac5>] irq_exit_rcu+0xa5/0x100\n\
         Sending NMI from CPU 0 to CPUs 1:",
    );
    let tells = called(
        129_344_908,
        "C1",
        "NMI backtrace for cpu 1\n\
         CPU: 1 UID: 0 PID: 44 Comm: sh Tainted: G           O       6.12.117 #1 \n\
         Tainted: [O]=OOT_MODULE\n\
         RIP: 0010:delay_tsc+0x2e/0xb0\n\
         Code: fd bf 01 00 00 00 41 54 55 53 e8 fd 64 8f ff e8 f8 22 03 00 41 89 c4\n\
         RSP: 0018:ffffc900002e7c50 EFLAGS: 00000086\n\
         CR2: 00007fd99ddc8fcc CR3: 000000000520c000 CR4: 00000000003506b0\n\
         Call Trace:\n\
         \x20<TASK>\n\
         \x20no_interrupts+0x1e/0x40 [fault]\n\
         \x20commit_write+0x156/0x1d0 [fault]\n\
         \x20? 0xffffffffa0000000\n\
         \x20vfs_write+0x1bf/0x760\n\
         \x20entry_SYSCALL_64_after_hwframe+0x4b/0x53\n\
         RIP: 0033:0x7fb1c985d350\n\
         \x20</TASK>",
    );
    let later = called(
        129_373_502,
        "C1",
        "INFO: NMI handler (nmi_cpu_backtrace_handler) took too long to run: 25.932 msecs",
    );
    let splat = only(&format!("{asks}{tells}{later}"));
    assert_eq!(splat.class, Class::HardLockup);
    assert_eq!(splat.title, "hard lockup in no_interrupts");
    assert_eq!((splat.first_line, splat.last_line), (1, 24));
    // Nobody was asked: whoever prints a back trace then is not of the report.
    let unasked = asks.replace("Sending NMI from CPU 0 to CPUs 1:", "");
    assert_eq!(only(&format!("{unasked}{tells}")).title, "hard lockup");
}

#[test]
fn a_race_has_both_its_functions_in_its_title_whatever_they_are() {
    let splat = only(&called(
        14_671_732,
        "C0",
        "==================================================================\n\
         BUG: KCSAN: data-race in __hrtimer_run_queues / hrtimer_active\n\
         \n\
         read to 0xffff88803ec1e698 of 8 bytes by interrupt on cpu 1:\n\
         \x20hrtimer_active+0x5b/0xb0\n\
         \x20task_tick_fair+0x99/0x2f0\n\
         \x20ret_from_fork_asm+0x11/0x20\n\
         \n\
         write to 0xffff88803ec1e698 of 8 bytes by interrupt on cpu 0:\n\
         \x20__hrtimer_run_queues+0x142/0x320\n\
         \x20common_startup_64+0x13b/0x148\n\
         \n\
         Reported by Kernel Concurrency Sanitizer on:\n\
         CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Tainted: G           O       6.12.117 #1 \n\
         Tainted: [O]=OOT_MODULE\n\
         ==================================================================",
    ));
    assert_eq!(
        splat.title,
        "KCSAN: data-race in __hrtimer_run_queues / hrtimer_active"
    );
    assert_eq!(splat.frames[0].function, "hrtimer_active");
    assert_eq!(splat.frames.len(), 3, "one stack of the two");
    assert_eq!((splat.first_line, splat.last_line), (1, 16));
}

/// Who copies for others is not to blame, and where memory came from is no part of the stack.
#[test]
fn a_leak_to_the_user_is_put_down_to_the_one_that_copies() {
    let splat = only(&called(
        85_850_088,
        "T45",
        "=====================================================\n\
         BUG: KMSAN: kernel-infoleak in _copy_to_user+0x40/0x80\n\
         \x20_copy_to_user+0x40/0x80\n\
         \x20unset_told+0xc6/0x170 [fault]\n\
         \x20commit_write+0x1dc/0x210 [fault]\n\
         \x20vfs_write+0x285/0xdb0\n\
         \n\
         Uninit was created at:\n\
         \x20__kmalloc_cache_noprof+0x5ee/0x720\n\
         \x20unset_told+0x4e/0x170 [fault]\n\
         \n\
         Bytes 0-63 of 64 are uninitialized\n\
         Memory access of size 64 starts at ffff888000f54980\n\
         Data copied to user address 00007fff83fcd910\n\
         \n\
         CPU: 1 UID: 0 PID: 45 Comm: sh Tainted: G    B      O       6.12.117 #1 \n\
         Tainted: [B]=BAD_PAGE, [O]=OOT_MODULE\n\
         =====================================================\n\
         Disabling lock debugging due to kernel taint",
    ));
    assert_eq!(splat.class, Class::Kmsan);
    assert_eq!(splat.title, "KMSAN: kernel-infoleak in unset_told");
    assert_eq!(splat.frames.len(), 4);
    assert_eq!((splat.first_line, splat.last_line), (1, 19));
}

#[test]
fn a_reader_that_stalls_is_named_though_the_interrupt_shows_its_task() {
    let splat = only(&called(
        146_267_391,
        "C0",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n\
         rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-1): P52\n\
         rcu: \t(detected by 0, t=902 jiffies, g=2941, q=43 ncpus=2)\n\
         task:sh              state:R  running task     stack:0     pid:52    tgid:52    ppid:1      flags:0x0\n\
         Call Trace:\n\
         \x20<IRQ>\n\
         \x20sched_show_task+0x2a5/0x430\n\
         \x20? mm_cid_get+0x5b0/0x5b0\n\
         \x20rcu_sched_clock_irq+0x1875/0x1b80\n\
         \x20update_process_times+0xea/0x160\n\
         \x20tick_nohz_handler+0x180/0x200\n\
         \x20__hrtimer_run_queues+0x352/0x5a0\n\
         \x20sysvec_apic_timer_interrupt+0x85/0xb0\n\
         \x20</IRQ>\n\
         \x20<TASK>\n\
         \x20asm_sysvec_apic_timer_interrupt+0x16/0x20\n\
         RIP: 0010:long_reader+0x9e/0x1b0 [fault]\n\
         Code: c7 c0 93 2f 82 48 81 c3 dc 05 00 00\n\
         \x20? long_reader+0xaf/0x1b0 [fault]\n\
         \x20commit_write+0x156/0x1d0 [fault]\n\
         \x20</TASK>",
    ));
    assert_eq!(splat.class, Class::RcuStall);
    assert_eq!(splat.title, "rcu_preempt stall in long_reader");
}

/// What the lock validator finds is put down to the one that takes, releases or frees, and not to the functions that do it.
#[test]
fn a_rule_of_locks_is_broken_by_the_one_that_calls() {
    for (report, title) in [
        (
            "=====================================\n\
             WARNING: bad unlock balance detected!\n\
             6.12.117 #1 Tainted: G           O      \n\
             -------------------------------------\n\
             sh/31 is trying to release lock (first) at:\n\
             [<ffffffffa000149a>] unbalanced+0x2a/0x30 [fault]\n\
             but there are no more locks to release!\n\
             \n\
             stack backtrace:\n\
             Call Trace:\n\
             \x20<TASK>\n\
             \x20dump_stack_lvl+0x62/0x90\n\
             \x20print_unlock_imbalance_bug+0x140/0x150\n\
             \x20lock_release+0x30d/0x430\n\
             \x20? unbalanced+0x2a/0x30 [fault]\n\
             \x20__mutex_unlock_slowpath+0x98/0x400\n\
             \x20unbalanced+0x2a/0x30 [fault]\n\
             \x20commit_write+0x156/0x1d0 [fault]\n\
             \x20</TASK>",
            "bad unlock balance detected in unbalanced",
        ),
        (
            "=========================\n\
             WARNING: held lock freed!\n\
             6.12.117 #1 Tainted: G           O      \n\
             -------------------------\n\
             sh/31 is freeing memory ffff888005836280-ffff8880058362bf, with a lock still held there!\n\
             ffff888005836298 (&thing->lock){+.+.}-{3:3}, at: freed+0x49/0x60 [fault]\n\
             \n\
             stack backtrace:\n\
             Call Trace:\n\
             \x20<TASK>\n\
             \x20dump_stack_lvl+0x62/0x90\n\
             \x20debug_check_no_locks_freed+0x171/0x1b0\n\
             \x20kfree+0x113/0x3d0\n\
             \x20? freed+0x51/0x60 [fault]\n\
             \x20freed+0x51/0x60 [fault]\n\
             \x20commit_write+0x156/0x1d0 [fault]\n\
             \x20</TASK>",
            "held lock freed in freed",
        ),
        (
            "INFO: trying to register non-static key.\n\
             The code is fine but needs lockdep annotation, or maybe\n\
             you didn't initialize this object before use?\n\
             turning off the locking correctness validator.\n\
             CPU: 0 UID: 0 PID: 31 Comm: sh Tainted: G           O       6.12.117 #1 \n\
             Call Trace:\n\
             \x20<TASK>\n\
             \x20dump_stack_lvl+0x62/0x90\n\
             \x20register_lock_class+0xb5c/0xbf0\n\
             \x20? filter_irq_stacks+0x60/0x60\n\
             \x20__lock_acquire+0x10d/0x28c0\n\
             \x20lock_acquire+0x178/0x410\n\
             \x20_raw_spin_lock+0x2a/0x40\n\
             \x20keyless+0x7e/0xb0 [fault]\n\
             \x20commit_write+0x156/0x1d0 [fault]\n\
             \x20</TASK>",
            "trying to register non-static key in keyless",
        ),
    ] {
        let splat = only(&at(19_193_723, report));
        assert_eq!(splat.class, Class::Lockdep);
        assert_eq!(splat.title, title);
    }
}

/// Since Linux 6.9 the kernel warns of a copy beyond an object before it kills the task for it.
#[test]
fn a_warning_and_the_end_that_it_makes_are_one() {
    let warns = "------------[ cut here ]------------\n\
         memcpy: detected buffer overflow: 64 byte write of buffer size 48\n\
         WARNING: CPU: 0 PID: 31 at lib/string_helpers.c:1032 __fortify_report+0x68/0x90\n\
         Modules linked in: fault(O)\n\
         CPU: 0 UID: 0 PID: 31 Comm: sh Tainted: G           O       6.12.117 #1 \n\
         RIP: 0010:__fortify_report+0x68/0x90\n\
         Call Trace:\n\
         \x20<TASK>\n\
         \x20__fortify_panic+0x9/0x10\n\
         \x20object_over+0x3d/0x40 [fault]\n\
         \x20commit_write+0x156/0x1d0 [fault]\n\
         \x20</TASK>\n\
         ---[ end trace 0000000000000000 ]---\n";
    let ends = "------------[ cut here ]------------\n\
         kernel BUG at lib/string_helpers.c:1040!\n\
         Oops: invalid opcode: 0000 [#1] PREEMPT SMP KASAN\n\
         CPU: 0 UID: 0 PID: 31 Comm: sh Tainted: G        W  O       6.12.117 #1 \n\
         RIP: 0010:__fortify_panic+0x9/0x10\n\
         Call Trace:\n\
         \x20<TASK>\n\
         \x20object_over+0x3d/0x40 [fault]\n\
         \x20commit_write+0x156/0x1d0 [fault]\n\
         \x20</TASK>\n\
         Modules linked in: fault(O)\n\
         ---[ end trace 0000000000000000 ]---\n\
         RIP: 0010:__fortify_panic+0x9/0x10\n\
         Code: 5d c3 48 89 de 48 c7 c7 20 2a 47 82 e8 20 7e 04 00 eb aa 66 66 2e\n\
         PKRU: 55555554\n";
    let title = "memcpy: detected buffer overflow in object_over";
    let both = format!("{warns}{ends}");
    let splat = only(&at(22_804_236, &both));
    assert_eq!((splat.class, splat.title.as_str()), (Class::Fortify, title));
    assert_eq!((splat.first_line, splat.last_line), (1, 28));
    let alone = only(&at(22_804_236, warns));
    assert_eq!(splat.fingerprint, alone.fingerprint);
    assert_eq!(splat.frames, alone.frames, "one stack of the two");
    // A panic is its end as well.
    let panic = "Kernel panic - not syncing: Fatal exception\nKernel Offset: disabled\n";
    let splat = only(&at(22_804_236, &format!("{both}{panic}")));
    assert_eq!((splat.class, splat.title.as_str()), (Class::Fortify, title));
    assert_eq!(splat.panic.as_deref(), Some("Fatal exception"));
    // The end alone is what it says, and another BUG() is another splat.
    assert_eq!(only(&at(22_804_236, ends)).class, Class::Bug);
    let other = both.replace(
        "kernel BUG at lib/string_helpers.c",
        "kernel BUG at lib/list.c",
    );
    assert_eq!(scan(&at(22_804_236, &other)).len(), 2);
}
