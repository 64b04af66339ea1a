//! The order of a run: what cannot run, then machines, then what never ran, then the verdict.

use super::{
    Cancel, Interrupt,
    pool::{Left, Pool},
    schedule::{Rules, Schedule},
};
use crate::{
    exit::{self, Exit, Verdict},
    machine::Engine,
    session::Settings,
};
use reports::{Event, ReportError, Reports, TestResult};
use std::{error::Error, io, time::Instant};
use suites::{Outcome, Test, TestId};

/// What a run does with its tests.
pub struct Orders<'a> {
    /// How it treats them.
    pub rules: Rules,
    /// Milliseconds that each is expected to take.
    pub weights: &'a [u64],
    /// How results become the exit status.
    pub verdict: Verdict,
}

/// Runs `tests` and says how the command ends. Everything that happens is an event in `reports`.
///
/// A report that cannot be written ends the run as a fault of the host: nothing more is run, and all that is known
/// still goes to the terminal and to those reports that can be written.
///
/// # Errors
/// When the run came to its own end, and then its reports could not be completed.
pub fn run(
    engine: &dyn Engine,
    settings: &Settings,
    tests: &[Test],
    reports: &mut Reports,
    cancel: &Cancel,
    orders: &Orders<'_>,
) -> Result<Exit, ReportError> {
    let started = Instant::now();
    for test in tests {
        if let Some((outcome, why)) = never_runs(test) {
            reports.emit(finished(TestResult {
                outcome,
                ..TestResult::not_run(&test.id, why)
            }))?;
        }
    }
    let ids: Vec<&TestId> = tests.iter().map(|test| &test.id).collect();
    let runnable: Vec<bool> = tests.iter().map(|t| never_runs(t).is_none()).collect();
    let schedule = Schedule::new(orders.rules, &ids, orders.weights, &runnable);
    let pool = Pool::new(engine, settings, tests, cancel, schedule, reports);
    let (schedule, left) = pool.run(reports);

    // From here on everything is said, whatever becomes of single reports.
    let mut trouble = None;
    let why = match &left {
        Some(left) => not_run(left, &orders.rules),
        None => "the run ended before it was judged",
    };
    let unfinished = schedule.left().into_iter();
    for (index, known) in unfinished.filter(|(index, _)| runnable[*index]) {
        let result = known.unwrap_or_else(|| TestResult::not_run(&tests[index].id, why));
        let told = reports.emit(finished(result));
        trouble = trouble.or(told.err());
    }
    let (exit, reason) = match (cancel.interrupt(), &left, &trouble) {
        (Some(Interrupt::Int), ..) => (Exit::Interrupted, "interrupted by SIGINT".to_owned()),
        (Some(Interrupt::Term), ..) => (Exit::Terminated, "ended by SIGTERM".to_owned()),
        (None, Some(Left::Host(why)), _) => (Exit::Host, why.clone()),
        (None, _, Some(error)) => (Exit::Host, host_words(error)),
        (None, _, None) => exit::of_run(reports.summary(), orders.verdict),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let told = reports.emit(Event::RunFinished {
        exit_status: exit as u8,
        reason,
        duration_ms,
    });
    match exit {
        Exit::Good | Exit::Bad | Exit::CannotJudge => told.map(|()| exit),
        // Worse is known already.
        Exit::Host | Exit::Interrupted | Exit::Terminated => Ok(exit),
    }
}

/// What the host could not do, in words, with the way out where there is one.
pub fn host_words(error: &(dyn Error + 'static)) -> String {
    let mut text = crate::error_chain(error);
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(io::Error::kind);
        if let Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) = kind {
            text.push_str(
                "; the disk is full: free some space, or name another place with --output",
            );
            break;
        }
        cause = error.source();
    }
    text
}

/// What becomes of a test that no machine is asked to run, and why.
fn never_runs(test: &Test) -> Option<(Outcome, &str)> {
    let skipped = test.skip.as_deref().map(|why| (Outcome::Skip, why));
    let unavailable = test.unavailable.as_deref();
    skipped.or(unavailable.map(|why| (Outcome::HarnessError, why)))
}

/// Why a test that is left was not run.
fn not_run<'a>(left: &'a Left, rules: &Rules) -> &'a str {
    match left {
        Left::Cancelled => "the run was interrupted before its turn",
        Left::Failed if rules.repetition.until_failure => {
            "the run stopped at the first failure (--until-failure)"
        }
        Left::Failed => "the run stopped at the first failure (--fail-fast)",
        Left::NoBoot => "the machine did not boot",
        Left::Host(why) => why,
    }
}

fn finished(result: TestResult) -> Event {
    Event::TestFinished(Box::new(result))
}

#[cfg(test)]
mod tests;
