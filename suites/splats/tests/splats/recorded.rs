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
