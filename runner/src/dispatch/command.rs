//! One command on one machine, for its own sake: no verdict on the kernel is wanted, and no second try.

use super::{Cancel, Interrupt, host_words};
use crate::{
    machine::Engine,
    session::{Ended, Finished, Lane, Measured, Session, SessionError, Settings},
};
use reports::{Event, Reports};
use std::{collections::VecDeque, slice};
use suites::{Outcome, Test};
use wire::ExitStatus;

/// How a command, or what was to run it, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandEnd {
    /// By itself.
    Exited {
        /// Its own exit status.
        status: u8,
        /// What the kernel complained about meanwhile.
        oops: Option<String>,
    },
    /// By a signal.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// What the kernel complained about meanwhile.
        oops: Option<String>,
    },
    /// It could not be started: why, a plain fragment.
    NotStarted(String),
    /// Its time was up.
    TimedOut(String),
    /// The machine crashed, hung, was switched off or did not boot: why, a plain sentence.
    MachineDied(String),
    /// The host could not run it: why, a plain sentence.
    Host(String),
    /// Nobody reads what it prints any more.
    OutputClosed,
    /// The run was given up.
    Interrupted(Interrupt),
}

/// Runs `command` on a machine of its own. What happens is told to `reports`, up to the machine's end.
pub fn run_command(
    engine: &dyn Engine,
    settings: &Settings,
    command: &Test,
    reports: &mut Reports,
    cancel: &Cancel,
) -> CommandEnd {
    measure_command(engine, settings, command, reports, cancel).0
}

/// The same, with what was measured of the machine, if there was one.
pub fn measure_command(
    engine: &dyn Engine,
    settings: &Settings,
    command: &Test,
    reports: &mut Reports,
    cancel: &Cancel,
) -> (CommandEnd, Option<Measured>) {
    let mut queue = VecDeque::from([0]);
    let mut finished = None;
    let mut measured = None;
    let ended =
        Session::launch(engine, settings, reports, 1, Lane(0), &[]).and_then(|mut session| {
            let ended = session.run(slice::from_ref(command), &mut queue);
            finished = session.finished.take();
            measured = Some(session.measured);
            ended
        });
    if let Some(interrupt) = cancel.interrupt() {
        return (CommandEnd::Interrupted(interrupt), measured);
    }
    (end(ended, finished, settings, reports), measured)
}

/// How it ended, out of how the session did.
fn end(
    ended: Result<Ended, SessionError>,
    finished: Option<Finished>,
    settings: &Settings,
    reports: &mut Reports,
) -> CommandEnd {
    match (ended, finished) {
        (Err(SessionError::OutputClosed), _) => CommandEnd::OutputClosed,
        (Err(error), _) => CommandEnd::Host(host_words(&error)),
        (Ok(Ended::EngineFailed(why)), _) => {
            CommandEnd::Host(format!("the machine could not be run: {why}"))
        }
        (Ok(Ended::BootFailed(why)), _) => {
            let reported =
                reports.emit(Event::TestFinished(Box::new(boot_failure(settings, &why))));
            match reported {
                Ok(()) => CommandEnd::MachineDied(format!("this kernel does not boot: {why}")),
                Err(error) => CommandEnd::Host(host_words(&error)),
            }
        }
        (Ok(_), Some(finished)) => of_finished(finished),
        (Ok(Ended::MachineLost { reason, .. }), None) => CommandEnd::MachineDied(reason),
        (Ok(_), None) => CommandEnd::Host("the command was not run".into()),
    }
}

fn boot_failure(settings: &Settings, why: &str) -> reports::TestResult {
    reports::TestResult {
        outcome: Outcome::BootFailure,
        machine: Some(1),
        kernel_log: settings.log_reference(Lane(0)),
        ..reports::TestResult::not_run(&suites::TestId::new("runner", "boot"), why)
    }
}

/// The verdict tells whose end it was; the process' own status is what the caller wants to know.
fn of_finished(finished: Finished) -> CommandEnd {
    let Finished {
        status,
        verdict,
        oops,
    } = finished;
    let why = verdict.message.unwrap_or_default();
    match (verdict.outcome, status) {
        (Outcome::KernelCrash | Outcome::Hang, _) => CommandEnd::MachineDied(why),
        (Outcome::TimeOut, _) => CommandEnd::TimedOut(why),
        (_, Some(ExitStatus::NotStarted(why))) => CommandEnd::NotStarted(why),
        (_, Some(ExitStatus::Exited(status))) => CommandEnd::Exited {
            // Linux has no other (wait(2)); the guest may say anything.
            status: status.to_le_bytes()[0],
            oops,
        },
        (_, Some(ExitStatus::Signaled(signal))) => CommandEnd::Signaled { signal, oops },
        (Outcome::HarnessError, None) => CommandEnd::Host(why),
        (_, None) => CommandEnd::MachineDied(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Verdict;

    fn end_of(outcome: Outcome, status: Option<ExitStatus>) -> CommandEnd {
        let message = Some("why".to_owned());
        of_finished(Finished {
            status,
            verdict: Verdict { outcome, message },
            oops: None,
        })
    }

    #[test]
    fn a_command_ends_by_its_own_status_unless_the_machine_went_first() {
        let exited = |n| Some(ExitStatus::Exited(n));
        let own = |status| CommandEnd::Exited { status, oops: None };
        assert_eq!(end_of(Outcome::Pass, exited(0)), own(0));
        // 4 and 2 mean something to selftests only.
        assert_eq!(end_of(Outcome::Skip, exited(4)), own(4));
        assert_eq!(end_of(Outcome::Fail, exited(255)), own(255));
        let signaled = CommandEnd::Signaled {
            signal: 9,
            oops: None,
        };
        let killed = Some(ExitStatus::Signaled(9));
        assert_eq!(end_of(Outcome::Fail, killed.clone()), signaled);

        let died = CommandEnd::MachineDied("why".into());
        assert_eq!(end_of(Outcome::KernelCrash, exited(0)), died);
        assert_eq!(end_of(Outcome::Hang, killed.clone()), died);
        // It switched the machine off.
        assert_eq!(end_of(Outcome::Fail, None), died);
        assert_eq!(
            end_of(Outcome::TimeOut, killed),
            CommandEnd::TimedOut("why".into())
        );
        assert_eq!(
            end_of(Outcome::HarnessError, None),
            CommandEnd::Host("why".into())
        );
        let missing = Some(ExitStatus::NotStarted("no such program".into()));
        assert_eq!(
            end_of(Outcome::HarnessError, missing),
            CommandEnd::NotStarted("no such program".into())
        );
    }
}
