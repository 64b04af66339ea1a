//! PCI bus 0: configuration space by ports (configuration mechanism #1) and by ECAM, and the memory window of the
//! host bridge.
//!
//! The guest accesses all three with any size at any offset. Functions that are not there read all ones.
//!
//! A function is found without a lock on any other: a vCPU that waits for one device's workers holds up nobody who
//! wants another device.

use super::{
    config_space::{ConfigSpace, Identity},
    function::VirtioFunction,
    intx::SharedLine,
};
use crate::sync::lock;
use crate::{
    bus::BusDevice,
    irq::InterruptController,
    layout::{PCI_WINDOW, gsi},
    memory::GuestRam,
    virtio::{QueueCounters, VirtioDevice},
};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Most devices beside the host bridge.
const MAX_DEVICES: usize = 31;
/// Configuration address: an access is meant for configuration space.
const ENABLE: u32 = 1 << 31;
/// Configuration address: all but enable, device and register must be 0, for bus 0 and function 0.
const ABSENT: u32 = !(ENABLE | 0xf800 | 0xff);

/// The host bridge and what is behind it.
pub struct PciRoot {
    bridge: ConfigSpace,
    functions: RwLock<Vec<Arc<VirtioFunction>>>,
    lines: Mutex<Vec<(u32, Arc<SharedLine>)>>,
    /// The configuration address register.
    address: AtomicU32,
}

impl PciRoot {
    /// A host bridge at 00:00.0 and nothing else.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            // A generic host bridge (docs/specs/pci-ids of QEMU), for which no kernel has a quirk.
            bridge: ConfigSpace::new(&Identity {
                vendor: 0x1b36,
                device: 0x0008,
                revision: 0,
                class: [0x06, 0, 0],
            }),
            functions: RwLock::default(),
            lines: Mutex::default(),
            address: AtomicU32::new(0),
        })
    }

    /// Puts `device` into the next slot, with a BAR in the window and an interrupt line by its slot. Returns the slot.
    ///
    /// # Errors
    /// When all slots are taken, the device has more than 255 queues, the host has no descriptors left, or the
    /// hypervisor no interrupts.
    pub fn add_virtio(
        &self,
        ram: GuestRam,
        device: Box<dyn VirtioDevice>,
        interrupts: Arc<dyn InterruptController>,
    ) -> io::Result<u8> {
        let mut functions = self
            .functions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if functions.len() >= MAX_DEVICES {
            let message = format!("more than {MAX_DEVICES} PCI devices");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let index = functions.len() + 1;
        let slot = u8::try_from(index).expect("few slots");
        let gsi = gsi::PCI[index % gsi::PCI.len()];
        let line = self.line(gsi, &*interrupts);
        let function = VirtioFunction::new(slot, ram, device, interrupts, line, gsi)?;
        functions.push(Arc::new(function));
        Ok(slot)
    }

    /// The line `gsi`, the same for everyone who shares it.
    fn line(&self, gsi: u32, interrupts: &dyn InterruptController) -> Arc<SharedLine> {
        let mut lines = lock(&self.lines);
        if let Some((_, line)) = lines.iter().find(|(other, _)| *other == gsi) {
            return line.clone();
        }
        let line = Arc::new(SharedLine::new(interrupts.level(gsi)));
        lines.push((gsi, line.clone()));
        line
    }

    /// Configuration address and data ports: eight from 0xcf8.
    #[must_use]
    pub fn config_ports(self: &Arc<Self>) -> Arc<dyn BusDevice> {
        Arc::new(ConfigPorts(self.clone()))
    }

    /// Configuration space of bus 0 in memory: 1 MiB.
    #[must_use]
    pub fn ecam(self: &Arc<Self>) -> Arc<dyn BusDevice> {
        Arc::new(Ecam(self.clone()))
    }

    /// The memory window, [`PCI_WINDOW`].
    #[must_use]
    pub fn window(self: &Arc<Self>) -> Arc<dyn BusDevice> {
        Arc::new(Window(self.clone()))
    }

    /// The counts of all queues, by slot and number.
    #[must_use]
    pub fn counters(&self) -> Vec<Arc<QueueCounters>> {
        let functions = self.functions().into_iter();
        functions.flat_map(|function| function.counters()).collect()
    }

    /// Resets every device as its driver could: no worker is left.
    pub fn reset_all(&self) {
        self.functions()
            .iter()
            .for_each(|function| function.reset());
    }

    /// Stops the workers of all devices until [`PciRoot::resume_all`]; the vCPUs stand still in between.
    pub fn pause_all(&self) {
        self.functions()
            .iter()
            .for_each(|function| function.pause());
    }

    /// Lets them go on.
    pub fn resume_all(&self) {
        self.functions()
            .iter()
            .for_each(|function| function.resume());
    }

    fn functions(&self) -> Vec<Arc<VirtioFunction>> {
        self.functions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The first function for which `find` gives something.
    fn find<T>(
        &self,
        find: impl Fn(&VirtioFunction) -> Option<T>,
    ) -> Option<(Arc<VirtioFunction>, T)> {
        let functions = self
            .functions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        functions
            .iter()
            .find_map(|function| find(function).map(|found| (function.clone(), found)))
    }

    fn slot(&self, slot: usize) -> Option<Arc<VirtioFunction>> {
        let functions = self
            .functions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        functions.get(slot.checked_sub(1)?).cloned()
    }

    fn read_config(&self, slot: usize, register: usize, data: &mut [u8]) {
        if slot == 0 {
            self.bridge.read(register, data);
        } else if let Some(function) = self.slot(slot) {
            function.read_config(register, data);
        } else {
            data.fill(0xff);
        }
    }

    fn write_config(&self, slot: usize, register: usize, data: &[u8]) {
        // The bridge has nothing to write.
        if let Some(function) = self.slot(slot) {
            function.write_config(register, data);
        }
    }
}

/// Ports 0xcf8 to 0xcff.
struct ConfigPorts(Arc<PciRoot>);

impl ConfigPorts {
    /// Slot and register of an access to the data ports at `offset`.
    fn target(&self, offset: u64, len: usize) -> Option<(usize, usize)> {
        let address = self.0.address.load(Ordering::SeqCst);
        let byte = usize::try_from(offset.checked_sub(4)?).ok()?;
        let meant = address & ENABLE != 0 && address & ABSENT == 0 && byte + len <= 4;
        let slot = address >> 11 & 0x1f;
        let register = address & 0xfc;
        meant.then_some((slot as usize, register as usize + byte))
    }
}

impl BusDevice for ConfigPorts {
    fn read(&self, offset: u64, data: &mut [u8]) {
        if offset == 0
            && let Ok(data) = <&mut [u8; 4]>::try_from(&mut *data)
        {
            *data = self.0.address.load(Ordering::SeqCst).to_le_bytes();
        } else if let Some((slot, register)) = self.target(offset, data.len()) {
            self.0.read_config(slot, register, data);
        } else {
            data.fill(0xff);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if offset == 0 {
            // Other sizes are ports of other things, on other machines.
            if let Ok(data) = data.try_into() {
                self.0
                    .address
                    .store(u32::from_le_bytes(data), Ordering::SeqCst);
            }
        } else if let Some((slot, register)) = self.target(offset, data.len()) {
            self.0.write_config(slot, register, data);
        }
    }
}

/// Configuration space in memory (PCI Express 4.0, 7.2.2).
struct Ecam(Arc<PciRoot>);

impl Ecam {
    /// Slot and register at `offset`; no function but 0 is there.
    fn target(offset: u64) -> Option<(usize, usize)> {
        let offset = usize::try_from(offset).ok()?;
        let (function, register) = (offset >> 12, offset & 0xfff);
        function
            .is_multiple_of(8)
            .then_some((function / 8, register))
    }
}

impl BusDevice for Ecam {
    fn read(&self, offset: u64, data: &mut [u8]) {
        match Self::target(offset) {
            Some((slot, register)) => self.0.read_config(slot, register, data),
            None => data.fill(0xff),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if let Some((slot, register)) = Self::target(offset) {
            self.0.write_config(slot, register, data);
        }
    }
}

/// The memory window: whoever's BAR is there answers.
struct Window(Arc<PciRoot>);

impl Window {
    fn target(&self, offset: u64, len: usize) -> Option<(Arc<VirtioFunction>, u64)> {
        let address = PCI_WINDOW.start.checked_add(offset)?;
        self.0.find(|function| function.offset(address, len))
    }
}

impl BusDevice for Window {
    fn read(&self, offset: u64, data: &mut [u8]) {
        match self.target(offset, data.len()) {
            Some((function, offset)) => function.read(offset, data),
            None => data.fill(0xff),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if let Some((function, offset)) = self.target(offset, data.len()) {
            function.write(offset, data);
        }
    }
}
