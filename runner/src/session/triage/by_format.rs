//! What exit statuses mean, which depends on what a test's output is read as.

use super::{EXIT_SKIP, Verdict, reason_or};
use suites::{Outcome, OutputFormat, ktap::Document, ltp};

/// [`super::exited`] for a test whose output was read as `format`.
pub(super) fn exited(format: OutputFormat, output: &Document, status: i32) -> Verdict {
    match format {
        OutputFormat::Ltp => as_ltp(output, status),
        OutputFormat::Xfstests | OutputFormat::Blktests | OutputFormat::Perf
            if output.results.is_empty() && output.overflow.is_empty() =>
        {
            let problem = output.problems.first().map_or("", String::as_str);
            Verdict::new(
                Outcome::HarnessError,
                format!(
                    "the suite's own program gave no verdict (exit status {status}): {problem}"
                ),
            )
        }
        OutputFormat::Perf => as_perf(output, status),
        OutputFormat::StressNg => as_stress_ng(output, status),
        _ => super::exited(output, status),
    }
}

/// For LTP's programs, whose exit status is a mask.
fn as_ltp(output: &Document, status: i32) -> Verdict {
    let said = ltp::status(status);
    let has = |outcome| output.leaves().any(|(_, p)| p.outcome == outcome);
    if has(Outcome::TimeOut) {
        return Verdict::new(Outcome::TimeOut, "it did not end within LTP's own limit");
    }
    let failed = output.leaves().any(|(_, p)| !p.outcome.is_good());
    match said.outcome {
        Outcome::Pass => super::exited(output, 0),
        Outcome::Skip => super::exited(output, EXIT_SKIP),
        _ if failed => super::exited(output, 1),
        _ if said.only_warned && has(Outcome::Pass) => Verdict {
            outcome: Outcome::Pass,
            message: None,
        },
        outcome => Verdict::new(outcome, format!("exit status {status}: {}", said.words)),
    }
}

/// For `perf test`, which in older releases exits with 0 whatever failed.
fn as_perf(output: &Document, status: i32) -> Verdict {
    let failed = output.leaves().any(|(_, p)| !p.outcome.is_good());
    match status {
        0 if failed => super::exited(output, 1),
        status => super::exited(output, status),
    }
}

/// For stress-ng (`stress-ng(1)`, EXIT STATUS): 3 is no resources, 4 not implemented; 0 where no stressor worked at all.
fn as_stress_ng(output: &Document, status: i32) -> Verdict {
    let skipped = output.skip_all.as_ref().or(output.problems.first());
    let reason = skipped.map_or("", String::as_str);
    match status {
        0 if output.skip_all.is_some() => {
            Verdict::new(Outcome::Skip, reason_or(reason, "no stressor could work"))
        }
        0 => Verdict {
            outcome: Outcome::Pass,
            message: None,
        },
        3 => Verdict::new(Outcome::Skip, reason_or(reason, "it lacks resources")),
        4 => Verdict::new(
            Outcome::Skip,
            reason_or(reason, "it is not implemented here"),
        ),
        2 => super::exited(output, 1),
        status => super::exited(output, status),
    }
}
