//! Tests that are known to fail.

use super::Verdict;
use suites::Outcome;

/// What is made of a test that is known to fail: `why` is what the list says of it.
///
/// A test that fails or takes too long does what is known of it. A crash or a hang is more than that: it costs a machine.
pub fn known_failure(verdict: Verdict, why: &str) -> Verdict {
    match (verdict.outcome, verdict.message) {
        (Outcome::Fail | Outcome::TimeOut, message) => {
            let message = message.map_or_else(String::new, |message| format!(": {message}"));
            Verdict::new(
                Outcome::ExpectedFail,
                format!("known failure: {why}{message}"),
            )
        }
        (outcome, message) => Verdict { outcome, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_failure_is_expected_and_nothing_else_is() {
        let known = |outcome| known_failure(Verdict::new(outcome, "exit status 1"), "bug 7");
        for outcome in [Outcome::Fail, Outcome::TimeOut] {
            let verdict = known(outcome);
            assert_eq!(verdict.outcome, Outcome::ExpectedFail);
            assert_eq!(
                verdict.message.as_deref(),
                Some("known failure: bug 7: exit status 1")
            );
        }
        for outcome in [
            Outcome::KernelCrash,
            Outcome::Hang,
            Outcome::Skip,
            Outcome::Pass,
        ] {
            assert_eq!(known(outcome).outcome, outcome);
            assert_eq!(known(outcome).message.as_deref(), Some("exit status 1"));
        }
    }
}
