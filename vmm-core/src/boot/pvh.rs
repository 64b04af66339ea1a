//! `hvm_start_info` with its module list and memory map: what a kernel is told by the PVH boot protocol.
//!
//! `include/xen/interface/hvm/start_info.h` of the kernel, version 1.

use super::e820;
use crate::{
    layout::{self, Area, PVH_INFO},
    memory::GuestRam,
};
use linux_loader::loader::elf::start_info::{
    hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info,
};
use vm_memory::{Bytes, GuestAddress};

const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION: u32 = 1;
const MODULES: u64 = PVH_INFO.start + 0x40;
const MEMORY_MAP: u64 = PVH_INFO.start + 0x80;

/// Writes the start info with the memory map, and where the other things are.
pub(super) fn write(ram: &GuestRam, initramfs: Option<Area>, rsdp: Option<u64>) {
    let map: Vec<_> = e820::map(ram.bytes())
        .iter()
        .map(|entry| hvm_memmap_table_entry {
            addr: entry.area.start,
            size: entry.area.len,
            type_: entry.kind as u32,
            reserved: 0,
        })
        .collect();
    let info = hvm_start_info {
        magic: MAGIC,
        version: VERSION,
        flags: 0,
        nr_modules: initramfs.is_some().into(),
        modlist_paddr: initramfs.map_or(0, |_| MODULES),
        cmdline_paddr: layout::COMMAND_LINE.start,
        rsdp_paddr: rsdp.unwrap_or(0),
        memmap_paddr: MEMORY_MAP,
        memmap_entries: u32::try_from(map.len()).expect("ten entries at most"),
        reserved: 0,
    };
    let memory = ram.memory();
    let there = "every machine has this memory";
    memory
        .write_obj(info, GuestAddress(PVH_INFO.start))
        .expect(there);
    if let Some(area) = initramfs {
        let module = hvm_modlist_entry {
            paddr: area.start,
            size: area.len,
            ..hvm_modlist_entry::default()
        };
        memory
            .write_obj(module, GuestAddress(MODULES))
            .expect(there);
    }
    let mut at = MEMORY_MAP;
    for entry in map {
        memory.write_obj(entry, GuestAddress(at)).expect(there);
        at += size_of_val(&entry) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryConfig;

    fn written(initramfs: Option<Area>, rsdp: Option<u64>) -> Vec<u64> {
        let ram = GuestRam::new(&MemoryConfig {
            bytes: 64 << 20,
            huge_pages: false,
            file: false,
        })
        .expect("address space");
        write(&ram, initramfs, rsdp);
        let mut page = [0; 4096];
        ram.memory()
            .read_slice(&mut page, GuestAddress(PVH_INFO.start))
            .expect("RAM");
        page.chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().expect("eight")))
            .collect()
    }

    #[test]
    fn every_field_is_where_the_kernel_reads_it() {
        let initramfs = Area {
            start: 0x300_0000,
            len: 77,
        };
        let words = written(Some(initramfs), Some(0xe_0000));
        let map = e820::map(64 << 20);
        assert_eq!(
            words[..7],
            [
                1 << 32 | 0x336e_c578,
                1 << 32,
                0x6040,
                0x2_0000,
                0xe_0000,
                0x6080,
                map.len() as u64
            ]
        );
        assert_eq!(words[8..12], [0x300_0000, 77, 0, 0]);
        for (entry, words) in map.iter().zip(words[16..].chunks_exact(3)) {
            assert_eq!(words, [entry.area.start, entry.area.len, entry.kind as u64]);
        }
    }

    #[test]
    fn what_is_absent_is_zero() {
        let words = written(None, None);
        assert_eq!(words[1] >> 32, 0, "modules");
        assert_eq!((words[2], words[4]), (0, 0));
    }
}
