//! The order of a run: what cannot run, then machines, then what never ran, then the verdict.

use super::{Cancel, Interrupt};
use crate::{
    exit::{self, BootFailure, Exit},
    machine::Engine,
    session::{Ended, Session, SessionError, Settings},
};
use reports::{Event, ReportError, Reports, TestResult};
use std::{collections::VecDeque, time::Instant};
use suites::{Outcome, Test, TestId};

/// Machines in a row that may be lost without finishing a test before a run gives up.
const USELESS_MACHINES: u32 = 3;

/// Runs `tests` and says how the command ends. Everything that happens is an event in `reports`.
///
/// # Errors
/// When a report cannot be written; what is known is then on the terminal.
pub fn run(
    engine: &dyn Engine,
    settings: &Settings,
    tests: &[Test],
    reports: &mut Reports,
    cancel: &Cancel,
    boot_failure: BootFailure,
) -> Result<Exit, ReportError> {
    let started = Instant::now();
    let mut queue = VecDeque::new();
    let mut unavailable: u64 = 0;
    for (index, test) in tests.iter().enumerate() {
        match &test.unavailable {
            None => queue.push_back(index),
            Some(why) => {
                unavailable += 1;
                reports.emit(finished(TestResult {
                    outcome: Outcome::HarnessError,
                    ..TestResult::not_run(&test.id, why)
                }))?;
            }
        }
    }
    let left = machines(engine, settings, tests, &mut queue, reports)?;
    if let Some(why) = &left {
        for index in queue.drain(..) {
            reports.emit(finished(TestResult::not_run(
                &tests[index].id,
                why.not_run(),
            )))?;
        }
    }
    // A test that ran when the host failed: it was not judged.
    for id in reports
        .summary()
        .not_finished()
        .cloned()
        .collect::<Vec<_>>()
    {
        let why = left
            .as_ref()
            .map_or("the run ended before it was judged", Left::not_run);
        reports.emit(finished(TestResult::not_run(&id, why)))?;
    }
    let (exit, reason) = match (cancel.interrupt(), &left) {
        (Some(Interrupt::Int), _) => (Exit::Interrupted, "interrupted by SIGINT".to_owned()),
        (Some(Interrupt::Term), _) => (Exit::Terminated, "ended by SIGTERM".to_owned()),
        (None, Some(Left::Host(why))) => (Exit::Host, why.clone()),
        (None, _) => exit::of_run(reports.summary(), boot_failure, unavailable),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    reports.emit(Event::RunFinished {
        exit_status: exit as u8,
        reason,
        duration_ms,
    })?;
    Ok(exit)
}

/// Why tests are left.
enum Left {
    Cancelled,
    FailFast,
    NoBoot,
    /// The host's fault, a plain sentence.
    Host(String),
}

impl Left {
    fn not_run(&self) -> &str {
        match self {
            Self::Cancelled => "the run was interrupted before its turn",
            Self::FailFast => "the run stopped at the first failure (--fail-fast)",
            Self::NoBoot => "the machine did not boot",
            Self::Host(why) => why,
        }
    }
}

/// Starts machines until the queue is empty or there is no sense in another.
fn machines(
    engine: &dyn Engine,
    settings: &Settings,
    tests: &[Test],
    queue: &mut VecDeque<usize>,
    reports: &mut Reports,
) -> Result<Option<Left>, ReportError> {
    let mut useless = 0;
    for number in 1.. {
        if queue.is_empty() {
            break;
        }
        let ended = Session::launch(engine, settings, reports, number)
            .and_then(|session| session.run(tests, queue));
        match ended {
            Ok(Ended::Completed) => break,
            Ok(Ended::MachineLost { useful: true, .. }) => useless = 0,
            Ok(Ended::MachineLost {
                useful: false,
                reason,
            }) => {
                useless += 1;
                if useless == USELESS_MACHINES {
                    let why = format!(
                        "{USELESS_MACHINES} machines in a row were lost before their first test: {reason}"
                    );
                    return Ok(Some(Left::Host(why)));
                }
            }
            Ok(Ended::BootFailed(reason)) => {
                let case = if number == 1 {
                    "boot".to_owned()
                } else {
                    format!("boot of machine {number}")
                };
                reports.emit(finished(TestResult {
                    outcome: Outcome::BootFailure,
                    machine: Some(number),
                    kernel_log: settings.log_reference(),
                    ..TestResult::not_run(&TestId::new("runner", &case), &reason)
                }))?;
                return Ok(Some(Left::NoBoot));
            }
            Ok(Ended::EngineFailed(reason)) => {
                return Ok(Some(Left::Host(format!(
                    "the machine could not be run: {reason}"
                ))));
            }
            Ok(Ended::Cancelled) => return Ok(Some(Left::Cancelled)),
            Ok(Ended::Stopped) => return Ok(Some(Left::FailFast)),
            Err(SessionError::Report(error)) => return Err(error),
            Err(error) => return Ok(Some(Left::Host(crate::error_chain(&error)))),
        }
    }
    Ok(None)
}

fn finished(result: TestResult) -> Event {
    Event::TestFinished(Box::new(result))
}
