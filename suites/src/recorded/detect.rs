//! Recognising the format of a log by its content.

use super::{Line, pieces};
use crate::{blktests, kselftest, ltp, xfstests};
use std::{fmt, str::FromStr};

/// The formats that logs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// KTAP or TAP of any program.
    Ktap,
    /// What `run_kselftest.sh` prints.
    Kselftest,
    /// A boot with KUnit, or what its debugfs files say.
    Kunit,
    /// The output of LTP's programs, `runltp`'s and `kirk`'s.
    Ltp,
    /// What xfstests' `check` prints.
    Xfstests,
    /// What blktests' `check` prints.
    Blktests,
}

impl LogFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ktap,
        Self::Kselftest,
        Self::Kunit,
        Self::Ltp,
        Self::Xfstests,
        Self::Blktests,
    ];

    /// Its name, as in `--as NAME`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ktap => "ktap",
            Self::Kselftest => "kselftest",
            Self::Kunit => "kunit",
            Self::Ltp => "ltp",
            Self::Xfstests => "xfstests",
            Self::Blktests => "blktests",
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that no format has.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no format of logs; there are ktap, kselftest, kunit, ltp, xfstests and blktests")]
pub struct UnknownFormat(String);

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.as_str() == name)
            .ok_or_else(|| UnknownFormat(name.into()))
    }
}

/// How many lines of KTAP or TAP without any sign of who printed them make it anybody's.
const ENOUGH: u32 = 2000;

/// Looks at lines until one of them tells.
#[derive(Debug, Default)]
pub(super) struct Detector {
    /// Lines that are KTAP or TAP.
    ktap: u32,
}

impl Detector {
    /// Looks at a line; returns the format once it is clear.
    pub fn line(&mut self, line: &str) -> Option<LogFormat> {
        let mut found = None;
        pieces(line, |piece| found = found.or_else(|| self.piece(piece)));
        found
    }

    fn piece(&mut self, line: Line<'_>) -> Option<LogFormat> {
        let text = line.text;
        let inner = text.trim_start();
        if kselftest::is_mark(inner) {
            return Some(LogFormat::Kselftest);
        }
        let version = inner.contains("TAP version ");
        if inner.starts_with("# Subtest: ")
            || inner.starts_with("kunit executor: ")
            || inner == "kunit: disabled"
            // Only KUnit prints KTAP into the kernel log.
            || (version && line.kernel)
        {
            return Some(LogFormat::Kunit);
        }
        if xfstests::is_mark(text) {
            return Some(LogFormat::Xfstests);
        }
        if blktests::is_mark(text) {
            return Some(LogFormat::Blktests);
        }
        if ltp::is_mark(inner) {
            return Some(LogFormat::Ltp);
        }
        let result = inner.strip_prefix("not ").unwrap_or(inner);
        let result = result.strip_prefix("ok ");
        let is_result = result.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let is_plan = inner
            .strip_prefix("1..")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if version || is_result || is_plan {
            self.ktap += 1;
        }
        (self.ktap > ENOUGH).then_some(LogFormat::Ktap)
    }

    /// What the lines so far are, where nothing told.
    pub fn finish(&self) -> Option<LogFormat> {
        (self.ktap > 0).then_some(LogFormat::Ktap)
    }
}
