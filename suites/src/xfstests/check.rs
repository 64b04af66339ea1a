//! What xfstests' `check` prints: a line for each test, its name before it runs and its verdict behind that.
//!
//! `generic/001 4s ...  5s`, `generic/002       [not run] reason`, `generic/003 - output mismatch (see ...)` and the
//! difference, indented; at the end `Ran:`, `Not run:`, `Failures:` and a sum. On a console the kernel's lines come
//! between a name and its verdict.

use crate::{
    Outcome,
    ktap::{Document, MAX_DIAGNOSTICS, Points},
    recorded::{CheckOutput, LogFormat},
};
use std::collections::HashMap;

/// Bytes of all reasons.
const MAX_TEXT: usize = 4 << 20;

/// Characters of a group's or a section's name.
const MAX_WORD: usize = 64;

/// Reads such output line by line.
#[derive(Debug, Default)]
pub struct Check {
    points: Points<MAX_TEXT>,
    current: Option<Current>,
    section: Option<String>,
    /// The last point of each name.
    by_name: HashMap<String, usize>,
    /// Whether `Ran:` has come.
    ran: bool,
}

#[derive(Debug)]
struct Current {
    name: String,
    verdict: Option<(Outcome, String)>,
}

/// Splits a line that begins with the name of a test, `generic/001`.
pub(super) fn named(line: &str) -> Option<(&str, &str)> {
    let end = line.find([' ', '\t']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let (group, number) = name.split_once('/')?;
    let is_group = (1..=MAX_WORD).contains(&group.len())
        && group
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    let is_number = (3..=4).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    (is_group && is_number).then_some((name, rest))
}

/// Whether only `check` prints such a line.
pub(crate) fn is_mark(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("FSTYP ") {
        return rest.trim_start().starts_with("-- ");
    }
    named(line).is_some_and(|(_, rest)| {
        matches!(verdict(rest), Some((_, _, Sure::Yes))) && !rest.trim_start().starts_with('(')
    })
}

/// Whether a verdict is one wherever it stands.
#[derive(Debug, PartialEq, Eq)]
enum Sure {
    Yes,
    /// A time alone.
    BehindAName,
}

/// Reads what stands behind a name, on its line or on a later one.
fn verdict(rest: &str) -> Option<(Outcome, String, Sure)> {
    let text = rest.trim();
    for (words, outcome) in [
        ("[not run]", Outcome::Skip),
        ("[notrun]", Outcome::Skip),
        ("[expunged]", Outcome::Skip),
        ("[failed,", Outcome::Fail),
        ("- output mismatch", Outcome::Fail),
        ("- no qualified output", Outcome::Fail),
        ("[dumped core]", Outcome::Fail),
        ("_check_", Outcome::Fail),
        ("something found in dmesg", Outcome::Fail),
    ] {
        let Some(at) = text.find(words) else { continue };
        let reason = match outcome {
            Outcome::Skip if words == "[expunged]" => "expunged",
            Outcome::Skip => text[at + words.len()..].trim(),
            _ => text[at..].trim_start_matches("- "),
        };
        return Some((outcome, reason.into(), Sure::Yes));
    }
    // `4s ...  5s`; without an earlier time `5s`, perhaps behind the time of day.
    let last = text.split_ascii_whitespace().next_back()?;
    let seconds = last.strip_suffix('s')?;
    let is_time = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let has_both = text.contains("...");
    let has_last_time_only = has_both && text.trim_end().ends_with("...");
    (is_time && !has_last_time_only).then(|| {
        let sure = if has_both {
            Sure::Yes
        } else {
            Sure::BehindAName
        };
        (Outcome::Pass, String::new(), sure)
    })
}

impl Check {
    fn take(&mut self, text: &str) {
        let Some(current) = &mut self.current else {
            return;
        };
        let Some((outcome, reason, _)) = verdict(text) else {
            // The difference between the outputs, indented.
            if let Some((Outcome::Fail, why)) = &mut current.verdict
                && why.len() + text.len() < MAX_DIAGNOSTICS
            {
                why.push('\n');
                why.push_str(text);
            }
            return;
        };
        match &mut current.verdict {
            // A time behind a failure takes nothing back.
            Some((Outcome::Fail, why)) if outcome == Outcome::Fail => {
                if why.len() + reason.len() < MAX_DIAGNOSTICS {
                    why.push('\n');
                    why.push_str(&reason);
                }
            }
            Some((Outcome::Fail, _)) => {}
            verdict => *verdict = Some((outcome, reason)),
        }
    }

    /// `Failures: a b`: the tests that `check` itself holds for failed.
    fn failures(&mut self, names: &str) {
        let open = self.current.take();
        for name in names.split_ascii_whitespace() {
            let name = self.full_name(name);
            if let Some(current) = open.as_ref().filter(|c| self.full_name(&c.name) == name) {
                let verdict = current.verdict.clone();
                let failed = verdict.filter(|(outcome, _)| *outcome == Outcome::Fail);
                let failed = failed.unwrap_or((Outcome::Fail, "check lists it as failed".into()));
                self.add(&current.name, failed);
            } else if let Some(&at) = self.by_name.get(&name)
                && self.points.list[at].outcome != Outcome::Fail
            {
                self.points.list[at].outcome = Outcome::Fail;
                self.points.list[at].reason = "check lists it as failed".into();
            }
        }
        let is_listed = |name: &str| names.split_ascii_whitespace().any(|listed| listed == name);
        if let Some(current) = open.filter(|c| !is_listed(&c.name)) {
            self.current = Some(current);
            self.close(None);
        }
    }

    fn full_name(&self, name: &str) -> String {
        match &self.section {
            Some(section) => format!("{name} ({section})"),
            None => name.into(),
        }
    }

    /// Ends the test that ran; `crash`: the machine stopped.
    fn close(&mut self, crash: Option<&str>) {
        let Some(current) = self.current.take() else {
            return;
        };
        let verdict = match (current.verdict, crash) {
            (Some(verdict), _) => verdict,
            (None, Some(words)) => (Outcome::KernelCrash, words.into()),
            // Its name is in the list of what ran, and not in the list of what failed.
            (None, None) if self.ran => (Outcome::Pass, String::new()),
            (None, None) => (Outcome::NotRun, "its verdict never came".into()),
        };
        self.add(&current.name, verdict);
    }

    fn add(&mut self, name: &str, (outcome, reason): (Outcome, String)) {
        let name = self.full_name(name);
        let size = reason.len();
        if self.points.add(name.clone(), outcome, reason, size) {
            self.by_name.insert(name, self.points.list.len() - 1);
        }
    }
}

impl CheckOutput for Check {
    const SUITE: &str = "xfstests";
    const FORMAT: LogFormat = LogFormat::Xfstests;

    fn line(&mut self, line: &str) {
        if let Some(section) = line.strip_prefix("SECTION ") {
            self.close(None);
            self.section = section
                .trim_start()
                .strip_prefix("-- ")
                .map(|s| s.trim().chars().take(MAX_WORD).collect());
            return;
        }
        if let Some((name, rest)) = named(line) {
            self.close(None);
            // `generic/001 4s ... ` is only the beginning.
            self.current = Some(Current {
                name: name.into(),
                verdict: None,
            });
            return self.take(rest);
        }
        if let Some(names) = line.strip_prefix("Failures:") {
            return self.failures(names);
        }
        let is_tail = ["Ran:", "Not run:", "Failed ", "Passed all "];
        if is_tail.iter().any(|tail| line.starts_with(tail)) {
            self.ran |= line.starts_with("Ran:");
            return self.close(None);
        }
        self.take(line);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(rest: &str) -> Option<Outcome> {
        verdict(rest).map(|(outcome, ..)| outcome)
    }

    #[test]
    fn verdicts() {
        for pass in [
            "4s ...  5s",
            " 12s",
            "[12:00:00] [12:00:01] 1s",
            "       0s",
        ] {
            assert_eq!(outcome(pass), Some(Outcome::Pass), "{pass}");
        }
        for fail in [
            "4s ... - output mismatch (see /x/001.out.bad)",
            "[failed, exit status 1]- output mismatch",
            "_check_dmesg: something found in dmesg (see x)",
            "[dumped core]",
        ] {
            assert_eq!(outcome(fail), Some(Outcome::Fail), "{fail}");
        }
        for skip in [
            "[not run] needs a device",
            "[expunged]",
            "3s ... [not run] x",
        ] {
            assert_eq!(outcome(skip), Some(Outcome::Skip), "{skip}");
        }
        for none in ["", "4s ... ", "4s ...", "tests", "[12:00:00]"] {
            assert_eq!(outcome(none), None, "{none}");
        }
    }

    #[test]
    fn marks_are_not_other_tools_lines() {
        assert!(is_mark("FSTYP         -- ext4"));
        assert!(is_mark("generic/001 4s ...  5s"));
        assert!(is_mark("xfs/002       [not run] x"));
        for other in [
            "block/001 (stress)   [passed]",
            "a/001 5s",
            "generic/001",
            "lib/12 4s ... 5s",
        ] {
            assert!(!is_mark(other), "{other}");
        }
    }
}
