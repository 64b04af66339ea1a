//! Lines of a kernel log without what stands before them.
//!
//! A console line is `[\r][<N>][` seconds.microseconds `] ` [`[` caller `] `] text (`kernel/printk/printk.c`); a record of
//! `/dev/kmsg` is `LEVEL,SEQ,USEC,FLAGS[,caller=X];TEXT` (`Documentation/ABI/testing/dev-kmsg`).

/// Who was printing: a task or, in an interrupt, a CPU (`CONFIG_PRINTK_CALLER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// `T12`: a process id.
    Task(u32),
    /// `C0`: a CPU.
    Cpu(u32),
}

impl Caller {
    fn parse(text: &str) -> Option<Self> {
        let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse().ok(),
            false => None,
        };
        match text.as_bytes().first()? {
            b'T' => number(&text[1..]).map(Self::Task),
            b'C' => number(&text[1..]).map(Self::Cpu),
            _ => None,
        }
    }
}

/// A line that the kernel wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its time stamp in microseconds since the boot, where it has one.
    pub usec: Option<u64>,
    /// Who printed it, where the kernel says so.
    pub caller: Option<Caller>,
    /// What it says.
    pub text: &'a str,
}

/// What a line of a recorded log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefixed<'a> {
    /// The kernel's, by its prefix.
    Kernel(Line<'a>),
    /// A program's, by its prefix.
    Foreign,
    /// It has no prefix: the kernel's only in a log where no line has one.
    Bare(Line<'a>),
}

/// How far into a line a time stamp is looked for: a program may have left its line unfinished before the kernel's.
const STAMP_WITHIN: usize = 200;

impl<'a> Prefixed<'a> {
    /// Reads a line of a console's log, or of the output of dmesg or journalctl, with or without its end.
    #[must_use]
    pub fn read(line: &'a str) -> Self {
        let line = line.trim_start_matches('\r').trim_end_matches(['\r', '\n']);
        let mut rest = line;
        if let Some((level, after)) = rest.strip_prefix('<').and_then(|r| r.split_once('>'))
            && let Ok(level) = level.parse::<u32>()
        {
            if level >> 3 != 0 {
                return Self::Foreign;
            }
            rest = after;
        }
        if let Some(kernel) = syslog(rest) {
            return match kernel {
                Some(text) => Self::Kernel(Line::stamped(text).unwrap_or(Line::bare(text))),
                None => Self::Foreign,
            };
        }
        if let Some(line) = Line::stamped(rest) {
            return Self::Kernel(line);
        }
        if let Some(text) = dated(rest) {
            return Self::Kernel(Line::bare(text));
        }
        match stamp_within(rest) {
            Some((before, line)) => match before.trim_end().split_once(':') {
                // `dmesg -x`: facility and level.
                Some((facility, level))
                    if level.ends_with(':') && facility.trim_end() != "kern" =>
                {
                    Self::Foreign
                }
                _ => Self::Kernel(line),
            },
            None => Self::Bare(Line::bare(rest)),
        }
    }
}

impl<'a> Line<'a> {
    /// A line with a time stamp of microseconds: `[   12.345678][  T1] text`.
    #[must_use]
    pub fn stamped(line: &'a str) -> Option<Self> {
        let (stamp, text) = line.strip_prefix('[')?.split_once(']')?;
        let (seconds, micros) = stamp.trim_start().split_once('.')?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if micros.len() != 6 || !digits(micros) || !digits(seconds) {
            return None;
        }
        let micros: u64 = micros.parse().ok()?;
        let seconds: u64 = seconds.parse().ok()?;
        let usec = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        Some(Self {
            usec: Some(usec),
            ..Self::bare(text)
        })
    }

    /// Whether it is what a console says for itself, which no other reader of the log has, and without a stamp whatever the
    /// others have: `** 17 printk messages dropped **` (`kernel/printk/printk.c`, `console_prepend_dropped`).
    #[must_use]
    pub fn is_of_console(&self) -> bool {
        let count = self.text.strip_prefix("** ");
        let count = count.and_then(|rest| rest.strip_suffix(" printk messages dropped **"));
        count.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    }

    /// A line without a time stamp, perhaps with a caller.
    fn bare(text: &'a str) -> Self {
        let called = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let called =
            called.and_then(|(caller, rest)| Some((Caller::parse(caller.trim_start())?, rest)));
        let (caller, text) = match called {
            Some((caller, rest)) => (Some(caller), rest.strip_prefix(' ').unwrap_or(rest)),
            None => (None, text),
        };
        Self {
            usec: None,
            caller,
            text,
        }
    }
}

/// A line of a system log: `Jan  2 03:04:05 host kernel: text`, or the same with an ISO 8601 time. Inside: the text if it
/// is the kernel's. `None` for other lines.
fn syslog(line: &str) -> Option<Option<&str>> {
    const MONTHS: [&str; 12] = [
        "Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ",
        "Dec ",
    ];
    let words = if MONTHS.iter().any(|month| line.starts_with(month)) {
        5
    } else if line.len() > 20 && line.as_bytes()[4] == b'-' && line.as_bytes()[10] == b'T' {
        3
    } else {
        return None;
    };
    let mut rest = line;
    let mut word = "";
    for _ in 0..words {
        (word, rest) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
    }
    match word {
        "kernel:" => Some(Some(rest)),
        tag if tag.ends_with(':') => Some(None),
        _ => None,
    }
}

/// `dmesg -T`: `[Mon Jan  2 03:04:05 2006] text`.
fn dated(line: &str) -> Option<&str> {
    let (date, text) = line.strip_prefix('[')?.split_once(']')?;
    let year = date.get(20..)?;
    let shape = date.len() == 24
        && date.matches(':').count() == 2
        && year.bytes().all(|b| b.is_ascii_digit());
    shape.then(|| text.strip_prefix(' ').unwrap_or(text))
}

/// A kernel line behind the unfinished line of a program, which is no quotation of a kernel log (`# [    1.000000] x`).
fn stamp_within(line: &str) -> Option<(&str, Line<'_>)> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let brackets = line.match_indices('[').map(|(at, _)| at);
    let mut candidates = brackets.take_while(|at| *at < STAMP_WITHIN).take(8);
    candidates.find_map(|at| Some((&line[..at], Line::stamped(&line[at..])?)))
}

/// A record of `/dev/kmsg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who logged it: 0 is the kernel, everything else is a program.
    pub facility: u32,
    /// Its number; the next record has the next one.
    pub seq: u64,
    /// Microseconds since the boot.
    pub usec: u64,
    /// Who printed it, where the kernel says so.
    pub caller: Option<Caller>,
    /// As it was logged, and as the console shows it; perhaps several lines.
    pub text: String,
}

impl Record {
    /// Reads the first line of a record; `None` for anything else.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (prefix, text) = line.split_once(';')?;
        let mut fields = prefix.split(',');
        let level: u32 = fields.next()?.parse().ok()?;
        let seq = fields.next()?.parse().ok()?;
        let usec = fields.next()?.parse().ok()?;
        let caller = fields.find_map(|field| Caller::parse(field.strip_prefix("caller=")?));
        Some(Self {
            facility: level >> 3,
            seq,
            usec,
            caller,
            text: unescape(text),
        })
    }
}

/// Text without the kernel's escapes (`msg_add_ext_text`).
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

    fn kernel(line: &str) -> (Option<u64>, Option<Caller>, &str) {
        match Prefixed::read(line) {
            Prefixed::Kernel(line) => (line.usec, line.caller, line.text),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_kernels_lines_are_known_by_their_prefix() {
        assert_eq!(
            kernel("[    1.250000] hello"),
            (Some(1_250_000), None, "hello")
        );
        assert_eq!(
            kernel("\r[   12.000001][  T345] hello\r\n"),
            (Some(12_000_001), Some(Caller::Task(345)), "hello")
        );
        assert_eq!(
            kernel("<4>[    0.000000][    C1] [Firmware Bug]: x"),
            (Some(0), Some(Caller::Cpu(1)), "[Firmware Bug]: x")
        );
        assert_eq!(
            kernel("[Mon Jan  2 03:04:05 2006] hello"),
            (None, None, "hello")
        );
        assert_eq!(
            kernel("Jan  2 03:04:05 host kernel: hello there"),
            (None, None, "hello there")
        );
        assert_eq!(
            kernel("2006-01-02T03:04:05+0000 host kernel: [    1.000000] hello"),
            (Some(1_000_000), None, "hello")
        );
        assert_eq!(
            kernel("host login: [    1.000000] hello"),
            (Some(1_000_000), None, "hello")
        );
        assert_eq!(
            kernel("kern  :warn  : [    1.000000] hello"),
            (Some(1_000_000), None, "hello")
        );
    }

    #[test]
    fn programs_are_not_the_kernel() {
        for foreign in [
            "<14>[    1.000000] BUG: x",
            "user  :notice: [    1.000000] BUG: x",
            "Jan  2 03:04:05 host systemd[1]: BUG: x",
        ] {
            assert_eq!(Prefixed::read(foreign), Prefixed::Foreign, "{foreign}");
        }
        for bare in [
            "BUG: x",
            "[OK] x",
            "# [    1.000000] BUG: quoted",
            "[99999999999999999999.000000] x",
            "[ 1.00000x] x",
            "",
        ] {
            assert!(matches!(Prefixed::read(bare), Prefixed::Bare(_)), "{bare}");
        }
    }

    #[test]
    fn records_are_taken_apart() {
        let record =
            Record::parse("4,7,1500000,-,caller=C1;two\\x0alines \\x5c \\xZZ").expect("a record");
        assert_eq!(
            (record.facility, record.seq, record.usec),
            (0, 7, 1_500_000)
        );
        assert_eq!(record.caller, Some(Caller::Cpu(1)));
        assert_eq!(record.text, "two\nlines \\ \\xZZ");
        for not in ["", "hello; world", "4,x,1,-;x", " KEY=value;"] {
            assert_eq!(Record::parse(not), None, "{not}");
        }
    }
}
