//! The order of replies, where several workers have requests in flight.
//!
//! `Rflush` promises that the flushed request is over. Linux then frees the memory of its reply, without taking it off
//! the virtqueue (`net/9p/client.c`, `p9_client_flush`): a reply that came later would be written to memory that is
//! something else by then. So the transport says when it has taken a request and when its reply is published, and waits
//! with an `Rflush` until that of the flushed request is.

use crate::message::{Header, NO_TAG, flushed_tag};
use std::sync::{Condvar, Mutex};

/// The requests in flight on one transport.
#[derive(Debug, Default)]
pub struct InFlight {
    state: Mutex<State>,
    published: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    requests: Vec<(u64, u16)>,
    waiting: usize,
}

const NO_PANIC: &str = "nothing panics while it holds this lock";

impl InFlight {
    /// None in flight.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a request. To be called in the order in which the requests came, so under the lock that guards their queue.
    pub fn start(&self, request: &[u8]) -> Started<'_> {
        let tag = Header::decode(request).map_or(NO_TAG, |header| header.tag);
        let mut state = self.state.lock().expect(NO_PANIC);
        let number = state.next;
        state.next += 1;
        let flushed = flushed_tag(request).and_then(|old| {
            let of_tag = state.requests.iter().filter(|(_, tag)| *tag == old);
            of_tag.map(|(number, _)| *number).max()
        });
        state.requests.push((number, tag));
        Started {
            all: self,
            number,
            flushed,
        }
    }
}

/// A request in flight, until this is dropped: to be done when its reply is published.
#[must_use]
#[derive(Debug)]
pub struct Started<'a> {
    all: &'a InFlight,
    number: u64,
    flushed: Option<u64>,
}

impl Started<'_> {
    /// If the request is `Tflush`, waits until the reply of the flushed request is published; to be called before its own
    /// is. Ends, since a request only ever waits for one that came before it.
    pub fn wait_for_flushed(&self) {
        let Some(flushed) = self.flushed else { return };
        let mut state = self.all.state.lock().expect(NO_PANIC);
        state.waiting += 1;
        while state.requests.iter().any(|(number, _)| *number == flushed) {
            state = self.all.published.wait(state).expect(NO_PANIC);
        }
        state.waiting -= 1;
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let mut state = self.all.state.lock().expect(NO_PANIC);
        let place = state.requests.iter().position(|(n, _)| *n == self.number);
        state
            .requests
            .swap_remove(place.expect("it is in flight until it is dropped"));
        if state.waiting > 0 {
            self.all.published.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const fn clunk(tag: u8) -> [u8; 11] {
        [11, 0, 0, 0, 120, tag, 0, 0, 0, 0, 0]
    }

    const fn flush(tag: u8, old: u8) -> [u8; 9] {
        [9, 0, 0, 0, 108, tag, 0, old, 0]
    }

    #[test]
    fn a_flush_waits_for_its_request_and_for_no_other() {
        let all = InFlight::new();
        let old = all.start(&clunk(1));
        let other = all.start(&clunk(2));
        let flush = all.start(&flush(3, 1));
        // The client uses the tag again, though it may not: that is another request.
        let again = all.start(&clunk(1));
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                flush.wait_for_flushed();
                tell.send("flushed").unwrap();
            });
            while all.state.lock().unwrap().waiting == 0 {
                std::thread::yield_now();
            }
            assert!(told.try_recv().is_err());
            drop(old);
            assert_eq!(told.recv().unwrap(), "flushed");
        });
        drop((other, flush, again));
        assert!(all.state.lock().unwrap().requests.is_empty());
    }

    #[test]
    fn a_flush_of_nothing_of_itself_or_of_rubbish_does_not_wait() {
        let all = InFlight::new();
        let first = all.start(&flush(1, 2));
        let second = all.start(&flush(2, 2));
        let third = all.start(&[108]);
        first.wait_for_flushed();
        second.wait_for_flushed();
        third.wait_for_flushed();
    }
}
