//! Finds the splats in a recorded log, given as bytes.

use crate::{Line, Prefixed, Record, Scanner, Splat};

/// Longest line kept, in bytes; what is behind is not looked at.
const MAX_LINE: usize = 16 * 1024;

/// Takes the bytes of a log in pieces of any size: a serial console's, the output of dmesg or journalctl, or records of
/// `/dev/kmsg`.
///
/// In a log with time stamps a line without one is not the kernel's, [one](Line::is_of_console) apart. Only where no line has one are all of them the
/// kernel's; so splats of bare lines count for nothing once a time stamp comes.
#[derive(Debug, Default)]
pub struct TextScanner {
    scanner: Scanner,
    pending: Vec<u8>,
    /// Something is behind the last newline.
    unfinished: bool,
    stamped: bool,
}

impl TextScanner {
    /// A scanner at the beginning of a log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.keep(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.pending.len();
        self.pending
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.unfinished |= !bytes.is_empty();
    }

    fn end_line(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        self.line(&String::from_utf8_lossy(&pending));
        pending.clear();
        self.pending = pending;
        self.unfinished = false;
    }

    fn line(&mut self, line: &str) {
        let is_record = line.starts_with(|c: char| c.is_ascii_digit());
        if let Some(record) = Some(line).filter(|_| is_record).and_then(Record::parse) {
            return self.record(&record);
        }
        match Prefixed::read(line) {
            Prefixed::Kernel(line) => self.kernel(line),
            Prefixed::Foreign => self.scanner.skip(),
            // Further members of a record are such lines too.
            Prefixed::Bare(line) if self.stamped && !line.is_of_console() => self.scanner.skip(),
            Prefixed::Bare(line) => self.scanner.push(line),
        }
    }

    fn kernel(&mut self, line: Line<'_>) {
        if !self.stamped {
            self.stamped = true;
            self.scanner.forget();
        }
        self.scanner.push(line);
    }

    fn record(&mut self, record: &Record) {
        // One line of input, whatever is in it.
        let text = record.text.split('\n').next().unwrap_or_default();
        match record.facility {
            0 => self.kernel(Line {
                usec: Some(record.usec),
                caller: record.caller,
                text,
            }),
            _ => self.scanner.skip(),
        }
    }

    /// Ends the log: its splats by their first lines, and how many there were beyond those that are kept.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Splat>, u64) {
        if self.unfinished {
            self.end_line();
        }
        let left_out = self.scanner.end();
        (self.scanner.finish(), left_out)
    }
}
