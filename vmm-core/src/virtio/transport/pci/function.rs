//! A virtio device as a PCI function (virtio 1.2, 4.1).
//!
//! The guest reads and writes configuration space and the one BAR with any size at any offset, moves the BAR anywhere
//! and switches its decoding at any time. Only a BAR inside the bridge's window answers, and only there are doorbells
//! registered. Each area of the BAR checks offsets against its own length.
//!
//! ```text
//! BAR 0, 32 KiB
//! 0x0000 common configuration     0x3000 notifications, 4 bytes a queue
//! 0x1000 ISR status               0x4000 MSI-X table
//! 0x2000 device configuration     0x5000 MSI-X pending bits
//! ```

use super::{
    config_space::{ConfigSpace, Identity},
    interrupts::{PciInterrupts, Vector},
    intx::SharedLine,
    msix::{self, MsixTable},
    registers,
};
use crate::sync::lock;
use crate::{
    irq::{Doorbell, InterruptController},
    layout::{self, PCI_WINDOW},
    memory::GuestRam,
    virtio::{
        QueueCounters, VirtioDevice,
        transport::{common::Common, doorbells::Doorbells, notifier::Signals},
    },
};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes of the BAR.
pub(super) const BAR_LEN: u32 = 0x8000;
/// Most queues of a device: their notifications and vectors each fit an area.
const MAX_QUEUES: usize = 255;

const AREA: u64 = 0x1000;
const COMMON: u32 = 0x0000;
const ISR: u32 = 0x1000;
const DEVICE: u32 = 0x2000;
const NOTIFY: u32 = 0x3000;
const TABLE: u32 = 0x4000;
const PENDING: u32 = 0x5000;

/// Bytes between two queues' notification addresses.
const NOTIFY_MULTIPLIER: u32 = 4;

/// Vendor of all virtio devices.
const VENDOR: u16 = 0x1af4;
/// Device identifiers follow the device types (4.1.2).
const DEVICE_ID: u16 = 0x1040;

/// PCI capability identifiers.
const CAP_VENDOR: u8 = 0x09;
const CAP_MSIX: u8 = 0x11;

/// Kinds of virtio capability (4.1.4).
const CFG_COMMON: u8 = 1;
const CFG_NOTIFY: u8 = 2;
const CFG_ISR: u8 = 3;
const CFG_DEVICE: u8 = 4;
const CFG_PCI: u8 = 5;

/// No address is decoded.
const NOWHERE: u64 = u64::MAX;

/// One function.
pub(super) struct VirtioFunction {
    state: Mutex<State>,
    /// Where the BAR answers, read without the lock to find the function.
    decoded: AtomicU64,
}

struct State {
    config: ConfigSpace,
    common: Common,
    signals: Arc<Signals<PciInterrupts>>,
    table: MsixTable,
    doorbells: Doorbells,
    /// Where the MSI-X capability is in configuration space.
    msix_cap: usize,
    /// Where the PCI configuration access capability is.
    access_cap: usize,
    /// Where the BAR answers, as the doorbells have it.
    base: Option<u64>,
}

impl VirtioFunction {
    pub(super) fn new(
        slot: u8,
        ram: GuestRam,
        device: Box<dyn VirtioDevice>,
        controller: Arc<dyn InterruptController>,
        line: Arc<SharedLine>,
        gsi: u32,
    ) -> io::Result<Self> {
        let queues = device.queue_sizes().len();
        if queues > MAX_QUEUES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the {} device has {queues} queues", device.name()),
            ));
        }
        let kind = u16::try_from(device.device_type()).map_err(io::Error::other)?;
        let vectors = (0..=queues)
            .map(|_| Ok(Vector::new(controller.msi()?)))
            .collect::<io::Result<Vec<_>>>()?;
        let table = MsixTable::new(vectors.len());
        let (config, msix_cap, access_cap) = config_space(slot, kind, queues, gsi);
        let interrupts = PciInterrupts::new(vectors, queues, line, slot);
        let signals = Arc::new(Signals::new(interrupts));
        Ok(Self {
            state: Mutex::new(State {
                config,
                common: Common::new(ram, device, signals.clone())?,
                signals,
                table,
                doorbells: Doorbells::new(controller),
                msix_cap,
                access_cap,
                base: None,
            }),
            decoded: AtomicU64::new(NOWHERE),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Offset of an access of `len` bytes at guest-physical `address` in the BAR, if it is there.
    pub(super) fn offset(&self, address: u64, len: usize) -> Option<u64> {
        let offset = address.checked_sub(self.decoded.load(Ordering::SeqCst))?;
        (offset + len as u64 <= u64::from(BAR_LEN)).then_some(offset)
    }

    pub(super) fn read(&self, offset: u64, data: &mut [u8]) {
        self.lock().read(offset, data);
    }

    pub(super) fn write(&self, offset: u64, data: &[u8]) {
        self.lock().write(offset, data);
    }

    pub(super) fn read_config(&self, register: usize, data: &mut [u8]) {
        self.lock().read_config(register, data);
    }

    pub(super) fn write_config(&self, register: usize, data: &[u8]) {
        let mut state = self.lock();
        state.write_config(register, data);
        let base = state.base.unwrap_or(NOWHERE);
        self.decoded.store(base, Ordering::SeqCst);
    }

    pub(super) fn counters(&self) -> Vec<Arc<QueueCounters>> {
        self.lock().common.counters().collect()
    }

    pub(super) fn reset(&self) {
        self.lock().set_status(0);
    }

    pub(super) fn pause(&self) {
        self.lock().common.pause();
    }

    pub(super) fn resume(&self) {
        self.lock().common.resume();
    }
}

impl State {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let (area, at) = split(offset);
        let interrupts = &self.signals.interrupts;
        match area {
            COMMON => registers::read(&self.common, interrupts, at, data),
            ISR if at == 0 => data[0] = interrupts.take_isr(),
            DEVICE => self.common.read_config(at, data),
            TABLE => self.table.read(at as usize, data),
            PENDING => MsixTable::read_pending(at as usize, data, &interrupts.vectors),
            _ => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let (area, at) = split(offset);
        let interrupts = &self.signals.interrupts;
        match area {
            COMMON => match registers::status(at, data) {
                Some(status) => self.set_status(status),
                None => registers::write(&mut self.common, interrupts, at, data),
            },
            DEVICE => self.common.write_config(at, data),
            NOTIFY => self.common.kick(at as u32 / NOTIFY_MULTIPLIER),
            TABLE => self.table.write(at as usize, data, &interrupts.vectors),
            _ => {}
        }
    }

    fn set_status(&mut self, status: u8) {
        if status == 0 {
            // Before the workers go, so that no notification is taken by an event that nobody reads.
            self.doorbells.clear();
        }
        self.common.set_status(status);
        if status == 0 {
            self.signals.interrupts.reset();
        } else {
            self.update_doorbells();
        }
    }

    fn update_doorbells(&mut self) {
        let Some(base) = self.base else {
            self.doorbells.clear();
            return;
        };
        self.doorbells
            .set(self.common.working().map(|(index, kick)| {
                let offset = NOTIFY + u32::from(index) * NOTIFY_MULTIPLIER;
                let address = base + u64::from(offset);
                let value = None;
                (Doorbell { address, value }, kick)
            }));
    }

    fn read_config(&mut self, register: usize, data: &mut [u8]) {
        self.config.set_pin_status(self.signals.interrupts.is_due());
        if self.is_access(register, data.len())
            && let Some((offset, len)) = self.access()
        {
            let mut bytes = [0; 4];
            self.read(offset, &mut bytes[..len]);
            self.config.store(self.access_cap + 16, &bytes);
        }
        self.config.read(register, data);
    }

    fn write_config(&mut self, register: usize, data: &[u8]) {
        self.config.write(register, data);
        if self.is_access(register, data.len())
            && let Some((offset, len)) = self.access()
        {
            let bytes = self.config.u32(self.access_cap + 16).to_le_bytes();
            self.write(offset, &bytes[..len]);
        }
        let control = self.config.u16(self.msix_cap + 2);
        let (enabled, masked) = (control & 1 << 15 != 0, control & 1 << 14 != 0);
        let interrupts = &self.signals.interrupts;
        interrupts.configure(enabled, self.config.pin_disabled());
        self.table.configure(enabled, masked, &interrupts.vectors);
        let base = self.config.memory().filter(|&base| in_window(base));
        if base != self.base {
            self.base = base;
            self.update_doorbells();
        }
    }

    /// Whether an access to configuration space touches the data of the access capability (4.1.4.9).
    fn is_access(&self, register: usize, len: usize) -> bool {
        let data = self.access_cap + 16;
        register < data + 4 && data < register + len
    }

    /// Offset and length in the BAR of what the access capability is set to, where that makes sense.
    fn access(&self) -> Option<(u64, usize)> {
        let bar = self.config.u8(self.access_cap + 4);
        let offset = self.config.u32(self.access_cap + 8);
        let len = self.config.u32(self.access_cap + 12);
        let fits = bar == 0
            && matches!(len, 1 | 2 | 4)
            && offset.is_multiple_of(len)
            && offset <= BAR_LEN - len;
        fits.then_some((offset.into(), len as usize))
    }
}

/// The area of an offset into the BAR and the offset into the area.
fn split(offset: u64) -> (u32, u64) {
    let at = offset % AREA;
    (u32::try_from(offset - at).unwrap_or(u32::MAX), at)
}

fn in_window(base: u64) -> bool {
    base >= PCI_WINDOW.start && base + u64::from(BAR_LEN) <= PCI_WINDOW.end()
}

/// Configuration space of a device of virtio type `kind`, and where two of its capabilities are.
fn config_space(slot: u8, kind: u16, queues: usize, gsi: u32) -> (ConfigSpace, usize, usize) {
    let mut config = ConfigSpace::new(&Identity {
        vendor: VENDOR,
        device: DEVICE_ID.wrapping_add(kind),
        revision: 1,
        class: class(kind),
    });
    config.subsystem(VENDOR, DEVICE_ID.wrapping_add(kind));
    let window = u32::try_from(layout::PCI_WINDOW.start).expect("below 4 GiB");
    let line = u8::try_from(gsi).expect("few lines");
    config.memory_and_pin(window + u32::from(slot) * BAR_LEN, BAR_LEN, line);

    let last = u8::try_from(queues).expect("at most 255 queues");
    let mut msix = vec![last, 0];
    msix.extend(TABLE.to_le_bytes());
    msix.extend(PENDING.to_le_bytes());
    let msix_cap = config.capability(CAP_MSIX, &msix, &[0, 0xc0]);

    let notify_len = (u32::from(last) * NOTIFY_MULTIPLIER).max(NOTIFY_MULTIPLIER);
    for (kind, offset, len) in [
        (CFG_COMMON, COMMON, registers::LEN),
        (CFG_ISR, ISR, 1),
        (CFG_DEVICE, DEVICE, 0x1000),
    ] {
        config.capability(CAP_VENDOR, &virtio_cap(kind, offset, len, &[]), &[]);
    }
    let multiplier = NOTIFY_MULTIPLIER.to_le_bytes();
    let notify = virtio_cap(CFG_NOTIFY, NOTIFY, notify_len, &multiplier);
    config.capability(CAP_VENDOR, &notify, &[]);
    let access = virtio_cap(CFG_PCI, 0, 0, &[0; 4]);
    let mut writable = vec![0; access.len()];
    // BAR, offset, length and data, counted from behind identifier and link.
    writable[2] = 0xff;
    writable[6..].fill(0xff);
    let access_cap = config.capability(CAP_VENDOR, &access, &writable);
    (config, msix_cap, access_cap)
}

/// A `virtio_pci_cap` from its length on (4.1.4), in BAR 0, with what follows it.
fn virtio_cap(kind: u8, offset: u32, len: u32, rest: &[u8]) -> Vec<u8> {
    let cap_len = u8::try_from(16 + rest.len()).expect("short");
    let mut body = vec![cap_len, kind, 0, 0, 0, 0];
    body.extend(offset.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(rest);
    body
}

/// Class code of a device type: what lspci shows; drivers do not look at it.
fn class(kind: u16) -> [u8; 3] {
    match kind {
        // Console: communication controller, other.
        3 => [0x07, 0x80, 0],
        // 9P: mass storage controller, other.
        9 => [0x01, 0x80, 0],
        // Unassigned.
        _ => [0xff, 0, 0],
    }
}

/// Bytes that the table of the most vectors needs.
const _: () = assert!((MAX_QUEUES + 1) * msix::ENTRY <= AREA as usize);
