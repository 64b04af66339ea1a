//! What a person needs to see of a test beyond its status line: why, and the ends of what it and the kernel wrote.

use super::format::INDENT;
use crate::{
    OutputRef, TestResult,
    excerpt::Excerpt,
    splats,
    text::{shortened, terminal_line},
};
use std::path::Path;
use suites::Outcome;

/// Lines of a message.
const MESSAGE_LINES: usize = 20;
/// Lines of a program's stream.
const OUTPUT_LINES: usize = 20;
/// Lines of the kernel log: a splat with its stack is longer than what a test says of itself.
const KERNEL_LOG_LINES: usize = 40;
/// Lines shown before the one that says what happened.
const LINES_BEFORE_CAUSE: usize = 2;
/// Characters of a line.
const LINE_MAX: usize = 500;
/// Bytes of the end of a stream that are looked at.
const TAIL: u64 = 32 << 10;

/// The lines under a test's status line, indented. `streamed` says that its output was shown as it came.
pub(super) fn evidence(result: &TestResult, run_dir: &Path, streamed: bool) -> Vec<String> {
    let message = result.message.as_deref().unwrap_or_default();
    let mut lines: Vec<_> = message.lines().take(MESSAGE_LINES).map(indented).collect();
    if message.lines().nth(MESSAGE_LINES).is_some() {
        lines.push(format!("{INDENT}..."));
    }
    // What each of several attempts left was shown when it ended.
    if result.outcome.is_good() || !result.attempts.is_empty() {
        return lines;
    }
    if !streamed {
        lines.extend(end_of(&result.stderr, run_dir, "stderr", OUTPUT_LINES, ""));
        lines.extend(end_of(&result.stdout, run_dir, "stdout", OUTPUT_LINES, ""));
    }
    let splats = splats::lines(&result.splats, false);
    lines.extend(splats.iter().map(|line| indented(line)));
    if matches!(
        result.outcome,
        Outcome::KernelCrash | Outcome::Hang | Outcome::BootFailure
    ) {
        lines.extend(end_of(
            &result.kernel_log,
            run_dir,
            "kernel log",
            KERNEL_LOG_LINES,
            message.lines().next().unwrap_or_default(),
        ));
    }
    lines
}

/// The last `max` lines of a stream under a heading; nothing for an empty one.
///
/// Where `cause` is among the lines but not among the last, those from it on: a panic says most at its beginning.
fn end_of(
    output: &Option<OutputRef>,
    run_dir: &Path,
    what: &str,
    max: usize,
    cause: &str,
) -> Vec<String> {
    let Some(output) = output else {
        return vec![];
    };
    let excerpt = match Excerpt::read(run_dir, output, 0, TAIL) {
        Ok(excerpt) => excerpt,
        Err(error) => {
            return vec![indented(&format!(
                "--- {what}: {} cannot be read: {error} ---",
                output.file
            ))];
        }
    };
    // A file no longer than the tail is all head.
    let lines: Vec<_> = excerpt.head.lines().chain(excerpt.tail.lines()).collect();
    if lines.is_empty() {
        return vec![];
    }
    let at_end = lines.len().saturating_sub(max);
    let caused = lines
        .iter()
        .position(|line| !cause.is_empty() && line.contains(cause))
        .map(|index| index.saturating_sub(LINES_BEFORE_CAUSE))
        .filter(|&index| index < at_end);
    let from = caused.unwrap_or(at_end);
    let last = &lines[from..lines.len().min(from + max)];
    let count = last.len();
    let heading = if caused.is_some() {
        format!("--- {what}: {count} lines of {} ---", output.file)
    } else if excerpt.left_out > 0 || from > 0 {
        format!("--- {what}: the last {count} lines of {} ---", output.file)
    } else {
        format!("--- {what}: {} ---", output.file)
    };
    std::iter::once(heading.as_str())
        .chain(last.iter().copied())
        .map(indented)
        .collect()
}

fn indented(line: &str) -> String {
    format!("{INDENT}{}", shortened(&terminal_line(line), LINE_MAX))
        .trim_end()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::fs;
    use suites::TestId;

    #[test]
    fn only_the_end_of_a_long_output_is_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let text: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        fs::write(dir.path().join("out"), text).expect("writable");
        let mut result = testing::result(TestId::new("exec", "x"), Outcome::Fail);
        result.stdout = testing::output("out");
        let lines = evidence(&result, dir.path(), false);
        assert_eq!(
            lines[0],
            format!("{INDENT}--- stdout: the last 20 lines of out ---")
        );
        assert_eq!(lines[1], format!("{INDENT}line 9980"));
        assert_eq!(lines.len(), 21);
        assert_eq!(evidence(&result, dir.path(), true), [""; 0]);
    }

    #[test]
    fn a_panic_is_shown_from_its_beginning() {
        let dir = tempfile::tempdir().expect("a directory");
        let trace: String = (0..100).map(|n| format!("[ 1.0]  ? frame{n}\n")).collect();
        let text = format!("[ 0.9] a\n[ 0.9] b\n[ 0.9] c\n[ 1.0] Kernel panic - x\n{trace}");
        fs::write(dir.path().join("log"), text).expect("writable");
        let mut result = testing::result(TestId::new("exec", "x"), Outcome::KernelCrash);
        result.message = Some("Kernel panic - x".into());
        result.kernel_log = testing::output("log");
        let lines = evidence(&result, dir.path(), false);
        assert_eq!(
            lines[1],
            format!("{INDENT}--- kernel log: 40 lines of log ---")
        );
        assert_eq!(lines[2], format!("{INDENT}[ 0.9] b"));
        assert_eq!(lines[4], format!("{INDENT}[ 1.0] Kernel panic - x"));
        assert_eq!(lines.len(), 2 + KERNEL_LOG_LINES);
    }

    #[test]
    fn everything_is_bounded_and_harmless() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(
            dir.path().join("log"),
            [b"\x1b]0;x\x07".as_slice(), &[b'\x9b'; 100_000]].concat(),
        )
        .expect("writable");
        let mut result = testing::result(TestId::new("exec", "x"), Outcome::KernelCrash);
        result.message = Some("\x1b[2J\x07\n".repeat(1000));
        result.kernel_log = testing::output("log");
        let lines = evidence(&result, dir.path(), false);
        assert_eq!(lines.len(), MESSAGE_LINES + 3);
        for line in &lines {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.chars().count() <= INDENT.len() + LINE_MAX + 3);
        }
    }

    #[test]
    fn a_missing_file_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut result = testing::result(TestId::new("exec", "x"), Outcome::Fail);
        result.stderr = testing::output("gone");
        let lines = evidence(&result, dir.path(), false);
        assert!(
            lines[0].contains("stderr: gone cannot be read: No such file"),
            "{lines:?}"
        );
    }
}
