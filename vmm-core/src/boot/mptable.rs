//! The MP table, for kernels without ACPI (Intel MultiProcessor Specification 1.4).
//!
//! Read by `arch/x86/kernel/mpparse.c` of Linux, and the interrupt entries by `arch/x86/kernel/apic/io_apic.c`: line n of
//! an ISA bus is pin n of the IOAPIC and, where virtio-mmio devices are named on the kernel command line, interrupt
//! number n for the driver, from 16 on too.

use crate::{
    config::{CpuConfig, Transport},
    layout::{self, gsi},
    x86::topology::{self, TopologyError},
};

/// Why there can be no MP table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MpTableError {
    /// The vCPUs cannot be numbered.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// No identifier of eight bits is left for the IOAPIC.
    #[error(
        "the last vCPU has the APIC identifier {apic_id}, and with an MP table {max} is the greatest"
    )]
    ApicId {
        /// That of the last vCPU.
        apic_id: u32,
        /// The greatest that can be.
        max: u32,
    },
}

/// Greatest APIC identifier of a vCPU, for 254 at most: the next is the IOAPIC's, and 255 means all of them.
const MAX_APIC_ID: u32 = 253;

/// Bytes of the floating pointer structure (section 4.1).
const POINTER: usize = 16;
/// Bytes of the configuration table's header (section 4.2).
const HEADER: usize = 44;
/// Version 1.4 of the specification.
const SPECIFICATION: u8 = 4;

/// Entry types (section 4.3).
mod entry {
    pub(super) const PROCESSOR: u8 = 0;
    pub(super) const BUS: u8 = 1;
    pub(super) const IOAPIC: u8 = 2;
    pub(super) const INTERRUPT: u8 = 3;
    pub(super) const LOCAL_INTERRUPT: u8 = 4;
}

/// Processor flags (table 4-5): usable, and the one that boots.
const CPU_ENABLED: u8 = 1;
const CPU_BOOT: u8 = 2;
/// Version register of KVM's local APIC.
const LAPIC_VERSION: u8 = 0x14;
/// Processor signature: family 6. Linux asks CPUID instead.
const CPU_SIGNATURE: u32 = 0x600;
/// Processor features: FPU and APIC, as in CPUID. Linux asks CPUID instead.
const CPU_FEATURES: u32 = 1 << 9 | 1;

/// Version register of KVM's IOAPIC.
const IOAPIC_VERSION: u8 = 0x11;
/// IOAPIC flags (table 4-8): usable.
const IOAPIC_ENABLED: u8 = 1;
/// Pins of the IOAPIC.
const PINS: u8 = 24;

/// Interrupt types (table 4-11).
const INT: u8 = 0;
const NMI: u8 = 1;
const EXT_INT: u8 = 3;
/// Trigger and polarity are what the bus usually has: edge and high for ISA, level and low for PCI (KVM does not look at
/// the polarity).
const CONFORMS: u16 = 0;
/// Local APIC of a local interrupt entry: all of them.
const ALL_APICS: u8 = 0xff;

/// Lines of an ISA bus.
const ISA_LINES: u8 = 16;
/// The line that the second 8259 takes: nothing is connected.
const CASCADE: u8 = 2;
/// The PCI bus, which has to have the number that PCI has for it; ISA is after it where it is there.
const PCI_BUS: u8 = 0;
/// Devices of a PCI bus.
const PCI_DEVICES: u8 = 32;

/// The MP table of a machine: bytes that belong at the start of [`layout::MP_TABLE`], the floating pointer first.
///
/// # Errors
/// When there are more vCPUs than a table of 8-bit identifiers can name.
pub fn build(cpus: &CpuConfig, transport: Transport) -> Result<Vec<u8>, MpTableError> {
    topology::check(cpus)?;
    let apic_ids: Vec<u32> = (0..cpus.count())
        .map(|vcpu| topology::apic_id(cpus, vcpu))
        .collect();
    let apic_id = *apic_ids.last().expect("there is a vCPU");
    if apic_id > MAX_APIC_ID {
        return Err(MpTableError::ApicId {
            apic_id,
            max: MAX_APIC_ID,
        });
    }
    let mut entries = Entries::default();
    for (number, id) in apic_ids.iter().enumerate() {
        entries.processor(byte(*id), number == 0);
    }
    let isa = match transport {
        Transport::Pci => {
            entries.bus(PCI_BUS, *b"PCI   ");
            PCI_BUS + 1
        }
        Transport::Mmio => 0,
    };
    entries.bus(isa, *b"ISA   ");
    let ioapic = byte(layout::ioapic_id(apic_id + 1));
    entries.ioapic(ioapic);
    let isa_lines = match transport {
        Transport::Pci => ISA_LINES,
        Transport::Mmio => PINS,
    };
    for line in (0..isa_lines).filter(|line| *line != CASCADE) {
        entries.interrupt(isa, line, ioapic, line);
    }
    if transport == Transport::Pci {
        for (device, line) in (0..PCI_DEVICES).zip(gsi::PCI.iter().cycle()) {
            // Pin A of the device (section D.3): its number from bit 2 on.
            entries.interrupt(PCI_BUS, device << 2, ioapic, byte(*line));
        }
    }
    entries.local_interrupt(EXT_INT, isa, 0);
    entries.local_interrupt(NMI, isa, 1);

    let mut image = pointer();
    image.extend(entries.table());
    Ok(image)
}

/// The floating pointer structure; the configuration table is right behind it. Its feature bytes are zero: there is a
/// table, and no interrupt mode register, so the machine starts in virtual wire mode.
fn pointer() -> Vec<u8> {
    let table = word(layout::MP_TABLE.start) + u32::try_from(POINTER).expect("small");
    let mut pointer = Vec::with_capacity(POINTER);
    pointer.extend(b"_MP_");
    pointer.extend(table.to_le_bytes());
    pointer.extend([1, SPECIFICATION]); // length in 16 bytes
    pointer.resize(POINTER, 0);
    set_checksum(&mut pointer, 10);
    pointer
}

/// Entries of the base table, to be added in the order of their types.
#[derive(Default)]
struct Entries {
    bytes: Vec<u8>,
    count: u16,
}

impl Entries {
    fn processor(&mut self, id: u8, boots: bool) {
        let flags = CPU_ENABLED | if boots { CPU_BOOT } else { 0 };
        self.add(&[entry::PROCESSOR, id, LAPIC_VERSION, flags]);
        self.bytes.extend(CPU_SIGNATURE.to_le_bytes());
        self.bytes.extend(CPU_FEATURES.to_le_bytes());
        self.bytes.extend([0; 8]);
    }

    fn bus(&mut self, id: u8, name: [u8; 6]) {
        self.add(&[entry::BUS, id]);
        self.bytes.extend(name);
    }

    fn ioapic(&mut self, id: u8) {
        self.add(&[entry::IOAPIC, id, IOAPIC_VERSION, IOAPIC_ENABLED]);
        self.bytes.extend(word(layout::IOAPIC.start).to_le_bytes());
    }

    fn interrupt(&mut self, bus: u8, line: u8, ioapic: u8, pin: u8) {
        let [low, high] = CONFORMS.to_le_bytes();
        self.add(&[entry::INTERRUPT, INT, low, high, bus, line, ioapic, pin]);
    }

    fn local_interrupt(&mut self, kind: u8, bus: u8, pin: u8) {
        let [low, high] = CONFORMS.to_le_bytes();
        self.add(&[
            entry::LOCAL_INTERRUPT,
            kind,
            low,
            high,
            bus,
            0,
            ALL_APICS,
            pin,
        ]);
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.count += 1;
    }

    /// The configuration table of these entries.
    fn table(self) -> Vec<u8> {
        let len = u16::try_from(HEADER + self.bytes.len()).expect("at most 254 processors");
        let mut table = Vec::with_capacity(len.into());
        table.extend(b"PCMP");
        table.extend(len.to_le_bytes());
        table.extend([SPECIFICATION, 0]);
        table.extend(b"RUNNER  ");
        table.extend(b"RUNNERVM    ");
        table.extend([0; 6]); // no OEM table
        table.extend(self.count.to_le_bytes());
        table.extend(word(layout::LAPIC.start).to_le_bytes());
        table.resize(HEADER, 0); // no extended table
        table.extend(self.bytes);
        set_checksum(&mut table, 7);
        table
    }
}

/// Sets the byte at `at`, which is zero, so that all bytes add up to zero.
fn set_checksum(bytes: &mut [u8], at: usize) {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = sum.wrapping_neg();
}

fn byte(id: u32) -> u8 {
    u8::try_from(id).expect("checked to be at most MAX_APIC_ID")
}

fn word(address: u64) -> u32 {
    u32::try_from(address).expect("below 4 GiB")
}

#[cfg(test)]
mod tests;
