//! A thread that owns a handler: it is given by value and comes back when the worker stops.

use rustix::event::{EventfdFlags, eventfd};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// A running worker. Dropping it stops it.
///
/// The body waits for its own events with poll(2), [`Stop`] among them, and returns what it owns once that is
/// readable, between two requests and never within one.
pub struct Worker<T> {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<T>>,
}

/// Readable when the worker has to return.
pub struct Stop(Arc<OwnedFd>);

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: Send + 'static> Worker<T> {
    /// Runs `body` on a thread called `name`.
    ///
    /// # Errors
    /// When the host has no descriptor or no thread left.
    pub fn spawn(name: &str, body: impl FnOnce(Stop) -> T + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let signal = Stop(stop.clone());
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(move || body(signal))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Stops it and returns what its body returned; `None` where the body panicked.
    #[must_use]
    pub fn stop(mut self) -> Option<T> {
        self.finish()
    }
}

impl<T> Worker<T> {
    fn finish(&mut self) -> Option<T> {
        // Cannot fail: the counter is far from its limit.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        self.thread.take()?.join().ok()
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    #[test]
    fn what_it_owns_comes_back() {
        let worker = Worker::spawn("test", |stop| {
            poll(&mut [PollFd::new(&stop, PollFlags::IN)], None).expect("waits");
            "mine"
        })
        .expect("a thread");
        assert_eq!(worker.stop(), Some("mine"));
    }

    #[test]
    fn a_panic_is_seen() {
        let worker = Worker::spawn("test", |_| panic!("expected by the test")).expect("a thread");
        assert_eq!(worker.stop(), None::<()>);
    }
}
