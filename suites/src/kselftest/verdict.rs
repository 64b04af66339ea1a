//! The lines by which `run_kselftest.sh` (`tools/testing/selftests/kselftest/runner.sh`) tells programs apart.

use crate::{Outcome, recorded::RecordedEnd};

/// A program's verdict as the wrapper prints it:
/// `not ok 3 selftests: timers: posix_timers # exit=1`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict<'a> {
    /// What stands before it on the line: the program's last words, where they had no newline.
    pub before: &'a str,
    pub collection: &'a str,
    pub test: &'a str,
    pub end: RecordedEnd,
}

/// Splits `selftests: timers: posix_timers` into collection and program.
pub(crate) fn title(text: &str) -> Option<(&str, &str)> {
    let (collection, test) = text.strip_prefix("selftests: ")?.split_once(": ")?;
    let test = test.trim();
    let one_word = |text: &str| !text.is_empty() && !text.contains([' ', '\t']);
    (one_word(collection) && one_word(test)).then_some((collection, test))
}

/// The header of a program: `# selftests: timers: posix_timers`; before 5.0 without the `# `.
pub(super) fn header(text: &str) -> Option<(&str, &str)> {
    title(text.strip_prefix("# ").unwrap_or(text))
}

/// Whether a line is one that only the wrapper prints.
pub(crate) fn is_mark(text: &str) -> bool {
    header(text).is_some() || verdict(text).is_some()
}

/// Finds the wrapper's verdict in a line. It may stand behind anything, but it ends the line.
pub(super) fn verdict(line: &str) -> Option<Verdict<'_>> {
    const TRIES: usize = 4;
    line.rmatch_indices("selftests: ")
        .take(TRIES)
        .find_map(|(at, _)| verdict_at(line, at))
}

fn verdict_at(line: &str, at: usize) -> Option<Verdict<'_>> {
    let (before, ok) = match result_before(&line[..at]) {
        Some(found) => found,
        // Before 4.18: `selftests: timers: posix_timers [PASS]`.
        None if at == 0 => ("", None),
        None => return None,
    };
    let text = &line[at..];
    let (name, directive) = match text.split_once(" #") {
        Some((name, directive)) => (name, directive.trim()),
        None => (text, ""),
    };
    let (name, word) = match name
        .trim_end()
        .strip_suffix(']')
        .and_then(|n| n.rsplit_once(" ["))
    {
        Some((name, word)) => (name, Some(word)),
        None => (name, None),
    };
    let (collection, test) = title(name)?;
    let end = match (ok, word) {
        (_, Some("PASS")) => RecordedEnd::Exited(0),
        (_, Some("SKIP")) => RecordedEnd::Exited(4),
        (_, Some("FAIL")) => RecordedEnd::Exited(1),
        (_, Some(_)) | (None, None) => return None,
        (Some(ok), None) => end(ok, directive),
    };
    Some(Verdict {
        before,
        collection,
        test,
        end,
    })
}

/// Reads `ok 3 ` or `not ok 3 ` at the end of a text; returns what stands before it. Numbers may be `1..3` (4.18).
fn result_before(text: &str) -> Option<(&str, Option<bool>)> {
    let rest = text.strip_suffix(' ')?;
    let number = rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if number.len() == rest.len() {
        return None;
    }
    let rest = number.strip_suffix("ok ")?;
    Some(match rest.strip_suffix("not ") {
        Some(before) => (before, Some(false)),
        None => (rest, Some(true)),
    })
}

fn end(ok: bool, directive: &str) -> RecordedEnd {
    let said = |outcome, message: String| RecordedEnd::Said { outcome, message };
    let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
    let status = directive.strip_prefix("exit=").map(str::parse::<i32>);
    match (word, status) {
        (_, Some(Ok(status))) => RecordedEnd::Exited(status),
        ("SKIP", _) => RecordedEnd::Exited(4),
        ("TIMEOUT", _) => said(
            Outcome::TimeOut,
            format!("it did not end within {}", rest.trim()),
        ),
        ("XFAIL", _) => said(Outcome::ExpectedFail, "it failed as expected".into()),
        _ if ok => RecordedEnd::Exited(0),
        // Neither an exit status nor a time-out: runner.sh did not start it, or another wrapper does not say.
        _ => said(Outcome::Fail, "the wrapper says not ok".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(line: &str, before: &str, end: RecordedEnd) {
        let found = verdict(line).expect(line);
        assert_eq!(
            (found.collection, found.test),
            ("net/lib", "a.sh"),
            "{line}"
        );
        assert_eq!((found.before, found.end), (before, end), "{line}");
    }

    #[test]
    fn verdicts_of_all_wrappers() {
        let said = |outcome, text: &str| RecordedEnd::Said {
            outcome,
            message: text.into(),
        };
        reads("ok 1 selftests: net/lib: a.sh", "", RecordedEnd::Exited(0));
        reads(
            "ok 1 selftests: net/lib: a.sh # SKIP",
            "",
            RecordedEnd::Exited(4),
        );
        reads(
            "not ok 12 selftests: net/lib: a.sh # exit=139",
            "",
            RecordedEnd::Exited(139),
        );
        reads(
            "not ok 1 selftests: net/lib: a.sh # TIMEOUT 45 seconds",
            "",
            said(Outcome::TimeOut, "it did not end within 45 seconds"),
        );
        reads(
            "not ok 1 selftests: net/lib: a.sh",
            "",
            said(Outcome::Fail, "the wrapper says not ok"),
        );
        reads(
            "# last wordsok 3 selftests: net/lib: a.sh",
            "# last words",
            RecordedEnd::Exited(0),
        );
        reads(
            "(x.c:287) - not ok 1 selftests: net/lib: a.sh # exit=1",
            "(x.c:287) - ",
            RecordedEnd::Exited(1),
        );
        reads(
            "selftests: net/lib: a.sh [FAIL]",
            "",
            RecordedEnd::Exited(1),
        );
        reads(
            "not ok 1..3 selftests: net/lib: a.sh [FAIL]",
            "",
            RecordedEnd::Exited(1),
        );
        reads(
            "ok 1..3 selftests: net/lib: a.sh [SKIP]",
            "",
            RecordedEnd::Exited(4),
        );
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "# selftests: net: a.sh",
            "ok 1 selftests:",
            "ok 1 selftests: net",
            "ok selftests: net: a.sh",
            "ok 1 selftests: a b: c d",
            "",
        ] {
            assert_eq!(verdict(line), None, "{line}");
        }
        assert_eq!(header("# selftests: net: a.sh"), Some(("net", "a.sh")));
        assert_eq!(header("# selftests: something else entirely"), None);
    }
}
