//! A kernel, its initramfs and its command line into guest memory.

use super::{
    LoadError, bzimage, bzimage::BzImage, command_line, elf, elf::Elf, image::Image, initramfs,
    pvh, zero_page,
};
use crate::{
    layout::{self, Area},
    memory::GuestRam,
};
use std::{fmt, fs::File};

/// How a kernel is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// An ELF kernel in 64-bit mode, identity-mapped; RSI is the zero page.
    Bits64,
    /// An ELF kernel by PVH: 32-bit protected mode without paging; EBX is the start info.
    Pvh,
    /// A bzImage at the 64-bit entry of its decompressor; otherwise as [`Entry::Bits64`].
    Decompressor64,
    /// A bzImage at the 32-bit entry of its decompressor, in protected mode without paging; ESI is the zero page.
    Decompressor32,
}

impl Entry {
    /// Whether the vCPU is in 64-bit mode; else in 32-bit protected mode without paging.
    #[must_use]
    pub const fn is_64_bit(self) -> bool {
        matches!(self, Self::Bits64 | Self::Decompressor64)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bits64 => "64-bit entry",
            Self::Pvh => "PVH entry",
            Self::Decompressor64 => "its own decompressor",
            Self::Decompressor32 => "its own decompressor, 32-bit entry",
        })
    }
}

/// What [`load`] has put into memory. Addresses are guest-physical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// How it is entered.
    pub entry: Entry,
    /// RIP at the start.
    pub start: u64,
    /// The zero page for RSI, or the start info for EBX by [`Entry::Pvh`].
    pub argument: u64,
    /// The first byte after the kernel and the memory it takes before it knows the memory map.
    pub kernel_end: u64,
    /// The initramfs.
    pub initramfs: Option<Area>,
}

/// The classic end of what a 32-bit kernel maps at first (`initrd_addr_max` of its setup header, and one).
const INITRAMFS_LIMIT_32: u64 = 0x3800_0000;

/// Puts everything into `ram`, which is all zero still, straight from the files: kernel, initramfs, command line and
/// the zero page or PVH's start info. `rsdp` is the guest-physical address of the ACPI tables' root, which the caller
/// writes. An empty initramfs is none. The files' positions are neither used nor moved.
///
/// The order: all checks that need no memory, then the kernel, then the initramfs, then the small structures, which lie
/// below everything a kernel can be loaded to. On an error part of it may have been written.
///
/// # Errors
/// See [`LoadError`].
pub fn load(
    ram: &GuestRam,
    kernel: &File,
    initramfs: Option<&File>,
    command_line: &str,
    rsdp: Option<u64>,
) -> Result<Loaded, LoadError> {
    let low_end = layout::ram(ram.bytes())[0].end();
    let mut image = Image::new(kernel, "kernel")?;
    let mut initramfs = initramfs
        .map(|file| Image::new(file, "initramfs"))
        .transpose()?
        .filter(|image| image.len() > 0);
    let place = |kernel_end, limit| {
        initramfs
            .as_ref()
            .map(|image| initramfs::place(image.len(), kernel_end, limit, low_end))
            .transpose()
    };

    let loaded = match Format::of(&image)? {
        Format::Elf => {
            command_line::check(command_line, command_line::USUAL_LIMIT)?;
            let kernel = Elf::parse(&image, low_end)?;
            let (entry, start, argument, limit) = match kernel.entry {
                elf::Entry::Bits64(start) => {
                    (Entry::Bits64, start, layout::ZERO_PAGE.start, u64::MAX)
                }
                elf::Entry::Pvh(start) => (
                    Entry::Pvh,
                    start,
                    layout::PVH_INFO.start,
                    if kernel.is_64_bit {
                        u64::MAX
                    } else {
                        INITRAMFS_LIMIT_32
                    },
                ),
            };
            let loaded = Loaded {
                entry,
                start,
                argument,
                kernel_end: kernel.end,
                initramfs: place(kernel.end, limit)?,
            };
            kernel.copy(ram, &mut image)?;
            match entry {
                Entry::Pvh => pvh::write(ram, loaded.initramfs, rsdp),
                _ => zero_page::write(ram, zero_page::header(), loaded.initramfs, rsdp),
            }
            loaded
        }
        Format::BzImage => {
            let kernel = BzImage::parse(&image, low_end)?;
            let limit = usize::try_from(kernel.header.cmdline_size).expect("64-bit host");
            command_line::check(command_line, limit)?;
            let loaded = Loaded {
                entry: if kernel.is_64_bit {
                    Entry::Decompressor64
                } else {
                    Entry::Decompressor32
                },
                start: kernel.start,
                argument: layout::ZERO_PAGE.start,
                kernel_end: kernel.area.end(),
                initramfs: place(kernel.area.end(), kernel.initramfs_limit)?,
            };
            kernel.copy(ram, &mut image)?;
            zero_page::write(ram, kernel.header, loaded.initramfs, rsdp);
            loaded
        }
    };
    if let (Some(image), Some(area)) = (&mut initramfs, loaded.initramfs) {
        initramfs::copy(ram, image, area)?;
    }
    command_line::write(ram, command_line);
    Ok(loaded)
}

/// What kind of file a kernel is.
enum Format {
    Elf,
    BzImage,
}

impl Format {
    /// By the magic numbers. A file can have only one of them: the bzImage's is far behind an ELF header.
    fn of(image: &Image<'_>) -> Result<Self, LoadError> {
        let len = image.len();
        let mut start = [0; 16];
        let start = &mut start[..usize::try_from(len.min(16)).expect("small")];
        image.read_at("start", 0, start)?;
        if start.starts_with(&elf::MAGIC) {
            return Ok(Self::Elf);
        }
        let mut magic = [0; 4];
        if len >= bzimage::MAGIC_AT + 4 {
            image.read_at("setup header", bzimage::MAGIC_AT, &mut magic)?;
        }
        if magic == bzimage::MAGIC {
            return Ok(Self::BzImage);
        }
        Err(LoadError::Format {
            len,
            start: start.to_vec(),
        })
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
