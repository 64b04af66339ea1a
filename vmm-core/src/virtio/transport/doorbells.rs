//! The doorbells of one device that the hypervisor answers by itself.

use crate::irq::{Doorbell, InterruptController};
use std::sync::Arc;
use vmm_sys_util::eventfd::EventFd;

/// Registered doorbells. What the hypervisor refuses is none: such writes come to the transport, which kicks the queue
/// itself.
pub(super) struct Doorbells {
    controller: Arc<dyn InterruptController>,
    registered: Vec<(Doorbell, EventFd)>,
}

impl Doorbells {
    pub(super) fn new(controller: Arc<dyn InterruptController>) -> Self {
        Self {
            controller,
            registered: Vec::new(),
        }
    }

    /// Has exactly the doorbells of `wanted` from now on.
    pub(super) fn set<'a>(&mut self, wanted: impl Iterator<Item = (Doorbell, &'a EventFd)>) {
        self.clear();
        for (doorbell, event) in wanted {
            // The clone is the same event; it keeps what is registered removable whatever becomes of the queue.
            if let Ok(event) = event.try_clone()
                && self.controller.add_doorbell(doorbell, &event).is_ok()
            {
                self.registered.push((doorbell, event));
            }
        }
    }

    /// Has none from now on.
    pub(super) fn clear(&mut self) {
        for (doorbell, event) in self.registered.drain(..) {
            // Fails only where the machine is already gone.
            let _ = self.controller.remove_doorbell(doorbell, &event);
        }
    }
}

impl Drop for Doorbells {
    fn drop(&mut self) {
        self.clear();
    }
}
