//! The buses that virtio devices sit on: one status machine, two faces.

mod common;
mod doorbells;
pub mod mmio;
mod notifier;
pub mod pci;

pub use mmio::MmioTransport;
pub use pci::PciRoot;
