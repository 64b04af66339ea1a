//! Virtio (OASIS virtio 1.2): devices, queues and the two transports.

pub mod console;
pub mod device;
pub mod iov;
pub mod p9;
pub mod ring;
pub mod rng;
pub mod transport;

pub use device::{ActivateError, Activation, DeviceQueue, Notifier, VirtioDevice};
pub use iov::{Chain, Iov};
pub use ring::{QueueCounters, Ring};
