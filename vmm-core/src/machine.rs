//! A machine's life, from its description to its end.
//!
//! The calling thread builds it and then serves its owner; every vCPU and every device that has work of its own has a
//! thread. At the end, whatever the reason, in this order: the vCPUs are called back, so that nothing changes any more;
//! the devices finish what the guest gave them, so that its last words leave; the dead are looked into; the owner is told.

use crate::{
    assemble::{Assembled, assemble},
    config::VmConfig,
    control::{Event, Mark, Request, Statistics, StopReason, Stopped},
    ending::End,
    inspect::inspect,
    owner::{Events, Requests},
    stats,
};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub use crate::assemble::Error;

/// The open descriptors of a machine.
pub struct Descriptors {
    /// The kernel image, an ELF file or a bzImage; seekable.
    pub kernel: OwnedFd,
    /// The initramfs; seekable.
    pub initramfs: Option<OwnedFd>,
    /// The serial console.
    pub console: UnixStream,
    /// The control socket ([`crate::control`]).
    pub control: UnixStream,
    /// The console ports, in the order of [`VmConfig::ports`].
    pub ports: Vec<UnixStream>,
}

/// What devices tell the rest of the machine; clones share it.
#[derive(Clone)]
pub(crate) struct Signals {
    pub(crate) events: Events,
    pub(crate) end: Arc<End>,
    /// Whether init has announced that it ends the machine.
    pub(crate) announced: Arc<AtomicBool>,
}

/// Builds the machine and runs it to its end, of which the owner was told when this returns.
///
/// To be called in a process of its own, which should exit right after: what is left is faster taken away by the
/// kernel than by us.
///
/// # Errors
/// When the machine could not be built; the guest has not run then, and no event but [`Event::Mark`] was sent.
pub fn run(config: &VmConfig, descriptors: Descriptors) -> Result<(), Error> {
    let control = descriptors.control.try_clone().map_err(Error::control)?;
    let signals = Signals {
        events: Events::new(control),
        end: Arc::new(End::new().map_err(Error::control)?),
        announced: Arc::default(),
    };
    signals.events.mark(Mark::ProcessStart);
    // Every file that the guest has open is one of ours; the table grows cheaply only while there is one thread.
    check_files(ninep::limits::raise_descriptor_limit(), config.cpus.count())?;
    let requests = Requests::new(descriptors.control.try_clone().map_err(Error::control)?);
    let machine = assemble(config, descriptors, &signals)?;
    signals.events.mark(Mark::VmCreated);
    let mut session = Session {
        machine,
        signals,
        requests,
    };
    let reason = session.serve();
    let stopped = session.finish(reason);
    session
        .signals
        .events
        .send(&Event::Stopped(Box::new(stopped)));
    Ok(())
}

/// Descriptors of a machine beside one for each vCPU: some hundred of its own, and as many for files that the guest has
/// open at a time. With fewer it would be built, and fail in the guest, one program after the other.
const FILES: u64 = 224;

fn check_files(limit: u64, vcpus: u32) -> Result<(), Error> {
    let needed = FILES + u64::from(vcpus);
    if limit < needed {
        return Err(Error::TooFewFiles { limit, needed });
    }
    Ok(())
}

struct Session {
    machine: Assembled,
    signals: Signals,
    requests: Requests,
}

impl Session {
    /// Lets the guest run and serves requests until there is a reason to stop.
    fn serve(&mut self) -> StopReason {
        self.signals.events.mark(Mark::KernelEntered);
        self.machine.vcpus.resume();
        loop {
            if let Some(reason) = self.signals.end.reason() {
                return reason.clone();
            }
            let mut fds = [
                PollFd::new(&*self.signals.end, PollFlags::IN),
                PollFd::new(self.requests.socket(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return StopReason::MonitorError(format!("cannot wait for events: {error}"));
                }
            }
            for request in self.requests.take() {
                if let Err(reason) = self.obey(&request) {
                    self.signals.end.set(reason);
                }
            }
        }
    }

    fn obey(&self, request: &Request) -> Result<(), StopReason> {
        let vcpus = &self.machine.vcpus;
        match request {
            Request::Pause => {
                vcpus.pause();
                self.machine.virtio.pause();
                self.signals.events.send(&Event::Paused);
            }
            Request::Resume => {
                self.machine.virtio.resume();
                vcpus.resume();
            }
            Request::Nmi => vcpus
                .nmi()
                .map_err(|error| StopReason::MonitorError(chain(&error)))?,
            Request::SysRq(key) => {
                self.machine.serial.send_break(*key);
            }
            Request::Inspect => {
                let was_running = vcpus.is_running();
                vcpus.pause();
                let inspection = inspect(vcpus, self.machine.vm.ram());
                if was_running {
                    vcpus.resume();
                }
                let inspection =
                    inspection.map_err(|error| StopReason::MonitorError(chain(&error)))?;
                self.signals
                    .events
                    .send(&Event::Inspected(Box::new(inspection)));
            }
            Request::Quit => return Err(StopReason::Quit),
        }
        Ok(())
    }

    fn finish(&self, reason: StopReason) -> Stopped {
        let machine = &self.machine;
        machine.vcpus.end();
        machine.virtio.pause();
        machine.serial.stop();
        let in_order = match reason {
            StopReason::PowerOff | StopReason::Reset => {
                self.signals.announced.load(Ordering::Relaxed)
            }
            StopReason::Quit => true,
            _ => false,
        };
        let inspection = if in_order {
            None
        } else {
            inspect(&machine.vcpus, machine.vm.ram()).ok()
        };
        let exits = machine.vcpus.each(|_, vcpu| vcpu.exits.clone());
        let (exits, exits_total) = stats::sum(&exits);
        Stopped {
            reason,
            inspection,
            statistics: Statistics {
                exits,
                exits_total,
                queues: machine.virtio.statistics(),
                guest_resident_kib: machine.vm.ram().resident_kib(),
            },
        }
    }
}

/// An error and its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_refused_with_the_remedy() {
        assert!(check_files(1024, 255).is_ok());
        assert!(check_files(225, 1).is_ok());
        let error = check_files(225, 2).expect_err("one too few");
        assert_eq!(
            error.to_string(),
            "this process may have 225 files open, and a machine takes 226 or more: raise the limit (ulimit -n)"
        );
    }
}
