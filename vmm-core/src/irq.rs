//! What devices and transports ask of the interrupt controllers, in no hypervisor's words.

use std::{io, sync::Arc};
use vmm_sys_util::eventfd::EventFd;

/// The machine's interrupt controllers and doorbells, as transports see them. KVM's side of it is in
/// `kvm/interrupts.rs`; tests have their own.
pub trait InterruptController: Send + Sync {
    /// An event whose every write is one edge on interrupt line `gsi`.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn edge(&self, gsi: u32) -> io::Result<EventFd>;

    /// Interrupt line `gsi` as a level.
    fn level(&self, gsi: u32) -> Arc<dyn LevelLine>;

    /// A new message-signalled interrupt, without a message until [`MsiVector::route`] gives it one.
    ///
    /// # Errors
    /// When there are no more, or the hypervisor refuses.
    fn msi(&self) -> io::Result<Arc<dyn MsiVector>>;

    /// Has every write of the guest to `address` make `event` readable, without a return to user space.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn add_doorbell(&self, address: Doorbell, event: &EventFd) -> io::Result<()>;

    /// Undoes [`InterruptController::add_doorbell`]; the same arguments.
    ///
    /// # Errors
    /// When there was none.
    fn remove_doorbell(&self, address: Doorbell, event: &EventFd) -> io::Result<()>;
}

/// A level-triggered line.
pub trait LevelLine: Send + Sync {
    /// Asserts or deasserts it; idempotent.
    fn set(&self, asserted: bool);
}

/// One message-signalled interrupt. Dropping it gives it back.
pub trait MsiVector: Send + Sync {
    /// Sets the message: the address and the data that a PCI function would write.
    ///
    /// # Errors
    /// When the hypervisor refuses.
    fn route(&self, address: u64, data: u32) -> io::Result<()>;

    /// Sends it; one write to an event, from any thread. Lost while there is no message.
    fn trigger(&self);
}

/// An address whose writes are notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doorbell {
    /// Guest-physical address.
    pub address: u64,
    /// The 32-bit value that is meant; any value of any width where `None`.
    pub value: Option<u32>,
}
