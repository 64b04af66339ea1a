//! Any command as a test.

use crate::{OutputFormat, Program, Test, TestId};
use std::{ffi::OsString, time::Duration};

/// Name of the suite.
pub(crate) const SUITE: &str = "exec";

/// Time limit of a command, which has none of its own to say.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A command's name: its words, quoted only where needed, so that two spellings of one command are one name.
/// Characters that do not print are escaped, for names are single lines.
pub(crate) fn name(words: &[String]) -> String {
    let joined = shell_words::join(words);
    let mut name = String::with_capacity(joined.len());
    for c in joined.chars() {
        if c.is_control() {
            name.extend(c.escape_default());
        } else {
            name.push(c);
        }
    }
    name
}

/// The command as a test, started in the directory that the run chooses.
pub(crate) fn test(words: &[String]) -> Test {
    let program = Program::Exec(words.iter().map(Into::into).collect());
    Test {
        timeout: Some(TIMEOUT),
        ..Test::new(
            TestId::new(SUITE, &name(words)),
            program,
            OutputFormat::Auto,
        )
    }
}

/// A command that is run for its own sake: its exit status alone counts, and it may take as long as it likes.
#[must_use]
pub fn command(words: &[OsString]) -> Test {
    let names: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Test {
        program: Program::Exec(words.to_vec()),
        timeout: None,
        format: OutputFormat::ExitStatus,
        ..test(&names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_words_stay_what_they_are() {
        use std::os::unix::ffi::OsStringExt;
        let words = [OsString::from("echo"), OsString::from_vec(vec![b'a', 0xff])];
        let test = command(&words);
        assert_eq!(test.program, Program::Exec(words.to_vec()));
        assert_eq!(test.id.to_string(), "exec:echo a\u{fffd}");
        assert_eq!(
            (test.timeout, test.format),
            (None, OutputFormat::ExitStatus)
        );
    }

    #[test]
    fn a_name_is_one_line_and_its_words_can_be_told_apart() {
        let words = |list: &[&str]| -> Vec<String> { list.iter().map(|w| (*w).into()).collect() };
        assert_eq!(name(&words(&["make", "check"])), "make check");
        assert_eq!(name(&words(&["echo", "a b"])), "echo 'a b'");
        assert_eq!(name(&words(&["echo", "a\nb"])), "echo 'a\\nb'");
    }
}
