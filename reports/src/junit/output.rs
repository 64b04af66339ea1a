//! A test's streams as `system-out` and `system-err`.

use crate::{OutputRef, TestResult, excerpt::Excerpt, splats, text::xml_text};
use std::path::Path;

/// Bytes kept of the beginning of a stream.
const HEAD: u64 = 16 << 10;
/// Bytes kept of the end of a stream.
const TAIL: u64 = 48 << 10;

/// Standard output, if there is any.
pub(super) fn system_out(result: &TestResult, run_dir: &Path) -> Option<String> {
    stream(result.stdout.as_ref(), run_dir)
}

/// Standard error and, behind lines that say so, the splats and the kernel log.
pub(super) fn system_err(result: &TestResult, run_dir: &Path) -> Option<String> {
    let mut stderr = stream(result.stderr.as_ref(), run_dir);
    let splats = splats::lines(&result.splats, true);
    if !splats.is_empty() {
        let text = stderr.get_or_insert_default();
        end_line(text);
        *text += &xml_text(&(splats.join("\n") + "\n"));
    }
    let Some(log) = stream(result.kernel_log.as_ref(), run_dir) else {
        return stderr;
    };
    let mut text = stderr.unwrap_or_default();
    end_line(&mut text);
    Some(text + "--- kernel log ---\n" + &log)
}

fn stream(output: Option<&OutputRef>, run_dir: &Path) -> Option<String> {
    let output = output?;
    let mut text = match Excerpt::read(run_dir, output, HEAD, TAIL) {
        Ok(excerpt) if excerpt.left_out == 0 => xml_text(&excerpt.head),
        Ok(excerpt) => {
            let mut text = xml_text(&excerpt.head);
            end_line(&mut text);
            text += &format!(
                "[... {} bytes left out; whole in {}]\n",
                excerpt.left_out,
                xml_text(&output.file)
            );
            text + &xml_text(&excerpt.tail)
        }
        Err(error) => xml_text(&format!("[{} cannot be read: {error}]\n", output.file)),
    };
    if output.dropped > 0 {
        end_line(&mut text);
        text += &format!(
            "[... {} more bytes were over the limit and not kept]\n",
            output.dropped
        );
    }
    (!text.is_empty()).then_some(text)
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::fs;
    use suites::{Outcome, TestId};

    fn result() -> TestResult {
        testing::result(TestId::new("exec", "true"), Outcome::Pass)
    }

    #[test]
    fn the_kernel_log_follows_standard_error() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("err"), "no end of line").expect("writable");
        fs::write(dir.path().join("log"), "<6>hello\n").expect("writable");
        let mut result = result();
        assert_eq!(system_err(&result, dir.path()), None);
        result.kernel_log = testing::output("log");
        assert_eq!(
            system_err(&result, dir.path()).as_deref(),
            Some("--- kernel log ---\n<6>hello\n")
        );
        result.stderr = testing::output("err");
        assert_eq!(
            system_err(&result, dir.path()).as_deref(),
            Some("no end of line\n--- kernel log ---\n<6>hello\n")
        );
    }

    #[test]
    fn a_long_stream_keeps_its_ends_and_says_what_is_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        let bytes: Vec<u8> = (0..20_000)
            .flat_map(|n| format!("{n:09}\n").into_bytes())
            .collect();
        fs::write(dir.path().join("out"), &bytes).expect("writable");
        let mut result = result();
        result.stdout = testing::output("out");
        result.stdout.as_mut().expect("just set").dropped = 7;
        let text = system_out(&result, dir.path()).expect("an output");
        assert!(text.starts_with("000000000\n"));
        assert!(
            text.contains("\n[... 134464 bytes left out; whole in out]\n"),
            "{}",
            &text[16_300..16_500]
        );
        assert!(text.ends_with("000019999\n[... 7 more bytes were over the limit and not kept]\n"));
        assert!(text.len() < (64 << 10) + 200);
    }

    #[test]
    fn a_missing_file_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut result = result();
        result.stdout = testing::output("gone");
        let text = system_out(&result, dir.path()).expect("a note");
        assert!(
            text.starts_with("[gone cannot be read: No such file"),
            "{text}"
        );
    }
}
