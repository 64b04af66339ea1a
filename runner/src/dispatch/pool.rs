//! Machines side by side, and one stream of what happens on them.
//!
//! Every lane is a thread that runs one machine after the other. What their sessions say goes through a channel to the
//! thread that began the run, which alone writes reports. So an event is in the journal before any other report knows of
//! it, and the reports are the same however many machines there are.
//!
//! The first reason to end the run counts. It is left in [`Shared`], and then every session is told to give up.

use super::{Cancel, run::host_words, schedule::Schedule};
use crate::{
    machine::Engine,
    session::{Ended, Lane, Listener, Session, SessionError, Settings, Source},
};
use reports::{Event, ReportError, Reports, Stream, TestResult};
use std::{
    sync::{
        Mutex, MutexGuard,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use suites::{Outcome, Test, TestId};

/// Machines in a row that may be lost without finishing a test before a run gives up.
const USELESS_MACHINES: u32 = 3;

/// Things said that nobody has taken in yet, at most. A piece of output is up to 64 KiB.
const UNHEARD: usize = 64;

/// Why tests are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A signal came.
    Cancelled,
    /// A test was not good, and that was to end it.
    Failed,
    /// A machine did not boot.
    NoBoot,
    /// The host's fault, a plain sentence.
    Host(String),
}

/// What the lanes have in common.
struct Shared {
    schedule: Schedule,
    /// The number of the next machine that replaces another.
    next_number: u32,
    /// Machines in a row that were lost without a test.
    useless: u32,
    /// Whether any machine has booted.
    booted: bool,
    left: Option<Left>,
}

/// What a machine is booted for.
#[derive(Clone, Copy)]
enum BootedFor {
    /// All tests that may share it.
    Everyone,
    /// One test, which has it to itself.
    One(usize),
    /// Those that do not mind how it was booted.
    Others,
}

/// What is said to the thread that writes the reports.
enum Told {
    Event(Event),
    Output(TestId, Stream, Vec<u8>),
}

/// Machines side by side.
pub struct Pool<'a> {
    engine: &'a dyn Engine,
    settings: &'a Settings,
    tests: &'a [Test],
    cancel: &'a Cancel,
    shared: Mutex<Shared>,
    tick_every: Option<Duration>,
    verbose: bool,
}

impl<'a> Pool<'a> {
    /// A pool that will run what `schedule` has.
    pub fn new(
        engine: &'a dyn Engine,
        settings: &'a Settings,
        tests: &'a [Test],
        cancel: &'a Cancel,
        schedule: Schedule,
        reports: &Reports,
    ) -> Self {
        Self {
            engine,
            settings,
            tests,
            cancel,
            shared: Mutex::new(Shared {
                next_number: u32::try_from(schedule.width()).unwrap_or(u32::MAX) + 1,
                schedule,
                useless: 0,
                booted: false,
                left: None,
            }),
            tick_every: reports.tick_every(),
            verbose: reports.shows_output(),
        }
    }

    /// Runs the machines until there is nothing left to run or no sense in going on. Returns what is left, and why, if the
    /// end came early.
    pub fn run(self, reports: &mut Reports) -> (Schedule, Option<Left>) {
        // Before any of them starts, so that who begins with what is no matter of chance.
        let width = {
            let mut shared = self.shared();
            let width = shared.schedule.width();
            for lane in 0..width {
                shared.schedule.wants_machine(lane);
            }
            width
        };
        let (sender, receiver) = sync_channel(UNHEARD);
        thread::scope(|scope| {
            for lane in 0..width {
                let (pool, sender) = (&self, sender.clone());
                scope.spawn(move || pool.lane(lane, &sender));
            }
            drop(sender);
            self.listen(receiver, reports);
        });
        let shared = self.shared.into_inner();
        let shared = shared.expect("a lane that panicked ended the scope with its panic");
        (shared.schedule, shared.left)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared
            .lock()
            .expect("nothing that holds the lock panics")
    }

    /// Takes in what the lanes say until the last of them is done.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "should a report panic, lanes must not wait for a reader that is gone"
    )]
    fn listen(&self, receiver: Receiver<Told>, reports: &mut Reports) {
        loop {
            reports.tick();
            let told = match self.tick_every {
                Some(every) => receiver.recv_timeout(every),
                None => receiver.recv().map_err(RecvTimeoutError::from),
            };
            match told {
                Ok(Told::Event(event)) => {
                    if let Err(error) = reports.emit(event) {
                        self.end(Left::Host(host_words(&error)));
                    }
                }
                Ok(Told::Output(id, stream, bytes)) => reports.output(&id, stream, &bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Ends the run for a reason, unless it has one. Returns whether this is the reason.
    fn end(&self, why: Left) -> bool {
        let first = {
            let mut shared = self.shared();
            shared.schedule.stop();
            let first = shared.left.is_none();
            shared.left.get_or_insert(why);
            first
        };
        self.cancel.give_up();
        first
    }

    /// Starts machines in a lane, which has work, until there is nothing left for it.
    fn lane(&self, lane: usize, sender: &SyncSender<Told>) {
        let mut number = u32::try_from(lane).expect("few lanes") + 1;
        loop {
            let mut voice = Voice {
                pool: self,
                lane,
                sender,
            };
            let mut feed = Feed { pool: self, lane };
            let place = Lane(lane);
            let booted_for = self.booted_for(lane);
            let boot = match booted_for {
                BootedFor::Everyone => &self.settings.boot_options[..],
                BootedFor::One(index) => &self.tests[index].boot,
                BootedFor::Others => &[],
            };
            let ended =
                Session::launch(self.engine, self.settings, &mut voice, number, place, boot)
                    .and_then(|mut session| session.run(self.tests, &mut feed));
            self.shared().schedule.abandon(lane);
            let ended = match ended {
                Ok(Ended::BootFailed(reason)) => self.blame(booted_for, &mut voice, number, reason),
                other => other,
            };
            self.took(ended, lane, number, sender);
            let mut shared = self.shared();
            if !shared.schedule.wants_machine(lane) {
                return;
            }
            number = shared.next_number;
            shared.next_number += 1;
        }
    }

    /// What the next machine of a lane is booted for.
    fn booted_for(&self, lane: usize) -> BootedFor {
        let shared = self.shared();
        match shared.schedule.first(lane) {
            _ if !shared.schedule.is_torn() => BootedFor::Everyone,
            Some(index) if !self.tests[index].boot.is_empty() => BootedFor::One(index),
            _ => BootedFor::Others,
        }
    }

    /// Where tests run while the kernel boots, a boot that fails need not be the end: it is that of the one test for which the
    /// machine was booted, or shows that such tests had better be kept apart. Returns what the end of the machine then is.
    fn blame(
        &self,
        booted_for: BootedFor,
        voice: &mut Voice<'_>,
        number: u32,
        reason: String,
    ) -> Result<Ended, SessionError> {
        match booted_for {
            BootedFor::Everyone if self.tests.iter().any(|test| !test.boot.is_empty()) => {
                let first = {
                    let mut shared = self.shared();
                    let first = !shared.schedule.is_torn();
                    let apart = self.tests.iter().map(|test| !test.boot.is_empty());
                    shared.schedule.tear_apart(apart.collect());
                    first
                };
                if first {
                    let text = format!(
                        "the kernel did not boot with all the tests that it is to run while it boots; from now on each of them has \
                         a machine of its own: {reason}"
                    );
                    voice.emit(Event::Warning { text })?;
                }
                Ok(Ended::Completed)
            }
            BootedFor::One(_) => {
                let index = {
                    let mut shared = self.shared();
                    if !shared.booted {
                        shared.useless += 1;
                        if shared.useless >= USELESS_MACHINES {
                            return Ok(Ended::BootFailed(reason));
                        }
                    }
                    shared.schedule.next(voice.lane)
                };
                if let Some(index) = index {
                    // kernel/panic.c
                    let outcome = match reason.contains("Kernel panic - not syncing") {
                        true => Outcome::KernelCrash,
                        false => Outcome::BootFailure,
                    };
                    let why = format!("the kernel did not boot while it ran this: {reason}");
                    voice.emit(Event::TestFinished(Box::new(TestResult {
                        outcome,
                        machine: Some(number),
                        kernel_log: self.settings.log_reference(Lane(voice.lane)),
                        ..TestResult::not_run(&self.tests[index].id, &why)
                    })))?;
                }
                Ok(Ended::Completed)
            }
            _ => Ok(Ended::BootFailed(reason)),
        }
    }

    /// Draws the conclusion of a machine's end.
    fn took(
        &self,
        ended: Result<Ended, SessionError>,
        lane: usize,
        number: u32,
        sender: &SyncSender<Told>,
    ) {
        match ended {
            Ok(Ended::Completed) => {}
            Ok(Ended::MachineLost { useful: true, .. }) => self.shared().useless = 0,
            Ok(Ended::MachineLost {
                useful: false,
                reason,
            }) => {
                let useless = {
                    let mut shared = self.shared();
                    shared.useless += 1;
                    shared.useless
                };
                if useless >= USELESS_MACHINES {
                    self.end(Left::Host(format!(
                        "{USELESS_MACHINES} machines in a row were lost before their first test: {reason}"
                    )));
                }
            }
            Ok(Ended::BootFailed(reason)) => {
                let booted = self.shared().booted;
                // The others boot the same kernel: once is enough.
                if self.end(Left::NoBoot) {
                    let result = self.boot_failure(booted.then_some(number), &reason);
                    let result = TestResult {
                        machine: Some(number),
                        kernel_log: self.settings.log_reference(Lane(lane)),
                        ..result
                    };
                    tell(sender, Told::Event(Event::TestFinished(Box::new(result))));
                }
            }
            Ok(Ended::EngineFailed(reason)) => {
                self.end(Left::Host(format!(
                    "the machine could not be run: {reason}"
                )));
            }
            Ok(Ended::Cancelled) => {
                self.end(Left::Cancelled);
            }
            Err(error) => {
                self.end(Left::Host(host_words(&error)));
            }
        }
    }

    /// The result of a boot that failed. Where others have booted, it says which did not.
    fn boot_failure(&self, machine: Option<u32>, reason: &str) -> TestResult {
        let case = match machine {
            None => "boot".to_owned(),
            Some(number) => format!("boot of machine {number}"),
        };
        TestResult {
            outcome: Outcome::BootFailure,
            ..TestResult::not_run(&TestId::new("runner", &case), reason)
        }
    }
}

/// What a session says, on its way to the reports.
struct Voice<'a> {
    pool: &'a Pool<'a>,
    lane: usize,
    sender: &'a SyncSender<Told>,
}

impl Voice<'_> {
    /// What the end of a test means for the run.
    fn ended(&self, result: TestResult) -> [Option<Event>; 2] {
        let (step, stopped) = {
            let mut shared = self.pool.shared();
            let step = shared.schedule.ended(self.lane, result);
            (step, shared.schedule.is_stopped())
        };
        if stopped {
            // Told once more, it changes nothing.
            self.pool.end(Left::Failed);
        }
        [
            step.attempt.map(Box::new).map(Event::TestAttempted),
            step.finished.map(Box::new).map(Event::TestFinished),
        ]
    }
}

/// The reader outlives the lanes; without one there is nobody left to tell.
fn tell(sender: &SyncSender<Told>, told: Told) {
    let _ = sender.send(told);
}

impl Listener for Voice<'_> {
    /// Never fails: a report that cannot be written is noticed where it is written, and ends the run.
    fn emit(&mut self, event: Event) -> Result<(), ReportError> {
        let events = match event {
            Event::TestFinished(result) => self.ended(*result),
            Event::MachineReady { .. } => {
                self.pool.shared().booted = true;
                [Some(event), None]
            }
            _ => [Some(event), None],
        };
        for event in events.into_iter().flatten() {
            tell(self.sender, Told::Event(event));
        }
        Ok(())
    }

    fn output(&mut self, id: &TestId, stream: Stream, bytes: &[u8]) {
        if self.pool.verbose {
            let told = Told::Output(id.clone(), stream, bytes.to_vec());
            tell(self.sender, told);
        }
    }

    fn tick(&self) {}

    fn tick_every(&self) -> Option<Duration> {
        None
    }

    fn given_up(&self) -> &'static str {
        match &self.pool.shared().left {
            None | Some(Left::Cancelled) => "interrupted",
            Some(Left::Failed) => "stopped at the first failure",
            Some(Left::NoBoot) => "stopped since a machine did not boot",
            Some(Left::Host(_)) => "stopped by a fault of the host",
        }
    }
}

/// What is given to the machines of a lane.
struct Feed<'a> {
    pool: &'a Pool<'a>,
    lane: usize,
}

impl Source for Feed<'_> {
    fn next(&mut self) -> Option<usize> {
        self.pool.shared().schedule.next(self.lane)
    }
}
