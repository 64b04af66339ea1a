//! vmlinux: the kernel proper as an ELF file.

use super::{
    image::{Flaw, leading_release},
    scan,
};
use object::{
    Endianness,
    elf::{self, FileHeader64, FileType, Machine, NoteType, PT_LOAD, PT_NOTE},
    read::{
        ReadCache,
        elf::{FileHeader, ProgramHeader},
    },
};
use std::{fs::File, ops::Range, os::unix::fs::FileExt};

/// Facts of a vmlinux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vmlinux {
    /// Where in the file the loadable segments are, in bytes.
    pub segments: Vec<Range<u64>>,
    /// Whether it has the PVH entry point (`CONFIG_PVH=y`), without which QEMU cannot boot it.
    pub pvh: bool,
}

/// Where x86-64 kernels are linked: `__START_KERNEL_map`.
pub(super) const KERNEL_MAP: u64 = 0xFFFF_FFFF_8000_0000;

/// Begins the version string (`linux_banner` in `init/version-timestamp.c`).
const BANNER: &[u8] = b"Linux version ";

/// The note that holds the PVH entry point (`XEN_ELFNOTE_PHYS32_ENTRY` of `include/xen/interface/elfnote.h`).
const PHYS32_ENTRY: NoteType = NoteType(18);

/// Longest note segment that is read, in bytes.
const MAX_NOTES: u64 = 64 << 10;

/// Most program headers that a kernel may have; there are about five.
const MAX_SEGMENTS: u32 = 64;

/// Reads the ELF file that begins with `head`, and the release.
///
/// # Errors
/// A [`Flaw`] when it is not an x86-64 kernel, or cut off.
pub fn read(file: &File, head: &[u8]) -> Result<(Vmlinux, String), Flaw> {
    if let Some(other) = describe_other(head) {
        return Err(Flaw::NotThisKind(other));
    }
    let damaged = |what: &str| Flaw::Damaged(format!("its ELF {what}"));
    let data = ReadCache::new(file);
    let size = file.metadata()?.len();
    let header =
        FileHeader64::<Endianness>::parse(&data).map_err(|_| damaged("header is not valid"))?;
    let endian = header
        .endian()
        .map_err(|_| damaged("header names no byte order"))?;
    let count = header
        .phnum(endian, &data)
        .map_err(|_| damaged("program headers lie outside of the file"))?;
    if count > MAX_SEGMENTS {
        return Err(damaged(&format!("header claims {count} segments")));
    }
    let headers = header
        .program_headers(endian, &data)
        .map_err(|_| damaged("program headers lie outside of the file"))?;

    let mut segments = Vec::new();
    let mut linked_as_kernel = false;
    let mut pvh = false;
    for segment in headers {
        let (start, len) = segment.file_range(endian);
        match segment.p_type(endian) {
            PT_LOAD => {
                let end = start.saturating_add(len);
                if end > size {
                    return Err(Flaw::Truncated {
                        missing: end - size,
                    });
                }
                linked_as_kernel |= segment.p_vaddr(endian) >= KERNEL_MAP;
                segments.push(start..end);
            }
            PT_NOTE if len <= MAX_NOTES => pvh |= has_pvh_note(segment, endian, &data),
            _ => {}
        }
    }
    if !linked_as_kernel {
        return Err(Flaw::NotThisKind(
            "is a program, not a kernel; name a bzImage, or the vmlinux at the top of a build tree"
                .into(),
        ));
    }
    let release = find_release(file, &segments)?.ok_or_else(|| {
        Flaw::NotThisKind(
            "is an x86-64 kernel, but not Linux: it holds no \"Linux version\" string; name a Linux bzImage or vmlinux".into(),
        )
    })?;
    Ok((Vmlinux { segments, pvh }, release))
}

fn has_pvh_note(
    segment: &elf::ProgramHeader64<Endianness>,
    endian: Endianness,
    data: &ReadCache<&File>,
) -> bool {
    let Ok(Some(mut notes)) = segment.notes(endian, data) else {
        return false;
    };
    while let Ok(Some(note)) = notes.next() {
        if note.name() == b"Xen" && note.n_type(endian) == PHYS32_ENTRY {
            return true;
        }
    }
    false
}

/// The release of the version string in the first segment that has one.
fn find_release(file: &File, segments: &[Range<u64>]) -> std::io::Result<Option<String>> {
    for segment in segments {
        let mut from = segment.start;
        while let Some(at) = scan::find_in_file(file, from..segment.end, BANNER)? {
            from = at + BANNER.len() as u64;
            let mut text = [0; 80];
            let got = file.read_at(&mut text, from)?;
            // Other strings begin like this too; only the banner goes on with a release and "(user@host)".
            let text = &text[..got];
            if let Some(release) = leading_release(text)
                && text[release.len()..].starts_with(b" (")
            {
                return Ok(Some(release));
            }
        }
    }
    Ok(None)
}

/// What an ELF file is that is not an x86-64 executable; `None` for one that is.
fn describe_other(head: &[u8]) -> Option<String> {
    let Some(header) = head.get(..64) else {
        return Some("is the first bytes of an ELF file; make it again".into());
    };
    let word = |at: usize| match header[5] {
        2 => u16::from_be_bytes([header[at], header[at + 1]]),
        _ => u16::from_le_bytes([header[at], header[at + 1]]),
    };
    let (kind, machine) = (FileType(word(16)), Machine(word(18)));
    let name = match machine {
        elf::EM_X86_64 if header[4] == 2 && header[5] == 1 => {
            return match kind {
                elf::ET_EXEC | elf::ET_DYN => None,
                elf::ET_REL => Some(
                    "is an object file (a kernel module, or vmlinux.o), not a kernel; name a bzImage or vmlinux".into(),
                ),
                elf::ET_CORE => {
                    Some("is a core dump, not a kernel; name a bzImage or vmlinux".into())
                }
                other => Some(format!(
                    "is an ELF file of unknown type {}, not a kernel; name a bzImage or vmlinux",
                    other.0
                )),
            };
        }
        elf::EM_X86_64 | elf::EM_386 => "32-bit x86".into(),
        elf::EM_AARCH64 => "arm64".into(),
        elf::EM_ARM => "32-bit arm".into(),
        elf::EM_RISCV => "riscv".into(),
        elf::EM_PPC64 | elf::EM_PPC => "powerpc".into(),
        elf::EM_S390 => "s390".into(),
        elf::EM_MIPS => "mips".into(),
        elf::EM_LOONGARCH => "loongarch".into(),
        elf::EM_SPARCV9 | elf::EM_SPARC => "sparc".into(),
        other => format!("ELF machine number {}", other.0),
    };
    Some(format!(
        "is an ELF file for {name}; only x86-64 kernels can be run, build one with ARCH=x86_64"
    ))
}
