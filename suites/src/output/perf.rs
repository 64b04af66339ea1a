//! What `perf test` prints: for each test a line with its number and name, its verdict behind that, or, where perf is to say more,
//! below what the test printed.
//!
//!  ` 11: DSO data read     : Ok`, ` 4.2: Counting cycles    : Skip (permissions)`; with `-v` the line ends at its colon, and
//! `--- start ---`, the output, `---- end ----` and `DSO data read: Ok` follow.

use crate::{
    Outcome,
    ktap::{Document, MAX_NAME, Points, head},
};

/// Bytes of all names and reasons.
const MAX_TEXT: usize = 4 << 20;
/// Bytes of a reason.
const MAX_REASON: usize = 500;

/// Reads such output line by line.
#[derive(Debug, Default)]
pub(super) struct Perf {
    points: Points<MAX_TEXT>,
    /// The test whose verdict has not come.
    open: Option<String>,
    place: Place,
    /// The last line of the open test's own output that says anything.
    last: String,
}

/// Where in the output a line stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    /// In what a test prints.
    Inside,
    /// Right behind that.
    Behind,
}

impl Perf {
    pub fn line(&mut self, line: &str) {
        let text = line.trim();
        match (self.place, text) {
            (Place::Outside, "--- start ---") => self.place = Place::Inside,
            (Place::Inside, "---- end ----") => self.place = Place::Behind,
            (Place::Inside, _) => {
                if !text.is_empty() && !text.starts_with("test child ") {
                    self.last = head(text, MAX_REASON).into();
                }
            }
            (place, _) => {
                self.place = Place::Outside;
                let behind = text.rsplit_once(':').and_then(|(_, rest)| verdict(rest));
                if let Some((name, verdict)) = heading(text) {
                    self.open = Some(head(name, MAX_NAME).into());
                    self.last.clear();
                    verdict.into_iter().for_each(|verdict| self.close(verdict));
                } else if let (Place::Behind, Some(verdict)) = (place, behind) {
                    self.close(verdict);
                }
            }
        }
    }

    fn close(&mut self, (outcome, why): (Outcome, &str)) {
        let Some(name) = self.open.take() else { return };
        let reason = match (outcome, why) {
            (Outcome::Pass, _) => String::new(),
            (_, "") => std::mem::take(&mut self.last),
            (_, why) => head(why, MAX_REASON).into(),
        };
        let size = name.len() + reason.len();
        self.points.add(name, outcome, reason, size);
    }

    pub fn finish(self) -> Document {
        let came = !self.points.list.is_empty();
        self.points.finish(came)
    }
}

/// The line of a test: its name and, where it has come, its verdict.
fn heading(text: &str) -> Option<(&str, Option<(Outcome, &str)>)> {
    let (number, rest) = text.split_once(": ")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !number.split(['.', ':']).all(is_number) {
        return None;
    }
    let (name, end) = rest.rsplit_once(':')?;
    let verdict = match end.trim() {
        "" => None,
        words => Some(verdict(words)?),
    };
    let name = name.trim();
    (!name.is_empty()).then_some((name, verdict))
}

/// `Ok`, `FAILED!`, `Skip`, `Skip (reason)`.
fn verdict(text: &str) -> Option<(Outcome, &str)> {
    let text = text.trim();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let outcome = match word {
        "Ok" => Outcome::Pass,
        "FAILED!" => Outcome::Fail,
        "Skip" => Outcome::Skip,
        _ => return None,
    };
    let rest = rest.trim();
    let inner = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')'));
    Some((outcome, inner.unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Outcome, String)> {
        let mut perf = Perf::default();
        text.lines().for_each(|line| perf.line(line));
        let points = perf.finish().results.into_iter();
        points.map(|p| (p.name, p.outcome, p.reason)).collect()
    }

    fn of(name: &str, outcome: Outcome, reason: &str) -> (String, Outcome, String) {
        (name.into(), outcome, reason.into())
    }

    #[test]
    fn verdicts_stand_behind_names() {
        let text = "a warning\n  4: mappings                     :\n  4.1: Read them    : Ok\n\
                    4.2: Count: twice      : Skip (permissions)\n 19: 'x' in python     : FAILED!\n";
        assert_eq!(
            read(text),
            [
                of("Read them", Outcome::Pass, ""),
                of("Count: twice", Outcome::Skip, "permissions"),
                of("'x' in python", Outcome::Fail, ""),
            ]
        );
    }

    #[test]
    fn what_a_test_itself_prints_is_no_verdict() {
        let text = " 79: cache operations      :\n--- start ---\ntest child forked, pid 7\nAdding x: Ok\n 80: other : FAILED!\n\
                    no tool\ntest child finished with -2\n---- end ----\ncache operations: Skip\n\
                    81: parts      :\n 81.1: one      :\n--- start ---\nx: FAILED!\n---- end ----\nparts subtest 1: Ok\n\
                    later: FAILED!\n";
        assert_eq!(
            read(text),
            [
                of("cache operations", Outcome::Skip, "no tool"),
                of("one", Outcome::Pass, ""),
            ]
        );
    }

    #[test]
    fn a_test_without_its_verdict_has_none() {
        for text in [
            "",
            "1: x  :\n",
            "1: x :\n--- start ---\nx: Ok\n",
            "x: Ok\n",
            "1: x : Maybe\n",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }
}
