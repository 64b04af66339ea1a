//! The loop that drives one machine through its tests.
//!
//! ```text
//! Booting -> Ready -> Running(test) -> Draining(test) -> Ready ... -> gone
//! ```
//!
//! Everything the machine says arrives on a descriptor, and one thread waits for all of them. The machine may go
//! at any moment; what it said before that still counts.

use super::{
    console::Console,
    files::LimitedFile,
    intake::printable,
    klog::KernelLog,
    link::Link,
    listen::{Listener, Source},
    look::Seen,
    measure::{Measured, now_nanos},
    settings::{Lane, Settings},
    state::{Ended, Problem, Session, SessionError, State, io_error},
    triage::{TestEnd, seconds, triple_fault},
    watchdog::Alarm,
};
use crate::{
    error_chain,
    machine::{Engine, HostPorts, StopReason},
};
use reports::Event;
use std::{io, time::Instant};
use suites::Test;
use wire::HostMessage;

/// Largest whole logs kept per machine, in bytes.
const LOG_LIMIT: u64 = 128 << 20;

impl<'a> Session<'a> {
    /// Starts machine `number`, in a lane of the run, with `boot` on its kernel command line before what the user adds. What happens is told to `reports`.
    ///
    /// # Errors
    /// [`SessionError::Launch`] when there is no machine; [`SessionError::Report`].
    pub fn launch(
        engine: &dyn Engine,
        settings: &'a Settings,
        reports: &'a mut dyn Listener,
        number: u32,
        lane: Lane,
        boot: &[String],
    ) -> Result<Self, SessionError> {
        reports.emit(Event::MachineStarted { machine: number })?;
        let launched = Instant::now();
        let measured = Measured::now();
        let mut spec = settings.spec.clone();
        spec.append.splice(0..0, boot.iter().cloned());
        let engine_result = engine.launch(&spec)?;
        let HostPorts {
            link,
            klog,
            console,
        } = engine_result.ports;
        let log = |name: &str| LimitedFile::new(settings.run_dir.join(name), LOG_LIMIT);
        let mut session = Self {
            settings,
            reports,
            number,
            machine: engine_result.machine,
            link: Link::new(link),
            klog_port: Some(klog),
            console_port: Some(console),
            klog: KernelLog::new(log(&lane.kernel_log())),
            console: Console::new(log(&lane.console_log())),
            launched,
            release: String::new(),
            tests_done: 0,
            taint: 0,
            seen: Seen::default(),
            measured,
            finished: None,
            lines: None,
        };
        // It waits in the socket until init comes for it.
        if let Err(error) = session
            .link
            .send(&HostMessage::Setup(settings.setup.clone()))
        {
            return Err(io_error("talk to a machine")(io::Error::other(
                error.to_string(),
            )));
        }
        Ok(session)
    }

    /// Runs the tests that `source` gives until it has no more or the machine is gone. A test's number is its place
    /// in `tests`.
    ///
    /// # Errors
    /// When reports or outputs cannot be written. The running test then still gets an event.
    pub fn run(&mut self, tests: &[Test], source: &mut dyn Source) -> Result<Ended, SessionError> {
        let result = self.drive(tests, source);
        if self.settings.measured && matches!(result, Ok(Ended::Completed)) {
            self.part()?;
        }
        self.machine.kill();
        self.measured.gone = Some(now_nanos());
        let reason = match &result {
            Ok(Ended::Completed) => "all tests are done".to_owned(),
            Ok(
                Ended::MachineLost { reason, .. }
                | Ended::BootFailed(reason)
                | Ended::EngineFailed(reason),
            ) => reason.clone(),
            Ok(Ended::Cancelled) => self.reports.given_up().to_owned(),
            Err(error) => error.to_string(),
        };
        let event = Event::MachineEnded {
            machine: self.number,
            reason,
        };
        self.klog.end_run();
        let outside = self.tell_outside();
        let told = self.reports.emit(event);
        let ended = result?;
        outside?;
        told?;
        Ok(ended)
    }

    fn drive(&mut self, tests: &[Test], source: &mut dyn Source) -> Result<Ended, SessionError> {
        let mut state = State::Booting {
            deadline: self.launched + self.settings.boot_timeout,
        };
        loop {
            let wake = match &state {
                State::Booting { deadline } | State::Draining { deadline, .. } => Some(*deadline),
                State::Running(running) => Some(running.watchdog.next()),
                State::Ready => None,
            };
            let ready = matches!(state, State::Ready);
            let cancelled = self.wait(if ready { Some(Instant::now()) } else { wake })?;
            if cancelled {
                self.interrupt(state)?;
                return Ok(Ended::Cancelled);
            }
            let gone = self.watch()?;
            let link = self.read_ports(&mut state, gone.is_some())?;
            if let Err(error) = link.and_then(|()| self.link.flush()) {
                let words = error_chain(&error);
                return self.lose(state, &TestEnd::LinkBroken(&words), words.clone());
            }
            match self.messages(&mut state) {
                Ok(None) => {}
                Ok(Some(fatal)) => {
                    return self.lose(state, &TestEnd::LinkBroken(&fatal), fatal.clone());
                }
                Err(Problem::Session(error)) => return Err(error),
                Err(Problem::Link(error)) => {
                    let words = error_chain(&error);
                    return self.lose(state, &TestEnd::LinkBroken(&words), words.clone());
                }
            }
            if let Some(reason) = gone {
                let words = describe(&reason);
                return self.lose(state, &TestEnd::MachineGone(&reason), words);
            }
            state = match self.advance(state, tests, source)? {
                Step::Go(state) => state,
                Step::End(ended) => return Ok(ended),
            };
        }
    }

    /// Does what the state and the time ask for.
    fn advance<'t>(
        &mut self,
        state: State<'t>,
        tests: &'t [Test],
        source: &mut dyn Source,
    ) -> Result<Step<'t>, SessionError> {
        let now = Instant::now();
        match state {
            State::Booting { deadline } if now >= deadline => {
                // Before the back traces, which are not how far it came.
                let on_console = self.how_far();
                let last = match self.back_traces(None)? {
                    Some(line) => format!("the last line of its kernel log: {line}"),
                    None => on_console,
                };
                let doing = self.seen.stall.take();
                let doing = doing.map_or_else(String::new, |doing| format!("; {doing}"));
                let time = seconds(self.settings.boot_timeout);
                Ok(Step::End(Ended::BootFailed(format!(
                    "the machine was not ready within {time}; {last}{doing}"
                ))))
            }
            State::Ready => match source.next() {
                None => Ok(Step::End(Ended::Completed)),
                Some(index) => self
                    .start(&tests[index], u32::try_from(index).unwrap_or(u32::MAX))
                    .map(Step::Go),
            },
            State::Running(mut running) => match running.watchdog.check(now) {
                None => Ok(Step::Go(State::Running(running))),
                Some(Alarm::Ping(number)) => {
                    // A link that cannot take it is noticed by what then does not come.
                    let _ = self.link.send(&HostMessage::Ping(number));
                    Ok(Step::Go(State::Running(running)))
                }
                Some(alarm) => {
                    self.back_traces(Some(&mut running))?;
                    let end = match alarm {
                        Alarm::Silent(silence) => TestEnd::Silent(silence),
                        _ => TestEnd::Overdue,
                    };
                    let verdict = self.finish(running, &end)?;
                    let reason = verdict.message.unwrap_or_default();
                    Ok(Step::End(Ended::MachineLost {
                        useful: true,
                        reason,
                    }))
                }
            },
            State::Draining {
                mut running,
                ended,
                deadline,
            } => {
                let there = ended.klog_seq.is_none_or(|seq| self.klog.reached(seq));
                if !there && now < deadline {
                    return Ok(Step::Go(State::Draining {
                        running,
                        ended,
                        deadline,
                    }));
                }
                if !ended.unkillable.is_empty() {
                    self.back_traces(Some(&mut running))?;
                }
                let verdict = self.finish(running, &TestEnd::Ended(&ended))?;
                let unfit = ended.unfit.as_deref().map(|why| {
                    format!(
                        "the test left it unfit for another: {}",
                        printable(why, 200)
                    )
                });
                // It may have been a test's joke. The next one would be blamed for it all the same.
                let unfit = unfit.or_else(|| {
                    let announced = "the kernel announced a panic, and went on";
                    self.seen.panicked.then(|| announced.to_owned())
                });
                if unfit.is_some() || !ended.unkillable.is_empty() {
                    let reason = unfit.or(verdict.message).unwrap_or_default();
                    return Ok(Step::End(Ended::MachineLost {
                        useful: true,
                        reason,
                    }));
                }
                Ok(Step::Go(State::Ready))
            }
            other => Ok(Step::Go(other)),
        }
    }

    /// The machine is of no further use: judges what was running.
    fn lose(
        &mut self,
        state: State<'_>,
        end: &TestEnd<'_>,
        words: String,
    ) -> Result<Ended, SessionError> {
        let gone = match end {
            TestEnd::MachineGone(reason) => Some(*reason),
            _ => None,
        };
        match state {
            State::Booting { .. }
                if matches!(
                    end,
                    TestEnd::MachineGone(StopReason::EngineDied(_) | StopReason::InternalError(_))
                ) =>
            {
                self.last_evidence(gone, None)?;
                Ok(Ended::EngineFailed(words))
            }
            State::Booting { .. } => {
                self.last_evidence(gone, None)?;
                let findings = self.klog.findings();
                let reason = self
                    .console
                    .fatal()
                    .or_else(|| findings.panic())
                    .unwrap_or_else(|| {
                        let words = match gone {
                            Some(StopReason::TripleFault) => triple_fault(&self.seen),
                            _ if self.seen.panicked => "the kernel announced a panic".into(),
                            _ => words,
                        };
                        format!("{words}; {}", self.how_far())
                    });
                Ok(Ended::BootFailed(reason))
            }
            State::Ready => Ok(Ended::MachineLost {
                useful: self.tests_done > 0,
                reason: words,
            }),
            // The test had ended, and so it counts, unless the guest took its machine down: there is nobody else to blame.
            State::Draining {
                mut running, ended, ..
            } => {
                self.last_evidence(gone, Some(&mut running.files.kernel_log))?;
                let by_guest = matches!(
                    end,
                    TestEnd::MachineGone(
                        StopReason::Reset | StopReason::PowerOff | StopReason::TripleFault
                    )
                );
                let ended = TestEnd::Ended(&ended);
                self.finish(running, if by_guest { end } else { &ended })?;
                Ok(Ended::MachineLost {
                    useful: true,
                    reason: words,
                })
            }
            State::Running(mut running) => {
                self.last_evidence(gone, Some(&mut running.files.kernel_log))?;
                let verdict = self.finish(running, end)?;
                Ok(Ended::MachineLost {
                    useful: true,
                    reason: verdict.message.unwrap_or(words),
                })
            }
        }
    }
}

enum Step<'t> {
    Go(State<'t>),
    End(Ended),
}

fn describe(reason: &StopReason) -> String {
    match reason {
        StopReason::PowerOff => "the machine switched itself off".into(),
        StopReason::Reset => "the machine reset".into(),
        StopReason::TripleFault => "the machine ended in a triple fault".into(),
        StopReason::InternalError(words) | StopReason::EngineDied(words) => words.clone(),
    }
}
