//! Page tables of the 64-bit entry: the first 4 GiB mapped onto themselves by pages of 2 MiB (Intel SDM volume 3,
//! section 5.5.4). In [`PAGE_TABLES`] the PML4 comes first, then the PDPT, then four page directories.

use crate::{layout::PAGE_TABLES, memory::GuestRam};
use vm_memory::{Bytes, GuestAddress};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const TABLE: u64 = 4096;
const ENTRIES: u64 = 512;
const DIRECTORIES: u64 = 4;

/// CR3 for the tables.
pub(super) const ROOT: u64 = PAGE_TABLES.start;

/// Writes the tables; their memory is all zero still.
pub(super) fn write(ram: &GuestRam) {
    let directories = ROOT + 2 * TABLE;
    let point = |at: u64| at | WRITABLE | PRESENT;
    put(ram, ROOT, &[point(ROOT + TABLE)]);
    let pointers: Vec<_> = (0..DIRECTORIES)
        .map(|index| point(directories + index * TABLE))
        .collect();
    put(ram, ROOT + TABLE, &pointers);
    let pages: Vec<_> = (0..DIRECTORIES * ENTRIES)
        .map(|page| page << 21 | LARGE | WRITABLE | PRESENT)
        .collect();
    put(ram, directories, &pages);
}

fn put(ram: &GuestRam, at: u64, entries: &[u64]) {
    let bytes: Vec<u8> = entries
        .iter()
        .flat_map(|entry| entry.to_le_bytes())
        .collect();
    ram.memory()
        .write_slice(&bytes, GuestAddress(at))
        .expect("every machine has this memory");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryConfig;

    /// Walks the tables as the processor does.
    fn translate(ram: &GuestRam, address: u64) -> Option<u64> {
        let mut table = ROOT;
        for shift in [39, 30, 21] {
            let at = table + (address >> shift & 0x1ff) * 8;
            let entry: u64 = ram.memory().read_obj(GuestAddress(at)).expect("RAM");
            if entry & (PRESENT | WRITABLE) != PRESENT | WRITABLE {
                return None;
            }
            table = entry & 0x000f_ffff_ffff_f000;
            if entry & LARGE != 0 {
                return (shift == 21).then_some(table + address % (2 << 20));
            }
        }
        None
    }

    #[test]
    fn four_gib_are_mapped_onto_themselves_and_nothing_else_is() {
        let ram = GuestRam::new(&MemoryConfig {
            bytes: 2 << 20,
            huge_pages: false,
            file: false,
        })
        .expect("address space");
        write(&ram);
        assert_eq!(DIRECTORIES * TABLE + 2 * TABLE, PAGE_TABLES.len);
        for address in (0..1 << 32).step_by(2 << 20) {
            assert_eq!(translate(&ram, address + 0x1234), Some(address + 0x1234));
        }
        for address in [1 << 32, 1 << 39, 0xffff_8000_0000_0000] {
            assert_eq!(translate(&ram, address), None, "{address:#x}");
        }
    }
}
