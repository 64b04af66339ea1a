//! The process of an engine, watched while it runs and gone when it is dropped.

use super::child::LastWords;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Child, ExitStatus},
};

/// A process that is a machine.
pub struct WatchedProcess {
    child: Child,
    /// `None` only until it is found.
    pidfd: Option<OwnedFd>,
    /// What it writes to its standard error.
    pub last_words: LastWords,
}

impl WatchedProcess {
    /// Watches `child`, whose standard error is piped. It is killed where that is not possible.
    ///
    /// # Errors
    /// When the system refuses what it takes to watch.
    pub fn new(mut child: Child) -> io::Result<Self> {
        let stderr = child.stderr.take().expect("it is piped");
        // From here on the process ends with the value.
        let mut process = Self {
            child,
            pidfd: None,
            last_words: LastWords::new(stderr),
        };
        process.last_words.make_nonblocking()?;
        let pidfd = pidfd_open(Pid::from_child(&process.child), PidfdFlags::empty())?;
        process.pidfd = Some(pidfd);
        Ok(process)
    }

    /// Readable when it has ended, or has written something.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pidfd = self.pidfd.as_ref().map(AsFd::as_fd);
        pidfd.into_iter().chain(self.last_words.fd())
    }

    /// How it ended, if it has, after all that it wrote was taken.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        // The status is taken first: what the process said before it ended is then all there to be read.
        let status = self.child.try_wait()?;
        self.last_words.read();
        Ok(status)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it now.
    pub fn kill(&mut self) {
        // Fails only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for WatchedProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
