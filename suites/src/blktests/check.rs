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

/// What stands behind a test's line.
const VERDICTS: [(&str, Option<Outcome>); 4] = [
    ("[passed]", Some(Outcome::Pass)),
    ("[failed]", Some(Outcome::Fail)),
    ("[not run]", Some(Outcome::Skip)),
    ("[running]", None),
];

/// The line of a test, or of a whole group that is not run (`scsi/***`): its name and, where it has come, its verdict.
fn named(line: &str) -> Option<(String, Option<Outcome>)> {
    let (name, rest) = line.split_once(' ')?;
    let (group, number) = name.split_once('/')?;
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    let is_name = (1..=64).contains(&group.len())
        && group.bytes().all(is_word)
        && number.len() == 3
        && (is_number || number == "***");
    if !is_name {
        return None;
    }
    let rest = rest.trim_end();
    let verdict = VERDICTS
        .iter()
        .find_map(|(words, outcome)| Some((rest.strip_suffix(words)?, *outcome)));
    let (rest, outcome) = verdict.unwrap_or((rest, None));
    let rest = rest.trim();
    // A test may have no description, but then only its verdict tells its line from others.
    let (before, described) = match rest.split_once('(') {
        Some((before, described)) => (before.trim(), described.strip_suffix(')')?),
        None if verdict.is_some() => (rest, ""),
        None => return None,
    };
    // On a device, `=> vdb`; with a variant, `(tr=tcp)` before the description.
    let device = before.strip_prefix("=> ");
    if !before.is_empty() && device.is_none() {
        return None;
    }
    let variant = described
        .split_once(") (")
        .map(|(variant, _)| variant)
        .filter(|variant| variant.contains('=') && !variant.contains(' '));
    let mut full = name.to_owned();
    for part in [variant, device].into_iter().flatten() {
        full = format!("{full} ({part})");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Outcome, String)> {
        let mut check = Check::default();
        text.lines().for_each(|line| check.line(line));
        let points = check.finish().results.into_iter();
        points.map(|p| (p.name, p.outcome, p.reason)).collect()
    }

    #[test]
    fn a_group_that_is_not_run_is_a_skip_with_its_reasons() {
        let read = read(
            "srp/***                                    [not run]\n    no module ib_srp\n    no program x\n\
             zbd/*** => vdb                             [not run]\n    vdb is not zoned\n",
        );
        let of = |name: &str, why: &str| (name.to_owned(), Outcome::Skip, why.to_owned());
        assert_eq!(
            read,
            [
                of("srp/***", "no module ib_srp\nno program x"),
                of("zbd/*** (vdb)", "vdb is not zoned"),
            ]
        );
    }

    #[test]
    fn names_devices_and_variants_are_told_from_descriptions() {
        for (line, name, outcome) in [
            (
                "loop/001 (scan (parts))  [passed]",
                "loop/001",
                Some(Outcome::Pass),
            ),
            ("loop/001 [failed]", "loop/001", Some(Outcome::Fail)),
            (
                "loop/001 => vdb [passed]",
                "loop/001 (vdb)",
                Some(Outcome::Pass),
            ),
            (
                "nvme/003 (tr=tcp) (a b)   [not run]",
                "nvme/003 (tr=tcp)",
                Some(Outcome::Skip),
            ),
            ("block/005 => vdb (a=b) (x)", "block/005 (a=b) (vdb)", None),
            ("block/005 (x) [running]", "block/005", None),
        ] {
            assert_eq!(named(line), Some((name.into(), outcome)), "{line}");
        }
        for other in [
            "loop/001",
            "loop/001 ran well",
            "loop/*** starts",
            "loop/** [not run]",
            "loop/1 (x) [passed]",
            "x loop/001 (x) [passed]",
            "loop/001 twice (x) [passed]",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
