//! A running machine of our monitor: its process and its control socket.

use super::{
    control::{Control, Heard},
    process::CANNOT_BUILD,
};
use crate::machine::{
    self, Machine, Sight, StopReason,
    child::{LastWords, how_it_ended},
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, ExitStatus},
};
use vmm_core::control::{self, Event, Request};

/// A machine and the process that it is.
pub struct KvmMachine {
    child: Child,
    pidfd: OwnedFd,
    control: Control,
    last_words: LastWords,
    sights: Vec<Sight>,
    gone: Option<StopReason>,
}

impl KvmMachine {
    /// Watches a process, whose standard error is piped, by its control socket. It is killed where that is not possible.
    ///
    /// # Errors
    /// When the system refuses what it takes to watch.
    pub fn watch(mut child: Child, control: UnixStream) -> io::Result<Self> {
        let stderr = child.stderr.take().expect("it is piped");
        let pieces = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|pidfd| Ok((pidfd, Control::new(control)?, LastWords::new(stderr)?)));
        match pieces {
            Ok((pidfd, control, last_words)) => Ok(Self {
                child,
                pidfd,
                control,
                last_words,
                sights: Vec::new(),
                gone: None,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
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
        let words = self.last_words.text(&[]);
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
        let mut fds = vec![self.pidfd.as_fd()];
        fds.extend(self.control.fd());
        fds.extend(self.last_words.fd());
        fds
    }

    /// The machine is gone as soon as the monitor says so: everything its ports had to say has left it by then.
    fn process(&mut self) -> io::Result<Option<StopReason>> {
        if self.gone.is_some() {
            return Ok(self.gone.clone());
        }
        // The status is taken first: what the process said before it ended is then all there to be read.
        let status = self.child.try_wait()?;
        self.last_words.read();
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
        Some(self.child.id())
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
        // Fails only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for KvmMachine {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
