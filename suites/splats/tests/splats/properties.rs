//! Whatever is read: no panic, the same in pieces of any size, and logs one after the other.

use crate::{reports::*, support::*};
use proptest::prelude::*;
use splats::{Splat, TextScanner};

fn in_pieces(log: &[u8], size: usize) -> Vec<Splat> {
    let mut scanner = TextScanner::new();
    log.chunks(size).for_each(|piece| scanner.push(piece));
    scanner.finish().0
}

/// Lines that mean something, in any order.
fn line() -> impl Strategy<Value = String> {
    let words = [
        "------------[ cut here ]------------",
        "refcount_t: underflow; use-after-free.",
        "WARNING: CPU: 1 PID: 42 at mm/file.c:12 culprit+0xf/0x20",
        "kernel BUG at mm/file.c:12!",
        "Oops: invalid opcode: 0000 [#1] SMP",
        "BUG: unable to handle page fault for address: 1",
        "---[ end trace 0000000000000000 ]---",
        "==================================================================",
        "BUG: KASAN: slab-out-of-bounds in culprit+0x8e/0x90",
        "BUG kmalloc-32 (Tainted: G    B  ): Object already free",
        "FIX kmalloc-32: x",
        "Call Trace:",
        " <TASK>",
        " culprit+0x1f/0x2e0 [some_module]",
        " </TASK>",
        "RIP: 0010:culprit+0x7/0x10",
        "Kernel panic - not syncing: Fatal exception",
        "Kernel panic - not syncing: x",
        "---[ end Kernel panic - not syncing: x ]---",
        "INFO: task cat:42 blocked for more than 120 seconds.",
        "Linux version 6.12.0",
        "hello",
        "",
    ];
    let text = prop_oneof![4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,40}"];
    let prefix = prop_oneof![
        4 => (0u64..20_000_000).prop_map(|usec| format!("[{:5}.{:06}] ", usec / 1_000_000, usec % 1_000_000)),
        2 => (0u64..9_000_000, 0u8..4).prop_map(|(usec, n)| format!("[{:5}.{:06}][    T{n}] ", usec / 1_000_000, usec % 1_000_000)),
        1 => (0u32..30, 0u64..100).prop_map(|(level, seq)| format!("{level},{seq},{seq},-;")),
        1 => Just(String::new()),
    ];
    (prefix, text).prop_map(|(prefix, text)| prefix + &text)
}

proptest! {
    #[test]
    fn any_bytes_are_taken(log in prop::collection::vec(any::<u8>(), 0..3000), size in 1usize..200) {
        let whole = in_pieces(&log, log.len().max(1));
        prop_assert_eq!(in_pieces(&log, size), whole);
    }

    #[test]
    fn any_lines_give_splats_in_order_and_within_the_log(lines in prop::collection::vec(line(), 0..120), size in 1usize..200) {
        let log = lines.join("\n");
        let splats = in_pieces(log.as_bytes(), size);
        prop_assert_eq!(&in_pieces(log.as_bytes(), log.len().max(1)), &splats);
        for splat in &splats {
            prop_assert!(1 <= splat.first_line && splat.first_line <= splat.last_line, "{:?}", splat);
            prop_assert!(splat.last_line <= lines.len() as u64);
            prop_assert!(splat.frames.len() <= 64 && splat.title.len() < 2000);
        }
        prop_assert!(splats.windows(2).all(|pair| pair[0].first_line <= pair[1].first_line));
    }

    #[test]
    fn one_boot_after_another_gives_the_splats_of_both(first in prop::collection::vec(line(), 0..60), second in prop::collection::vec(line(), 0..60)) {
        let begin = |lines: &[String]| format!("[    0.000000] Linux version 6.12.0\n{}\n", lines.join("\n"));
        let (first, second) = (begin(&first), begin(&second));
        let mut expected = scan(&first);
        let offset = first.lines().count() as u64;
        expected.extend(scan(&second).into_iter().map(|splat| Splat {
            first_line: splat.first_line + offset,
            last_line: splat.last_line + offset,
            ..splat
        }));
        prop_assert_eq!(scan(&(first + &second)), expected);
    }
}

#[test]
fn a_flood_is_bounded() {
    let report = console(&warn("", "mm/file.c:12", "culprit", "caller"));
    let mut scanner = TextScanner::new();
    for _ in 0..10_200 {
        scanner.push(report.as_bytes());
    }
    let (splats, left_out) = scanner.finish();
    assert_eq!(splats.len() as u64 + left_out, 10_200);
    assert_eq!(splats.len(), 10_000);

    let mut scanner = TextScanner::new();
    scanner.push(&console("------------[ cut here ]------------").into_bytes());
    scanner.push(&vec![b'x'; 1 << 20]);
    scanner.push("\n[    1.000000] Call Trace:\n".repeat(1000).as_bytes());
    assert_eq!(scanner.finish().0.len(), 1);
}
