//! What the kernel reported while a test ran, held against it.

use super::{Evidence, TestEnd, Verdict, known::known_failure};
use splats::{Severity, Splat};
use suites::{Outcome, Pattern, SplatPolicy, matches_any};

/// The three names by which a pattern may mean a splat.
fn names(splat: &Splat) -> [&str; 3] {
    [splat.class.as_str(), &splat.title, &splat.fingerprint]
}

fn is_any(patterns: &[Pattern], splat: &Splat) -> bool {
    matches_any(patterns, &names(splat))
}

/// Whether a splat is held against the test it came in.
#[must_use]
pub fn counts(splat: &Splat, policy: &SplatPolicy, allowed: &[Pattern]) -> bool {
    splat.severity >= Severity::Warning && !policy.allows(&names(splat)) && !is_any(allowed, splat)
}

/// What the kernel log makes of a test of which otherwise this would be said.
pub fn judge(evidence: &Evidence<'_>, verdict: Verdict) -> Verdict {
    let ended = matches!(evidence.end, TestEnd::Ended(_));
    // Its message has the kernel's words where there are any.
    let is_told = match verdict.outcome {
        Outcome::KernelCrash => true,
        Outcome::Hang | Outcome::HarnessError => !ended,
        _ => false,
    };
    if is_told {
        return verdict;
    }
    let findings = evidence.findings;
    let known = evidence.known_failure;
    // A panic that is no crash was meant, and so is what the kernel says after it, while it stops its CPUs.
    let until_panic = findings.splats.iter();
    let until_panic = until_panic.take_while(|splat| splat.severity < Severity::Fatal);
    let (expected, against): (Vec<&Splat>, Vec<&Splat>) = until_panic
        .filter(|splat| counts(splat, evidence.policy, evidence.allowed))
        .partition(|splat| known.is_some_and(|known| is_any(&known.splats, splat)));
    if let Some(first) = against.first() {
        let more = against.len() as u64 - 1 + findings.repeated + findings.crowded_out;
        return reported(verdict, first, more);
    }
    if !verdict.outcome.is_good() {
        return verdict;
    }
    if let Some(what) = incomplete(evidence) {
        return Verdict::new(
            Outcome::HarnessError,
            format!(
                "the test, by itself {}, cannot be judged: {what}, so nobody knows what the kernel reported",
                by_itself(&verdict)
            ),
        );
    }
    let came: Vec<[&str; 3]> = findings.splats.iter().map(names).collect();
    if let Some(pattern) = evidence.policy.missing(&came).next() {
        return Verdict::new(
            Outcome::Fail,
            format!("the kernel did not report what the test expects of it: {pattern}"),
        );
    }
    match (known, expected.first()) {
        (Some(known), Some(first)) if verdict.outcome != Outcome::ExpectedFail => {
            let failed = reported(verdict, first, expected.len() as u64 - 1);
            known_failure(failed, &known.why)
        }
        _ => verdict,
    }
}

/// What a splat makes of a test; `more` came beside it.
fn reported(verdict: Verdict, splat: &Splat, more: u64) -> Verdict {
    let more = match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let title = &splat.title;
    if verdict.outcome.is_good() {
        return Verdict::new(
            Outcome::Fail,
            format!(
                "the kernel reported an error while the test, by itself {}, ran: {title}{more}",
                by_itself(&verdict)
            ),
        );
    }
    Verdict {
        message: verdict
            .message
            .map(|message| format!("{message}; the kernel reported: {title}{more}")),
        ..verdict
    }
}

/// What a good test would have been.
fn by_itself(verdict: &Verdict) -> String {
    match (verdict.outcome, &verdict.message) {
        (Outcome::ExpectedFail, Some(why)) => format!("an expected-fail ({why})"),
        (Outcome::ExpectedFail, None) => "an expected-fail".into(),
        (outcome, _) => format!("a {outcome}"),
    }
}

/// Why nobody knows what the kernel reported while the test ran.
fn incomplete(evidence: &Evidence<'_>) -> Option<String> {
    let findings = evidence.findings;
    if findings.crowded_out > 0 {
        let n = findings.crowded_out;
        return Some(format!("the kernel reported {n} splats more than are kept"));
    }
    if findings.lost > 0 {
        let lost = findings.lost;
        return Some(format!(
            "{lost} records of the kernel log were overwritten before they could be read (a larger log helps: --append \
             log_buf_len=16M)"
        ));
    }
    // Of a machine that is gone there is no more to come.
    let TestEnd::Ended(ended) = evidence.end else {
        return None;
    };
    let came = |seq: u64| evidence.log_end.is_some_and(|end| end >= seq);
    let whole = ended.klog_seq.is_some_and(came);
    (!whole).then(|| "the kernel log did not come up to its end".into())
}

#[cfg(test)]
mod tests;
