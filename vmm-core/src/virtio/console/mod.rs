//! virtio-console (virtio 1.2, 5.3): a console and named ports, each a byte stream to a socket of the host.

pub mod control;
mod device;
mod handler;
mod host_end;
mod port;
pub mod port_map;
mod rx;
mod socket;
mod tx;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod fake_driver;
#[cfg(test)]
mod hostile_tests;

pub use device::Console;
