//! The two transports as a driver sees them.
#![allow(unsafe_code, reason = "events as borrowed descriptors")]

use super::{FakeInterrupts, ram};
use crate::{
    bus::BusDevice,
    layout::{self, PCI_WINDOW},
    memory::GuestRam,
    virtio::{
        VirtioDevice,
        transport::{MmioTransport, PciRoot},
    },
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    os::fd::{AsRawFd, BorrowedFd},
    sync::Arc,
};
use vmm_sys_util::eventfd::EventFd;

/// Where the registers of the mmio device are.
const MMIO: u64 = layout::VIRTIO_MMIO.start;
/// Address of the local APIC and a vector of it, as messages have them.
pub(crate) const MESSAGE: u64 = 0xfee0_1000;

/// A transport's registers.
pub(crate) trait Face {
    fn name(&self) -> &'static str;
    fn ram(&self) -> &GuestRam;
    fn interrupts(&self) -> &FakeInterrupts;
    fn device_type(&self) -> u32;
    fn status(&self) -> u8;
    fn set_status(&self, status: u8);
    fn features(&self) -> u64;
    fn accept(&self, features: u64);
    fn max_size(&self, queue: u16) -> u16;
    /// Sets size and addresses, and enables the queue.
    fn set_queue(&self, queue: u16, size: u16, parts: [u64; 3]);
    fn is_enabled(&self, queue: u16) -> bool;
    /// Notifies, by a doorbell where there is one. Whether there was.
    fn notify(&self, queue: u16) -> bool;
    /// Notifies by the register, as if the hypervisor had not taken it.
    fn notify_slowly(&self, queue: u16);
    /// The event behind the interrupt of a queue, or of the configuration.
    fn event(&self, queue: Option<u16>) -> EventFd;
    fn generation(&self) -> u32;
    fn read_config(&self, offset: u64, data: &mut [u8]);
    fn write_config(&self, offset: u64, data: &[u8]);
    fn pause(&self);
    fn resume(&self);

    /// Waits for an interrupt: how many came.
    fn wait(&self, queue: Option<u16>) -> u64 {
        let event = self.event(queue);
        // SAFETY: `event` lives until the end of this function.
        let fd = unsafe { BorrowedFd::borrow_raw(event.as_raw_fd()) };
        let patience = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&patience));
        assert_eq!(ready.expect("waits"), 1, "{}: no interrupt", self.name());
        event.read().expect("readable")
    }

    /// Interrupts that have come already.
    fn pending(&self, queue: Option<u16>) -> u64 {
        self.event(queue).read().unwrap_or(0)
    }
}

/// `device` behind either transport.
pub(crate) fn faces(
    device: impl Fn() -> Box<dyn VirtioDevice>,
) -> [Box<dyn Face + Send + Sync>; 2] {
    [
        Box::new(MmioFace::new(device())),
        Box::new(PciFace::new(device())),
    ]
}

pub(crate) struct MmioFace {
    pub(crate) transport: Arc<MmioTransport>,
    interrupts: Arc<FakeInterrupts>,
    ram: GuestRam,
}

impl MmioFace {
    const GSI: u32 = 5;

    pub(crate) fn new(device: Box<dyn VirtioDevice>) -> Self {
        let (interrupts, ram) = (Arc::new(FakeInterrupts::default()), ram());
        let controller = interrupts.clone();
        let transport = MmioTransport::new(ram.clone(), device, controller, MMIO, Self::GSI);
        Self {
            transport: Arc::new(transport.expect("descriptors")),
            interrupts,
            ram,
        }
    }

    pub(crate) fn get(&self, register: u64) -> u32 {
        let mut data = [0; 4];
        self.transport.read(register, &mut data);
        u32::from_le_bytes(data)
    }

    pub(crate) fn set(&self, register: u64, value: u32) {
        self.transport.write(register, &value.to_le_bytes());
    }
}

impl Face for MmioFace {
    fn name(&self) -> &'static str {
        "mmio"
    }

    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn interrupts(&self) -> &FakeInterrupts {
        &self.interrupts
    }

    fn device_type(&self) -> u32 {
        assert_eq!((self.get(0), self.get(4)), (0x7472_6976, 2));
        self.get(8)
    }

    fn status(&self) -> u8 {
        u8::try_from(self.get(0x70)).expect("a byte")
    }

    fn set_status(&self, status: u8) {
        self.set(0x70, status.into());
    }

    fn features(&self) -> u64 {
        [0, 1].into_iter().fold(0, |features, half| {
            self.set(0x14, half);
            features | u64::from(self.get(0x10)) << (32 * half)
        })
    }

    fn accept(&self, features: u64) {
        for half in [0, 1] {
            self.set(0x24, half);
            self.set(0x20, (features >> (32 * half)) as u32);
        }
    }

    fn max_size(&self, queue: u16) -> u16 {
        self.set(0x30, queue.into());
        u16::try_from(self.get(0x34)).expect("a size")
    }

    fn set_queue(&self, queue: u16, size: u16, parts: [u64; 3]) {
        self.set(0x30, queue.into());
        self.set(0x38, size.into());
        for (register, part) in [0x80, 0x90, 0xa0].into_iter().zip(parts) {
            self.set(register, part as u32);
            self.set(register + 4, (part >> 32) as u32);
        }
        self.set(0x44, 1);
    }

    fn is_enabled(&self, queue: u16) -> bool {
        self.set(0x30, queue.into());
        self.get(0x44) == 1
    }

    fn notify(&self, queue: u16) -> bool {
        let taken = self.interrupts.ring(MMIO + 0x50, queue.into());
        if !taken {
            self.notify_slowly(queue);
        }
        taken
    }

    fn notify_slowly(&self, queue: u16) {
        self.set(0x50, queue.into());
    }

    fn event(&self, queue: Option<u16>) -> EventFd {
        let status = self.get(0x60);
        self.set(0x64, status & if queue.is_some() { 1 } else { 2 });
        let edges = self.interrupts.edges.lock().expect("no panic");
        edges[&Self::GSI].try_clone().expect("a descriptor")
    }

    fn generation(&self) -> u32 {
        self.get(0xfc)
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        self.transport.read(0x100 + offset, data);
    }

    fn write_config(&self, offset: u64, data: &[u8]) {
        self.transport.write(0x100 + offset, data);
    }

    fn pause(&self) {
        self.transport.pause();
    }

    fn resume(&self) {
        self.transport.resume();
    }
}

/// The first function of a bus, found and set up as a kernel does it.
pub(crate) struct PciFace {
    pub(crate) root: Arc<PciRoot>,
    pub(crate) window: Arc<dyn BusDevice>,
    ports: Arc<dyn BusDevice>,
    interrupts: Arc<FakeInterrupts>,
    ram: GuestRam,
    bar: u64,
    common: u64,
    notify: u64,
    multiplier: u64,
    pub(crate) isr: u64,
    device: u64,
    /// Register of the MSI-X capability.
    pub(crate) msix: u32,
    /// Register of the configuration access capability.
    pub(crate) access: u32,
}

impl PciFace {
    pub(crate) fn new(device: Box<dyn VirtioDevice>) -> Self {
        let (interrupts, ram) = (Arc::new(FakeInterrupts::default()), ram());
        let root = PciRoot::new();
        let slot = root.add_virtio(ram.clone(), device, interrupts.clone());
        assert_eq!(slot.expect("descriptors"), 1);
        let mut face = Self {
            window: root.window(),
            ports: root.config_ports(),
            root,
            interrupts,
            ram,
            bar: 0,
            common: 0,
            notify: 0,
            multiplier: 0,
            isr: 0,
            device: 0,
            msix: 0,
            access: 0,
        };
        face.probe();
        face
    }

    /// Puts the BAR back to where it was at first, and does all of it again.
    pub(crate) fn probe_again(&mut self) {
        self.set_config(0x10, u32::try_from(self.bar).expect("32 bits"));
        self.probe();
    }

    /// Finds the capabilities, enables memory and, with a message for each vector, MSI-X.
    fn probe(&mut self) {
        assert_eq!(self.config(0) & 0xffff, 0x1af4);
        assert_ne!(self.config(4) & 1 << 20, 0, "capabilities");
        self.bar = u64::from(self.config(0x10));
        assert_eq!(self.bar & 0xf, 0, "32-bit memory");
        let mut at = self.config(0x34) & 0xff;
        while at != 0 {
            let head = self.config(at);
            match (head & 0xff, head >> 24) {
                (0x11, _) => self.msix = at,
                (9, kind) => {
                    let offset = self.bar + u64::from(self.config(at + 8));
                    assert!(kind == 5 || self.config(at + 4) & 0xff == 0, "BAR 0");
                    match kind {
                        1 => self.common = offset,
                        2 => {
                            self.notify = offset;
                            self.multiplier = self.config(at + 16).into();
                        }
                        3 => self.isr = offset,
                        4 => self.device = offset,
                        5 => self.access = at,
                        kind => panic!("capability of kind {kind}"),
                    }
                }
                (id, _) => panic!("capability {id}"),
            }
            at = head >> 8 & 0xff;
        }
        self.set_config(4, 6);
        let table = self.bar + u64::from(self.config(self.msix + 4));
        let vectors = self.config(self.msix) >> 16 & 0x7ff;
        for vector in 0..=vectors {
            let entry = table + u64::from(vector) * 16;
            self.write(entry, &MESSAGE.to_le_bytes());
            self.write(entry + 8, &vector.to_le_bytes());
            self.write(entry + 12, &0_u32.to_le_bytes());
        }
        self.set_config(self.msix, 0x8000_0000);
    }

    pub(crate) fn config(&self, register: u32) -> u32 {
        self.ports.write(0, &(0x8000_0800 | register).to_le_bytes());
        let mut data = [0; 4];
        self.ports.read(4, &mut data);
        u32::from_le_bytes(data)
    }

    pub(crate) fn set_config(&self, register: u32, value: u32) {
        self.ports.write(0, &(0x8000_0800 | register).to_le_bytes());
        self.ports.write(4, &value.to_le_bytes());
    }

    pub(crate) fn write(&self, address: u64, data: &[u8]) {
        self.window.write(address - PCI_WINDOW.start, data);
    }

    pub(crate) fn read<const N: usize>(&self, address: u64) -> [u8; N] {
        let mut data = [0; N];
        self.window.read(address - PCI_WINDOW.start, &mut data);
        data
    }

    fn get32(&self, register: u64) -> u32 {
        u32::from_le_bytes(self.read(self.common + register))
    }

    fn get16(&self, register: u64) -> u16 {
        u16::from_le_bytes(self.read(self.common + register))
    }

    fn set32(&self, register: u64, value: u32) {
        self.write(self.common + register, &value.to_le_bytes());
    }

    fn set16(&self, register: u64, value: u16) {
        self.write(self.common + register, &value.to_le_bytes());
    }

    pub(crate) fn vector(&self, number: usize) -> Arc<super::interrupts::FakeVector> {
        self.interrupts.vectors.lock().expect("no panic")[number].clone()
    }

    /// Moves everything to where the BAR is now.
    pub(crate) fn moved(&mut self, bar: u64) {
        for place in [
            &mut self.common,
            &mut self.notify,
            &mut self.isr,
            &mut self.device,
        ] {
            *place = *place - self.bar + bar;
        }
        self.bar = bar;
    }

    pub(crate) fn bar(&self) -> u64 {
        self.bar
    }
}

impl Face for PciFace {
    fn name(&self) -> &'static str {
        "pci"
    }

    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn interrupts(&self) -> &FakeInterrupts {
        &self.interrupts
    }

    fn device_type(&self) -> u32 {
        (self.config(0) >> 16) - 0x1040
    }

    fn status(&self) -> u8 {
        let [status] = self.read(self.common + 20);
        status
    }

    fn set_status(&self, status: u8) {
        self.write(self.common + 20, &[status]);
        if status == 1 {
            self.set16(16, 0);
        }
    }

    fn features(&self) -> u64 {
        [0, 1].into_iter().fold(0, |features, half| {
            self.set32(0, half);
            features | u64::from(self.get32(4)) << (32 * half)
        })
    }

    fn accept(&self, features: u64) {
        for half in [0, 1] {
            self.set32(8, half);
            self.set32(12, (features >> (32 * half)) as u32);
        }
    }

    fn max_size(&self, queue: u16) -> u16 {
        self.set16(22, queue);
        self.get16(24)
    }

    fn set_queue(&self, queue: u16, size: u16, parts: [u64; 3]) {
        self.set16(22, queue);
        self.set16(24, size);
        self.set16(26, queue + 1);
        for (register, part) in [32, 40, 48].into_iter().zip(parts) {
            self.set32(register, part as u32);
            self.set32(register + 4, (part >> 32) as u32);
        }
        self.set16(28, 1);
    }

    fn is_enabled(&self, queue: u16) -> bool {
        self.set16(22, queue);
        self.get16(28) == 1
    }

    fn notify(&self, queue: u16) -> bool {
        let address = self.notify + u64::from(queue) * self.multiplier;
        let taken = self.interrupts.ring(address, queue.into());
        if !taken {
            self.notify_slowly(queue);
        }
        taken
    }

    fn notify_slowly(&self, queue: u16) {
        let address = self.notify + u64::from(queue) * self.multiplier;
        self.write(address, &queue.to_le_bytes());
    }

    fn event(&self, queue: Option<u16>) -> EventFd {
        let vector = self.vector(queue.map_or(0, |queue| usize::from(queue) + 1));
        vector.event.try_clone().expect("a descriptor")
    }

    fn generation(&self) -> u32 {
        let [generation] = self.read(self.common + 21);
        generation.into()
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        self.window
            .read(self.device + offset - PCI_WINDOW.start, data);
    }

    fn write_config(&self, offset: u64, data: &[u8]) {
        self.write(self.device + offset, data);
    }

    fn pause(&self) {
        self.root.pause_all();
    }

    fn resume(&self) {
        self.root.resume_all();
    }
}
