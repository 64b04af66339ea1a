//! The order of a run: what cannot run, then machines, then what never ran, then the verdict.

use super::{Cancel, Interrupt};
use crate::{
    exit::{self, BootFailure, Exit},
    machine::Engine,
    session::{Ended, Session, SessionError, Settings},
};
use reports::{Event, ReportError, Reports, TestResult};
use std::{collections::VecDeque, error::Error, io, time::Instant};
use suites::{Outcome, Test, TestId};

/// Machines in a row that may be lost without finishing a test before a run gives up.
const USELESS_MACHINES: u32 = 3;

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
    boot_failure: BootFailure,
) -> Result<Exit, ReportError> {
    let started = Instant::now();
    let mut queue = VecDeque::new();
    let mut unavailable: u64 = 0;
    for (index, test) in tests.iter().enumerate() {
        match (&test.skip, &test.unavailable) {
            (None, None) => queue.push_back(index),
            (Some(why), _) => reports.emit(finished(TestResult {
                outcome: Outcome::Skip,
                ..TestResult::not_run(&test.id, why)
            }))?,
            (None, Some(why)) => {
                unavailable += 1;
                reports.emit(finished(TestResult {
                    outcome: Outcome::HarnessError,
                    ..TestResult::not_run(&test.id, why)
                }))?;
            }
        }
    }
    let left = match machines(engine, settings, tests, &mut queue, reports) {
        Ok(left) => left,
        Err(error) => Some(Left::Host(host_words(&error))),
    };
    // From here on everything is said, whatever becomes of single reports.
    let mut trouble = None;
    let why = left
        .as_ref()
        .map_or("the run ended before it was judged", Left::not_run);
    let waiting: Vec<TestId> = queue.drain(..).map(|i| tests[i].id.clone()).collect();
    // A test that ran when the host failed was not judged; it has no result, and is not waiting.
    let unjudged = reports
        .summary()
        .not_finished()
        .filter(|id| !waiting.contains(id))
        .cloned()
        .collect::<Vec<_>>();
    for id in unjudged.iter().chain(&waiting) {
        let told = reports.emit(finished(TestResult::not_run(id, why)));
        trouble = trouble.or(told.err());
    }
    let (exit, reason) = match (cancel.interrupt(), &left, &trouble) {
        (Some(Interrupt::Int), ..) => (Exit::Interrupted, "interrupted by SIGINT".to_owned()),
        (Some(Interrupt::Term), ..) => (Exit::Terminated, "ended by SIGTERM".to_owned()),
        (None, Some(Left::Host(why)), _) => (Exit::Host, why.clone()),
        (None, _, Some(error)) => (Exit::Host, host_words(error)),
        (None, _, None) => exit::of_run(reports.summary(), boot_failure, unavailable),
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
            .and_then(|mut session| session.run(tests, queue));
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
            Err(error) => return Ok(Some(Left::Host(host_words(&error)))),
        }
    }
    Ok(None)
}

fn finished(result: TestResult) -> Event {
    Event::TestFinished(Box::new(result))
}
