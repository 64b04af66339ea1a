//! The way into a log.

use super::{
    CheckLog, Family, KtapLog, Line, Lines, LogFormat, Recorded, detect::Detector, pieces,
};
use crate::{blktests, kselftest, ltp, xfstests};

/// Bytes that wait until the format is known.
const MAX_WAITING: usize = 1 << 20;

/// Reads a recorded log as it comes, in pieces of any size.
pub struct Reader {
    lines: Lines,
    state: State,
}

enum State {
    /// The format is not known yet.
    Looking {
        detector: Detector,
        /// Lines so far, each with a newline.
        waiting: String,
    },
    Reading(Box<Log>),
}

/// A reader for each format.
enum Log {
    Ktap(KtapLog),
    Kselftest(kselftest::Log),
    Ltp(ltp::Log),
    Xfstests(CheckLog<xfstests::Check>),
    Blktests(CheckLog<blktests::Check>),
}

impl Reader {
    /// A reader for a log of this format; with `None` the log's content tells.
    #[must_use]
    pub fn new(format: Option<LogFormat>) -> Self {
        Self {
            lines: Lines::default(),
            state: match format {
                Some(format) => State::Reading(Box::new(Log::new(format))),
                None => State::Looking {
                    detector: Detector::default(),
                    waiting: String::new(),
                },
            },
        }
    }

    /// Takes the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        let state = &mut self.state;
        self.lines.push(bytes, |line| state.line(line));
    }

    /// Ends the log. A last line without newline counts.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        let state = &mut self.state;
        self.lines.finish(|line| state.line(line));
        if let State::Looking { detector, .. } = &self.state {
            match detector.finish() {
                Some(format) => self.state.decide(format),
                None => return Recorded::default(),
            }
        }
        match self.state {
            State::Reading(log) => log.finish(),
            State::Looking { .. } => Recorded::default(),
        }
    }
}

impl State {
    fn line(&mut self, line: &str) {
        match self {
            Self::Reading(log) => log.line(line),
            Self::Looking { detector, waiting } => {
                waiting.push_str(line);
                waiting.push('\n');
                let mut found = detector.line(line);
                if waiting.len() > MAX_WAITING {
                    found = found.or(detector.finish());
                    // Without results so far only a crash could matter here, and that is long past.
                    let half = &waiting.as_bytes()[waiting.len() / 2..];
                    let end = half.iter().position(|&b| b == b'\n');
                    let cut = waiting.len() - half.len() + end.map_or(half.len(), |end| end + 1);
                    if found.is_none() {
                        waiting.drain(..cut);
                    }
                }
                if let Some(format) = found {
                    self.decide(format);
                }
            }
        }
    }

    fn decide(&mut self, format: LogFormat) {
        let log = Self::Reading(Box::new(Log::new(format)));
        if let Self::Looking { waiting, .. } = std::mem::replace(self, log) {
            waiting.lines().for_each(|line| self.line(line));
        }
    }
}

impl Log {
    fn new(format: LogFormat) -> Self {
        match format {
            LogFormat::Ktap => Self::Ktap(KtapLog::new(Family::Ktap)),
            LogFormat::Kunit => Self::Ktap(KtapLog::new(Family::Kunit)),
            LogFormat::Kselftest => Self::Kselftest(kselftest::Log::default()),
            LogFormat::Ltp => Self::Ltp(ltp::Log::default()),
            LogFormat::Xfstests => Self::Xfstests(CheckLog::default()),
            LogFormat::Blktests => Self::Blktests(CheckLog::default()),
        }
    }

    fn line(&mut self, line: &str) {
        pieces(line, |piece: Line<'_>| match self {
            Self::Ktap(log) => log.line(piece),
            Self::Kselftest(log) => log.line(piece),
            Self::Ltp(log) => log.line(piece),
            Self::Xfstests(log) => log.line(piece),
            Self::Blktests(log) => log.line(piece),
        });
    }

    fn finish(self) -> Recorded {
        match self {
            Self::Ktap(log) => log.finish(),
            Self::Kselftest(log) => log.finish(),
            Self::Ltp(log) => log.finish(),
            Self::Xfstests(log) => log.finish(),
            Self::Blktests(log) => log.finish(),
        }
    }
}
