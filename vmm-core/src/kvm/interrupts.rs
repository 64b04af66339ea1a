//! KVM's side of [`crate::irq`]: irqfd, ioeventfd, the routing table.

use crate::irq::{Doorbell, InterruptController, LevelLine, MsiVector};
use crate::sync::lock;
use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE, KvmIrqRouting, kvm_irq_routing_entry,
    kvm_irq_routing_entry__bindgen_ty_1, kvm_irq_routing_irqchip, kvm_irq_routing_msi,
};
use kvm_ioctls::{Error as Errno, IoEventAddress, NoDatamatch, VmFd};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Inputs of the IOAPIC; the first [`PIC_LINES`] are those of the PICs too.
const IOAPIC_LINES: u32 = 24;
const PIC_LINES: u32 = 16;
/// GSIs that KVM knows (`KVM_CAP_IRQ_ROUTING` is at least this since Linux 2.6.30 on x86).
const GSIS: u32 = 1024;

/// The interrupt side of a machine; clones share it.
#[derive(Clone)]
pub(crate) struct KvmInterrupts(Arc<Shared>);

struct Shared {
    vm: Arc<VmFd>,
    /// Messages by GSI; a GSI in use without a message yet is `None`.
    messages: Mutex<BTreeMap<u32, Option<(u64, u32)>>>,
}

impl KvmInterrupts {
    /// The interrupt side of `vm`, which has interrupt controllers.
    pub(crate) fn new(vm: Arc<VmFd>) -> Self {
        Self(Arc::new(Shared {
            vm,
            messages: Mutex::default(),
        }))
    }
}

impl Shared {
    /// Gives KVM the whole table: lines, and every message that is set.
    fn update(&self, messages: &BTreeMap<u32, Option<(u64, u32)>>) -> io::Result<()> {
        let mut entries = vec![];
        for gsi in 0..IOAPIC_LINES {
            if gsi < PIC_LINES {
                let chip = if gsi < 8 {
                    KVM_IRQCHIP_PIC_MASTER
                } else {
                    KVM_IRQCHIP_PIC_SLAVE
                };
                entries.push(line(gsi, chip, gsi % 8));
            }
            // As KVM's own default table: input n is line n, the timer on input 2 has an override in tables that need it.
            entries.push(line(gsi, KVM_IRQCHIP_IOAPIC, gsi));
        }
        entries.extend(messages.iter().filter_map(|(&gsi, &message)| {
            let (address, data) = message?;
            Some(kvm_irq_routing_entry {
                gsi,
                type_: KVM_IRQ_ROUTING_MSI,
                u: kvm_irq_routing_entry__bindgen_ty_1 {
                    msi: kvm_irq_routing_msi {
                        address_lo: address as u32,
                        address_hi: (address >> 32) as u32,
                        data,
                        ..kvm_irq_routing_msi::default()
                    },
                },
                ..kvm_irq_routing_entry::default()
            })
        }));
        let table = KvmIrqRouting::from_entries(&entries).map_err(io::Error::other)?;
        self.vm.set_gsi_routing(&table).map_err(to_io)
    }
}

fn line(gsi: u32, irqchip: u32, pin: u32) -> kvm_irq_routing_entry {
    kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_IRQCHIP,
        u: kvm_irq_routing_entry__bindgen_ty_1 {
            irqchip: kvm_irq_routing_irqchip { irqchip, pin },
        },
        ..kvm_irq_routing_entry::default()
    }
}

fn to_io(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

impl InterruptController for KvmInterrupts {
    fn edge(&self, gsi: u32) -> io::Result<EventFd> {
        let event = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?;
        self.0.vm.register_irqfd(&event, gsi).map_err(to_io)?;
        Ok(event)
    }

    fn level(&self, gsi: u32) -> Arc<dyn LevelLine> {
        Arc::new(Line {
            shared: self.0.clone(),
            gsi,
        })
    }

    fn msi(&self) -> io::Result<Arc<dyn MsiVector>> {
        let mut messages = lock(&self.0.messages);
        let gsi = (IOAPIC_LINES..GSIS)
            .find(|gsi| !messages.contains_key(gsi))
            .ok_or_else(|| io::Error::other("no message-signalled interrupt is left"))?;
        let event = EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK)?;
        self.0.vm.register_irqfd(&event, gsi).map_err(to_io)?;
        messages.insert(gsi, None);
        Ok(Arc::new(Message {
            shared: self.0.clone(),
            event,
            gsi,
        }))
    }

    fn add_doorbell(&self, doorbell: Doorbell, event: &EventFd) -> io::Result<()> {
        let address = IoEventAddress::Mmio(doorbell.address);
        match doorbell.value {
            Some(value) => self.0.vm.register_ioevent(event, &address, value),
            None => self.0.vm.register_ioevent(event, &address, NoDatamatch),
        }
        .map_err(to_io)
    }

    fn remove_doorbell(&self, doorbell: Doorbell, event: &EventFd) -> io::Result<()> {
        let address = IoEventAddress::Mmio(doorbell.address);
        match doorbell.value {
            Some(value) => self.0.vm.unregister_ioevent(event, &address, value),
            None => self.0.vm.unregister_ioevent(event, &address, NoDatamatch),
        }
        .map_err(to_io)
    }
}

struct Line {
    shared: Arc<Shared>,
    gsi: u32,
}

impl LevelLine for Line {
    fn set(&self, asserted: bool) {
        // Fails only for a line that does not exist, and ours come from the layout.
        let _ = self.shared.vm.set_irq_line(self.gsi, asserted);
    }
}

struct Message {
    shared: Arc<Shared>,
    event: EventFd,
    gsi: u32,
}

impl MsiVector for Message {
    fn route(&self, address: u64, data: u32) -> io::Result<()> {
        let mut messages = lock(&self.shared.messages);
        let message = Some((address, data));
        // A table costs a grace period in the host: not for what is in force already.
        if messages.get(&self.gsi) == Some(&message) {
            return Ok(());
        }
        messages.insert(self.gsi, message);
        self.shared.update(&messages)
    }

    fn trigger(&self) {
        // Full only after 2^64 - 2 interrupts that KVM did not take.
        let _ = self.event.write(1);
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let mut messages = lock(&self.shared.messages);
        // Nothing to be done where these fail: the descriptor's end detaches it as well.
        let _ = self.shared.vm.unregister_irqfd(&self.event, self.gsi);
        if messages.remove(&self.gsi).flatten().is_some() {
            let _ = self.shared.update(&messages);
        }
    }
}
