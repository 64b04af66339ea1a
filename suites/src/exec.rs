//! Any command as a test.

use crate::{OutputFormat, Program, Test, TestId};
use std::time::Duration;

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
    Test {
        id: TestId::new(SUITE, &name(words)),
        program: Program::Exec(words.iter().map(Into::into).collect()),
        cwd: None,
        env: Vec::new(),
        timeout: Some(TIMEOUT),
        format: OutputFormat::Auto,
        expects_splats: false,
        unavailable: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_its_words_can_be_told_apart() {
        let words = |list: &[&str]| -> Vec<String> { list.iter().map(|w| (*w).into()).collect() };
        assert_eq!(name(&words(&["make", "check"])), "make check");
        assert_eq!(name(&words(&["echo", "a b"])), "echo 'a b'");
        assert_eq!(name(&words(&["echo", "a\nb"])), "echo 'a\\nb'");
    }
}
