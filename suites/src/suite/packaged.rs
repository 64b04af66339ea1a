//! Suites that are one program of the distribution: stress-ng, and perf's own tests.

use super::{Found, PERF, STRESS_NG, SuiteError, host};
use crate::{OutputFormat, Program, Test, TestId, kselftest::Guest};
use std::{ffi::OsString, path::Path, process::Command, sync::atomic::AtomicBool, time::Duration};

/// How long each stressor works (`--timeout` of stress-ng).
const STRESS: &str = "10s";

/// Limit of a stressor, which has to clean up.
const STRESS_TIMEOUT: Duration = Duration::from_secs(120);

/// Limit of a test of perf's.
const PERF_TIMEOUT: Duration = Duration::from_secs(300);

/// Limit of a list.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// Both report on either stream.
const ONE_STREAM: &str = "exec \"$@\" 2>&1";

/// A test for each stressor.
pub(super) fn stress_ng(guest: &Guest<'_>, cancelled: &AtomicBool) -> Result<Found, SuiteError> {
    let list = list(
        guest,
        cancelled,
        STRESS_NG,
        STRESS_NG,
        "stress-ng",
        &["--stressors"],
    )?;
    let names = list.split_whitespace().filter(|name| is_word(name));
    let tests = names.map(|name| {
        let words = ["/bin/sh", "-c", ONE_STREAM, "sh", STRESS_NG];
        let stressor = format!("--{name}");
        let options = [
            &stressor,
            "2",
            "--timeout",
            STRESS,
            "--verify",
            "--metrics-brief",
        ];
        let words = words.into_iter().chain(options).map(OsString::from);
        Test {
            timeout: Some(STRESS_TIMEOUT),
            ..Test::new(
                TestId::new(STRESS_NG, name),
                Program::Exec(words.collect()),
                OutputFormat::StressNg,
            )
        }
    });
    Ok(Found {
        tests: tests.collect(),
        dirs: Vec::new(),
    })
}

/// A test for each of perf's, called by its number and its name.
pub(super) fn perf(guest: &Guest<'_>, cancelled: &AtomicBool) -> Result<Found, SuiteError> {
    let list = list(
        guest,
        cancelled,
        PERF,
        "perf",
        "linux-perf",
        &["test", "list"],
    )?;
    let tests = list.lines().filter_map(perf_line).map(|(number, name)| {
        let words = [
            "/bin/sh", "-c", ONE_STREAM, "sh", "perf", "test", "-v", number,
        ];
        let words = words.map(OsString::from);
        Test {
            timeout: Some(PERF_TIMEOUT),
            ..Test::new(
                TestId::new(PERF, &format!("{number} {name}")),
                Program::Exec(words.into()),
                OutputFormat::Perf,
            )
        }
    });
    Ok(Found {
        tests: tests.collect(),
        dirs: Vec::new(),
    })
}

/// A line of `perf test list` that is no part of another: `  4: mmap interface tests`.
fn perf_line(line: &str) -> Option<(&str, &str)> {
    let (number, name) = line.trim().split_once(':')?;
    let whole = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let part = name.starts_with(|c: char| c.is_ascii_digit());
    let name = name.trim();
    (whole && !part && !name.is_empty() && !name.chars().any(char::is_control))
        .then_some((number, name))
}

fn is_word(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
}

/// What a program says its tests are. It is the root's: another root's program is run inside of it, which takes root's rights.
fn list(
    guest: &Guest<'_>,
    cancelled: &AtomicBool,
    suite: &'static str,
    program: &'static str,
    package: &'static str,
    arguments: &[&str],
) -> Result<String, SuiteError> {
    let found = ["usr/bin", "usr/sbin", "usr/local/bin", "bin"]
        .map(|dir| Path::new(dir).join(program))
        .into_iter()
        .find(|path| guest.root.join(path).is_file());
    let found = found.ok_or(SuiteError::NotInstalled {
        suite,
        program,
        package,
    })?;
    let path = Path::new("/").join(found);
    let mut command = if guest.root == Path::new("/") {
        Command::new(path)
    } else {
        let mut command = Command::new("chroot");
        command.arg(guest.root).arg(path);
        command
    };
    command.args(arguments).env("LC_ALL", "C");
    let done = host::run(&mut command, Some(LIST_TIMEOUT), cancelled)?;
    if !done.status.success() {
        return Err(SuiteError::Failed {
            what: format!("{program} {}", arguments.join(" ")),
            words: done.last_words(5),
        });
    }
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    // perf lists on standard error.
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfs_list_gives_numbers_and_names_without_the_parts() {
        assert_eq!(
            perf_line("  4: mmap interface tests"),
            Some(("4", "mmap interface tests"))
        );
        for line in ["  4:1: Read samples", "", "perf: command", "7:", "x: y"] {
            assert_eq!(perf_line(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let guest = Guest {
            root: root.path(),
            install_dir: None,
            env: &[],
        };
        let cancelled = AtomicBool::new(false);
        for (found, package) in [
            (stress_ng(&guest, &cancelled), "Debian: stress-ng"),
            (perf(&guest, &cancelled), "Debian: linux-perf"),
        ] {
            let error = found.expect_err("nothing is there").to_string();
            assert!(error.contains(package), "{error}");
        }
    }
}
