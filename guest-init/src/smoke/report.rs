//! Which checks there are, and what becomes of what they find.

use std::ffi::OsString;
use std::fmt::Display;

use super::params::Params;

/// What a check found.
#[derive(Debug)]
pub enum Verdict {
    /// All is well.
    Pass,
    /// The kernel is not as it should be; the sentence says in what.
    Fail(String),
    /// The check does not apply here, and why.
    Skip(String),
    /// The check was asked for wrongly.
    Misuse(String),
}

/// A check that failed, for `?`.
pub type Checked = Result<Verdict, Verdict>;

/// Turns an error into the finding that something does not work.
pub trait OrFail<T> {
    /// `action` completes the words "cannot ...".
    fn or_fail(self, action: impl Display) -> Result<T, Verdict>;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, action: impl Display) -> Result<T, Verdict> {
        self.map_err(|error| Verdict::Fail(format!("cannot {action}: {error}")))
    }
}

/// Fails with `finding` unless `condition`.
pub fn ensure(condition: bool, finding: impl FnOnce() -> String) -> Result<(), Verdict> {
    if condition {
        Ok(())
    } else {
        Err(Verdict::Fail(finding()))
    }
}

type Check = fn(&Params) -> Checked;

const CHECKS: [(&str, Check); 9] = [
    ("boot", super::boot::check),
    ("cpus", super::cpus::check),
    ("memory", super::memory::check),
    ("fork-exec", super::fork_exec::check),
    ("tmpfs", super::tmpfs::check),
    ("root-read-only", super::root_read_only::check),
    ("root-equal", super::root_equal::check),
    ("clock", super::clock::check),
    ("dmesg", super::dmesg::check),
];

/// Runs the check that `words` begin with, its parameters after it; returns the exit status.
pub fn run(mut words: impl Iterator<Item = OsString>) -> u8 {
    let name = words.next().unwrap_or_default();
    if name == super::fork_exec::CHILD {
        return super::fork_exec::child(words);
    }
    let known = CHECKS.iter().find(|(known, _)| name == *known);
    let verdict = match known {
        None => Verdict::Misuse(format!("there is no check named {}", name.display())),
        Some((_, check)) => match Params::parse(words) {
            Ok(params) => check(&params).unwrap_or_else(|verdict| verdict),
            Err(why) => Verdict::Misuse(why),
        },
    };
    let (line, code) = match verdict {
        Verdict::Pass => return 0,
        Verdict::Fail(why) => (why, 1),
        Verdict::Misuse(why) => (format!("wrong use of a check: {why}"), 2),
        // A plan of nothing is how the host finds the reason (TAP).
        Verdict::Skip(why) => (format!("1..0 # SKIP {why}"), 4),
    };
    println!("{line}");
    code
}
