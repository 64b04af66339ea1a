//! The status machine and the queue registers behind both transports (virtio 1.2, 2.1, 2.2, 3.1 and 2.4).
//!
//! The guest writes any value to any register in any order. Only a status that follows the order below does
//! something; features and queues can no longer be changed once they are in use; a queue that does not lie in guest
//! memory as a whole is not started, and the driver is told to reset the device.
//!
//! ```text
//! 0 -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK        bits are only ever added
//!                               (accepted)     (device active)
//! write 0: device inactive, all registers as new                FAILED: nothing but that helps
//! ```

use super::notifier::Flags;
use crate::{
    memory::GuestRam,
    virtio::{Activation, DeviceQueue, QueueCounters, VirtioDevice},
};
use std::{io, sync::Arc};
use virtio_bindings::{
    virtio_config::{
        VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_DRIVER_OK,
        VIRTIO_CONFIG_S_FAILED, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_NEEDS_RESET,
        VIRTIO_F_VERSION_1,
    },
    virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC},
};
use virtio_queue::{Queue, QueueT};
use vm_memory::GuestAddress;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

const ACKNOWLEDGE: u8 = VIRTIO_CONFIG_S_ACKNOWLEDGE as u8;
const DRIVER: u8 = VIRTIO_CONFIG_S_DRIVER as u8;
const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;
const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
const FAILED: u8 = VIRTIO_CONFIG_S_FAILED as u8;
const NEEDS_RESET: u8 = VIRTIO_CONFIG_S_NEEDS_RESET as u8;

/// What the transports add to a device's own features.
const TRANSPORT_FEATURES: u64 =
    1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_RING_F_EVENT_IDX | 1 << VIRTIO_RING_F_INDIRECT_DESC;

/// One of the three parts of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Descriptors,
    Available,
    Used,
}

/// The registers of one queue.
struct QueueRegisters {
    max_size: u16,
    size: u16,
    ready: bool,
    /// Guest-physical addresses, by [`Part`].
    parts: [u64; 3],
    kick: EventFd,
    counters: Arc<QueueCounters>,
}

impl QueueRegisters {
    fn reset(&mut self) {
        self.size = self.max_size;
        self.ready = false;
        self.parts = [0; 3];
        // Whatever was asked for is no longer there.
        let _ = self.kick.read();
    }

    /// The queue as it is worked on; nothing where it does not lie in guest memory, aligned.
    fn build(&self, ram: &GuestRam, event_idx: bool) -> Option<Queue> {
        let [descriptors, available, used] = self.parts.map(GuestAddress);
        let mut queue = Queue::new(self.max_size).ok()?;
        queue.try_set_size(self.size).ok()?;
        queue.try_set_desc_table_address(descriptors).ok()?;
        queue.try_set_avail_ring_address(available).ok()?;
        queue.try_set_used_ring_address(used).ok()?;
        queue.set_event_idx(event_idx);
        queue.set_ready(true);
        queue.is_valid(ram.memory()).then_some(queue)
    }
}

/// A device, its status and its registers.
pub(super) struct Common {
    ram: GuestRam,
    device: Box<dyn VirtioDevice>,
    flags: Arc<dyn Flags>,
    status: u8,
    driver_features: u64,
    queues: Vec<QueueRegisters>,
    active: bool,
    /// Queues of a paused device.
    parked: Option<Vec<DeviceQueue>>,
    /// Which half of the device's features is read.
    pub(super) device_feature_select: u32,
    /// Which half of the driver's features is written.
    pub(super) driver_feature_select: u32,
    /// Which queue the queue registers are about.
    pub(super) queue_select: u16,
}

impl Common {
    pub(super) fn new(
        ram: GuestRam,
        device: Box<dyn VirtioDevice>,
        flags: Arc<dyn Flags>,
    ) -> io::Result<Self> {
        let queues = (0..)
            .zip(device.queue_sizes())
            .map(|(index, &max_size)| {
                Ok(QueueRegisters {
                    max_size,
                    size: max_size,
                    ready: false,
                    parts: [0; 3],
                    kick: EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?,
                    counters: Arc::new(QueueCounters::new(device.name(), index)),
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            ram,
            device,
            flags,
            status: 0,
            driver_features: 0,
            queues,
            active: false,
            parked: None,
            device_feature_select: 0,
            driver_feature_select: 0,
            queue_select: 0,
        })
    }

    pub(super) fn device_type(&self) -> u32 {
        self.device.device_type()
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = Arc<QueueCounters>> {
        self.queues.iter().map(|queue| queue.counters.clone())
    }

    pub(super) fn generation(&self) -> u32 {
        self.flags.generation()
    }

    pub(super) fn read_config(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        self.device.read_config(offset, data);
    }

    pub(super) fn write_config(&mut self, offset: u64, data: &[u8]) {
        self.device.write_config(offset, data);
    }

    fn offered(&self) -> u64 {
        self.device.features() | TRANSPORT_FEATURES
    }

    /// The selected half of the offered features; there are two.
    pub(super) fn device_features(&self) -> u32 {
        half(self.offered(), self.device_feature_select)
    }

    /// The selected half of the accepted features.
    pub(super) fn driver_features(&self) -> u32 {
        half(self.driver_features, self.driver_feature_select)
    }

    /// Accepts features, until `FEATURES_OK`.
    pub(super) fn set_driver_features(&mut self, value: u32) {
        if self.status & FEATURES_OK != 0 {
            return;
        }
        let shift = match self.driver_feature_select {
            0 => 0,
            1 => 32,
            _ => return,
        };
        self.driver_features &= !(0xffff_ffff << shift);
        self.driver_features |= u64::from(value) << shift;
    }

    pub(super) fn status(&self) -> u8 {
        if self.flags.needs_reset() {
            self.status | NEEDS_RESET
        } else {
            self.status
        }
    }

    /// Takes a status written by the driver.
    pub(super) fn set_status(&mut self, value: u8) {
        if value == 0 {
            self.reset();
            return;
        }
        let wanted = value & !NEEDS_RESET;
        if wanted & self.status != self.status {
            return;
        }
        let added = wanted & !self.status;
        self.status |= added & (ACKNOWLEDGE | FAILED);
        if added & DRIVER != 0 && self.status & ACKNOWLEDGE != 0 {
            self.status |= DRIVER;
        }
        if added & FEATURES_OK != 0 && self.status & DRIVER != 0 && self.features_fit() {
            self.status |= FEATURES_OK;
        }
        if added & DRIVER_OK != 0 && self.status & (FEATURES_OK | FAILED) == FEATURES_OK {
            self.status |= DRIVER_OK;
            self.activate();
        }
    }

    fn features_fit(&self) -> bool {
        self.driver_features & !self.offered() == 0
            && self.driver_features & (1 << VIRTIO_F_VERSION_1) != 0
    }

    fn activate(&mut self) {
        match self.build_queues() {
            Some(queues) => self.start(queues),
            None => self.flags.broken(),
        }
    }

    fn start(&mut self, queues: Vec<DeviceQueue>) {
        let activation = Activation {
            ram: self.ram.clone(),
            features: self.driver_features,
            queues,
            notifier: self.flags.clone(),
        };
        match self.device.activate(activation) {
            Ok(()) => self.active = true,
            Err(_) => self.flags.broken(),
        }
    }

    fn build_queues(&self) -> Option<Vec<DeviceQueue>> {
        let event_idx = self.driver_features & (1 << VIRTIO_RING_F_EVENT_IDX) != 0;
        let ready = (0..).zip(&self.queues).filter(|(_, queue)| queue.ready);
        ready
            .map(|(index, queue)| {
                Some(DeviceQueue {
                    index,
                    queue: queue.build(&self.ram, event_idx)?,
                    kick: queue.kick.try_clone().ok()?,
                    counters: queue.counters.clone(),
                })
            })
            .collect()
    }

    /// Queues that are worked on, with their kicks.
    pub(super) fn working(&self) -> impl Iterator<Item = (u16, &EventFd)> {
        (0..)
            .zip(&self.queues)
            .filter(|(_, queue)| self.active && queue.ready)
            .map(|(index, queue)| (index, &queue.kick))
    }

    /// Stops the device and makes everything as new.
    pub(super) fn reset(&mut self) {
        self.stop();
        self.device.reset();
        self.status = 0;
        self.driver_features = 0;
        self.device_feature_select = 0;
        self.driver_feature_select = 0;
        self.queue_select = 0;
        self.queues.iter_mut().for_each(QueueRegisters::reset);
        // Last: no worker is left that could set it.
        self.flags.clear_needs_reset();
    }

    fn stop(&mut self) {
        self.parked = None;
        if self.active {
            self.active = false;
            drop(self.device.deactivate());
        }
    }

    /// Takes the queues from the device until [`Common::resume`]; the driver does not see it.
    pub(super) fn pause(&mut self) {
        if self.active {
            self.active = false;
            self.parked = Some(self.device.deactivate());
        }
    }

    /// Gives the queues of a paused device back to it.
    pub(super) fn resume(&mut self) {
        if let Some(queues) = self.parked.take() {
            self.start(queues);
            // A notification may have been taken without a look into the ring.
            self.working().for_each(|(_, kick)| {
                let _ = kick.write(1);
            });
        }
    }

    /// Number of queues.
    pub(super) fn queue_count(&self) -> u16 {
        u16::try_from(self.queues.len()).expect("a device has few queues")
    }

    fn selected(&self) -> Option<&QueueRegisters> {
        self.queues.get(usize::from(self.queue_select))
    }

    /// The selected queue where it may still be changed.
    fn changeable(&mut self) -> Option<&mut QueueRegisters> {
        if self.status & DRIVER_OK != 0 {
            return None;
        }
        self.queues
            .get_mut(usize::from(self.queue_select))
            .filter(|queue| !queue.ready)
    }

    /// Greatest size of the selected queue; 0 where there is none.
    pub(super) fn queue_max_size(&self) -> u16 {
        self.selected().map_or(0, |queue| queue.max_size)
    }

    /// Size of the selected queue; 0 where there is none.
    pub(super) fn queue_size(&self) -> u16 {
        self.selected().map_or(0, |queue| queue.size)
    }

    pub(super) fn set_queue_size(&mut self, size: u16) {
        if let Some(queue) = self.changeable() {
            queue.size = size;
        }
    }

    pub(super) fn queue_part(&self, part: Part) -> u64 {
        self.selected()
            .map_or(0, |queue| queue.parts[part as usize])
    }

    /// Sets one half of an address of the selected queue.
    pub(super) fn set_queue_part(&mut self, part: Part, high: bool, value: u32) {
        if let Some(queue) = self.changeable() {
            let address = &mut queue.parts[part as usize];
            let shift = if high { 32 } else { 0 };
            *address = *address & !(0xffff_ffff << shift) | u64::from(value) << shift;
        }
    }

    pub(super) fn queue_ready(&self) -> bool {
        self.selected().is_some_and(|queue| queue.ready)
    }

    pub(super) fn enable_queue(&mut self) {
        if let Some(queue) = self.changeable() {
            queue.ready = true;
        }
    }

    /// Takes the selected queue out of use. Without `VIRTIO_F_RING_RESET` a device cannot lose one queue of several, so
    /// one that works stops, and needs a reset.
    pub(super) fn disable_queue(&mut self) {
        if !self.queue_ready() {
            return;
        }
        if self.active {
            self.stop();
            self.flags.broken();
        }
        self.queues[usize::from(self.queue_select)].ready = false;
    }

    /// A notification that came to the transport and not to a doorbell.
    pub(super) fn kick(&self, index: u32) {
        if let Some((_, kick)) = self.working().find(|&(queue, _)| u32::from(queue) == index) {
            // Full only when it was written 2^64 - 1 times without being read: then it is readable anyway.
            let _ = kick.write(1);
        }
    }
}

impl Drop for Common {
    fn drop(&mut self) {
        self.stop();
    }
}

fn half(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}
