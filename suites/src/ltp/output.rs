//! The output of one program of LTP's.
//!
//! The new library prints `file.c:12: TPASS: text` and a summary at the end, its shell library `name 1 TPASS: text`, the
//! old library `name    1  TPASS  :  text`.

use crate::{
    Outcome,
    ktap::{Document, MAX_DIAGNOSTICS, MAX_NAME, Points, head},
};

/// Bytes of all texts of one program.
const MAX_TEXT: usize = 4 << 20;

/// What a program reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Pass,
    Fail,
    Broken,
    Conf,
    Warn,
    /// `TINFO`, `TDEBUG`.
    Info,
}

/// A report of a program.
struct Report<'a> {
    /// `clone01.c:57`, `clone01 1`.
    place: &'a str,
    word: Word,
    text: &'a str,
}

/// Reads the output of one program line by line.
#[derive(Debug, Default)]
pub struct Output {
    points: Points<MAX_TEXT>,
    /// Passed, failed, broken, skipped and warned, as the program's summary counts them.
    summary: [Option<u64>; 5],
    in_summary: bool,
    warnings: u64,
    timed_out: bool,
    /// The file that reports, but for the library's own.
    name: Option<String>,
}

impl Output {
    /// Takes the next line. Returns whether it said something of results.
    pub fn line(&mut self, line: &str) -> bool {
        if self.in_summary {
            if let Some((at, count)) = sum(line) {
                self.summary[at] = Some(count);
                return true;
            }
            self.in_summary = line.trim().is_empty();
        }
        if line.trim() == "Summary:" {
            self.in_summary = true;
            return false;
        }
        let Some(report) = report(line) else {
            return false;
        };
        if self.name.is_none() {
            self.name = program(report.place).map(Into::into);
        }
        // lib/tst_test.c and lib/tst_test.sh kill a test whose time is up, and call that broken.
        self.timed_out |= report.word == Word::Broken
            && (report.text.contains("timeouted") || report.text.contains("killed! (timeout"));
        self.timed_out |= report.text.starts_with("Test timeouted, sending SIGKILL");
        let outcome = match report.word {
            Word::Pass => Outcome::Pass,
            Word::Fail | Word::Broken => Outcome::Fail,
            Word::Conf => Outcome::Skip,
            Word::Warn => {
                self.warnings += 1;
                return true;
            }
            Word::Info => return true,
        };
        self.add(&report, outcome);
        true
    }

    fn add(&mut self, report: &Report<'_>, outcome: Outcome) {
        let reason = match (outcome, report.word) {
            (Outcome::Pass, _) => String::new(),
            (_, Word::Broken) => format!("broken: {}", head(report.text, MAX_DIAGNOSTICS)),
            _ => head(report.text, MAX_DIAGNOSTICS).into(),
        };
        let words: Vec<&str> = report.place.split_ascii_whitespace().collect();
        let name = words.join(" ");
        let name = head(&name, MAX_NAME);
        let size = name.len() + reason.len();
        self.points.add(name.into(), outcome, reason, size);
    }

    /// Whether nothing of results has come.
    pub(super) fn is_empty(&self) -> bool {
        self.points.list.is_empty() && self.warnings == 0 && self.summary == [None; 5]
    }

    /// Whether its summary has come whole: what follows is of another program.
    pub(super) fn is_complete(&self) -> bool {
        self.summary.iter().all(Option::is_some)
    }

    /// The program, from the file names in its reports.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The outcome that its reports and its summary give, and why; `None` where there are none.
    pub(super) fn outcome(&self) -> Option<(Outcome, String)> {
        if self.is_empty() {
            return None;
        }
        let sum = |at: usize| self.summary[at].unwrap_or(0);
        let failed = sum(1).max(self.points.count(Outcome::Fail));
        let bad = self
            .points
            .list
            .iter()
            .filter(|p| p.outcome == Outcome::Fail);
        let first = bad.map(|p| p.reason.as_str()).find(|r| !r.is_empty());
        let because = |words: &str| match first {
            Some(first) => format!("{words}: {first}"),
            None => words.to_owned(),
        };
        let warnings = self.warnings.max(sum(4));
        Some(if self.timed_out {
            (
                Outcome::TimeOut,
                "it did not end within LTP's own limit".into(),
            )
        } else if failed > 0 {
            (Outcome::Fail, because("failed"))
        } else if sum(2) > 0 {
            (Outcome::Fail, because("broken"))
        } else if sum(0).max(self.points.count(Outcome::Pass)) > 0 {
            let message = match warnings {
                0 => String::new(),
                n => format!("it warned {n} times"),
            };
            (Outcome::Pass, message)
        } else if sum(3).max(self.points.count(Outcome::Skip)) > 0 {
            let reason = self.points.list.last().map(|p| p.reason.as_str());
            (
                Outcome::Skip,
                reason.unwrap_or("it is not for this system").into(),
            )
        } else {
            (Outcome::Fail, "it warned, and nothing passed".into())
        })
    }

    /// What it printed, as results.
    #[must_use]
    pub fn finish(self) -> Document {
        let has_results = !self.is_empty();
        self.points.finish(has_results)
    }
}

/// Whether only LTP prints such a line.
pub(crate) fn is_mark(line: &str) -> bool {
    report(line).is_some_and(|report| report.word != Word::Info) || super::runners::is_mark(line)
}

/// Whether a line is a program's report, and the program's name where the line has it.
pub(super) fn reporter(line: &str) -> Option<Option<&str>> {
    report(line).map(|report| program(report.place))
}

/// A line of the summary: which number, and the number.
fn sum(line: &str) -> Option<(usize, u64)> {
    let (word, count) = line.trim().split_once([' ', '\t'])?;
    let words = ["passed", "failed", "broken", "skipped", "warnings"];
    let at = words.iter().position(|known| *known == word)?;
    Some((at, count.trim().parse().ok()?))
}

fn report(line: &str) -> Option<Report<'_>> {
    let (at, word) = line
        .match_indices('T')
        .find_map(|(at, _)| Some((at, word(&line[at..])?)))
        .filter(|&(at, _)| line[..at].ends_with([' ', '\t']))?;
    let (word, length) = word;
    let text = line[at + length..].trim_start().strip_prefix(':')?.trim();
    let before = line[..at].trim();
    let place = if let Some(place) = before.strip_suffix(':') {
        // file.c:12
        let (file, number) = place.rsplit_once(':')?;
        let is_place = !file.is_empty() && !file.contains(' ') && is_number(number);
        is_place.then_some(place)?
    } else {
        // name 1
        let (name, number) = before.rsplit_once([' ', '\t'])?;
        let name = name.trim_end();
        let is_place = !name.is_empty() && !name.contains([' ', '\t']) && is_number(number);
        is_place.then_some(before)?
    };
    Some(Report { place, word, text })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn word(text: &str) -> Option<(Word, usize)> {
    let words = [
        ("TPASS", Word::Pass),
        ("TFAIL", Word::Fail),
        ("TBROK", Word::Broken),
        ("TCONF", Word::Conf),
        ("TWARN", Word::Warn),
        ("TINFO", Word::Info),
        ("TDEBUG", Word::Info),
    ];
    let (name, word) = words.into_iter().find(|(name, _)| text.starts_with(name))?;
    let after = &text[name.len()..];
    after
        .starts_with([' ', '\t', ':'])
        .then_some((word, name.len()))
}

/// The program that reports from a place; `None` for the library's own files.
fn program(place: &str) -> Option<&str> {
    let file = place.split([':', ' ', '\t']).next()?;
    let file = file.rsplit('/').next()?;
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    let is_library = stem.starts_with("tst_") || stem.starts_with("safe_") || stem == "tst";
    (!stem.is_empty() && !is_library).then_some(stem)
}
