//! From the guest to the host: chains go back to the guest once the socket has all of their bytes.

use super::host_end::{HostEnd, Sent};
use crate::virtio::{iov::Chain, ring::Ring};

/// Most bytes of a chain that is under way when the device stops, which are kept. A driver sends less: Linux 32 KiB
/// at a time, or a pipe's content.
const KEPT: usize = 1 << 20;

/// The queue from the guest.
pub(super) struct Tx<'m> {
    ring: Ring<'m>,
    /// A chain that the socket was too full for, and how many of its bytes it has taken.
    unfinished: Option<(Chain<'m>, usize)>,
}

impl<'m> Tx<'m> {
    pub(super) fn new(ring: Ring<'m>) -> Self {
        Self {
            ring,
            unfinished: None,
        }
    }

    pub(super) fn take_kick(&mut self) {
        self.ring.take_kick();
    }

    /// The ring to wait for.
    pub(super) fn ring(&self) -> &Ring<'m> {
        &self.ring
    }

    /// Whether the socket has to take more before anything else can be done.
    pub(super) fn is_blocked(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Sends what the driver offers, until there is no more or the socket is full; one notification for all. While the
    /// socket is full, the driver is not asked to kick.
    ///
    /// Returns whether there is more nevertheless, as [`Ring::drain`] does.
    pub(super) fn pump(&mut self, host: &mut HostEnd) -> bool {
        let mut budget = self.ring.size();
        loop {
            self.ring.disable_notification();
            while budget > 0 {
                let Some((chain, mut offset)) = self.next() else {
                    break;
                };
                budget -= 1;
                if host.send(&chain.readable(), &mut offset) == Sent::Blocked {
                    self.unfinished = Some((chain, offset));
                    self.ring.notify();
                    return false;
                }
                self.ring.add_used(chain.head(), 0);
            }
            self.ring.notify();
            if budget == 0 {
                return true;
            }
            if !self.ring.enable_notification() {
                return false;
            }
            // Also for a round without a chain: a driver may take back what it has just offered.
            budget -= 1;
        }
    }

    fn next(&mut self) -> Option<(Chain<'m>, usize)> {
        self.unfinished
            .take()
            .or_else(|| Some((self.ring.pop()?, 0)))
    }

    /// Gives the queue back. A chain under way is done with for the guest, and `host` keeps the rest of its bytes.
    pub(super) fn finish(mut self, host: &mut HostEnd) -> Ring<'m> {
        if let Some((chain, offset)) = self.unfinished {
            let readable = chain.readable();
            let mut rest = vec![0; readable.len().saturating_sub(offset).min(KEPT)];
            let copied = readable.read_at(offset, &mut rest);
            rest.truncate(copied);
            host.keep(rest);
            self.ring.add_used(chain.head(), 0);
            self.ring.notify();
        }
        self.ring
    }
}
