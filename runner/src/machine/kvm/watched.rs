//! A running machine of our monitor: its process and its control socket.

use super::{
    control::{Control, Heard},
    process::CANNOT_BUILD,
};
use crate::machine::{
    self, Machine, Sight, StopReason, child::how_it_ended, watched::WatchedProcess,
};
use std::{
    io,
    os::{fd::BorrowedFd, unix::net::UnixStream},
    process::{Child, ExitStatus},
};
use vmm_core::control::{self, Event, Request};

/// A machine and the process that it is.
pub struct KvmMachine {
    process: WatchedProcess,
    control: Control,
    sights: Vec<Sight>,
    gone: Option<StopReason>,
}

impl KvmMachine {
    /// Watches a process, whose standard error is piped, by its control socket. It is killed where that is not possible.
    ///
    /// # Errors
    /// When the system refuses what it takes to watch.
    pub fn watch(child: Child, control: UnixStream) -> io::Result<Self> {
        Ok(Self {
            process: WatchedProcess::new(child)?,
            control: Control::new(control)?,
            sights: Vec::new(),
            gone: None,
        })
    }

    /// Takes an event; returns why the machine is gone, if it says so.
    fn event(&mut self, event: Event) -> Option<StopReason> {
        match event {
            Event::Paused => None,
            Event::Mark { mark, nanos } => {
                self.sights.push(Sight::Reached(mark, nanos));
                None
            }
            Event::Panicked => {
                self.sights.push(Sight::Panicked);
                None
            }
            Event::Inspected(inspection) => {
                self.sights.push(Sight::Inspected(inspection));
                None
            }
            Event::Stopped(stopped) => {
                if let Some(inspection) = stopped.inspection {
                    self.sights.push(Sight::Inspected(Box::new(inspection)));
                }
                self.sights
                    .push(Sight::Counted(Box::new(stopped.statistics)));
                Some(reason(stopped.reason))
            }
        }
    }

    fn died(&self, status: ExitStatus) -> StopReason {
        let words = self.process.last_words.text(&[]);
        StopReason::EngineDied(
            if status.code() == Some(CANNOT_BUILD.into()) && !words.is_empty() {
                words
            } else {
                how_it_ended("the machine monitor", status, &words)
            },
        )
    }
}

/// The monitor's reason in the words of [`Machine`].
fn reason(reason: control::StopReason) -> StopReason {
    match reason {
        control::StopReason::PowerOff => StopReason::PowerOff,
        control::StopReason::Reset => StopReason::Reset,
        control::StopReason::TripleFault => StopReason::TripleFault,
        control::StopReason::InternalError(words) => StopReason::InternalError(words),
        control::StopReason::MonitorError(words) => StopReason::EngineDied(words),
        control::StopReason::Quit => StopReason::EngineDied("it was told to end".into()),
    }
}

impl Machine for KvmMachine {
    fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        self.process.fds().chain(self.control.fd()).collect()
    }

    /// The machine is gone as soon as the monitor says so: everything its ports had to say has left it by then.
    fn process(&mut self) -> io::Result<Option<StopReason>> {
        if self.gone.is_some() {
            return Ok(self.gone.clone());
        }
        let status = self.process.ended()?;
        for heard in self.control.hear()? {
            let gone = match heard {
                Heard::Event(event) => self.event(*event),
                Heard::Nonsense(words) => {
                    self.kill();
                    Some(StopReason::EngineDied(format!(
                        "the machine monitor sent {words}"
                    )))
                }
            };
            if gone.is_some() {
                self.gone = gone;
                return Ok(self.gone.clone());
            }
        }
        // Of a process that ended everything was heard, unless there was more than is taken at once.
        if let Some(status) = status.filter(|_| self.control.fd().is_none()) {
            self.gone = Some(self.died(status));
        }
        Ok(self.gone.clone())
    }

    fn sights(&mut self) -> Vec<Sight> {
        std::mem::take(&mut self.sights)
    }

    fn process_id(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn can_inspect(&self) -> bool {
        true
    }

    fn control(&mut self, control: machine::Control) {
        self.control.request(&match control {
            machine::Control::SysRq(key) => Request::SysRq(key),
            machine::Control::Nmi => Request::Nmi,
            machine::Control::Inspect => Request::Inspect,
            machine::Control::Quit => Request::Quit,
        });
    }

    fn kill(&mut self) {
        self.process.kill();
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
