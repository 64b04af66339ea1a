//! Entries of stack traces (`kernel/kallsyms.c`, `sprint_symbol`), and which of their functions say something.

use crate::Frame;

/// Longest name taken, in bytes (`KSYM_NAME_LEN`).
const MAX_NAME: usize = 512;

/// Reads one line of a stack trace: ` ? func+0x12/0x34 [module]`, older ` [<address>] func+0x12/0x34`, or one that was
/// decoded: ` func (file.c:12)`.
pub(crate) fn parse(text: &str) -> Option<Frame> {
    let mut rest = text.trim_start();
    // Before 4.10: the address.
    if let Some(after) = rest.strip_prefix("[<") {
        rest = after.split_once(">]")?.1.trim_start();
    }
    let doubtful = rest.starts_with("? ");
    rest = rest.strip_prefix("? ").unwrap_or(rest);
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (function, offset, size) = match symbol(word) {
        Some((function, offset, size)) => (function, Some(offset), Some(size)),
        None if is_decoded(word, rest) => (word, None, None),
        None => return None,
    };
    let module = rest
        .rsplit_once('[')
        .and_then(|(_, module)| module.trim_end().strip_suffix(']'))
        // A build id may stand behind the name.
        .and_then(|module| module.split(' ').next())
        .filter(|module| !module.is_empty() && module.len() <= MAX_NAME);
    // Anything else behind a symbol makes it a sentence.
    if offset.is_some() && module.is_none() && !rest.trim().is_empty() {
        return None;
    }
    Some(Frame {
        function: function.to_owned(),
        offset,
        size,
        module: module.map(str::to_owned),
        doubtful,
        exact: false,
        locations: Vec::new(),
    })
}

/// Where the CPU was: `RIP: 0010:func+0x12/0x34 [module]`, on arm64 `pc : func+0x12/0x34`.
pub(crate) fn parse_exact(text: &str) -> Option<Frame> {
    let rest = match text.strip_prefix("RIP: ") {
        Some(rest) => rest.split_once(':')?.1,
        None => text.strip_prefix("pc : ")?,
    };
    parse(rest).map(|frame| Frame {
        exact: true,
        ..frame
    })
}

/// `func+0x12/0x34`.
pub(crate) fn symbol(word: &str) -> Option<(&str, u64, u64)> {
    let (function, place) = word.rsplit_once("+0x")?;
    let (offset, size) = place.split_once("/0x")?;
    if function.is_empty() || function.len() > MAX_NAME {
        return None;
    }
    let number = |hex: &str| u64::from_str_radix(hex, 16).ok();
    Some((function, number(offset)?, number(size)?))
}

/// What `scripts/decode_stacktrace.sh` makes of it: `func (fs/file.c:12)`.
fn is_decoded(word: &str, rest: &str) -> bool {
    let identifier = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
    let sources = [".c:", ".h:", ".S:", ".rs:"];
    !word.is_empty()
        && word.len() <= MAX_NAME
        && word.chars().all(identifier)
        && rest.starts_with('(')
        && sources.iter().any(|source| rest.contains(source))
}

/// A function's own name, without what the compiler added: `foo.isra.0`, `foo.constprop.0.cold`, `foo.llvm.123`.
pub(crate) fn plain(function: &str) -> &str {
    match function.find('.') {
        Some(0) | None => function,
        Some(end) => &function[..end],
    }
}

/// Beginnings of functions that report, check or pass on, and never are the cause.
const GENERIC_PREFIXES: &[&str] = &[
    "__asan_",
    "____kasan_",
    "__kasan_",
    "kasan_",
    "__msan_",
    "kmsan_",
    "__tsan_",
    "kcsan_",
    "kfence_",
    "__ubsan_",
    "ubsan_",
    "__warn",
    "__might_",
    "___might_",
    "_raw_spin_",
    "_raw_read_",
    "_raw_write_",
    "asm_exc_",
    "exc_",
    "asm_sysvec_",
    "sysvec_",
    "__sysvec_",
    "asm_common_",
    "__list_add_valid",
    "__list_del_entry_valid",
    "__list_valid",
    "refcount_",
    "debug_object_",
    "init_timer_key",
    "lookup_object_or_alloc",
    "sysfs_create_",
    "kobject_add",
    "kobject_create_",
    "__init_work",
    "debug_print_object",
    "debug_check_no_obj",
    "debug_check_no_locks_freed",
    "__debug_",
    "lockdep_",
    "lock_acquire",
    "__lock_acquire",
    "lock_release",
    "print_",
    "check_wait_context",
    "check_noncircular",
    "check_deadlock",
    "check_prev",
    "check_irq_usage",
    "check_usage",
    "check_preemption_disabled",
    "validate_chain",
    "register_lock_class",
    "mark_lock",
    "mark_usage",
    "dump_stack",
    "show_stack",
    "show_regs",
    "show_trace",
    "nmi_",
    "watchdog_",
    "softlockup_",
    "rcu_check_gp",
    "rcu_pending",
    "rcu_sched_clock",
    "rcu_dump",
    "rcu_stall",
    "hrtimer_",
    "__hrtimer_",
    "tick_",
    "update_process_times",
    "local_apic_",
    "smp_apic_",
    "apic_timer_",
    "__slab_",
    "slab_err",
    "object_err",
    "check_object",
    "check_bytes",
    "free_debug_processing",
    "alloc_debug_",
    "free_to_partial_list",
    "slab_free_",
    "list_slab_objects",
    "qlist_free_all",
    "__alloc_pages",
    "__alloc_frozen_pages",
    "alloc_pages",
    "__free_pages",
    "free_pages",
    "free_pcp_",
    "free_unref_",
    "__kmalloc",
    "kmalloc_",
    "__kmem_cache_",
    "kmem_cache_",
    "kasan_quarantine_",
    "__vmalloc_",
    "vmalloc",
    "vzalloc",
    "usercopy_",
    "__check_object_size",
    "__check_heap_object",
    "fortify_",
    "__fortify_",
    "entry_SYSCALL",
    "entry_SYSENTER",
    "ret_from_fork",
    "do_syscall_",
    "do_int80",
    "x64_sys_call",
    "page_fault",
    "do_user_addr_fault",
    "bad_area",
    "no_context",
    "error_entry",
    "schedule_",
    "io_schedule",
];

/// Functions of the same kind, by their whole names.
const GENERIC: &[&str] = &[
    "kfree",
    "kvfree",
    "kfree_sensitive",
    "vfree",
    "panic",
    "vpanic",
    "die",
    "die_addr",
    "oops_end",
    "report_bug",
    "handle_bug",
    "warn_slowpath_fmt",
    "warn_bogus_irq_restore",
    "do_error_trap",
    "do_trap",
    "do_invalid_op",
    "invalid_op",
    "end_report",
    "check_region_inline",
    "schedule",
    "__schedule",
    "__schedule_bug",
    "sched_show_task",
    "delay_tsc",
    "__delay",
    "__udelay",
    "__const_udelay",
    "preempt_count_add",
    "preempt_count_sub",
    "preempt_schedule",
    "preempt_schedule_common",
    "preempt_schedule_thunk",
    "dequeue_task_idle",
    "memcpy",
    "memset",
    "memmove",
    "__memcpy",
    "__memset",
    "__memmove",
    "memcpy_orig",
    "_copy_to_user",
    "_copy_from_user",
    "_copy_to_iter",
    "_copy_from_iter",
    "mutex_lock",
    "mutex_lock_nested",
    "__mutex_lock",
    "mutex_unlock",
    "__mutex_unlock_slowpath",
    "up_read",
    "up_write",
    "down_read",
    "down_write",
    "down_read_nested",
    "down_write_nested",
    "rwsem_down_read_slowpath",
    "rwsem_down_write_slowpath",
    "wait_for_completion",
    "wait_for_common",
    "do_wait_for_common",
    "__wait_for_common",
    "bit_wait",
    "__wait_on_bit",
    "out_of_line_wait_on_bit",
    "spin_bug",
    "spin_dump",
    "do_raw_spin_lock",
    "do_raw_spin_unlock",
    "might_fault",
    "dump_header",
    "warn_alloc",
    "bad_page",
    "__copy_overflow",
    "sysfs_warn_dup",
    "kthread",
    "__stack_chk_fail",
    "irq_exit_rcu",
    "__irq_exit_rcu",
    "handle_softirqs",
    "__do_softirq",
    "dequeue_entities",
    "native_smp_send_stop",
    "arch_trigger_cpumask_backtrace",
    "trigger_single_cpu_backtrace",
    "dump_cpu_task",
];

/// Whether a function (its own name) only reports or checks.
pub(crate) fn is_generic(function: &str) -> bool {
    GENERIC.contains(&function)
        || GENERIC_PREFIXES
            .iter()
            .any(|start| function.starts_with(start))
}

/// The names of the functions that matter, innermost first: sure ones, else doubtful ones, else whatever there is.
pub(crate) fn significant(frames: &[Frame]) -> impl Iterator<Item = &str> {
    let named = |doubtful: bool| {
        let frames = frames
            .iter()
            .filter(move |frame| frame.doubtful == doubtful);
        frames.map(|frame| plain(&frame.function))
    };
    let own = |name: &&str| !is_generic(name);
    let sure = named(false).any(|name| !is_generic(name));
    let unsure = !sure && named(true).any(|name| !is_generic(name));
    let first = named(false).filter(own);
    let second = named(true).filter(own).filter(move |_| unsure);
    let third = named(false).filter(move |_| !sure && !unsure);
    first.chain(second).chain(third)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_in_all_their_forms() {
        let frame = parse(" lkdtm_do_action+0x10/0x20").expect("a frame");
        assert_eq!(frame.function, "lkdtm_do_action");
        assert_eq!((frame.offset, frame.size), (Some(0x10), Some(0x20)));
        assert!(!frame.doubtful && frame.module.is_none());
        let frame =
            parse(" ? foo.isra.0+0xff/0x1a0 [nf_tables 0123456789abcdef]").expect("a frame");
        assert!(frame.doubtful);
        assert_eq!(frame.module.as_deref(), Some("nf_tables"));
        assert_eq!(frame.to_string(), "? foo.isra.0+0xff/0x1a0 [nf_tables]");
        let frame = parse("[<ffffffff81000000>] foo+0x1/0x2").expect("a frame");
        assert_eq!(frame.function, "foo");
        let frame = parse(" vfs_write (fs/read_write.c:588)").expect("a frame");
        assert_eq!((frame.function.as_str(), frame.offset), ("vfs_write", None));
        for not in [
            "",
            " <TASK>",
            "Modules linked in: foo",
            "BUG at foo+0x1/0x2 again",
            "+0x1/0x2",
            "f+0xg/0x2",
            "f+0x1/0x2 and so on",
            "f+0x10000000000000000/0x2",
        ] {
            assert_eq!(parse(not), None, "{not}");
        }
    }

    #[test]
    fn the_place_of_the_cpu_is_a_frame_in_the_kernel_only() {
        let frame = parse_exact("RIP: 0010:lkdtm_BUG+0x5/0x10").expect("a frame");
        assert!(frame.exact && frame.function == "lkdtm_BUG");
        assert!(parse_exact("pc : foo+0x5/0x10 [bar]").is_some());
        assert_eq!(parse_exact("RIP: 0033:0x47b7a0"), None);
    }

    #[test]
    fn what_the_compiler_adds_and_what_reports_is_left_out() {
        assert_eq!(plain("foo.constprop.0.cold"), "foo");
        assert_eq!(plain(".foo"), ".foo");
        let frames: Vec<Frame> = [
            " dump_stack_lvl+0x1/0x2",
            " ? stale+0x1/0x2",
            " culprit.part.0+0x1/0x2",
            " caller+0x1/0x2",
        ]
        .iter()
        .filter_map(|line| parse(line))
        .collect();
        assert_eq!(
            significant(&frames).collect::<Vec<_>>(),
            ["culprit", "caller"]
        );
        assert_eq!(significant(&frames[..2]).collect::<Vec<_>>(), ["stale"]);
        assert_eq!(
            significant(&frames[..1]).collect::<Vec<_>>(),
            ["dump_stack_lvl"]
        );
    }
}
