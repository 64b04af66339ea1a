//! What blktests' `check` prints: `block/001 (description)    [passed]`, and indented below it the run time, why it did
//! not run, or what went wrong. On a terminal the line comes twice, the first time without its verdict.

use crate::{
    Outcome,
    ktap::{Document, MAX_DIAGNOSTICS, MAX_NAME, Points, head},
    recorded::{CheckOutput, LogFormat},
};

/// Bytes of all names and reasons.
const MAX_TEXT: usize = 8 << 20;

/// Reads such output line by line.
#[derive(Debug, Default)]
pub struct Check {
    points: Points<MAX_TEXT>,
    /// A test whose verdict has not come.
    open: Option<String>,
    /// Whether the last test is one whose remarks are wanted.
    remarks: bool,
}

/// A test's line: its name and, where it has come, its verdict.
fn named(line: &str) -> Option<(String, Option<Outcome>)> {
    let (name, rest) = line.split_once(" ")?;
    let (group, number) = name.split_once('/')?;
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let is_name = (1..=64).contains(&group.len())
        && group.bytes().all(is_word)
        && number.len() == 3
        && number.bytes().all(|b| b.is_ascii_digit());
    if !is_name {
        return None;
    }
    let (before, rest) = rest.split_once('(')?;
    let before = before.trim();
    // On a device, `=> vdb`; with a variant, `(tr=tcp)` before the description.
    let device = before.strip_prefix("=> ");
    if !before.is_empty() && device.is_none() {
        return None;
    }
    let variant = rest
        .split_once(") (")
        .map(|(variant, _)| variant)
        .filter(|variant| variant.contains('=') && !variant.contains(' '));
    let mut full = name.to_owned();
    for part in [variant, device].into_iter().flatten() {
        full = format!("{full} ({part})");
    }
    let (_, end) = rest.rsplit_once(')')?;
    let outcome = match end.trim() {
        "[passed]" => Some(Outcome::Pass),
        "[failed]" => Some(Outcome::Fail),
        "[not run]" => Some(Outcome::Skip),
        "" | "[running]" => None,
        _ => return None,
    };
    Some((full, outcome))
}

/// Whether only `check` prints such a line.
pub(crate) fn is_mark(line: &str) -> bool {
    named(line).is_some_and(|(_, outcome)| outcome.is_some())
}

impl Check {
    fn remark(&mut self, text: &str) {
        let is_time = text
            .strip_prefix("runtime")
            .is_some_and(|rest| rest.starts_with(' '));
        let Some(said) = self.points.list.last().map(|point| point.reason.len()) else {
            return;
        };
        if is_time || said + text.len() >= MAX_DIAGNOSTICS || !self.points.take(text.len()) {
            return;
        }
        let Some(point) = self.points.list.last_mut() else {
            return;
        };
        if !point.reason.is_empty() {
            point.reason.push('\n');
        }
        point.reason.push_str(text);
    }

    fn add(&mut self, name: &str, outcome: Outcome, reason: String) {
        self.remarks = false;
        let name = head(name, MAX_NAME);
        let size = name.len() + reason.len();
        self.points.add(name.into(), outcome, reason, size);
    }

    /// Ends the test that ran without a verdict; `crash`: the machine stopped.
    fn close(&mut self, crash: Option<&str>) {
        if let Some(name) = self.open.take() {
            let (outcome, reason) = match crash {
                Some(words) => (Outcome::KernelCrash, words),
                None => (Outcome::NotRun, "its verdict never came"),
            };
            self.add(&name, outcome, reason.into());
        }
    }
}

impl CheckOutput for Check {
    const SUITE: &str = "blktests";
    const FORMAT: LogFormat = LogFormat::Blktests;

    fn line(&mut self, line: &str) {
        match named(line) {
            Some((name, outcome)) => {
                if self.open.as_ref() != Some(&name) {
                    self.close(None);
                }
                match outcome {
                    Some(outcome) => {
                        self.open = None;
                        self.add(&name, outcome, String::new());
                        self.remarks = outcome != Outcome::Pass;
                    }
                    None => self.open = Some(name),
                }
            }
            None if line.starts_with([' ', '\t']) && self.remarks => self.remark(line.trim()),
            None => {}
        }
    }

    fn crash(&mut self, words: &str) {
        self.close(Some(words));
    }

    fn finish(mut self) -> Document {
        self.close(None);
        let has_results = !self.points.list.is_empty();
        self.points.finish(has_results)
    }
}
