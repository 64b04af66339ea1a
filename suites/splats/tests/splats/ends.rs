//! What is one splat and what is two, and what is none.

use crate::{reports::*, support::*};
use splats::{Class, Severity};

const OOPS: &str = "BUG: kernel NULL pointer dereference, address: 0000000000000008\n#PF: supervisor write access in kernel mode\nOops: Oops: 0002 [#1] SMP\n";

#[test]
fn an_oops_and_its_panic_are_one() {
    for (reason, words) in [
        ("Fatal exception", "Fatal exception"),
        (
            "Attempted to kill init! exitcode=0x00000009",
            "Attempted to kill init! exitcode=0x00000009",
        ),
    ] {
        let report =
            exception(OOPS, "culprit").replace("note: cat[42] exited with irqs disabled\n", "");
        let log = within(&format!(
            "{report}Kernel panic - not syncing: {reason}\nKernel Offset: disabled\n---[ end Kernel panic - not syncing: {reason} ]---\n"
        ));
        let splat = only(&log);
        assert_eq!(
            (splat.class, splat.severity),
            (Class::NullDeref, Severity::Fatal)
        );
        assert_eq!(splat.panic.as_deref(), Some(words));
        assert_eq!(splat.last_line, log.lines().count() as u64 - 1, "{log}");
        assert_eq!(splat.frames[0].function, "culprit");
    }
}

#[test]
fn a_warning_that_panics_is_one_and_has_its_own_stack() {
    let warning = warn("", "mm/file.c:12", "culprit", "caller");
    let (before_trace, _) = warning.split_once("RIP:").expect("registers");
    let log = console(&format!(
        "{before_trace}Kernel panic - not syncing: kernel: panic_on_warn set ...\n{}Kernel Offset: disabled\n",
        stack(&["panic", "check_panic_on_warn", "__warn"], "culprit")
    ));
    let splat = only(&log);
    assert_eq!(
        (splat.class, splat.severity),
        (Class::Warning, Severity::Fatal)
    );
    assert_eq!(splat.title, "WARNING in culprit (mm/file.c:12)");
    assert!(splat.frames.iter().any(|frame| frame.function == "culprit"));
}

#[test]
fn a_sanitizer_that_panics_is_one() {
    let report = ruled(
        53,
        "BUG: KMSAN: uninit-value in culprit+0x12/0x30\n culprit+0x12/0x30\n\nLocal variable unset created at:\n culprit+0x2/0x30\n\n",
    );
    let log = within(&format!(
        "{report}Kernel panic - not syncing: kmsan.panic set ...\n{}",
        stack(&["panic", "kmsan_report"], "culprit")
    ));
    let splat = only(&log);
    assert_eq!(
        (splat.class, splat.severity),
        (Class::Kmsan, Severity::Fatal)
    );
    assert_eq!(splat.panic.as_deref(), Some("kmsan.panic set ..."));
}

#[test]
fn a_panic_for_another_reason_is_another() {
    let oops = exception(OOPS, "culprit");
    let log = console(&format!(
        "{oops}Kernel panic - not syncing: sysrq triggered crash\n{}",
        stack(&["panic"], "sysrq_handle_crash")
    ));
    assert_eq!(
        scan(&log).iter().map(|s| s.class).collect::<Vec<_>>(),
        [Class::NullDeref, Class::Panic]
    );
}

#[test]
fn two_reports_in_a_row_are_two() {
    let first = warn("", "mm/file.c:12", "first", "caller");
    let second = warn("", "mm/file.c:34", "second", "caller");
    let third = stack(&[], "third");
    let log = console(&format!(
        "{first}{second}BUG: scheduling while atomic: cat/1/0x2\n{third}{first}"
    ));
    let found = scan(&log);
    let titles: Vec<&str> = found.iter().map(|splat| splat.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "WARNING in first (mm/file.c:12)",
            "WARNING in second (mm/file.c:34)",
            "BUG: scheduling while atomic in third",
            "WARNING in first (mm/file.c:12)"
        ]
    );
    assert_eq!(found[0].fingerprint, found[3].fingerprint);
    for pair in found.windows(2) {
        assert_eq!(pair[0].last_line + 1, pair[1].first_line);
    }
}

#[test]
fn interleaved_reports_are_told_apart_by_their_callers() {
    let one = called(
        1_000_000,
        "T1",
        &warn("", "mm/file.c:12", "first", "caller"),
    );
    let two = called(1_000_000, "C0", &exception(OOPS, "second"));
    let mut log = String::new();
    let (mut one, mut two) = (one.lines(), two.lines());
    loop {
        let lines = [one.next(), two.next()];
        if lines == [None, None] {
            break;
        }
        for line in lines.into_iter().flatten() {
            log.push_str(line);
            log.push('\n');
        }
    }
    assert_eq!(
        titles(&scan(&log)),
        [
            (Class::Warning, "WARNING in first (mm/file.c:12)"),
            (
                Class::NullDeref,
                "BUG: kernel NULL pointer dereference in second"
            ),
        ]
    );
}

#[test]
fn a_report_without_an_end_is_cut_by_silence_and_by_another_boot() {
    let whole = warn("", "mm/file.c:12", "culprit", "caller");
    let (cut, _) = whole.split_once("do_syscall_64").expect("a stack");
    let report = console(cut.trim_end());
    let lines = report.lines().count() as u64;
    for after in [
        at(20_000_000, "some driver: hello\nanother line"),
        at(0, "Linux version 6.12.0\nsome driver: hello"),
    ] {
        let splat = only(&format!("{report}{after}"));
        assert_eq!(splat.last_line, lines);
        assert_eq!(splat.title, "WARNING in culprit (mm/file.c:12)");
    }
    let other = "some driver: hello\n".repeat(40);
    let splat = only(&format!("{report}{}", at(1_100_000, &other)));
    assert_eq!(splat.last_line, lines);
}

#[test]
fn a_cut_off_beginning_is_a_warning_all_the_same() {
    for words in ["", "some words\n"] {
        let splat = only(&console(&format!(
            "------------[ cut here ]------------\n{words}"
        )));
        assert_eq!(
            (splat.class, splat.title.as_str()),
            (Class::Warning, "WARNING")
        );
        assert_eq!(splat.message.unwrap_or_default(), words.trim());
    }
}

#[test]
fn text_of_programs_is_none() {
    let report = warn("", "mm/file.c:12", "culprit", "caller");
    for log in [
        // A program's on the console, in a log with time stamps.
        format!("{}{report}{}", console("hello"), console("bye")),
        // The same before the first time stamp.
        format!("{report}{}", console("hello")),
        // A quotation in a test's output.
        console(&report)
            .lines()
            .map(|line| format!("# {line}\n"))
            .collect(),
        // Written to /dev/kmsg.
        report
            .lines()
            .zip(1..)
            .map(|(line, n)| format!("12,{n},{n},-;{line}\n"))
            .collect(),
        console(&report)
            .lines()
            .map(|line| format!("<12>{line}\n"))
            .collect(),
    ] {
        assert_eq!(titles(&scan(&log)), [], "{log}");
    }
    // Where no line has a time stamp, all are the kernel's.
    assert_eq!(scan(&report).len(), 1);
}

#[test]
fn programs_between_the_lines_of_a_report_do_no_harm() {
    let report = console(&warn("", "mm/file.c:12", "culprit", "caller"));
    let mixed: String = report
        .lines()
        .map(|line| format!("{line}\nBUG: a program\nok 1 - fine\n"))
        .collect();
    let splat = only(&mixed);
    assert_eq!(splat.first_line, 1);
    assert_eq!(splat.last_line, mixed.lines().count() as u64 - 2);
}

/// Consoles say that messages were dropped, and say it without a stamp; no other line without one is the kernel's.
#[test]
fn what_a_console_says_for_itself_needs_no_stamp() {
    let stamped = "[    2.000000] fault: line 3615 of many\r\n";
    let log = format!(
        "[    1.000000] fault: line 1 of many\r\n** 16384 printk messages dropped **\r\n{stamped}"
    );
    let splat = only(&log);
    assert_eq!(
        (splat.class, splat.severity, splat.first_line),
        (Class::DroppedMessages, Severity::Info, 2)
    );
    for foreign in [
        "** few printk messages dropped **",
        "**  printk messages dropped **",
        "BUG: scheduling while atomic: cat/42/0x00000002",
    ] {
        let log = format!("{stamped}{foreign}\r\n{stamped}");
        assert_eq!(titles(&scan(&log)), [], "{foreign}");
    }
}

#[test]
fn messages_that_only_look_like_reports_are_none() {
    for text in [
        "DEBUG: x",
        "INFO: lockdep is turned off.",
        "INFO: NMI handler (x) took too long to run: 1.2 msecs",
        "rcu: INFO: Stall ended before state dump start".trim_start_matches("rcu: INFO: "),
        "WARNING: Spectre v2 mitigation leaves CPU vulnerable",
        "WARNING: Flushing system-wide workqueues will be prohibited in near future.",
        "**   NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE   **",
        "lkdtm: Overwrite did not happen, but no BUG?!",
        "traps: cat[42] general protection fault ip:47b7a0 sp:7ffd error:0",
        "some_driver: BUG: not at the beginning",
        "hrtimer: interrupt took 334118711 ns",
        "==================================================================",
        "Call Trace:",
        "---[ end trace 0000000000000000 ]---",
    ] {
        assert_eq!(titles(&scan(&console(text))), [], "{text}");
    }
    // The word in a driver's message is a remark.
    let splat = only(&console("WARNING: something is 17 years old"));
    assert_eq!(
        (splat.severity, splat.title.as_str()),
        (Severity::Info, "WARNING: something is N years old")
    );
}
