//! `boot_params`, the "zero page": what a kernel is told by the Linux boot protocol.
//!
//! `Documentation/arch/x86/zero-page.rst` of the kernel. There is no screen, BIOS or EFI, so most of it is zero.

use super::e820;
use crate::{
    layout::{self, Area},
    memory::GuestRam,
};
use linux_loader::loader::bootparam::{LOADED_HIGH, boot_e820_entry, boot_params, setup_header};
use vm_memory::{Bytes, GuestAddress};

const BOOT_FLAG: u16 = 0xaa55;
/// `HdrS`.
const HEADER_MAGIC: u32 = 0x5372_6448;
/// The version of the boot protocol that this file follows.
const VERSION: u16 = 0x020c;
/// "Undefined" boot loader.
const LOADER: u8 = 0xff;

/// The setup header for a kernel that has none: an ELF file.
pub(super) fn header() -> setup_header {
    setup_header {
        boot_flag: BOOT_FLAG,
        header: HEADER_MAGIC,
        version: VERSION,
        loadflags: LOADED_HIGH,
        ..setup_header::default()
    }
}

/// Writes the zero page with `header`, the memory map, and where the other things are.
pub(super) fn write(
    ram: &GuestRam,
    header: setup_header,
    initramfs: Option<Area>,
    rsdp: Option<u64>,
) {
    let mut params = boot_params {
        hdr: header,
        acpi_rsdp_addr: rsdp.unwrap_or(0),
        ..boot_params::default()
    };
    params.hdr.type_of_loader = LOADER;
    params.hdr.cmd_line_ptr = low(layout::COMMAND_LINE.start);
    if let Some(area) = initramfs {
        params.hdr.ramdisk_image = low(area.start);
        params.hdr.ramdisk_size = low(area.len);
        params.ext_ramdisk_image = high(area.start);
        params.ext_ramdisk_size = high(area.len);
    }
    let mut table = params.e820_table;
    let map = e820::map(ram.bytes());
    for (slot, entry) in table.iter_mut().zip(&map) {
        *slot = boot_e820_entry {
            addr: entry.area.start,
            size: entry.area.len,
            r#type: entry.kind as u32,
        };
    }
    params.e820_table = table;
    params.e820_entries = u8::try_from(map.len()).expect("ten entries at most");
    ram.memory()
        .write_obj(params, GuestAddress(layout::ZERO_PAGE.start))
        .expect("every machine has this memory");
}

fn low(value: u64) -> u32 {
    (value & u64::from(u32::MAX)) as u32
}

fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MemoryConfig;

    #[test]
    fn every_field_is_where_the_kernel_reads_it() {
        let ram = GuestRam::new(&MemoryConfig {
            bytes: 5 << 30,
            huge_pages: false,
            file: false,
        })
        .expect("address space");
        let initramfs = Area {
            start: 0x1234_5000,
            len: 0x1_0000_0007,
        };
        write(&ram, header(), Some(initramfs), Some(0xe_0000));
        let mut page = [0; 4096];
        ram.memory()
            .read_slice(&mut page, GuestAddress(layout::ZERO_PAGE.start))
            .expect("RAM");
        let u32_at = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("four"));
        let u64_at = |at: usize| u64::from_le_bytes(page[at..at + 8].try_into().expect("eight"));

        // zero-page.rst and the table of boot.rst.
        assert_eq!(u64_at(0x70), 0xe_0000, "acpi_rsdp_addr");
        assert_eq!((u32_at(0xc0), u32_at(0xc4)), (0, 1), "ext_ramdisk_*");
        assert_eq!(page[0x1ef], 0, "sentinel");
        assert_eq!(&page[0x1fe..0x200], [0x55, 0xaa], "boot_flag");
        assert_eq!(&page[0x202..0x206], b"HdrS");
        assert_eq!(page[0x210], 0xff, "type_of_loader");
        assert_eq!((u32_at(0x218), u32_at(0x21c)), (0x1234_5000, 7), "ramdisk");
        assert_eq!(u32_at(0x228), 0x2_0000, "cmd_line_ptr");
        assert!(page[..0x40].iter().all(|byte| *byte == 0), "screen_info");

        let map = e820::map(5 << 30);
        assert_eq!(usize::from(page[0x1e8]), map.len());
        for (index, entry) in map.iter().enumerate() {
            let at = 0x2d0 + index * 20;
            assert_eq!(u64_at(at), entry.area.start);
            assert_eq!(u64_at(at + 8), entry.area.len);
            assert_eq!(u32_at(at + 16), entry.kind as u32);
        }
    }
}
