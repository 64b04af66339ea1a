//! One outcome out of several attempts at a test. Pure.

use reports::TestResult;
use suites::Outcome;

/// What became of a test that ran as often as `attempts` says: the result of the only attempt, or one that sums them up.
///
/// The evidence is that of the worst attempt. A test is flaky where one attempt passed and another was not good.
/// `None` without attempts.
pub fn sum_up(mut attempts: Vec<TestResult>) -> Option<TestResult> {
    if attempts.len() < 2 {
        return attempts.pop();
    }
    let count = attempts.len();
    let bad = attempts.iter().filter(|a| !a.outcome.is_good()).count();
    let passed = attempts
        .iter()
        .any(|a| matches!(a.outcome, Outcome::Pass | Outcome::ExpectedFail));
    // The first of the worst, the last of equally good ones.
    let chosen = match bad {
        0 => attempts.iter().rev().max_by_key(|a| weight(a.outcome)),
        _ => attempts
            .iter()
            .rev()
            .filter(|a| !a.outcome.is_good())
            .max_by_key(|a| weight(a.outcome)),
    };
    let mut whole = chosen.expect("there are two attempts").clone();
    if bad > 0 {
        let why = whole.message.take().unwrap_or_default();
        whole.message = Some(format!("{bad} of {count} attempts failed: {why}"));
    }
    if bad > 0 && passed {
        whole.outcome = Outcome::Flaky;
    }
    for attempt in &mut attempts {
        attempt.subtests.clear();
    }
    whole.attempts = attempts;
    Some(whole)
}

/// How much an outcome says about a test: more counts.
fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::NotRun => 0,
        Outcome::Skip => 1,
        Outcome::ExpectedFail => 2,
        Outcome::Pass => 3,
        Outcome::HarnessError | Outcome::Flaky => 4,
        Outcome::Fail => 5,
        Outcome::TimeOut => 6,
        Outcome::Hang => 7,
        Outcome::KernelCrash | Outcome::BootFailure => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use suites::TestId;

    fn attempts(outcomes: &[Outcome]) -> Vec<TestResult> {
        let id = TestId::new("exec", "x");
        let attempt = |(number, outcome): (u32, &Outcome)| TestResult {
            outcome: *outcome,
            machine: Some(number),
            ..TestResult::not_run(&id, outcome.as_str())
        };
        (1..).zip(outcomes).map(attempt).collect()
    }

    fn summed(outcomes: &[Outcome]) -> (Outcome, String, Option<u32>) {
        let whole = sum_up(attempts(outcomes)).expect("attempts");
        (
            whole.outcome,
            whole.message.unwrap_or_default(),
            whole.machine,
        )
    }

    #[test]
    fn one_attempt_is_its_own_result_and_none_is_none() {
        use Outcome::Fail;
        assert_eq!(sum_up(attempts(&[Fail])), attempts(&[Fail]).pop());
        assert_eq!(sum_up(vec![]), None);
    }

    #[test]
    fn mixed_results_are_flaky_with_the_evidence_of_the_worst() {
        use Outcome::{ExpectedFail, Fail, KernelCrash, Pass};
        let (outcome, message, machine) = summed(&[Fail, KernelCrash, Pass]);
        assert_eq!(outcome, Outcome::Flaky);
        assert_eq!(message, "2 of 3 attempts failed: kernel-crash");
        assert_eq!(machine, Some(2));
        assert_eq!(summed(&[Pass, Fail, Fail]).2, Some(2), "the first failure");
        assert_eq!(summed(&[Fail, ExpectedFail]).0, Outcome::Flaky);
    }

    #[test]
    fn failures_alone_are_the_worst_of_them_and_a_skip_is_no_pass() {
        use Outcome::{Fail, Hang, HarnessError, Skip};
        assert_eq!(
            summed(&[Fail, Hang, Fail]),
            (Hang, "3 of 3 attempts failed: hang".into(), Some(2))
        );
        assert_eq!(summed(&[Fail, Skip]).0, Fail);
        assert_eq!(summed(&[HarnessError, Fail]).0, Fail);
    }

    #[test]
    fn good_ones_alone_are_good() {
        use Outcome::{Pass, Skip};
        assert_eq!(summed(&[Pass, Pass]).0, Pass);
        assert_eq!(summed(&[Skip, Pass, Skip]).0, Pass);
        assert_eq!(summed(&[Skip, Skip]).0, Skip);
    }

    #[test]
    fn attempts_are_kept_without_what_is_inside_their_outputs() {
        let mut all = attempts(&[Outcome::Fail, Outcome::Pass]);
        all[0].subtests = vec![reports::SubtestResult {
            path: vec!["a".into()],
            outcome: Outcome::Fail,
            message: None,
        }];
        let whole = sum_up(all).expect("attempts");
        assert_eq!(whole.subtests.len(), 1);
        assert_eq!(whole.attempts.len(), 2);
        assert!(whole.attempts.iter().all(|a| a.subtests.is_empty()));
    }
}
