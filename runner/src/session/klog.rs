//! The kernel log as it comes from the guest's `/dev/kmsg`, cut per test.
//!
//! Records are `LEVEL,SEQ,USEC,FLAGS;TEXT` lines, each perhaps followed by ` KEY=VALUE` lines
//! (`Documentation/ABI/testing/dev-kmsg`), in which `\\xHH` stands for a byte that is not printable ASCII or is a
//! backslash (`kernel/printk/printk.c`, `msg_add_ext_text`). A test may write there too, so nothing in the text is believed beyond
//! what the kernel wrote itself (facility 0), and the end of a test's slice is a sequence number from init.

use super::{
    files::LimitedFile,
    splat::{Splat, classify},
};
use std::{collections::VecDeque, io};

/// Longest record taken, in bytes: the kernel's own limit (`PRINTK_MESSAGE_MAX`) is 8 KiB with its prefix.
const MAX_RECORD: usize = 16 * 1024;

/// Whole lines remembered for finding where the console goes on.
const REMEMBERED: usize = 32;

/// What a test's slice of the kernel log showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first panic line.
    pub panic: Option<String>,
    /// The first line by which the kernel said that it is broken.
    pub oops: Option<String>,
}

impl Findings {
    /// Looks at one message of the kernel.
    pub fn look_at(&mut self, text: &str) {
        let slot = match classify(text) {
            Some(Splat::Panic) => &mut self.panic,
            Some(Splat::Oops) => &mut self.oops,
            None => return,
        };
        slot.get_or_insert_with(|| text.chars().take(300).collect());
    }
}

/// Takes the records of one machine.
pub struct KernelLog {
    whole: LimitedFile,
    pending: Vec<u8>,
    last_seq: Option<u64>,
    last_usec: u64,
    remembered: VecDeque<String>,
    /// The start marker that opens the running test's slice.
    awaited: Option<String>,
    in_slice: bool,
    findings: Findings,
    /// What was found before the start marker of a test: while the machine booted, or between tests.
    outside: Findings,
}

impl KernelLog {
    /// A log that goes to `whole`.
    pub fn new(whole: LimitedFile) -> Self {
        Self {
            whole,
            pending: Vec::new(),
            last_seq: None,
            last_usec: 0,
            remembered: VecDeque::new(),
            awaited: None,
            in_slice: false,
            findings: Findings::default(),
            outside: Findings::default(),
        }
    }

    /// Expects the start marker of a test; what follows it goes to the test's slice until [`KernelLog::end_test`].
    pub fn begin_test(&mut self, marker: String) {
        self.awaited = Some(marker);
        self.in_slice = false;
        self.set_outside();
    }

    /// Closes the slice and says what was in it.
    pub fn end_test(&mut self) -> Findings {
        self.awaited = None;
        self.in_slice = false;
        std::mem::take(&mut self.findings)
    }

    /// What has been found so far was not the running test's doing.
    fn set_outside(&mut self) {
        let found = std::mem::take(&mut self.findings);
        let Findings { panic, oops } = &mut self.outside;
        *panic = panic.take().or(found.panic);
        *oops = oops.take().or(found.oops);
    }

    /// What was found before the latest test and has not been asked for.
    pub fn take_outside(&mut self) -> Findings {
        std::mem::take(&mut self.outside)
    }

    /// What the running test's slice has shown so far, or the boot's before the first test.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether the record with this sequence number has come.
    pub fn reached(&self, seq: u64) -> bool {
        self.last_seq.is_some_and(|last| last >= seq)
    }

    /// Takes bytes of the klog port; `slice` is the running test's file.
    pub fn push(&mut self, bytes: &[u8], mut slice: Option<&mut LimitedFile>) -> io::Result<()> {
        for &byte in bytes {
            if byte != b'\n' {
                if self.pending.len() < MAX_RECORD {
                    self.pending.push(byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.pending);
            let result = self.record(&String::from_utf8_lossy(&line), slice.as_deref_mut());
            self.pending = line;
            self.pending.clear();
            result?;
        }
        Ok(())
    }

    fn record(&mut self, line: &str, mut slice: Option<&mut LimitedFile>) -> io::Result<()> {
        if line.starts_with(' ') {
            return Ok(());
        }
        let Some(record) = Record::parse(line) else {
            return self.line(&format!("[runner: not a kernel log record] {line}"), slice);
        };
        if let Some(lost) = self
            .last_seq
            .and_then(|last| record.seq.checked_sub(last + 1))
            .filter(|&n| n > 0)
        {
            self.line(
                &format!("[runner: {lost} records lost]"),
                slice.as_deref_mut(),
            )?;
        }
        self.last_seq = Some(record.seq);
        self.last_usec = record.usec;
        if !self.in_slice && self.awaited.as_deref() == Some(&*record.text) {
            self.in_slice = true;
            self.set_outside();
        }
        // A record with newlines is one record here and several lines, each stamped, on the console.
        for text in record.text.split('\n') {
            // Before the marker too: it may never come (`printk.devkmsg=off`).
            if record.facility == 0 {
                self.findings.look_at(text);
            }
            let stamp = format!(
                "[{:5}.{:06}] ",
                record.usec / 1_000_000,
                record.usec % 1_000_000
            );
            self.line(&format!("{stamp}{text}"), slice.as_deref_mut())?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str, slice: Option<&mut LimitedFile>) -> io::Result<()> {
        let bytes = format!("{line}\n");
        self.whole.write(bytes.as_bytes())?;
        if self.in_slice
            && let Some(slice) = slice
        {
            slice.write(bytes.as_bytes())?;
        }
        if self.remembered.len() == REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(line.to_owned());
        Ok(())
    }

    /// Adds what the console has beyond the last record: the words of a kernel that died with its init.
    ///
    /// `console` is the end of the console's text. Lines without a time stamp after the first new one belong to
    /// the same report and are taken too.
    pub fn continue_from_console(
        &mut self,
        console: &str,
        mut slice: Option<&mut LimitedFile>,
    ) -> io::Result<()> {
        let lines: Vec<&str> = console
            .lines()
            .map(|line| line.trim_matches('\r'))
            .collect();
        let after_known = lines
            .iter()
            .rposition(|line| self.knows(line))
            .map(|i| i + 1);
        let start = after_known.or_else(|| {
            lines.iter().position(|line| {
                // A kernel that never got to its init has no record, and its first lines are of time 0.
                super::splat::console_line(line)
                    .is_some_and(|(usec, _)| usec > self.last_usec || self.remembered.is_empty())
            })
        });
        let Some(rest) = start
            .map(|i| &lines[i..])
            .filter(|rest| rest.iter().any(|l| !l.trim().is_empty()))
        else {
            return Ok(());
        };
        // Without its marker (the log channel never worked) the whole rest is the test's.
        self.in_slice |= self.awaited.is_some();
        self.line(
            "[runner: from here on from the serial console]",
            slice.as_deref_mut(),
        )?;
        for line in rest {
            if let Some((_, text)) = super::splat::console_line(line) {
                self.findings.look_at(text);
            }
            self.line(line, slice.as_deref_mut())?;
        }
        Ok(())
    }

    /// Whether this console line is one of the last records, whatever else the console's prefix says.
    fn knows(&self, line: &str) -> bool {
        let Some((usec, text)) = super::splat::console_line(line) else {
            return false;
        };
        let stamp = format!("[{:5}.{:06}] ", usec / 1_000_000, usec % 1_000_000);
        self.remembered.iter().any(|known| {
            known
                .strip_prefix(&stamp)
                .is_some_and(|known| known == text)
        })
    }
}

struct Record {
    facility: u32,
    seq: u64,
    usec: u64,
    /// As it was logged, and as the console shows it.
    text: String,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let (prefix, text) = line.split_once(';')?;
        let mut fields = prefix.split(',');
        let level: u32 = fields.next()?.parse().ok()?;
        let seq = fields.next()?.parse().ok()?;
        let usec = fields.next()?.parse().ok()?;
        Some(Self {
            facility: level >> 3,
            seq,
            usec,
            text: unescape(text),
        })
    }
}

/// Text without the kernel's escapes.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once("\\x") {
        bytes.extend_from_slice(plain.as_bytes());
        let byte = escape
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => bytes.push(byte),
            // Not from the kernel, which escapes every backslash.
            None => bytes.extend_from_slice(b"\\x"),
        }
        rest = if byte.is_some() { &escape[2..] } else { escape };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(f.log.findings(), &Findings::default());
        f.push(
            "1,3,3,-;BUG: kernel NULL pointer dereference\n0,4,4,-;Kernel panic - not syncing: x\n",
        );
        let findings = f.log.end_test();
        assert_eq!(
            findings.oops.as_deref(),
            Some("BUG: kernel NULL pointer dereference")
        );
        assert_eq!(
            findings.panic.as_deref(),
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
        assert_eq!(f.log.end_test().oops.as_deref(), Some("BUG: x"));
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
        assert_eq!(f.log.take_outside().oops.as_deref(), Some("BUG: at boot"));
        assert_eq!(f.log.take_outside(), Findings::default());
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
        assert!(f.log.end_test().panic.is_some());
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
        assert!(f.log.findings().panic.is_some());
        assert!(f.read("whole").contains("VFS: x"));
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
}
