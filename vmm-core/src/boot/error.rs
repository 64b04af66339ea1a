//! Why a kernel cannot be put into guest memory.

use crate::layout;
use std::io;

/// Why a kernel or its initramfs cannot be put into guest memory. Sizes are in bytes where nothing else is said.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The host's file cannot be read.
    #[error("cannot read the {file}")]
    Read {
        /// `kernel` or `initramfs`.
        file: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Not a kernel, by its first bytes.
    #[error(
        "the kernel is neither a bzImage nor an ELF file: it is {len} bytes and begins with {start:02x?}"
    )]
    Format {
        /// Size of the file.
        len: u64,
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// The file ends too early, or says that something lies where it does not.
    #[error("the kernel is cut: its {part} ends at byte {end}, the file at {len}")]
    Cut {
        /// What is not there.
        part: &'static str,
        /// Where it would end.
        end: u64,
        /// Size of the file.
        len: u64,
    },
    /// An ELF file for something else.
    #[error(
        "the kernel is an ELF file of class {class}, data encoding {data} and machine {machine}, not one for x86"
    )]
    NotX86 {
        /// `EI_CLASS`: 1 for 32 bits, 2 for 64.
        class: u8,
        /// `EI_DATA`: 1 for little-endian.
        data: u8,
        /// `e_machine`: 3 for i386, 62 for x86-64.
        machine: u16,
    },
    /// A program header table that no kernel has.
    #[error(
        "the kernel's ELF header says {count} program headers of {size} bytes at byte {offset}"
    )]
    ProgramHeaders {
        /// `e_phnum`.
        count: u16,
        /// `e_phentsize`.
        size: u16,
        /// `e_phoff`.
        offset: u64,
    },
    /// Nothing to load in an ELF file.
    #[error("the kernel's ELF file has no segment to load")]
    NoSegment,
    /// A segment with more bytes in the file than in memory.
    #[error(
        "the kernel's segment at {address:#x} has {file} bytes in the file but {memory} in memory"
    )]
    SegmentSizes {
        /// Guest-physical address.
        address: u64,
        /// `p_filesz`.
        file: u64,
        /// `p_memsz`.
        memory: u64,
    },
    /// An ELF file without a way in.
    #[error(
        "the kernel's ELF entry {entry:#x} is not in a loaded 64-bit segment, and it has {}",
        pvh.map_or_else(|| "no PVH entry".to_owned(), |pvh| format!("its PVH entry {pvh:#x} in none, too"))
    )]
    NoEntry {
        /// `e_entry`.
        entry: u64,
        /// What the PVH note says.
        pvh: Option<u64>,
    },
    /// A place that no kernel can have in any machine of ours.
    #[error(
        "the kernel wants {bytes:#x} bytes at {address:#x}; kernels are loaded between {:#x} and {:#x}",
        layout::HIGH_RAM_START,
        layout::HOLE_START
    )]
    Place {
        /// Guest-physical address.
        address: u64,
        /// Size wanted.
        bytes: u64,
    },
    /// A setup header that is too old, or a zImage.
    #[error(
        "the kernel has setup header version {}.{:02} with load flags {load_flags:#x}; 2.10 (Linux 2.6.31) and a bzImage \
         are the oldest that can be loaded",
        version >> 8,
        version & 0xff
    )]
    SetupHeader {
        /// Major number in the high byte, minor in the low one.
        version: u16,
        /// `loadflags`; bit 0 says bzImage.
        load_flags: u8,
    },
    /// The machine has less memory than the kernel with its initramfs takes.
    #[error(
        "{available_mib} MiB of memory are too little: the kernel and its initramfs alone need {needed_mib} MiB"
    )]
    Memory {
        /// What would do, in MiB.
        needed_mib: u64,
        /// What there is, in MiB.
        available_mib: u64,
    },
    /// The initramfs is too large for where the kernel looks for it.
    #[error(
        "an initramfs of {bytes} bytes does not fit between the kernel's end {start:#x} and {end:#x}"
    )]
    Initramfs {
        /// Size of the initramfs.
        bytes: u64,
        /// End of the kernel.
        start: u64,
        /// Where the kernel, or memory below 4 GiB, ends for it.
        end: u64,
    },
    /// The command line is longer than the kernel reads.
    #[error("the kernel command line has {length} bytes and the kernel takes at most {limit}")]
    CommandLineLength {
        /// Its length.
        length: usize,
        /// Greatest length, both without the final NUL.
        limit: usize,
    },
    /// The kernel would see only the part before it.
    #[error("the kernel command line has a NUL at byte {0}")]
    CommandLineNul(usize),
    /// The loader could not copy the image.
    #[error("cannot copy the kernel into guest memory")]
    Copy(#[source] linux_loader::loader::Error),
    /// The loader's segments or the initramfs could not be copied.
    #[error("cannot copy the {file} into guest memory")]
    CopyBytes {
        /// `kernel` or `initramfs`.
        file: &'static str,
        /// The reason.
        #[source]
        source: vm_memory::GuestMemoryError,
    },
}
