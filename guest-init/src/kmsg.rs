//! The kernel log: its pump to the host, and the markers that cut it per test.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longer than any record: text and dictionary are at most 2 KiB before escaping, and every byte may
/// become the four of `\x0a`.
const RECORD: usize = 16 * 1024;

/// What is written to the port in one go: the driver takes up to 32 KiB.
const BATCH: usize = 32 * 1024;

/// Longest line that `/dev/kmsg` accepts is a little under 1 KiB, in every kernel.
const LONGEST_LINE: usize = 900;

/// One record of `/dev/kmsg`: `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];TEXT\n`, then lines of
/// ` KEY=value` (Documentation/ABI/testing/dev-kmsg).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// 0 is the kernel itself, anything else was written by a program.
    pub facility: u32,
    /// 0 emergency to 7 debug.
    pub level: u8,
    /// Goes up by one from record to record.
    pub sequence: u64,
    /// The message, escaped as the kernel does.
    pub text: &'a [u8],
}

impl<'a> Record<'a> {
    /// `None` for bytes that are not a record.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let semicolon = bytes.iter().position(|byte| *byte == b';')?;
        let mut fields = std::str::from_utf8(&bytes[..semicolon]).ok()?.split(',');
        let priority: u32 = fields.next()?.parse().ok()?;
        let sequence = fields.next()?.parse().ok()?;
        let text = &bytes[semicolon + 1..];
        let end = text.iter().position(|byte| *byte == b'\n');
        Some(Self {
            facility: priority >> 3,
            level: (priority & 7) as u8,
            sequence,
            text: &text[..end.unwrap_or(text.len())],
        })
    }
}

/// A reader of `/dev/kmsg` that never waits.
pub struct Reader {
    kmsg: File,
    buffer: Vec<u8>,
}

impl Reader {
    /// Begins at the oldest record the kernel still has.
    pub fn open() -> io::Result<Self> {
        let kmsg = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        Ok(Self {
            kmsg,
            buffer: vec![0; RECORD],
        })
    }

    /// The next record as read, or `None` when there is none yet. Records that the kernel has
    /// overwritten in the meantime are gone: a jump in the sequence shows it.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match self.kmsg.read(&mut self.buffer) {
                Ok(length) => return Ok(Some(&self.buffer[..length])),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Carries records from the kernel to the host's port. The port is non-blocking and nothing is read
/// while it is full, so that the kernel's own ring is the only buffer a flood can fill.
pub struct Pump {
    reader: Reader,
    port: File,
    batch: Vec<u8>,
    /// Sequence after the last record in `batch`.
    batched: u64,
    /// Sequence after the last record that the port has taken.
    passed: u64,
}

impl Pump {
    pub fn new(port: File) -> io::Result<Self> {
        Ok(Self {
            reader: Reader::open()?,
            port,
            batch: Vec::with_capacity(BATCH),
            batched: 0,
            passed: 0,
        })
    }

    /// What to wait for: room in the port when there is something to pass on, else a record.
    pub fn interest(&self) -> PollFd<'_> {
        if self.batch.is_empty() {
            PollFd::new(&self.reader.kmsg, PollFlags::IN)
        } else {
            PollFd::new(&self.port, PollFlags::OUT)
        }
    }

    /// Passes on one batch, as far as that goes without waiting.
    ///
    /// An error means that the port or `/dev/kmsg` is of no more use.
    pub fn pass_on(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            self.fill()?;
        }
        while !self.batch.is_empty() {
            match self.port.write(&self.batch) {
                Ok(0) => return self.check_open(),
                Ok(written) => drop(self.batch.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return self.check_open(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.passed = self.batched;
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.batch.len() + 2048 < BATCH {
            let Some(bytes) = self.reader.next()? else {
                break;
            };
            if let Some(record) = Record::parse(bytes) {
                self.batched = record.sequence + 1;
            }
            self.batch.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// A port that the host has closed takes nothing ever again.
    fn check_open(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.port, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default()))?;
        if fds[0].revents().contains(PollFlags::HUP) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// Passes on everything up to record number `sequence`; gives up after `limit` and says so.
    pub fn pass_on_until(&mut self, sequence: u64, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            self.pass_on()?;
            if self.passed > sequence {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let timeout = Timespec::try_from(left).expect("seconds, not centuries");
            match poll(&mut [self.interest()], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// Writes lines into the kernel log.
pub struct Marker {
    writer: File,
    watcher: Reader,
}

impl Marker {
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            writer: OpenOptions::new().write(true).open("/dev/kmsg")?,
            watcher: Reader::open()?,
        })
    }

    /// Writes `line` at level 6 and returns its sequence number, or `None` when it does not show up.
    ///
    /// A program can write the same line, so only records from after this call began count.
    pub fn write(&mut self, line: &str) -> Option<u64> {
        let line = shorten(line);
        let escaped = escape(line.as_bytes());
        // A test may have set it to drop or to limit what programs write.
        let _ = std::fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
        self.watcher.kmsg.seek(SeekFrom::End(0)).ok()?;
        self.writer
            .write_all(format!("<6>{line}\n").as_bytes())
            .ok()?;
        while let Ok(Some(bytes)) = self.watcher.next() {
            if let Some(record) = Record::parse(bytes)
                && record.facility != 0
                && record.text == escaped
            {
                return Some(record.sequence);
            }
        }
        None
    }
}

/// The beginning of `line` that fits in one record.
fn shorten(line: &str) -> &str {
    let mut end = line.len().min(LONGEST_LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// `text` as the kernel shows it in a record: printable ASCII but the backslash stands for itself.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' '..=b'[' | b']'..=b'~' => escaped.push(*byte),
            other => escaped.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_taken_apart() {
        let bytes = b"14,339,5140900,-,caller=T1;runner: test 3 end: a;b\n SUBSYSTEM=x\n";
        let record = Record::parse(bytes).expect("a record");
        assert_eq!((record.facility, record.level), (1, 6));
        assert_eq!(record.sequence, 339);
        assert_eq!(record.text, b"runner: test 3 end: a;b");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for bytes in [
            &b""[..],
            b"6,1,2,-",
            b"x,1,2,-;text",
            b"6;text",
            b"6,-1,2,-;t",
        ] {
            assert_eq!(Record::parse(bytes), None);
        }
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        let cut = shorten(&"\u{e4}".repeat(600)).to_owned();
        assert_eq!(cut.len(), 900);
        assert_eq!(shorten(&format!("x{}", "\u{e4}".repeat(600))).len(), 899);
    }

    #[test]
    fn text_is_escaped_as_the_kernel_does() {
        assert_eq!(escape(b"a [b] ~"), b"a [b] ~");
        assert_eq!(escape("\\ \u{e4}\t".as_bytes()), b"\\x5c \\xc3\\xa4\\x09");
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::parse(&bytes);
        }
    }
}
