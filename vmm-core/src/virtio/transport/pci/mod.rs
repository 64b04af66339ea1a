//! virtio-pci, modern only (virtio 1.2, 4.1), and the bus it sits on (PCI Local Bus 3.0).

mod config_space;
mod function;
mod interrupts;
mod intx;
mod msix;
mod registers;
mod root;

pub use root::PciRoot;
