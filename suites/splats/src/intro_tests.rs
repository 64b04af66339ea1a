use super::*;
use crate::headline::Culprit;

#[track_caller]
fn head(text: &str) -> Headline {
    read(text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn warnings_of_all_ages_say_where_they_are() {
    for text in [
        "WARNING: CPU: 1 PID: 70 at drivers/x.c:112 foo+0xf/0x20",
        "WARNING: drivers/x.c:112 at foo+0xf/0x20, CPU#0: cat/70",
        "WARNING: [a > b] drivers/x.c:112 at foo+0xf/0x20, CPU#0: cat/70",
        "WARNING: CPU: 1 PID: 70 at drivers/x.c:112 foo.constprop.0+0xf/0x20 [x]",
    ] {
        let head = head(text);
        assert_eq!(head.class, Class::Warning, "{text}");
        assert_eq!(head.place.as_deref(), Some("drivers/x.c:112"), "{text}");
        assert_eq!(head.culprit, Culprit::Named("foo".into()), "{text}");
    }
    for not in [
        "WARNING: possible recursive locking detected",
        "WARNING: kernel stack regs at x",
        "WARNING: x at y:z w",
    ] {
        assert_eq!(warning(not), None, "{not}");
    }
}

#[test]
fn exceptions_of_all_ages_have_their_class() {
    for (text, class) in [
        (
            "BUG: kernel NULL pointer dereference, address: 0",
            Class::NullDeref,
        ),
        (
            "BUG: unable to handle kernel NULL pointer dereference at 0",
            Class::NullDeref,
        ),
        (
            "Unable to handle kernel NULL pointer dereference at virtual address 0",
            Class::NullDeref,
        ),
        (
            "Unable to handle kernel paging request at virtual address 1",
            Class::PageFault,
        ),
        (
            "BUG: unable to handle page fault for address: 00007f",
            Class::PageFault,
        ),
        (
            "Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP",
            Class::Gpf,
        ),
        ("general protection fault: 0000 [#1] SMP", Class::Gpf),
        ("Oops: divide error: 0000 [#1] SMP", Class::Oops),
        ("divide error: 0000 [#1] SMP", Class::Oops),
        ("Oops: 0002 [#1] SMP", Class::PageFault),
        ("Oops: Oops: 0002 [#1] SMP", Class::PageFault),
        (
            "Oops: stack guard page: 0000 [#3] SMP",
            Class::StackOverflow,
        ),
        (
            "traps: PANIC: double fault, error_code: 0x0",
            Class::DoubleFault,
        ),
        ("kernel BUG at mm/slub.c:1!", Class::Bug),
        (
            "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP",
            Class::Oops,
        ),
    ] {
        assert_eq!(head(text).class, class, "{text}");
    }
    for not in [
        "Oops",
        "invalid opcode",
        "traps: cat[1] general protection fault ip:1",
        "x [#1]",
        "divide error: 0000 [#x]",
    ] {
        assert_eq!(read(not), None, "{not}");
    }
}

#[test]
fn words_before_a_report_name_it() {
    for (words, class, base) in [
        (
            "refcount_t: underflow; use-after-free.",
            Class::Refcount,
            "refcount_t: underflow; use-after-free",
        ),
        (
            "list_add corruption. next->prev should be prev (ff), but was 0.",
            Class::ListCorruption,
            "list_add corruption",
        ),
        (
            "list_del corruption, ff->next is LIST_POISON1 (dead)",
            Class::ListCorruption,
            "list_del corruption",
        ),
        (
            "ODEBUG: free active (active state 0) object: ff object type: timer_list hint: x",
            Class::DebugObjects,
            "ODEBUG: free active",
        ),
        (
            "usercopy: Kernel memory exposure attempt detected from SLUB object 'x' (offset 1, size 2)!",
            Class::Usercopy,
            "usercopy: Kernel memory exposure attempt detected",
        ),
        (
            "memcpy: detected field-spanning write (size 4) of single field \"x\" at a.c:1 (size 2)",
            Class::Fortify,
            "memcpy: detected field-spanning write",
        ),
        (
            "strnlen: detected buffer overflow: 12 byte read of buffer size 11",
            Class::Fortify,
            "strnlen: detected buffer overflow",
        ),
        (
            "detected buffer overflow in strlen",
            Class::Fortify,
            "detected buffer overflow in strlen",
        ),
    ] {
        assert_eq!(refine(words), Some((class, base.to_owned())), "{words}");
    }
    assert_eq!(refine("Warning message trigger count: 2"), None);
}

#[test]
fn a_panic_is_a_consequence_or_its_own() {
    for reason in [
        "Fatal exception in interrupt",
        "kernel: panic_on_warn set ...",
        "Attempted to kill init! exitcode=0x0000000b",
    ] {
        assert!(is_consequence(reason), "{reason}");
    }
    for reason in [
        "sysrq triggered crash",
        "VFS: Unable to mount root fs on unknown-block(0,0)",
    ] {
        assert!(!is_consequence(reason), "{reason}");
    }
    assert_eq!(
        head(
            "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: foo+0x1/0x2"
        )
        .base,
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: foo"
    );
}
