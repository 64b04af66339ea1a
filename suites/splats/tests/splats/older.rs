//! Reports in forms that not every kernel prints: what `scripts/faults` met.

use crate::{reports::*, support::*};
use splats::Class;

/// The only splat of a report, which has to be whole.
#[track_caller]
fn whole(class: Class, title: &str, report: &str) {
    let log = within(report);
    let splat = only(&log);
    assert_eq!((splat.class, splat.title.as_str()), (class, title), "{log}");
    let lines = report.trim_end().lines().count() as u64;
    assert_eq!((splat.first_line, splat.last_line), (2, 1 + lines), "{log}");
}

#[test]
fn ubsan_before_6_2_stands_between_rules() {
    let inside = format!(
        "UBSAN: shift-out-of-bounds in /usr/src/module/file.c:12:3\nshift exponent 70 is too large for 32-bit type 'int'\n{}",
        stack(
            &[
                "dump_stack_lvl",
                "ubsan_epilogue",
                "__ubsan_handle_shift_out_of_bounds.cold"
            ],
            "culprit"
        )
    );
    whole(
        Class::Ubsan,
        "UBSAN: shift-out-of-bounds in culprit (/usr/src/module/file.c:12)",
        &ruled(80, &inside),
    );
}

#[test]
fn more_memory_than_there_is_is_an_allocation_failure() {
    let report = format!(
        "cat: vmalloc error: size 35184372088832, exceeds total pages, mode:0xcc0(GFP_KERNEL), nodemask=(null)\n{}",
        stack(
            &[
                "dump_stack_lvl",
                "warn_alloc",
                "__vmalloc_node_range",
                "vmalloc"
            ],
            "culprit"
        )
    );
    whole(
        Class::AllocationFailure,
        "vmalloc error: exceeds total pages in culprit",
        &report,
    );
}

#[test]
fn an_object_on_the_stack_is_named_before_the_warning() {
    let report = format!(
        "ODEBUG: object 00000000b3a93e1a is on stack 00000000d9d7fdd1, but NOT annotated.\n{}",
        warn(
            "",
            "lib/debugobjects.c:545",
            "__debug_object_init",
            "culprit"
        )
    );
    whole(
        Class::DebugObjects,
        "ODEBUG: object ADDR is on stack ADDR, but NOT annotated. in culprit",
        &report,
    );
}

#[test]
fn who_frees_for_others_is_not_to_blame() {
    let kasan = |named: &str, helpers: &[&str]| {
        let mut all = vec![
            "dump_stack_lvl",
            "print_report",
            "kasan_report_invalid_free",
        ];
        all.extend(helpers);
        ruled(
            66,
            &format!(
                "BUG: KASAN: double-free in {named}+0x8e/0x90\n\n{}\n",
                stack(&all, "culprit")
            ),
        )
    };
    for (named, helpers) in [
        (
            "__kmem_cache_free",
            &["__kasan_slab_free", "__kmem_cache_free"][..],
        ),
        ("kfree", &["kfree"]),
        ("culprit", &[]),
    ] {
        whole(
            Class::Kasan,
            "KASAN: double-free in culprit",
            &kasan(named, helpers),
        );
    }
    // Nobody else is known.
    let alone = ruled(
        66,
        "BUG: KASAN: double-free in kfree+0x8e/0x90\n\nCall Trace:\n kfree+0x8e/0x90\n",
    );
    whole(Class::Kasan, "KASAN: double-free in kfree", &alone);
}

#[test]
fn a_copy_beyond_an_object_of_known_size_is_a_usercopy() {
    let report = warn(
        "Buffer overflow detected (64 < 192)!\n",
        "mm/maccess.c:228",
        "__copy_overflow",
        "culprit",
    );
    whole(
        Class::Usercopy,
        "Buffer overflow detected in culprit",
        &report,
    );
}

#[test]
fn who_frees_a_bad_page_is_to_blame() {
    let report = format!(
        "BUG: Bad page state in process cat  pfn:1234\npage:0000000012345678 refcount:0 mapcount:0 mapping:0000000000004711 index:0x0 pfn:0x1234\n\
         flags: 0x4000000000000000(zone=1)\npage dumped because: non-NULL mapping\nModules linked in:\n{}",
        stack(
            &[
                "dump_stack_lvl",
                "bad_page.cold",
                "free_pcp_prepare",
                "free_unref_page"
            ],
            "culprit"
        )
    );
    whole(Class::BadPage, "BUG: Bad page state in culprit", &report);
}
