//! One port: its two queues and the host's end.

use super::{
    host_end::{HostEnd, Sent},
    rx::Rx,
    tx::Tx,
};
use crate::virtio::{device::DeviceQueue, ring::Ring};
use rustix::event::PollFlags;

/// A port of an active device. The driver need not have enabled its queues.
pub(super) struct Port<'m> {
    pub(super) host: HostEnd,
    pub(super) rx: Option<Rx<'m>>,
    pub(super) tx: Option<Tx<'m>>,
    /// The socket may have bytes, or may have come to its end.
    pub(super) rx_due: bool,
    /// The driver may have offered chains, or the socket may have room again.
    pub(super) tx_due: bool,
}

impl<'m> Port<'m> {
    /// A port without queues yet. At first there may be something to do.
    pub(super) fn new(host: HostEnd) -> Self {
        Self {
            host,
            rx: None,
            tx: None,
            rx_due: false,
            tx_due: true,
        }
    }

    /// Does what is due. Whether there is more to do at once.
    pub(super) fn work(&mut self, open: bool) -> bool {
        if std::mem::take(&mut self.tx_due) {
            self.tx_due = self.pump_tx();
        }
        if std::mem::take(&mut self.rx_due)
            && open
            && let Some(rx) = &mut self.rx
        {
            rx.pump(&mut self.host);
        }
        self.tx_due
    }

    /// Sends to the host what it takes. Whether there is more that it may take.
    pub(super) fn pump_tx(&mut self) -> bool {
        self.host.send_leftover() == Sent::All
            && self.tx.as_mut().is_some_and(|tx| tx.pump(&mut self.host))
    }

    /// Whether the socket has to take more before anything else goes to the host.
    pub(super) fn is_blocked(&self) -> bool {
        self.host.has_leftover() || self.tx.as_ref().is_some_and(Tx::is_blocked)
    }

    /// What the socket has to be watched for; nothing where it need not be. `open`: the guest reads.
    pub(super) fn interest(&self, open: bool) -> Option<PollFlags> {
        let buffers = self.rx.as_ref().is_some_and(Rx::has_buffers);
        let mut interest = PollFlags::empty();
        interest.set(
            PollFlags::IN,
            open && buffers && !self.host.is_input_ended(),
        );
        interest.set(PollFlags::OUT, self.is_blocked());
        // Also for nothing but its end, which is always told.
        (!interest.is_empty() || !self.host.is_output_closed()).then_some(interest)
    }

    /// The socket is ready for something.
    pub(super) fn socket_ready(&mut self, events: PollFlags) {
        let gone = events.intersects(PollFlags::HUP | PollFlags::ERR);
        if gone {
            self.host.close_output();
        }
        self.rx_due |= gone || events.contains(PollFlags::IN);
        self.tx_due |= gone || events.contains(PollFlags::OUT);
    }

    /// Gives back what it was made of.
    pub(super) fn finish(self) -> (HostEnd, impl Iterator<Item = DeviceQueue>) {
        let mut host = self.host;
        let rx = self.rx.map(Rx::into_ring);
        let tx = self.tx.map(|tx| tx.finish(&mut host));
        (host, [rx, tx].into_iter().flatten().map(Ring::into_queue))
    }
}

#[cfg(test)]
mod tests;
