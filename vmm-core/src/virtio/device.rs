//! What every virtio device is to its transport.
//!
//! A device is three things: this configuration face, which the transport owns and calls; a handler that owns the queues
//! while the device is active and is driven by one worker ([`crate::worker`]); and a pure executor that works on bytes,
//! which is what unit tests and fuzzing call. Queues move into the handler on activation and come back on
//! deactivation, with their positions, which is what a snapshot will save.
//!
//! ```text
//!            activate                 DRIVER_OK
//! inactive ------------> active
//!          <------------              reset, pause
//!           deactivate
//! ```

use super::ring::QueueCounters;
use crate::memory::GuestRam;
use std::{io, sync::Arc};
use virtio_queue::Queue;
use vmm_sys_util::eventfd::EventFd;

/// The configuration face of a device.
pub trait VirtioDevice: Send {
    /// Device type (virtio 1.2, 5).
    fn device_type(&self) -> u32;

    /// A name for threads and errors, such as `console`.
    fn name(&self) -> &'static str;

    /// Feature bits of the device itself. The transport adds `VIRTIO_F_VERSION_1`, `VIRTIO_RING_F_EVENT_IDX` and
    /// `VIRTIO_RING_F_INDIRECT_DESC`.
    fn features(&self) -> u64 {
        0
    }

    /// Greatest size of each queue, in descriptors; a power of two.
    fn queue_sizes(&self) -> &[u16];

    /// Fills `data` from the configuration space at `offset`; bytes beyond its end are zero.
    fn read_config(&self, offset: u64, data: &mut [u8]);

    /// Takes a write to the configuration space; the guest chooses everything. Most have nothing to write.
    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    /// The driver is ready: takes the queues and starts working on them.
    ///
    /// # Errors
    /// When the worker cannot be started. The transport then sets `DEVICE_NEEDS_RESET`.
    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError>;

    /// Stops working and gives the queues back: none is touched after this returns. Empty where it was inactive.
    fn deactivate(&mut self) -> Vec<DeviceQueue>;

    /// The driver starts over, other than after a pause: what it had negotiated with the device is forgotten. Called
    /// while inactive.
    fn reset(&mut self) {}
}

/// What a device gets when its driver is ready.
pub struct Activation {
    /// Guest memory.
    pub ram: GuestRam,
    /// The feature bits that the driver accepted.
    pub features: u64,
    /// The queues that the driver enabled, each checked to lie in guest memory.
    pub queues: Vec<DeviceQueue>,
    /// How to tell the driver.
    pub notifier: Arc<dyn Notifier>,
}

impl Activation {
    /// The queue of a device that has one.
    ///
    /// # Errors
    /// [`ActivateError::MissingQueue`].
    pub fn only_queue(&mut self, device: &'static str) -> Result<DeviceQueue, ActivateError> {
        let missing = ActivateError::MissingQueue { device, queue: 0 };
        self.queues.pop().ok_or(missing)
    }
}

/// One enabled queue.
pub struct DeviceQueue {
    /// Its number in the device.
    pub index: u16,
    /// The rings.
    pub queue: Queue,
    /// Readable when the driver has notified it; reading it never blocks.
    pub kick: EventFd,
    /// What is counted of it; shared with the transport, and the same through resets.
    pub counters: Arc<QueueCounters>,
}

/// How a device tells its driver. It never sees which interrupt that is.
pub trait Notifier: Send + Sync {
    /// Buffers of queue `index` were used.
    fn queue(&self, index: u16);
    /// The configuration changed.
    fn config(&self);
    /// The device cannot go on: sets `DEVICE_NEEDS_RESET` (virtio 1.2, 2.1).
    fn broken(&self);
}

/// Why a device could not start.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// A resource of the host.
    #[error("cannot {action} for the {device} device")]
    Host {
        /// [`VirtioDevice::name`].
        device: &'static str,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The driver left out a queue that the device needs.
    #[error("the driver of the {device} device did not enable queue {queue}")]
    MissingQueue {
        /// [`VirtioDevice::name`].
        device: &'static str,
        /// The queue's number.
        queue: u16,
    },
}
