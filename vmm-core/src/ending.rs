//! The end of a machine: the first reason stands, and is waited for on a descriptor.

use crate::control::StopReason;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::OnceLock,
};

/// Why the machine ends, once it does.
pub(crate) struct End {
    reason: OnceLock<StopReason>,
    event: OwnedFd,
}

impl End {
    pub(crate) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self {
            reason: OnceLock::new(),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Ends the machine; later reasons are ignored, as a guest that has asked to be switched off goes on until its vCPUs
    /// are called back. From any thread.
    pub(crate) fn set(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok() {
            // Cannot fail: written once.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Why, if it ended.
    pub(crate) fn reason(&self) -> Option<&StopReason> {
        self.reason.get()
    }
}

/// Readable once there is a reason.
impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
