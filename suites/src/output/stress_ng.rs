//! What stress-ng prints: `stress-ng: info:  [12] words`.
//!
//! Its exit status does not tell all: where no stressor could work at all, it is 0.

use crate::{
    Outcome,
    ktap::{Document, MAX_NAME, Points, head},
};

/// Bytes of all failures' names and reasons.
const MAX_TEXT: usize = 4 << 20;
/// Bytes of a line that are read.
const MAX_REASON: usize = 500;

/// Reads such output line by line.
#[derive(Debug, Default)]
pub(super) struct StressNg {
    failures: Points<MAX_TEXT>,
    /// Whether no stressor worked.
    idle: bool,
    /// Why one did not.
    why: Option<String>,
}

impl StressNg {
    pub fn line(&mut self, line: &str) {
        let Some((kind, text)) = report(line) else {
            return;
        };
        let text = head(text, MAX_REASON);
        if kind == "fail" {
            // `vm: 3 bits are wrong`
            let (name, reason) = text.split_once(": ").unwrap_or((text, ""));
            let name = head(name, MAX_NAME);
            let size = name.len() + reason.len();
            self.failures
                .add(name.into(), Outcome::Fail, reason.into(), size);
        } else if text.contains("No stress workers invoked") {
            self.idle = true;
        } else {
            let is_reason = text.contains("skipped") || text.contains("skipping");
            // What comes behind a reason says less.
            let is_end = text.contains("aborted early") && self.why.is_none();
            if is_reason || is_end {
                self.why = Some(text.into());
            }
        }
    }

    /// Its failures as results; `skip_all` where nothing worked at all; else what was skipped, if anything, as a problem.
    pub fn finish(self) -> Document {
        let (skip_all, problem) = match self.idle {
            true => (Some(self.why.unwrap_or_default()), None),
            false => (None, self.why),
        };
        let came = skip_all.is_some() || problem.is_some() || !self.failures.list.is_empty();
        Document {
            skip_all,
            problems: problem.into_iter().collect(),
            ..self.failures.finish(came)
        }
    }
}

/// The kind of a line and its words.
fn report(line: &str) -> Option<(&str, &str)> {
    let (kind, rest) = line.trim().strip_prefix("stress-ng: ")?.split_once(": ")?;
    let (process, text) = rest.trim_start().strip_prefix('[')?.split_once("] ")?;
    let is_process = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    is_process.then_some((kind, text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Document {
        let mut reader = StressNg::default();
        text.lines().for_each(|line| reader.line(line));
        reader.finish()
    }

    #[test]
    fn where_nothing_worked_the_reason_is_known() {
        let document = read(
            "stress-ng: info:  [7] x stressor will be skipped, there is no x\n\
             stress-ng: error: [7] No stress workers invoked (one or more were unsupported)\n",
        );
        let why = "x stressor will be skipped, there is no x";
        assert_eq!(document.skip_all.as_deref(), Some(why));
        let document = read("stress-ng: error: [7] No stress workers invoked\n");
        assert_eq!(document.skip_all.as_deref(), Some(""));
    }

    #[test]
    fn a_part_that_was_skipped_is_no_skip_of_it_all() {
        let document = read(
            "stress-ng: info:  [8] x: no such thing, skipping it\nstress-ng: warn:  [7] process [8] (x) aborted early\n",
        );
        assert_eq!(document.skip_all, None);
        assert_eq!(document.problems, ["x: no such thing, skipping it"]);
    }

    #[test]
    fn failures_are_results() {
        let document = read(
            "stress-ng: fail:  [8] vm: 3 bits are wrong\nstress-ng: fail:  [9] vm: 3 bits are wrong\n\
             stress-ng: info:  [7] fail: none\nfail: [1] x\n",
        );
        let points = document.results.iter();
        let points: Vec<_> = points
            .map(|p| (p.name.as_str(), p.reason.as_str()))
            .collect();
        assert_eq!(
            points,
            [("vm", "3 bits are wrong"), ("vm #2", "3 bits are wrong")]
        );
        assert!(!read("hello\n").is_ktap);
    }
}
