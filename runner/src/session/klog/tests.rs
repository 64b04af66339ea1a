//! Logs that are whole, cut off, and rubbish.

use super::*;
use proptest::prelude::*;
use splats::Class;

struct Fixture {
    dir: tempfile::TempDir,
    log: KernelLog,
    slice: LimitedFile,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let log = KernelLog::new(LimitedFile::new(dir.path().join("whole"), 1 << 20));
        let slice = LimitedFile::new(dir.path().join("slice"), 1 << 20);
        Self { dir, log, slice }
    }

    fn push(&mut self, text: &str) {
        self.log
            .push(text.as_bytes(), Some(&mut self.slice))
            .expect("written");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }
}

#[test]
fn a_test_gets_what_lies_between_its_markers() {
    let mut f = Fixture::new();
    f.push("6,1,1000,-;before\n SUBSYSTEM=x\n");
    f.log.begin_test(wire::start_marker(3, "smoke:clock"));
    f.push("6,2,2000,-;late boot message\n");
    f.push("14,3,2500000,-;runner: test 3 start: smoke:clock\n4,4,2600000,-;hel");
    f.push("lo\n");
    assert!(!f.log.reached(5));
    f.push("14,5,2700000,-;runner: test 3 end: smoke:clock\n");
    assert!(f.log.reached(5));
    f.log.end_test();
    f.push("6,6,2800000,-;after\n");
    assert_eq!(
        f.read("slice"),
        "[    2.500000] runner: test 3 start: smoke:clock\n[    2.600000] hello\n[    2.700000] runner: test 3 end: smoke:clock\n"
    );
    assert_eq!(f.read("whole").lines().count(), 6);
}

#[test]
fn only_the_kernel_is_believed_about_its_health() {
    let mut f = Fixture::new();
    f.log.begin_test("m".into());
    f.push("14,1,1,-;m\n12,2,2,-;BUG: says a test\n");
    assert_eq!(f.log.findings(), Findings::default());
    f.push("1,3,3,-;BUG: kernel NULL pointer dereference\n0,4,4,-;Kernel panic - not syncing: x\n");
    let findings = f.log.end_test();
    assert_eq!(
        findings.error(),
        Some("BUG: kernel NULL pointer dereference")
    );
    assert_eq!(
        findings.panic().as_deref(),
        Some("Kernel panic - not syncing: x")
    );
}

#[test]
fn a_test_whose_name_the_kernel_escapes_has_its_slice() {
    let mut f = Fixture::new();
    f.log.begin_test("start: sh -c 'printf \\n \u{e4}'".into());
    f.push("14,1,1,-;start: sh -c 'printf \\x5cn \\xc3\\xa4'\n6,2,2,-;two\\x0alines\n6,3,3,-;odd \\xZZ \\x\n");
    assert_eq!(
        f.read("slice"),
        "[    0.000001] start: sh -c 'printf \\n \u{e4}'\n[    0.000002] two\n[    0.000002] lines\n[    0.000003] odd \\xZZ \\x\n"
    );
}

#[test]
fn an_oops_counts_where_no_marker_comes_and_not_where_it_was_before_the_marker() {
    let mut f = Fixture::new();
    f.log.begin_test("m".into());
    f.push("1,1,1,-;BUG: x\n");
    assert_eq!(f.log.end_test().error(), Some("BUG: x"));
    f.log.begin_test("m".into());
    f.push("1,2,2,-;BUG: y\n14,3,3,-;m\n");
    assert_eq!(f.log.end_test(), Findings::default());
}

#[test]
fn what_the_kernel_said_before_a_test_is_not_held_against_it() {
    let mut f = Fixture::new();
    f.push("4,1,1,-;BUG: at boot\n");
    f.log.begin_test("m".into());
    f.push("4,2,2,-;BUG: later\n14,3,3,-;m\n6,4,4,-;fine\n");
    assert_eq!(f.log.end_test(), Findings::default());
    assert_eq!(f.log.take_outside().error(), Some("BUG: at boot"));
    assert_eq!(f.log.take_outside(), Findings::default());
}

#[test]
fn a_splat_has_its_lines_in_the_slice_and_its_callers_apart() {
    let mut f = Fixture::new();
    f.push("4,1,1,-;before\n");
    f.log.begin_test("m".into());
    f.push("14,2,2000000,-;m\n6,3,2000000,-;hello\n");
    f.push("4,4,2000001,-,caller=T5;------------[ cut here ]------------\n");
    f.push("4,5,2000002,-,caller=T6;BUG: scheduling while atomic: x/6/0x2\n");
    f.push("4,6,2000003,-,caller=T5;WARNING: CPU: 0 PID: 5 at a/b.c:1 foo+0x1/0x2\n");
    f.push("4,7,2000004,-,caller=T5;---[ end trace 0000000000000000 ]---\n");
    let found = f.log.end_test();
    let found: Vec<_> = found
        .splats
        .iter()
        .map(|s| (s.title.as_str(), s.first_line, s.last_line))
        .collect();
    assert_eq!(
        found,
        [
            ("WARNING in foo (a/b.c:1)", 3, 6),
            ("BUG: scheduling while atomic", 4, 4)
        ]
    );
    assert!(
        f.read("slice")
            .lines()
            .nth(2)
            .is_some_and(|line| line.contains("cut here"))
    );
}

#[test]
fn a_loss_counts_for_the_stretch_it_is_in() {
    let mut f = Fixture::new();
    f.push("6,1,1,-;a\n6,3,2,-;b\n");
    f.log.begin_test("m".into());
    f.push("14,9,3,-;m\n");
    assert_eq!(f.log.end_test().lost, 0);
    f.log.begin_test("m".into());
    f.push("14,10,3,-;m\n6,13,4,-;c\n");
    assert_eq!(f.log.end_test().lost, 2);
}

#[test]
fn lost_records_are_said_to_be_lost() {
    let mut f = Fixture::new();
    f.push("6,1,1,-;a\n6,5,2,-;b\n");
    assert!(f.read("whole").contains("[runner: 3 records lost]"));
}

#[test]
fn the_console_continues_a_log_that_broke_off() {
    let mut f = Fixture::new();
    f.log.begin_test("m".into());
    f.push("14,1,1000000,-;m\n6,2,1000000,-;sysrq: Trigger a crash\n");
    let console = "[    1.000000] m\r\n[    1.000000][    T1] sysrq: Trigger a crash\r\n[    1.000000] Kernel panic - not syncing: sysrq triggered crash\r\n[    1.000000] Call Trace:\r\n";
    f.log
        .continue_from_console(console, Some(&mut f.slice))
        .expect("written");
    let slice = f.read("slice");
    assert_eq!(slice.matches("sysrq: Trigger").count(), 1, "{slice}");
    assert!(slice.contains("Kernel panic"), "{slice}");
    assert!(f.log.end_test().panic().is_some());
}

#[test]
fn a_console_that_left_messages_out_says_so() {
    let mut f = Fixture::new();
    f.log.begin_test("m".into());
    f.push("14,1,1000000,-;m\n");
    let console = "[    1.000000] m\r\n** 17 printk messages dropped **\r\n[    2.000000] Kernel panic - not syncing: x\r\n";
    f.log
        .continue_from_console(console, Some(&mut f.slice))
        .expect("written");
    let classes: Vec<Class> = f.log.end_test().splats.iter().map(|s| s.class).collect();
    assert_eq!(classes, [Class::DroppedMessages, Class::Panic]);
}

#[test]
fn a_machine_that_died_before_its_log_channel_has_its_console() {
    let mut f = Fixture::new();
    f.log
        .continue_from_console(
            "SeaBIOS\n[    0.500000] Kernel panic - not syncing: VFS: x\n",
            None,
        )
        .expect("written");
    assert!(f.log.findings().panic().is_some());
    assert!(f.read("whole").contains("VFS: x"));
}

/// A record as it lies in guest memory.
fn lying(sequence: u64, facility: u8, text: &str) -> LogRecord {
    LogRecord {
        sequence,
        nanos: sequence * 1_000_000_000,
        level: 4,
        facility,
        text: text.into(),
    }
}

#[test]
fn guest_memory_continues_a_log_that_broke_off_in_the_middle_of_a_record() {
    let mut f = Fixture::new();
    f.log.begin_test("m".into());
    f.push("14,1,1000000,-;m\n6,2,2000000,-;sysrq: Trigger a crash\n0,3,3000000,-;Kernel pa");
    let records = [
        lying(1, 1, "m"),
        lying(2, 0, "sysrq: Trigger a crash"),
        lying(3, 0, "Kernel panic - not syncing: x"),
        lying(4, 0, "two\nlines"),
    ];
    let there = f.log.continue_from_memory(&records, Some(&mut f.slice));
    assert!(there.expect("written"));
    // What the port still brings is known.
    f.push("0,3,3000000,-;Kernel panic - not syncing: x\n6,4,4000000,-;two\\x0alines\n6,5,5000000,-;new\n");
    let again = f.log.continue_from_memory(&records, Some(&mut f.slice));
    assert!(again.expect("written"));
    assert_eq!(
        f.read("slice"),
        "[    1.000000] m\n[    2.000000] sysrq: Trigger a crash\n[runner: from here on out of guest memory]\n\
         [    3.000000] Kernel panic - not syncing: x\n[    4.000000] two\n[    4.000000] lines\n[    5.000000] new\n"
    );
    assert_eq!(f.log.last_line(), Some("[    5.000000] new"));
    assert!(f.log.end_test().panic().is_some());
}

#[test]
fn a_kernel_that_died_before_its_init_has_its_whole_log() {
    let mut f = Fixture::new();
    let none = f.log.continue_from_memory(&[], None).expect("written");
    assert!(!none);
    let records = [
        lying(0, 0, "Linux version 6"),
        lying(1, 0, "Kernel panic - not syncing: VFS"),
    ];
    assert!(f.log.continue_from_memory(&records, None).expect("written"));
    assert!(f.read("whole").contains("Linux version 6\n"));
    assert!(f.log.findings().panic().is_some());
}

#[test]
fn the_marker_may_lie_in_guest_memory_or_nowhere() {
    let mut f = Fixture::new();
    f.log.begin_test("m".into());
    let records = [
        lying(1, 0, "BUG: before"),
        lying(2, 1, "m"),
        lying(3, 12, "BUG: a program"),
    ];
    let there = f.log.continue_from_memory(&records, Some(&mut f.slice));
    assert!(there.expect("written"));
    assert!(
        f.read("slice").starts_with("[    2.000000] m\n"),
        "{}",
        f.read("slice")
    );
    assert_eq!(f.log.end_test(), Findings::default());

    f.log.begin_test("n".into());
    let there = f
        .log
        .continue_from_memory(&[lying(9, 0, "BUG: x")], Some(&mut f.slice));
    assert!(there.expect("written"));
    assert!(
        f.read("slice")
            .contains("[runner: 5 records lost]\n[    9.000000] BUG: x\n")
    );
    assert!(f.log.end_test().error().is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..2000), cut in 1usize..50) {
        let mut f = Fixture::new();
        for piece in bytes.chunks(cut) {
            f.log.push(piece, None).expect("written");
        }
        f.log.continue_from_console(&String::from_utf8_lossy(&bytes), None).expect("written");
    }
}
