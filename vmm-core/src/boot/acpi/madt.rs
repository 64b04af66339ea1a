//! MADT: the interrupt controllers (ACPI 6.5, section 5.2.12).
//!
//! No interrupt source overrides: a hardware-reduced machine has no ISA interrupts that they could be about, and every
//! device in the DSDT says trigger and polarity itself. No x2APIC entries: no identifier needs one
//! ([`crate::x86::topology::MAX_APIC_ID`]).

use super::table::table;
use crate::{config::CpuConfig, layout, x86::topology::apic_id};
use acpi_tables::{
    Aml, AmlSink,
    madt::{EnabledStatus, IoApic, ProcessorLocalApic},
};

/// Revision of the table in ACPI 6.5.
const REVISION: u8 = 6;
/// The line of every local APIC that NMIs arrive on.
const NMI_LINT: u8 = 1;
/// Flags of an interrupt that is what its bus usually has.
const CONFORMS: u16 = 0;

/// Local APIC NMI structure: type and length.
const LOCAL_NMI: [u8; 2] = [4, 6];
/// The table. Processors have their number as `_UID`.
pub(super) fn build(cpus: &CpuConfig) -> Vec<u8> {
    let mut body = Vec::new();
    body.dword(u32::try_from(layout::LAPIC.start).expect("below 4 GiB"));
    // No 8259 that the kernel should know of: KVM's is masked from the start and stays so.
    body.dword(0);

    let mut apic_ids = 0;
    for vcpu in 0..cpus.count() {
        let id = apic_id(cpus, vcpu);
        apic_ids = apic_ids.max(id + 1);
        ProcessorLocalApic::new(byte(vcpu), byte(id), EnabledStatus::Enabled)
            .to_aml_bytes(&mut body);
    }
    IoApic::new(
        byte(layout::ioapic_id(apic_ids)),
        u32::try_from(layout::IOAPIC.start).expect("below 4 GiB"),
        0,
    )
    .to_aml_bytes(&mut body);

    // Every processor at once.
    body.vec(&LOCAL_NMI);
    body.byte(0xff);
    body.word(CONFORMS);
    body.byte(NMI_LINT);
    table(*b"APIC", REVISION, &body)
}

fn byte(id: u32) -> u8 {
    u8::try_from(id).expect("APIC identifiers are at most MAX_APIC_ID")
}
