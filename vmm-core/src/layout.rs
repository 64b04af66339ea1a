//! The guest-physical address map and the interrupt lines, as tables.
//!
//! ```text
//! 0                 RAM (boot structures below 1 MiB)
//! HOLE_START        end of low RAM at most; PCI memory window, virtio-mmio, ECAM, IOAPIC, LAPIC, KVM's own pages
//! HOLE_END = 4 GiB  the rest of RAM
//! ```

/// A range of guest-physical addresses: first byte and length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Area {
    /// The first byte after it.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start + self.len
    }
}

/// GDT of the entry state.
pub const GDT: Area = area(0x500, 0x100);
/// `hvm_start_info`, its module list and memory map, for PVH.
pub const PVH_INFO: Area = area(0x6000, 0x1000);
/// `boot_params`, the "zero page".
pub const ZERO_PAGE: Area = area(0x7000, 0x1000);
/// Stack of the entry state; grows down.
pub const BOOT_STACK: Area = area(0x8000, 0x1000);
/// PML4, PDPT and four page directories: identity map of the first 4 GiB.
pub const PAGE_TABLES: Area = area(0x9000, 0x6000);
/// The kernel command line with its NUL: `COMMAND_LINE_SIZE` of x86 is 2048.
pub const COMMAND_LINE: Area = area(0x2_0000, 0x1000);
/// Extended BIOS data area, empty: conventional memory ends before it. Not RAM in the e820 map.
pub const EBDA: Area = area(0x9_fc00, 0x400);
/// What a PC has its BIOS in: the ACPI tables, the MP table and the generation identifier. Not RAM in the e820 map.
pub const BIOS: Area = area(0xe_0000, 0x2_0000);
/// ACPI tables, RSDP first: the kernel scans the BIOS area for it on 16-byte boundaries.
pub const ACPI: Area = area(0xe_0000, 0x1_0000);
/// MP table, floating pointer first: the kernel scans the upper 64 KiB of the BIOS area for it on 16-byte boundaries.
pub const MP_TABLE: Area = area(0xf_0000, 0xf000);
/// Where the kernel may be loaded.
pub const HIGH_RAM_START: u64 = 0x10_0000;

/// The hole in RAM below 4 GiB.
pub const HOLE_START: u64 = 0xc000_0000;
/// The first byte after the hole.
pub const HOLE_END: u64 = 1 << 32;
/// Memory window of the PCI host bridge.
pub const PCI_WINDOW: Area = area(0xc000_0000, 0x1000_0000);
/// virtio-mmio register blocks, 4 KiB apart.
pub const VIRTIO_MMIO: Area = area(0xd000_0000, 0x10_0000);
/// Bytes of one virtio-mmio register block.
pub const VIRTIO_MMIO_STRIDE: u64 = 0x1000;
/// PCI configuration space of bus 0 (ECAM).
pub const ECAM: Area = area(0xe000_0000, 0x10_0000);
/// Virtual machine generation identifier, in the last page of the BIOS area.
pub const VMGENID: Area = area(0xf_f000, 0xff0);
/// Where a PC's BIOS begins in 16-bit mode, f000:fff0, and where kernels jump to restart it
/// ([`crate::boot::reset_vector`]).
pub const RESET_VECTOR: Area = area(0xf_fff0, 0x10);
/// IOAPIC.
pub const IOAPIC: Area = area(0xfec0_0000, 0x1000);
/// Local APIC.
pub const LAPIC: Area = area(0xfee0_0000, 0x1000);
/// KVM's identity map page (`KVM_SET_IDENTITY_MAP_ADDR`).
pub const KVM_IDENTITY: Area = area(0xfffb_c000, 0x1000);
/// KVM's TSS (`KVM_SET_TSS_ADDR`).
pub const KVM_TSS: Area = area(0xfffb_d000, 0x3000);

/// Ports.
pub mod port {
    /// CMOS clock: index and data.
    pub const RTC: u16 = 0x70;
    /// i8042 data; also command and status at 0x64.
    pub const I8042_DATA: u16 = 0x60;
    /// i8042 command and status.
    pub const I8042_COMMAND: u16 = 0x64;
    /// Boot timeline marks, one byte each ([`crate::devices::debug_port`]).
    pub const DEBUG: u16 = 0x80;
    /// First serial port, eight registers.
    pub const COM1: u16 = 0x3f8;
    /// pvpanic (`docs/specs/pvpanic` of QEMU).
    pub const PVPANIC: u16 = 0x505;
    /// ACPI sleep control, sleep status and reset registers, one byte each, in this order.
    pub const ACPI: u16 = 0x600;
    /// PCI configuration address (four bytes) and data (four bytes).
    pub const PCI_CONFIG: u16 = 0xcf8;
}

/// Interrupt lines (GSIs of the one IOAPIC).
pub mod gsi {
    /// First serial port.
    pub const COM1: u32 = 4;
    /// CMOS clock.
    pub const RTC: u32 = 8;
    /// Generic event device: the generation identifier changed.
    pub const EVENTS: u32 = 13;
    /// Lines of virtio-mmio devices, in order: the legacy numbers first, which need no tables.
    pub const MMIO: [u32; 16] = [5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22];
    /// Lines of the PCI host bridge; pin A of device n is line n modulo their number.
    pub const PCI: [u32; 8] = [16, 17, 18, 19, 20, 21, 22, 23];
}

/// Identifier of the IOAPIC: the first beyond every vCPU's, where `apic_ids` is one more than the highest of those.
#[must_use]
pub const fn ioapic_id(apic_ids: u32) -> u32 {
    apic_ids
}

/// RAM below and above the hole for `bytes` of memory: areas in ascending order.
#[must_use]
pub fn ram(bytes: u64) -> Vec<Area> {
    let low = bytes.min(HOLE_START);
    let mut areas = vec![area(0, low)];
    if bytes > low {
        areas.push(area(HOLE_END, bytes - low));
    }
    areas
}

const fn area(start: u64, len: u64) -> Area {
    Area { start, len }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps() {
        let mut areas = [
            GDT,
            PVH_INFO,
            ZERO_PAGE,
            BOOT_STACK,
            PAGE_TABLES,
            COMMAND_LINE,
            EBDA,
            ACPI,
            MP_TABLE,
            VMGENID,
            RESET_VECTOR,
            area(HIGH_RAM_START, HOLE_START - HIGH_RAM_START),
            PCI_WINDOW,
            VIRTIO_MMIO,
            ECAM,
            IOAPIC,
            LAPIC,
            KVM_IDENTITY,
            KVM_TSS,
            area(HOLE_END, 1 << 40),
        ];
        areas.sort_by_key(|a| a.start);
        for pair in areas.windows(2) {
            assert!(pair[0].end() <= pair[1].start, "{pair:x?}");
        }
    }

    #[test]
    fn firmware_data_fills_the_bios_area() {
        assert_eq!(ACPI.start, BIOS.start);
        assert_eq!(ACPI.end(), MP_TABLE.start);
        assert_eq!(MP_TABLE.end(), VMGENID.start);
        assert_eq!(VMGENID.end(), RESET_VECTOR.start);
        assert_eq!(RESET_VECTOR.end(), BIOS.end());
        assert_eq!(BIOS.end(), HIGH_RAM_START);
    }

    #[test]
    fn memory_goes_around_the_hole() {
        assert_eq!(ram(128 << 20), [area(0, 128 << 20)]);
        assert_eq!(ram(HOLE_START), [area(0, HOLE_START)]);
        assert_eq!(
            ram(5 << 30),
            [area(0, HOLE_START), area(HOLE_END, (5 << 30) - HOLE_START)]
        );
    }
}
