//! ELF kernels: what of them is loaded, and where they are entered.
//!
//! Everything that the file says is checked here before a byte is copied: System V ABI, chapters 4 and 5, for the
//! headers; `Documentation/arch/x86/boot.rst`, "64-bit Boot Protocol", and `include/xen/interface/elfnote.h` of the kernel
//! for the entries. Sections are not looked at.

use super::{LoadError, image::Image, initramfs};
use crate::{
    layout::{self, Area},
    memory::GuestRam,
};
use linux_loader::loader::{Elf as Loader, KernelLoader};
use std::io::{Seek, SeekFrom};
use vm_memory::{Bytes, GuestAddress};

/// What an ELF file begins with.
pub(super) const MAGIC: [u8; 4] = *b"\x7fELF";

const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;
const CLASS_32: u8 = 1;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// `XEN_ELFNOTE_PHYS32_ENTRY`, of owner `Xen`: where PVH enters.
const PHYS32_ENTRY: u32 = 18;

/// Most program headers; kernels have about five.
const MAX_HEADERS: u16 = 128;
/// Most bytes of a note segment that are searched; kernels have some hundred.
const MAX_NOTES: u64 = 64 << 10;

/// A kernel that was found fit to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// Whether it is a 64-bit file.
    pub(super) is_64_bit: bool,
    segments: Vec<Segment>,
    pub(super) entry: Entry,
    /// The first byte after everything it takes, memory that is not in the file included.
    pub(super) end: u64,
}

/// Where it is entered: a guest-physical address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// In 64-bit mode.
    Bits64(u64),
    /// By PVH.
    Pvh(u64),
}

/// One `PT_LOAD` that takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

/// The fields of a program header that count.
struct ProgramHeader {
    kind: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
    align: u64,
}

impl Elf {
    /// Reads and checks the headers of `image` for a machine whose memory below the hole ends at `low_end`.
    pub(super) fn parse(image: &Image<'_>, low_end: u64) -> Result<Self, LoadError> {
        let mut ident = [0; 20];
        image.read_at("ELF header", 0, &mut ident)?;
        let (class, data, machine) = (ident[EI_CLASS], ident[EI_DATA], u16_at(&ident, 18));
        let is_64_bit = class == CLASS_64;
        if data != LITTLE_ENDIAN
            || !matches!(class, CLASS_32 | CLASS_64)
            || !matches!(machine, EM_386 | EM_X86_64)
        {
            return Err(LoadError::NotX86 {
                class,
                data,
                machine,
            });
        }
        let (entry, headers) = program_headers(image, is_64_bit)?;

        let mut segments = Vec::new();
        let mut pvh = None;
        for header in &headers {
            match header.kind {
                PT_LOAD => segments.extend(Segment::new(image, header)?),
                PT_NOTE if pvh.is_none() => pvh = pvh_entry(image, header)?,
                _ => {}
            }
        }
        let end = segments
            .iter()
            .map(|segment| segment.address + segment.memory_bytes)
            .max()
            .ok_or(LoadError::NoSegment)?;
        let inside = |address: &u64| segments.iter().any(|segment| segment.has(*address));
        let entry = if is_64_bit && machine == EM_X86_64 && inside(&entry) {
            Entry::Bits64(entry)
        } else if let Some(address) = pvh.filter(inside) {
            Entry::Pvh(address)
        } else {
            return Err(LoadError::NoEntry { entry, pvh });
        };
        if end > low_end {
            return Err(initramfs::memory(end, low_end));
        }
        Ok(Self {
            is_64_bit,
            segments,
            entry,
            end,
        })
    }

    /// Copies the segments into `ram`, whose memory is all zero still.
    pub(super) fn copy(&self, ram: &GuestRam, image: &mut Image<'_>) -> Result<(), LoadError> {
        if self.is_64_bit {
            // An offset, even none, keeps the loader from looking for notes: it believes their sizes.
            Loader::load(ram.memory(), Some(GuestAddress(0)), image, None)
                .map_err(LoadError::Copy)?;
            return Ok(());
        }
        // The loader knows 64-bit files only.
        for segment in &self.segments {
            let bytes = usize::try_from(segment.file_bytes).expect("64-bit host");
            image
                .seek(SeekFrom::Start(segment.offset))
                .map_err(|source| LoadError::Read {
                    file: "kernel",
                    source,
                })?;
            ram.memory()
                .read_exact_volatile_from(GuestAddress(segment.address), image, bytes)
                .map_err(|source| LoadError::CopyBytes {
                    file: "kernel",
                    source,
                })?;
        }
        Ok(())
    }
}

impl Segment {
    /// The segment of `header`, if it takes memory.
    fn new(image: &Image<'_>, header: &ProgramHeader) -> Result<Option<Self>, LoadError> {
        let ProgramHeader {
            offset,
            address,
            file_bytes,
            memory_bytes,
            ..
        } = *header;
        if file_bytes > memory_bytes {
            return Err(LoadError::SegmentSizes {
                address,
                file: file_bytes,
                memory: memory_bytes,
            });
        }
        if memory_bytes == 0 {
            return Ok(None);
        }
        image.check("segment", offset, file_bytes)?;
        check_place(Area {
            start: address,
            len: memory_bytes,
        })?;
        Ok(Some(Self {
            offset,
            address,
            file_bytes,
            memory_bytes,
        }))
    }

    /// Whether the file has the byte at guest-physical `address`.
    fn has(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.file_bytes
    }
}

/// Whether some machine has memory for a kernel at `area`, above the boot structures and below the hole.
pub(super) fn check_place(area: Area) -> Result<(), LoadError> {
    let end = area.start.checked_add(area.len);
    if area.start >= layout::HIGH_RAM_START && end.is_some_and(|end| end <= layout::HOLE_START) {
        return Ok(());
    }
    Err(LoadError::Place {
        address: area.start,
        bytes: area.len,
    })
}

/// `e_entry` and the program headers.
fn program_headers(
    image: &Image<'_>,
    is_64_bit: bool,
) -> Result<(u64, Vec<ProgramHeader>), LoadError> {
    let mut header = [0; 64];
    let header = &mut header[..if is_64_bit { 64 } else { 52 }];
    image.read_at("ELF header", 0, header)?;
    let (entry, offset, size, count) = if is_64_bit {
        let sizes = (u16_at(header, 54), u16_at(header, 56));
        (u64_at(header, 24), u64_at(header, 32), sizes.0, sizes.1)
    } else {
        let sizes = (u16_at(header, 42), u16_at(header, 44));
        (u32_at(header, 24), u32_at(header, 28), sizes.0, sizes.1)
    };
    let expected = if is_64_bit { 56 } else { 32 };
    if count > MAX_HEADERS || (count > 0 && size != expected) || offset < header.len() as u64 {
        return Err(LoadError::ProgramHeaders {
            count,
            size,
            offset,
        });
    }
    let mut table = vec![0; usize::from(count) * usize::from(expected)];
    image.read_at("program header table", offset, &mut table)?;
    let headers = table
        .chunks_exact(usize::from(expected))
        .map(|header| {
            if is_64_bit {
                ProgramHeader {
                    kind: u32_at(header, 0) as u32,
                    offset: u64_at(header, 8),
                    address: u64_at(header, 24),
                    file_bytes: u64_at(header, 32),
                    memory_bytes: u64_at(header, 40),
                    align: u64_at(header, 48),
                }
            } else {
                ProgramHeader {
                    kind: u32_at(header, 0) as u32,
                    offset: u32_at(header, 4),
                    address: u32_at(header, 12),
                    file_bytes: u32_at(header, 16),
                    memory_bytes: u32_at(header, 20),
                    align: u32_at(header, 28),
                }
            }
        })
        .collect();
    Ok((entry, headers))
}

/// The PVH entry in the notes of `header`, if there is one. Notes that make no sense end the search.
fn pvh_entry(image: &Image<'_>, header: &ProgramHeader) -> Result<Option<u64>, LoadError> {
    image.check("note segment", header.offset, header.file_bytes)?;
    let len = usize::try_from(header.file_bytes.min(MAX_NOTES)).expect("bounded");
    let mut bytes = vec![0; len];
    image.read_at("note segment", header.offset, &mut bytes)?;
    // Names and descriptors begin on four bytes; on eight in segments that say so.
    let align = if header.align == 8 { 8 } else { 4 };
    let mut at = 0;
    while let Some(note) = bytes[at..].get(..12) {
        let [name_len, len, kind] = [0, 4, 8].map(|field| u32_at(note, field) as usize);
        let name_at = at + 12;
        let start = (name_at + name_len).next_multiple_of(align);
        let end = start + len;
        let (Some(name), Some(descriptor)) = (
            bytes.get(name_at..name_at + name_len),
            bytes.get(start..end),
        ) else {
            break;
        };
        if kind == PHYS32_ENTRY as usize && name == b"Xen\0" {
            return Ok(match len {
                4 => Some(u32_at(descriptor, 0)),
                8 => Some(u64_at(descriptor, 0)),
                _ => None,
            });
        }
        at = end.next_multiple_of(align);
        if at > bytes.len() {
            break;
        }
    }
    Ok(None)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

/// Widened, as the 32-bit form of what [`u64_at`] reads.
fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")).into()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
