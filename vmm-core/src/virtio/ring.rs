//! What a worker does with its queue: take chains, use them, tell the driver as rarely as it wants to be told.
//!
//! Built on [`virtio_queue::Queue`] (virtio 1.2, 2.7). The guest chooses what is in the rings and changes it at any
//! time. A malformed chain comes out empty ([`Chain`]) and is used like any other. A ring that makes no sense (more
//! chains offered than it has room for, a chain that begins outside the table) is given up: it yields nothing from
//! then on, and the driver is told to reset the device.
//!
//! ```text
//! wait for kick or stop; take_kick
//! loop
//!     disable_notification
//!     while pop: work, add_used
//!     notify                          one interrupt for all of them, or none where the driver wants none
//!     until not enable_notification   the driver added more in between
//! ```
#![allow(
    unsafe_code,
    reason = "an eventfd of vmm-sys-util as a borrowed descriptor"
)]

use super::{
    device::{DeviceQueue, Notifier},
    iov::Chain,
};
use crate::control::QueueStatistics;
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    },
};
use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Counts of one queue over the machine's life.
#[derive(Debug, Default)]
pub struct QueueCounters {
    name: String,
    kicks: AtomicU64,
    interrupts: AtomicU64,
    chains: AtomicU64,
}

impl QueueCounters {
    /// Nothing counted yet of queue `index` of the device called `device`.
    #[must_use]
    pub fn new(device: &str, index: u16) -> Self {
        Self {
            name: format!("{device}:{index}"),
            ..Self::default()
        }
    }

    /// The counts as they are now.
    #[must_use]
    pub fn statistics(&self) -> QueueStatistics {
        QueueStatistics {
            queue: self.name.clone(),
            kicks: self.kicks.load(Ordering::Relaxed),
            interrupts: self.interrupts.load(Ordering::Relaxed),
            chains: self.chains.load(Ordering::Relaxed),
        }
    }
}

/// An active queue in the hands of its worker.
pub struct Ring<'m> {
    memory: &'m GuestMemoryMmap,
    queue: DeviceQueue,
    notifier: Arc<dyn Notifier>,
    /// Whether chains were used that [`Ring::notify`] has not yet told of.
    unannounced: bool,
    given_up: bool,
}

impl<'m> Ring<'m> {
    /// Works on `queue`, whose rings lie in `memory`.
    #[must_use]
    pub fn new(
        memory: &'m GuestMemoryMmap,
        queue: DeviceQueue,
        notifier: Arc<dyn Notifier>,
    ) -> Self {
        Self {
            memory,
            queue,
            notifier,
            unannounced: false,
            given_up: false,
        }
    }

    /// Gives the queue back, with its position.
    #[must_use]
    pub fn into_queue(self) -> DeviceQueue {
        self.queue
    }

    /// Number of the queue in its device.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.queue.index
    }

    /// Size of the queue in descriptors.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.queue.queue.size()
    }

    /// Whether the ring made no sense and was given up.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Takes a notification of the driver (the event must not block), so that [`Ring::as_fd`] is no longer readable. Whether there was one.
    pub fn take_kick(&mut self) -> bool {
        let kicked = self.queue.kick.read().is_ok();
        if kicked {
            count(&self.queue.counters.kicks);
        }
        kicked
    }

    /// The next chain that the driver offers. Every chain has to be used, sooner or later ([`Ring::add_used`]).
    pub fn pop(&mut self) -> Option<Chain<'m>> {
        if self.given_up {
            return None;
        }
        let size = self.queue.queue.size();
        let next = match self.queue.queue.iter(self.memory) {
            Ok(mut available) => available.next(),
            Err(_) => {
                self.give_up();
                return None;
            }
        }?;
        if next.head_index() >= size {
            self.give_up();
            return None;
        }
        Some(Chain::new(self.memory, next, size))
    }

    /// Takes the last [`Ring::pop`] back: the chain, which must not have been used, comes again.
    pub fn undo_pop(&mut self) {
        self.queue.queue.go_to_previous_position();
    }

    /// Returns the chain that began with `head` to the driver, with `len` bytes written into it.
    pub fn add_used(&mut self, head: u16, len: u32) {
        if self.given_up {
            return;
        }
        if self.queue.queue.add_used(self.memory, head, len).is_err() {
            self.give_up();
            return;
        }
        self.unannounced = true;
        count(&self.queue.counters.chains);
    }

    /// Sends one interrupt for everything used since the last time, unless that is nothing or the driver does not want
    /// to know yet.
    pub fn notify(&mut self) {
        if !self.unannounced || self.given_up {
            return;
        }
        self.unannounced = false;
        match self.driver_waits() {
            Some(true) => {
                count(&self.queue.counters.interrupts);
                self.notifier.queue(self.queue.index);
            }
            Some(false) => {}
            None => self.give_up(),
        }
    }

    /// Whether the driver wants an interrupt for what was used; nothing where its rings cannot be read.
    fn driver_waits(&mut self) -> Option<bool> {
        let queue = &mut self.queue.queue;
        if queue.event_idx_enabled() {
            return queue.needs_notification(self.memory).ok();
        }
        // The used index has to be seen before the flags are looked at.
        fence(Ordering::SeqCst);
        let flags: u16 = self
            .memory
            .load(GuestAddress(queue.avail_ring()), Ordering::Relaxed)
            .ok()?;
        Some(u32::from(u16::from_le(flags)) & VRING_AVAIL_F_NO_INTERRUPT == 0)
    }

    /// Tells the driver not to kick; it may nevertheless.
    pub fn disable_notification(&mut self) {
        if !self.given_up && self.queue.queue.disable_notification(self.memory).is_err() {
            self.give_up();
        }
    }

    /// Tells the driver to kick when it offers the next chain. Whether there is one already, for which no kick may
    /// come.
    pub fn enable_notification(&mut self) -> bool {
        if self.given_up {
            return false;
        }
        match self.queue.queue.enable_notification(self.memory) {
            Ok(more) => more,
            Err(_) => {
                self.give_up();
                false
            }
        }
    }

    /// Has `work` done on every chain offered, which returns the number of bytes written into it, until there is none
    /// left and the driver will kick for the next.
    ///
    /// Returns whether there is more to do nevertheless: after as many chains as the queue has descriptors it returns,
    /// so that a driver which never ceases cannot keep a worker from seeing that it has to stop.
    pub fn drain(&mut self, mut work: impl FnMut(&Chain<'m>) -> u32) -> bool {
        let mut budget = self.size();
        while budget > 0 {
            // Also for a round without a chain: a driver may take back what it has just offered.
            budget -= 1;
            self.disable_notification();
            while let Some(chain) = self.pop() {
                let len = work(&chain);
                self.add_used(chain.head(), len);
                budget = budget.saturating_sub(1);
                if budget == 0 {
                    break;
                }
            }
            self.notify();
            if !self.enable_notification() {
                return false;
            }
        }
        true
    }

    fn give_up(&mut self) {
        if !self.given_up {
            self.given_up = true;
            self.notifier.broken();
        }
    }
}

/// Readable when the driver has notified the queue.
impl AsFd for Ring<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the event is owned by `self`, which outlives the borrow.
        unsafe { BorrowedFd::borrow_raw(self.queue.kick.as_raw_fd()) }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
