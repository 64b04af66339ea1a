//! The buses that virtio devices sit on: one status machine, two faces.

mod common;
mod doorbells;
#[cfg(test)]
mod hostile_tests;
pub mod mmio;
mod notifier;
pub mod pci;
#[cfg(test)]
mod tests;

pub use mmio::MmioTransport;
pub use pci::PciRoot;
