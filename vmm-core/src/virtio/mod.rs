//! Virtio (OASIS virtio 1.2): devices, queues and the two transports.

pub mod console;
pub mod device;
pub mod iov;
pub mod p9;
mod queue_thread;
pub mod ring;
pub mod rng;
#[cfg(test)]
pub(crate) mod testing;
pub mod transport;

pub use device::{ActivateError, Activation, DeviceQueue, Notifier, VirtioDevice};
pub use iov::{Chain, Iov};
pub use ring::{QueueCounters, Ring};
