//! The memory map that the kernel is given.
//!
//! ACPI specification 6.5, table 15.4 has the types. What is in no entry is free address space: there the kernel may
//! place what it maps, so everything of ours in it that no table describes is reserved.

use crate::layout::{
    self, ACPI, Area, BIOS, EBDA, ECAM, HIGH_RAM_START, KVM_IDENTITY, KVM_TSS, MP_TABLE,
};

/// Who may use a range; the values are the specification's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Free memory.
    Ram = 1,
    /// Nobody.
    Reserved = 2,
    /// Tables that may be read.
    Acpi = 3,
}

/// One range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) area: Area,
    pub(super) kind: Kind,
}

/// The map of a machine with `bytes` of memory, in ascending order.
pub(super) fn map(bytes: u64) -> Vec<Entry> {
    let entry = |kind, start: u64, end: u64| Entry {
        area: Area {
            start,
            len: end - start,
        },
        kind,
    };
    let reserved = |area: Area| entry(Kind::Reserved, area.start, area.end());
    let mut map = vec![
        entry(Kind::Ram, 0, EBDA.start),
        reserved(EBDA),
        entry(Kind::Acpi, ACPI.start, ACPI.end()),
        entry(Kind::Reserved, MP_TABLE.start, BIOS.end()),
    ];
    let mut areas = layout::ram(bytes).into_iter();
    let low = areas.next().expect("every machine has low memory");
    map.push(entry(Kind::Ram, HIGH_RAM_START, low.end()));
    // The kernel uses PCI's memory-mapped configuration only where it is reserved here
    // (`pci_mmcfg_check_reserved` in `arch/x86/pci/mmconfig-shared.c`).
    map.extend([ECAM, KVM_IDENTITY, KVM_TSS].map(reserved));
    map.extend(areas.map(|area| entry(Kind::Ram, area.start, area.end())));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_ascend_and_memory_is_what_was_asked_for() {
        for bytes in [2 << 20, 128 << 20, layout::HOLE_START, 5 << 30, 1 << 40] {
            let map = map(bytes);
            for pair in map.windows(2) {
                assert!(pair[0].area.end() <= pair[1].area.start, "{pair:x?}");
            }
            assert!(map.iter().all(|entry| entry.area.len > 0), "{map:x?}");
            let ram: u64 = map
                .iter()
                .filter(|entry| entry.kind == Kind::Ram)
                .map(|entry| entry.area.len)
                .sum();
            assert_eq!(ram, bytes - (HIGH_RAM_START - EBDA.start));
        }
    }

    #[test]
    fn no_ram_is_where_the_tables_are() {
        for entry in map(5 << 30).iter().filter(|entry| entry.kind == Kind::Ram) {
            for area in [EBDA, ACPI, ECAM, KVM_IDENTITY, KVM_TSS, layout::PCI_WINDOW] {
                let apart = entry.area.end() <= area.start || area.end() <= entry.area.start;
                assert!(apart, "{entry:x?} {area:x?}");
            }
        }
    }
}
