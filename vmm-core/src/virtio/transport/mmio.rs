//! virtio-mmio, version 2 (virtio 1.2, 4.2).
//!
//! The guest reads and writes any bytes of the register block with any size. Registers answer aligned 32-bit accesses
//! only, all else reads zero and is not taken; the device's configuration answers every size. The interrupt is an edge
//! for every notification, so that it needs no acknowledgement by way of the hypervisor.

use super::{
    common::{Common, Part},
    doorbells::Doorbells,
    notifier::{Interrupts, Signals},
};
use crate::sync::lock;
use crate::{
    bus::BusDevice,
    irq::{Doorbell, InterruptController},
    memory::GuestRam,
    virtio::{QueueCounters, VirtioDevice},
};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};
use virtio_bindings::virtio_mmio::{
    VIRTIO_MMIO_CONFIG, VIRTIO_MMIO_CONFIG_GENERATION, VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DEVICE_ID, VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
    VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_USED_HIGH, VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_SHM_BASE_HIGH,
    VIRTIO_MMIO_SHM_BASE_LOW, VIRTIO_MMIO_SHM_LEN_HIGH, VIRTIO_MMIO_SHM_LEN_LOW,
    VIRTIO_MMIO_STATUS, VIRTIO_MMIO_VENDOR_ID, VIRTIO_MMIO_VERSION,
};
use vmm_sys_util::eventfd::EventFd;

/// "virt".
const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// The PCI vendor of virtio; drivers match it or anything.
const VENDOR: u32 = 0x1af4;

/// Registers whose writes show nothing before another register is read or written: offset and length in bytes.
///
/// Not the acknowledgement of an interrupt: the next one would be taken back with it.
pub const SILENT: [(u32, u32); 4] = [
    (VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4),
    // The driver's features, and which of them.
    (VIRTIO_MMIO_DRIVER_FEATURES, 8),
    // The queue, and its size; between them one that is only read.
    (VIRTIO_MMIO_QUEUE_SEL, 12),
    // The queue's three parts.
    (VIRTIO_MMIO_QUEUE_DESC_LOW, 40),
];

/// A device behind a register block of 4 KiB.
pub struct MmioTransport {
    state: Mutex<State>,
    line: Arc<Signals<Line>>,
}

struct State {
    common: Common,
    doorbells: Doorbells,
    /// Guest-physical address of the block.
    base: u64,
}

/// The interrupt line and its status register.
struct Line {
    status: AtomicU32,
    event: EventFd,
}

impl Line {
    fn raise(&self, bit: u32) {
        self.status.fetch_or(bit, Ordering::SeqCst);
        // Full only when it was written 2^64 - 1 times without being read: then an edge is due anyway.
        let _ = self.event.write(1);
    }
}

impl Interrupts for Line {
    fn queue(&self, _index: u16) {
        self.raise(VIRTIO_MMIO_INT_VRING);
    }

    fn config(&self) {
        self.raise(VIRTIO_MMIO_INT_CONFIG);
    }
}

impl MmioTransport {
    /// Puts `device` behind registers at guest-physical address `base`, on interrupt line `gsi`.
    ///
    /// # Errors
    /// When the host has no descriptors left, or the hypervisor refuses the line.
    pub fn new(
        ram: GuestRam,
        device: Box<dyn VirtioDevice>,
        interrupts: Arc<dyn InterruptController>,
        base: u64,
        gsi: u32,
    ) -> io::Result<Self> {
        let line = Arc::new(Signals::new(Line {
            status: AtomicU32::new(0),
            event: interrupts.edge(gsi)?,
        }));
        let common = Common::new(ram, device, line.clone())?;
        Ok(Self {
            state: Mutex::new(State {
                common,
                doorbells: Doorbells::new(interrupts),
                base,
            }),
            line,
        })
    }

    /// The counts of its queues, in order.
    #[must_use]
    pub fn counters(&self) -> Vec<Arc<QueueCounters>> {
        self.lock().common.counters().collect()
    }

    /// Resets the device as its driver could: no worker is left.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.set_status(0, &self.line.interrupts);
    }

    /// Stops the device's workers until [`MmioTransport::resume`]; the vCPUs stand still in between.
    pub fn pause(&self) {
        self.lock().common.pause();
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.lock().common.resume();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn read_register(&self, offset: u32) -> u32 {
        let state = self.lock();
        let common = &state.common;
        match offset {
            VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            VIRTIO_MMIO_VERSION => VERSION,
            VIRTIO_MMIO_DEVICE_ID => common.device_type(),
            VIRTIO_MMIO_VENDOR_ID => VENDOR,
            VIRTIO_MMIO_DEVICE_FEATURES => common.device_features(),
            VIRTIO_MMIO_QUEUE_NUM_MAX => common.queue_max_size().into(),
            VIRTIO_MMIO_QUEUE_READY => common.queue_ready().into(),
            VIRTIO_MMIO_INTERRUPT_STATUS => self.line.interrupts.status.load(Ordering::SeqCst),
            VIRTIO_MMIO_STATUS => common.status().into(),
            VIRTIO_MMIO_CONFIG_GENERATION => common.generation(),
            // No shared memory region: a length of -1 (4.2.2).
            VIRTIO_MMIO_SHM_LEN_LOW
            | VIRTIO_MMIO_SHM_LEN_HIGH
            | VIRTIO_MMIO_SHM_BASE_LOW
            | VIRTIO_MMIO_SHM_BASE_HIGH => u32::MAX,
            _ => 0,
        }
    }

    fn write_register(&self, offset: u32, value: u32) {
        let mut state = self.lock();
        let common = &mut state.common;
        match offset {
            VIRTIO_MMIO_DEVICE_FEATURES_SEL => common.device_feature_select = value,
            VIRTIO_MMIO_DRIVER_FEATURES => common.set_driver_features(value),
            VIRTIO_MMIO_DRIVER_FEATURES_SEL => common.driver_feature_select = value,
            // No device has as many: beyond is no queue.
            VIRTIO_MMIO_QUEUE_SEL => {
                common.queue_select = u16::try_from(value).unwrap_or(u16::MAX);
            }
            // 0 is no valid size.
            VIRTIO_MMIO_QUEUE_NUM => common.set_queue_size(u16::try_from(value).unwrap_or(0)),
            VIRTIO_MMIO_QUEUE_READY => match value {
                0 => {
                    common.disable_queue();
                    state.update_doorbells();
                }
                _ => common.enable_queue(),
            },
            VIRTIO_MMIO_QUEUE_NOTIFY => common.kick(value),
            VIRTIO_MMIO_INTERRUPT_ACK => {
                self.line
                    .interrupts
                    .status
                    .fetch_and(!value, Ordering::SeqCst);
            }
            VIRTIO_MMIO_STATUS => {
                // The status is a byte in a register of four.
                state.set_status(value as u8, &self.line.interrupts);
            }
            VIRTIO_MMIO_QUEUE_DESC_LOW => common.set_queue_part(Part::Descriptors, false, value),
            VIRTIO_MMIO_QUEUE_DESC_HIGH => common.set_queue_part(Part::Descriptors, true, value),
            VIRTIO_MMIO_QUEUE_AVAIL_LOW => common.set_queue_part(Part::Available, false, value),
            VIRTIO_MMIO_QUEUE_AVAIL_HIGH => common.set_queue_part(Part::Available, true, value),
            VIRTIO_MMIO_QUEUE_USED_LOW => common.set_queue_part(Part::Used, false, value),
            VIRTIO_MMIO_QUEUE_USED_HIGH => common.set_queue_part(Part::Used, true, value),
            _ => {}
        }
    }
}

impl State {
    fn set_status(&mut self, value: u8, line: &Line) {
        if value == 0 {
            // Before the workers go, so that no notification is taken by an event that nobody reads.
            self.doorbells.clear();
        }
        self.common.set_status(value);
        if value == 0 {
            line.status.store(0, Ordering::SeqCst);
        } else {
            self.update_doorbells();
        }
    }

    fn update_doorbells(&mut self) {
        let address = self.base + u64::from(VIRTIO_MMIO_QUEUE_NOTIFY);
        self.doorbells
            .set(self.common.working().map(|(index, kick)| {
                let value = Some(index.into());
                (Doorbell { address, value }, kick)
            }));
    }
}

impl BusDevice for MmioTransport {
    fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(offset) = offset.checked_sub(VIRTIO_MMIO_CONFIG.into()) {
            self.lock().common.read_config(offset, data);
        } else if let Some((register, data)) =
            register::<&mut [u8; 4]>(offset, data.try_into().ok())
        {
            *data = self.read_register(register).to_le_bytes();
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if let Some(offset) = offset.checked_sub(VIRTIO_MMIO_CONFIG.into()) {
            self.lock().common.write_config(offset, data);
        } else if let Some((register, data)) = register::<&[u8; 4]>(offset, data.try_into().ok()) {
            self.write_register(register, u32::from_le_bytes(*data));
        }
    }
}

/// An aligned access to a register.
fn register<T>(offset: u64, data: Option<T>) -> Option<(u32, T)> {
    let offset = u32::try_from(offset).ok()?;
    Some((offset, data?)).filter(|_| offset.is_multiple_of(4))
}
