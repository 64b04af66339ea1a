//! The exit status of LTP's programs.

use crate::Outcome;

/// What an exit status says: `include/tst_res_flags.h` of LTP makes it a mask of what was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The outcome.
    pub outcome: Outcome,
    /// The words of the mask.
    pub words: &'static str,
    /// Whether it is a warning and nothing else: the output says whether anything passed.
    pub only_warned: bool,
}

const FAIL: i32 = 1;
const BROKEN: i32 = 2;
const WARN: i32 = 4;
const CONF: i32 = 32;
const KNOWN: i32 = FAIL | BROKEN | WARN | CONF;

/// Reads an exit status. The worst of the mask counts: failed (1), broken (2: the test could not do what it set out to,
/// a failure all the same), warned (4: by itself a failure, since nothing says that it passed), not for this system (32:
/// a skip).
#[must_use]
pub fn status(status: i32) -> Status {
    let (outcome, words) = match status {
        0 => (Outcome::Pass, "passed"),
        s if s & !KNOWN != 0 => (Outcome::Fail, "no status of LTP's"),
        s if s & FAIL != 0 => (Outcome::Fail, "failed"),
        s if s & BROKEN != 0 => (Outcome::Fail, "broken"),
        s if s & WARN != 0 => (Outcome::Fail, "warned"),
        _ => (Outcome::Skip, "not for this system"),
    };
    Status {
        outcome,
        words,
        only_warned: status & KNOWN == status && status & !CONF == WARN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_the_mask_counts() {
        let outcome = |s| status(s).outcome;
        assert_eq!(outcome(0), Outcome::Pass);
        assert_eq!(outcome(32), Outcome::Skip);
        for bad in [1, 2, 3, 4, 33, 34, 36, 8, 16, 127, -1, i32::MIN] {
            assert_eq!(outcome(bad), Outcome::Fail, "{bad}");
        }
        assert_eq!(status(3).words, "failed");
        assert_eq!(status(34).words, "broken");
        assert!(status(4).only_warned && status(36).only_warned);
        assert!(!status(5).only_warned && !status(12).only_warned && !status(32).only_warned);
    }
}
