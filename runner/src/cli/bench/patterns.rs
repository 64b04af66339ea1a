//! The patterns in which the host's files are read. The guest's init does it: see `guest-init/src/bench.rs`.

use super::tree::{LARGE, SMALL_FILES};
use std::ffi::OsString;
use suites::{Test, exec::command};

/// Where the guest finds the tree. A kernel without overlayfs needs a directory that every system has.
pub const PLACE: &str = "/mnt";

/// Init, to its children.
const INIT: &str = "/proc/1/exe";

/// A pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Its name in tables.
    pub name: &'static str,
    verb: &'static str,
    path: &'static str,
    numbers: &'static [u32],
}

/// All of them.
pub const PATTERNS: [Pattern; 5] = [
    pattern("sequential-1M", "sequential", LARGE, &[1 << 20]),
    pattern("sequential-128K", "sequential", LARGE, &[128 << 10]),
    pattern("random-4K", "random", LARGE, &[4 << 10, 1000]),
    pattern("small-files", "files", SMALL_FILES, &[]),
    pattern("stat-walk", "walk", SMALL_FILES, &[]),
];

const fn pattern(
    name: &'static str,
    verb: &'static str,
    path: &'static str,
    numbers: &'static [u32],
) -> Pattern {
    Pattern {
        name,
        verb,
        path,
        numbers,
    }
}

impl Pattern {
    /// The test that reads so.
    pub fn test(&self) -> Test {
        let mut words: Vec<OsString> = [INIT, "bench", self.verb].map(Into::into).into();
        words.push(format!("{PLACE}/{}", self.path).into());
        words.extend(self.numbers.iter().map(|n| n.to_string().into()));
        command(&words)
    }
}

/// What the guest says it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Said {
    /// Bytes that were read.
    pub bytes: u64,
    /// Reads of the large file; small files; or entries looked at.
    pub operations: u64,
    /// How long it took by the guest's clock.
    pub nanos: u64,
}

impl Said {
    /// Out of the line that init prints.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Option<Vec<u64>> = text.split_whitespace().map(|n| n.parse().ok()).collect();
        let [bytes, operations, nanos] = numbers?[..] else {
            return None;
        };
        (nanos > 0).then_some(Self {
            bytes,
            operations,
            nanos,
        })
    }

    /// Seconds.
    pub fn seconds(&self) -> f64 {
        self.nanos as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use suites::Program;

    #[test]
    fn init_is_told_what_to_read() {
        let words = [
            "/proc/1/exe",
            "bench",
            "random",
            "/mnt/large",
            "4096",
            "1000",
        ];
        assert_eq!(
            PATTERNS[2].test().program,
            Program::Exec(words.map(Into::into).into())
        );
    }

    #[test]
    fn only_three_numbers_are_figures() {
        let said = Said::parse("10 2 500\n").expect("figures");
        assert_eq!((said.bytes, said.operations, said.nanos), (10, 2, 500));
        for wrong in ["", "1 2", "1 2 3 4", "1 2 x", "1 2 0", "1 2 -3"] {
            assert_eq!(Said::parse(wrong), None, "{wrong}");
        }
    }
}
