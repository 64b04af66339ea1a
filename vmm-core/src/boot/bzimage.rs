//! bzImages: the kernel with its own decompressor, entered by it.
//!
//! `Documentation/arch/x86/boot.rst` of the kernel: "The Real-Mode Kernel Header" and "64-bit Boot Protocol". The setup
//! code, which is for real mode, is not loaded.

use super::{LoadError, elf::check_place, image::Image, initramfs};
use crate::{layout::Area, memory::GuestRam};
use linux_loader::loader::{
    BzImage as Loader, KernelLoader,
    bootparam::{LOADED_HIGH, XLF_CAN_BE_LOADED_ABOVE_4G, XLF_KERNEL_64, setup_header},
};
use vm_memory::{ByteValued, GuestAddress};

/// Where the setup header is in the file, and in the zero page.
const HEADER_AT: u64 = 0x1f1;
/// Where [`MAGIC`] is.
pub(super) const MAGIC_AT: u64 = 0x202;
/// What a setup header is known by.
pub(super) const MAGIC: [u8; 4] = *b"HdrS";
/// The first version with `pref_address` and `init_size`.
const OLDEST_VERSION: u16 = 0x020a;
/// The first version with `xloadflags`.
const XLOADFLAGS_VERSION: u16 = 0x020c;
/// Where the 64-bit entry is, from the start of what is loaded.
const ENTRY_64: u64 = 0x200;
const SECTOR: u64 = 512;

/// A kernel that was found fit to be loaded.
#[derive(Debug, Clone)]
pub(super) struct BzImage {
    /// The setup header as the file has it; fields that this version does not have are zero.
    pub(super) header: setup_header,
    /// RIP of the entry, a guest-physical address.
    pub(super) start: u64,
    /// Whether [`BzImage::start`] is the 64-bit entry, not the 32-bit one.
    pub(super) is_64_bit: bool,
    /// What the kernel takes until it knows the memory map: its image, and room to decompress it.
    pub(super) area: Area,
    /// Where an initramfs may end, exclusive.
    pub(super) initramfs_limit: u64,
    /// End of the kernel in the file.
    end: u64,
}

impl BzImage {
    /// Reads and checks the setup header of `image` for a machine whose memory below the hole ends at `low_end`.
    pub(super) fn parse(image: &Image<'_>, low_end: u64) -> Result<Self, LoadError> {
        let mut header = setup_header::default();
        image.read_at("setup header", HEADER_AT, header.as_mut_slice())?;
        let (version, load_flags) = (header.version, header.loadflags);
        if version < OLDEST_VERSION || load_flags & LOADED_HIGH == 0 {
            return Err(LoadError::SetupHeader {
                version,
                load_flags,
            });
        }
        // The jump over the header says where it ends; behind that there is code.
        let [_, jump] = header.jump.to_le_bytes();
        let known = MAGIC_AT + u64::from(jump) - HEADER_AT;
        if let Some(unknown) = usize::try_from(known)
            .ok()
            .and_then(|known| header.as_mut_slice().get_mut(known..))
        {
            unknown.fill(0);
        }

        let setup_sectors = match header.setup_sects {
            0 => 4,
            sectors => u64::from(sectors),
        };
        let kernel_at = (setup_sectors + 1) * SECTOR;
        // In paragraphs, rounded up.
        let kernel_bytes = u64::from(header.syssize) * 16;
        let end = kernel_at + kernel_bytes;
        image.check(
            "compressed kernel",
            kernel_at,
            kernel_bytes.saturating_sub(15),
        )?;
        let xloadflags = if version >= XLOADFLAGS_VERSION {
            header.xloadflags
        } else {
            0
        };
        let is_64_bit = xloadflags & XLF_KERNEL_64 != 0;
        let entry = if is_64_bit { ENTRY_64 } else { 0 };
        // The entry has to be in the file, in an image that has one.
        image.check("entry", kernel_at, entry + 1)?;
        if kernel_bytes <= entry {
            return Err(LoadError::Cut {
                part: "entry",
                end: kernel_at + entry + 1,
                len: end,
            });
        }

        let area = Area {
            start: header.pref_address,
            len: u64::from(header.init_size).max(kernel_bytes),
        };
        check_place(area)?;
        if area.end() > low_end {
            return Err(initramfs::memory(area.end(), low_end));
        }
        let initramfs_limit = if xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G != 0 {
            u64::MAX
        } else {
            u64::from(header.initrd_addr_max) + 1
        };
        Ok(Self {
            header,
            start: area.start + entry,
            is_64_bit,
            area,
            initramfs_limit,
            end,
        })
    }

    /// Copies the kernel into `ram`, without what a signer may have put behind it.
    pub(super) fn copy(&self, ram: &GuestRam, image: &mut Image<'_>) -> Result<(), LoadError> {
        image.truncate(self.end);
        Loader::load(
            ram.memory(),
            Some(GuestAddress(self.area.start)),
            image,
            None,
        )
        .map_err(LoadError::Copy)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "bzimage_tests.rs"]
mod tests;
