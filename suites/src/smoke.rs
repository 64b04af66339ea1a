//! The checks built into the guest's init: they need no source tree, no compiler and no program in the guest.

use crate::{OutputFormat, Program, Test, TestId};
use std::time::Duration;

/// Name of the suite.
pub(crate) const SUITE: &str = "smoke";

/// Time limit of each check.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A check that the guest's init can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmokeCheck {
    /// Its name, the `NAME` of `smoke:NAME`.
    pub name: &'static str,
    /// What it shows, one line.
    pub about: &'static str,
}

/// All checks, in the order they run.
pub const SMOKE_CHECKS: [SmokeCheck; 9] = [
    check(
        "boot",
        "the kernel starts init and init can talk to the host",
    ),
    check(
        "cpus",
        "every CPU the machine was given is online and runs a thread",
    ),
    check("memory", "the kernel sees the memory the machine was given"),
    check(
        "fork-exec",
        "a process forks, executes a program and is waited for",
    ),
    check("tmpfs", "a file on a tmpfs reads back as it was written"),
    check(
        "root-read-only",
        "writing to the share under the root is refused",
    ),
    check(
        "root-equal",
        "files of the root are, byte for byte, those of the host",
    ),
    check("clock", "the clocks move, forward only and at one speed"),
    check("dmesg", "the kernel's log holds no warning, bug or oops"),
];

const fn check(name: &'static str, about: &'static str) -> SmokeCheck {
    SmokeCheck { name, about }
}

/// The suite's tests.
pub(crate) fn tests() -> impl Iterator<Item = Test> {
    SMOKE_CHECKS.iter().map(|check| Test {
        timeout: Some(TIMEOUT),
        ..Test::new(
            TestId::new(SUITE, check.name),
            Program::Smoke(check.name),
            OutputFormat::Auto,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_every_check_says_what_it_shows() {
        let names: HashSet<_> = SMOKE_CHECKS.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), SMOKE_CHECKS.len());
        assert!(SMOKE_CHECKS.iter().all(|c| !c.about.is_empty()));
    }
}
