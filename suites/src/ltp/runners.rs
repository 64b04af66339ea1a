//! The lines by which LTP's runners tell programs apart: `ltp-pan` under `runltp -p` and its result file, and `kirk`.

use super::status::status;
use crate::{
    Outcome,
    ktap::{MAX_NAME, head},
};

/// What a runner says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// `Starting suite: NAME`.
    Suite(&'a str),
    /// A program begins; its name may follow.
    Begin(Option<&'a str>),
    /// `tag=NAME` of a program that has begun.
    Tag(&'a str),
    /// What follows is not the program's output.
    Interrupted(Outcome, &'static str),
    /// How it ended.
    Ended(Outcome, &'static str),
    /// It ended with a warning and nothing else.
    Warned,
    /// The program is over.
    Over,
    /// A program and its outcome on one line.
    Whole {
        name: &'a str,
        outcome: Outcome,
        words: &'static str,
    },
}

/// Whether a line is only a runner's.
pub(super) fn is_mark(line: &str) -> bool {
    line == "<<<test_start>>>"
        || (line.starts_with("Starting suite: ") && line.len() < 100)
        || heading(line).is_some()
}

pub(super) fn said(line: &str) -> Option<Said<'_>> {
    let text = line.trim_end();
    match text {
        "<<<test_start>>>" => return Some(Said::Begin(None)),
        "<<<test_end>>>" => return Some(Said::Over),
        "Test timed out" => {
            return Some(Said::Interrupted(
                Outcome::TimeOut,
                "it did not end in its time",
            ));
        }
        _ => {}
    }
    if let Some(suite) = text.strip_prefix("Starting suite: ") {
        return Some(Said::Suite(suite));
    }
    // In the summary there are several blanks.
    let suite = text.strip_prefix("Suite: ");
    if let Some(suite) = suite.filter(|name| !name.is_empty() && !name.contains(' ')) {
        return Some(Said::Suite(suite));
    }
    if let Some(name) = heading(text) {
        return Some(Said::Begin(Some(name)));
    }
    if let Some(rest) = text.strip_prefix("tag=") {
        return rest.split(' ').next().map(Said::Tag);
    }
    if text.starts_with("Duration: ") {
        return Some(Said::Over);
    }
    ended(text)
        .or_else(|| kirk(text))
        .or_else(|| in_table(text))
}

/// `===== name =====` of `kirk --verbose`.
fn heading(text: &str) -> Option<&str> {
    let name = text.strip_prefix("===== ")?.strip_suffix(" =====")?;
    (!name.is_empty() && !name.contains(' ')).then_some(name)
}

/// How `kirk --verbose` begins a test since its version 4: the name, indented, between two rules, then the command.
#[derive(Debug, Default)]
pub(super) enum Title {
    #[default]
    None,
    Rule,
    Name(String),
}

impl Title {
    /// Takes the next line. Returns the name of a test that begins with it.
    pub fn line(&mut self, line: &str) -> Option<String> {
        let text = line.trim_end();
        let is_rule = !text.is_empty() && text.chars().all(|c| c == '\u{2500}');
        *self = match std::mem::take(self) {
            Self::Rule if text.starts_with("      ") => {
                Self::Name(head(text.trim(), MAX_NAME).into())
            }
            Self::Name(name) if is_rule => Self::Name(name),
            Self::Name(name) if text.starts_with("Executing: ") => return Some(name),
            _ if is_rule => Self::Rule,
            _ => Self::None,
        };
        None
    }
}

/// `duration=0 termination_type=exited termination_id=32 corefile=no`.
fn ended(text: &str) -> Option<Said<'_>> {
    let value = |name: &str| {
        let mut words = text.split(' ');
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    if !text.starts_with("duration=") {
        return None;
    }
    let id = value("termination_id")?.parse::<i32>().ok()?;
    Some(match value("termination_type")? {
        "exited" => {
            let status = status(id);
            if status.only_warned {
                return Some(Said::Warned);
            }
            Said::Ended(status.outcome, status.words)
        }
        "signaled" => Said::Ended(Outcome::Fail, "killed by a signal"),
        "driver_interrupt" => Said::Ended(Outcome::NotRun, "the runner was interrupted"),
        _ => Said::Ended(Outcome::Fail, "it ended in no known way"),
    })
}

/// `name: pass  (0.012s)` of `kirk`.
fn kirk(text: &str) -> Option<Said<'_>> {
    let (name, rest) = text.split_once(": ")?;
    if name.is_empty() || name.contains(' ') {
        return None;
    }
    let (word, is_timed) = match rest.split_once("  (") {
        Some((word, time)) => (word, time.trim_end().ends_with("s)")),
        None => (rest, false),
    };
    let word = word.strip_suffix(" | tainted").unwrap_or(word);
    let (outcome, words) = match (word, is_timed) {
        ("pass", true) => (Outcome::Pass, ""),
        ("fail", true) => (Outcome::Fail, "failed"),
        ("broken", true) => (Outcome::Fail, "broken"),
        ("skip", true) => (Outcome::Skip, "not for this system"),
        ("timed out", false) => (Outcome::TimeOut, "it did not end in its time"),
        ("kernel panic", false) => (Outcome::KernelCrash, "the kernel panicked"),
        ("SUT not responding", false) => (Outcome::Hang, "the machine stopped answering"),
        _ => return None,
    };
    Some(Said::Whole {
        name,
        outcome,
        words,
    })
}

/// `abort01      PASS       0` of the file that `runltp -l` writes.
fn in_table(text: &str) -> Option<Said<'_>> {
    let mut words = text.split_ascii_whitespace();
    let (name, word, value) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !matches!(word, "PASS" | "FAIL" | "CONF" | "BROK" | "WARN") {
        return None;
    }
    let status = status(value.parse().ok()?);
    Some(Said::Whole {
        name,
        outcome: match (word, status.outcome) {
            ("CONF", _) => Outcome::Skip,
            (_, outcome) => outcome,
        },
        words: match status.outcome {
            Outcome::Pass => "",
            _ => status.words,
        },
    })
}
