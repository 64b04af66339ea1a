//! From the host to the guest: bytes stay in the socket until the guest has the port open and a buffer for them.

use super::host_end::{HostEnd, Received};
use crate::virtio::{iov::Chain, ring::Ring};

/// The queue to the guest.
pub(super) struct Rx<'m> {
    ring: Ring<'m>,
    /// There was no buffer when one was needed; the driver is asked to kick.
    starved: bool,
}

impl<'m> Rx<'m> {
    /// Buffers need no kick until one is missed.
    pub(super) fn new(mut ring: Ring<'m>) -> Self {
        ring.disable_notification();
        Self {
            ring,
            starved: false,
        }
    }

    pub(super) fn into_ring(self) -> Ring<'m> {
        self.ring
    }

    /// The ring to wait for, where a buffer is missed.
    pub(super) fn waits_for_kick(&self) -> Option<&Ring<'m>> {
        self.starved.then_some(&self.ring)
    }

    /// The driver kicked.
    pub(super) fn take_kick(&mut self) {
        self.ring.take_kick();
        self.starved = false;
        self.ring.disable_notification();
    }

    /// Whether there may be a buffer.
    pub(super) fn has_buffers(&self) -> bool {
        !self.starved
    }

    /// The next buffer of the driver. Where there is none, it is asked to kick for the next.
    pub(super) fn buffer(&mut self) -> Option<Chain<'m>> {
        // Again for what the driver added before it was asked; it cannot have us look for ever.
        for _ in 0..2 {
            if let Some(chain) = self.ring.pop() {
                return Some(chain);
            }
            if !self.ring.enable_notification() {
                break;
            }
        }
        self.starved = true;
        None
    }

    /// The ring, for a buffer to go back to the driver.
    pub(super) fn ring(&mut self) -> &mut Ring<'m> {
        &mut self.ring
    }

    /// Moves what has come from the host into the driver's buffers, until there is no more of either; one notification
    /// for all. At most as many buffers as the queue has, for the host may never cease.
    pub(super) fn pump(&mut self, host: &mut HostEnd) {
        for _ in 0..self.ring.size() {
            let Some(chain) = self.buffer() else {
                break;
            };
            let room = chain.writable();
            let len = room.len();
            if len == 0 {
                self.ring.add_used(chain.head(), 0);
                continue;
            }
            let Received::Bytes(received) = host.receive(&room) else {
                self.ring.undo_pop();
                break;
            };
            let written = u32::try_from(received).expect("one recvmsg gives less than 2 GiB");
            self.ring.add_used(chain.head(), written);
            if received < len {
                break;
            }
        }
        self.ring.notify();
    }
}
