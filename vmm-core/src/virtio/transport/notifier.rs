//! How workers reach the driver past the transport: atomics and events, never the transport's lock.

use crate::virtio::Notifier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The transport's interrupts, called from workers and vCPUs alike.
pub(super) trait Interrupts: Send + Sync {
    /// Buffers of queue `index` were used.
    fn queue(&self, index: u16);
    /// The configuration or the device's status changed.
    fn config(&self);
}

/// What a transport and its device's workers share.
pub(super) struct Signals<I> {
    pub(super) interrupts: I,
    needs_reset: AtomicBool,
    generation: AtomicU32,
}

impl<I> Signals<I> {
    pub(super) fn new(interrupts: I) -> Self {
        Self {
            interrupts,
            needs_reset: AtomicBool::new(false),
            generation: AtomicU32::new(0),
        }
    }
}

/// The status machine's view of [`Signals`].
pub(super) trait Flags: Notifier {
    /// Whether the device cannot go on.
    fn needs_reset(&self) -> bool;
    /// Forgets that it could not.
    fn clear_needs_reset(&self);
    /// Changes with the configuration (virtio 1.2, 2.5.1).
    fn generation(&self) -> u32;
}

impl<I: Interrupts> Flags for Signals<I> {
    fn needs_reset(&self) -> bool {
        self.needs_reset.load(Ordering::SeqCst)
    }

    fn clear_needs_reset(&self) {
        self.needs_reset.store(false, Ordering::SeqCst);
    }

    fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst)
    }
}

impl<I: Interrupts> Notifier for Signals<I> {
    fn queue(&self, index: u16) {
        self.interrupts.queue(index);
    }

    fn config(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.interrupts.config();
    }

    fn broken(&self) {
        self.needs_reset.store(true, Ordering::SeqCst);
        self.interrupts.config();
    }
}
