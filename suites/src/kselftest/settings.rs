//! A collection's `settings` file: `NAME=VALUE` lines and `#` comments, of which `timeout` is the one in use
//! (`tools/testing/selftests/kselftest/runner.sh`).

use std::time::Duration;

/// Time limit of a program whose collection does not say (`kselftest_default_timeout`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45);

/// What a collection says of its tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// Time limit of each program, `None` for none.
    pub timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Some(DEFAULT_TIMEOUT),
        }
    }
}

impl Settings {
    /// Reads the text of a settings file; the second result says what in it could not be understood.
    /// As in a shell, the last of several lines counts.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut settings = Self::default();
        let mut complaints = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some(("timeout", value)) => match value.parse::<u32>() {
                    Ok(0) => settings.timeout = None,
                    Ok(seconds) => settings.timeout = Some(Duration::from_secs(seconds.into())),
                    Err(_) => complaints
                        .push(format!("\"{}\" is not a number of seconds", excerpt(value))),
                },
                Some(_) => {}
                None => complaints.push(format!("\"{}\" is not NAME=VALUE", excerpt(line))),
            }
        }
        (settings, complaints)
    }
}

/// The beginning of a text, fit for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timeout(text: &str) -> Option<u64> {
        Settings::parse(text).0.timeout.map(|t| t.as_secs())
    }

    #[test]
    fn the_limit_is_read_and_zero_means_none() {
        assert_eq!(timeout(""), Some(45));
        assert_eq!(timeout("# long\ntimeout=200\n"), Some(200));
        assert_eq!(timeout("timeout=0"), None);
        assert_eq!(timeout("timeout=5\r\nother=x\n"), Some(5));
        assert_eq!(timeout("timeout=5\ntimeout=7"), Some(7));
    }

    #[test]
    fn garbage_is_named_and_changes_nothing() {
        for text in [
            "timeout=soon",
            "timeout=-1",
            "timeout=99999999999999999999",
            "timeout=",
            "rubbish",
        ] {
            let (settings, complaints) = Settings::parse(text);
            assert_eq!(settings, Settings::default(), "{text}");
            assert_eq!(complaints.len(), 1, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,60}|(timeout=.{0,8}\n){0,4}") {
            Settings::parse(&text);
        }
    }
}
