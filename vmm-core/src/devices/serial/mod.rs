//! The first serial port: a 16550 between the guest and a socket of the host.

mod device;
mod output;
mod uart;

pub use device::Serial;
