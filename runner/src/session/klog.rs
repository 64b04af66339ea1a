//! The kernel log as it comes from the guest's `/dev/kmsg`, cut per test.
//!
//! Records are `LEVEL,SEQ,USEC,FLAGS;TEXT` lines, each perhaps followed by ` KEY=VALUE` lines
//! (`Documentation/ABI/testing/dev-kmsg`), in which `\\xHH` stands for a byte that is not printable ASCII or is a
//! backslash (`kernel/printk/printk.c`, `msg_add_ext_text`). A test may write there too, so nothing in the text is believed beyond
//! what the kernel wrote itself (facility 0), and the end of a test's slice is a sequence number from init.

use super::{files::LimitedFile, findings::Findings};
use crate::machine::LogRecord;
use splats::{Line, Prefixed, Record, Scanner};
use std::{collections::VecDeque, io};

/// Longest record taken, in bytes: the kernel's own limit (`PRINTK_MESSAGE_MAX`) is 8 KiB with its prefix.
const MAX_RECORD: usize = 16 * 1024;

/// Whole lines remembered for finding where the console goes on.
const REMEMBERED: usize = 32;

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
    /// Looks at the stretch since the latest marker: the running test's slice, the boot, or what lies between tests. Its lines
    /// are those of the slice.
    scanner: Scanner,
    /// What it has found so far in that stretch, reports that have not ended left aside.
    found: Findings,
    /// What was found before the start marker of a test: while the machine booted, or between tests.
    outside: Findings,
    /// Whether records came out of guest memory: the port may bring them once more.
    overtaken: bool,
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
            scanner: Scanner::new(),
            found: Findings::default(),
            outside: Findings::default(),
            overtaken: false,
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
        self.end_stretch()
    }

    fn end_stretch(&mut self) -> Findings {
        std::mem::take(&mut self.found).ended(std::mem::take(&mut self.scanner))
    }

    /// There will be no further test: what has been found since the last one was nobody's doing.
    pub fn end_run(&mut self) {
        self.set_outside();
    }

    /// What has been found so far was not the running test's doing.
    fn set_outside(&mut self) {
        let found = self.end_stretch();
        self.outside.append(found);
    }

    /// What was found before the latest test and has not been asked for.
    pub fn take_outside(&mut self) -> Findings {
        std::mem::take(&mut self.outside)
    }

    /// What the running test's slice has shown so far, or the boot's before the first test.
    pub fn findings(&self) -> Findings {
        self.found.clone().ended(self.scanner.clone())
    }

    /// The number of the last record that came.
    pub fn last_seq(&self) -> Option<u64> {
        self.last_seq
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

    fn record(&mut self, line: &str, slice: Option<&mut LimitedFile>) -> io::Result<()> {
        if line.starts_with(' ') {
            return Ok(());
        }
        match Record::parse(line) {
            Some(record) if self.overtaken && self.reached(record.seq) => Ok(()),
            Some(record) => self.take(&record, slice),
            None => {
                let line = format!("[runner: not a kernel log record] {line}");
                self.line(&line, slice)
            }
        }
    }

    fn take(&mut self, record: &Record, mut slice: Option<&mut LimitedFile>) -> io::Result<()> {
        if let Some(lost) = self
            .last_seq
            .and_then(|last| record.seq.checked_sub(last + 1))
            .filter(|&n| n > 0)
        {
            self.found.lost = self.found.lost.saturating_add(lost);
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
            let stamp = format!(
                "[{:5}.{:06}] ",
                record.usec / 1_000_000,
                record.usec % 1_000_000
            );
            // Before the marker too: it may never come (`printk.devkmsg=off`).
            let kernel = (record.facility == 0).then_some(Line {
                usec: Some(record.usec),
                caller: record.caller,
                text,
            });
            self.add(&format!("{stamp}{text}"), kernel, slice.as_deref_mut())?;
        }
        Ok(())
    }

    /// Adds a line that is not the kernel's.
    fn line(&mut self, line: &str, slice: Option<&mut LimitedFile>) -> io::Result<()> {
        self.add(line, None, slice)
    }

    fn add(
        &mut self,
        line: &str,
        kernel: Option<Line<'_>>,
        slice: Option<&mut LimitedFile>,
    ) -> io::Result<()> {
        match kernel {
            Some(kernel) => self.scanner.push(kernel),
            None => self.scanner.skip(),
        }
        self.found.add(self.scanner.take_finished());
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

    /// Adds the records out of guest memory that the port has not brought: all of them for a kernel that died before
    /// its init. They are the same records, told apart by their sequence numbers. Returns whether there is a log at all.
    pub fn continue_from_memory(
        &mut self,
        records: &[LogRecord],
        mut slice: Option<&mut LimitedFile>,
    ) -> io::Result<bool> {
        let new: Vec<Record> = records
            .iter()
            .filter(|record| !self.reached(record.sequence))
            .map(|record| Record {
                facility: record.facility.into(),
                seq: record.sequence,
                usec: record.nanos / 1000,
                caller: None,
                text: record.text.clone(),
            })
            .collect();
        if new.is_empty() {
            return Ok(!records.is_empty());
        }
        self.overtaken = true;
        // The beginning of a record that is now had whole.
        self.pending.clear();
        let is_marker = |record: &Record| self.awaited.as_deref() == Some(&*record.text);
        // Without its marker (it was overwritten, or never written) all of it is the test's.
        self.in_slice |= self.awaited.is_some() && !new.iter().any(is_marker);
        self.note(&["from here on out of guest memory"], slice.as_deref_mut())?;
        for record in &new {
            self.take(record, slice.as_deref_mut())?;
        }
        Ok(true)
    }

    /// Adds lines of ours. While a test runs they are its, whether or not its marker has come.
    pub fn note<T: std::fmt::Display>(
        &mut self,
        lines: &[T],
        mut slice: Option<&mut LimitedFile>,
    ) -> io::Result<()> {
        for line in lines {
            self.line(&format!("[runner: {line}]"), slice.as_deref_mut())?;
        }
        Ok(())
    }

    /// The last line that is the guest's.
    pub fn last_line(&self) -> Option<&str> {
        let mut lines = self.remembered.iter().rev().map(String::as_str);
        lines.find(|line| !line.starts_with("[runner: "))
    }

    /// The last lines, oldest first.
    pub fn last_lines(&self) -> impl Iterator<Item = &str> {
        self.remembered.iter().map(String::as_str)
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
                console_line(line)
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
            let kernel = match Prefixed::read(line) {
                Prefixed::Kernel(line) => Some(line),
                Prefixed::Bare(line) if line.is_of_console() => Some(line),
                Prefixed::Foreign | Prefixed::Bare(_) => None,
            };
            self.add(line, kernel, slice.as_deref_mut())?;
        }
        Ok(())
    }

    /// Whether this console line is one of the last records, whatever else the console's prefix says.
    fn knows(&self, line: &str) -> bool {
        let Some((usec, text)) = console_line(line) else {
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

/// The time stamp, in microseconds, and the text of a console line of the kernel (`printk.time=1` is always set).
fn console_line(line: &str) -> Option<(u64, &str)> {
    let line = Line::stamped(line.trim_start_matches('\r'))?;
    Some((line.usec?, line.text.trim_end_matches('\r')))
}

#[cfg(test)]
mod tests;
