//! The unit tests that are built into a kernel, by name.
//!
//! KUnit's suites are pointers between two symbols (`KUNIT_TABLE` in `include/asm-generic/vmlinux.lds.h`), each to a
//! `struct kunit_suite`, which begins with its name (`include/kunit/test.h`). The addresses in the file are those that the kernel
//! is linked to.

mod modules;

pub use modules::modules;

use super::{
    image::{Format, KernelImage},
    payload::MAX_UNPACKED,
    scan,
    symbols::Symbols,
};
use object::{
    Endianness,
    elf::{FileHeader64, PT_LOAD},
    read::elf::{FileHeader, ProgramHeader},
};

/// The two tables, in the order that the kernel runs them (`kunit_run_all_tests` in `lib/kunit/executor.c`).
const TABLES: [(&str, &str); 2] = [
    ("__kunit_init_suites_start", "__kunit_init_suites_end"),
    ("__kunit_suites_start", "__kunit_suites_end"),
];

/// Most suites that are read; a kernel with all of them has some 300.
const MAX_SUITES: u64 = 4096;

/// Size of a suite's name in bytes (`struct kunit_suite`).
const MAX_NAME: u64 = 256;

/// The names of the suites that are built into a kernel, in the order they run. `None` where they cannot be read out of
/// its image, because it has no symbols of its data.
#[must_use]
pub fn suites(image: &KernelImage) -> Option<Vec<String>> {
    let kernel = match &image.format {
        Format::BzImage(_) => image.unpack().ok()??,
        Format::Vmlinux(_) => {
            let size = usize::try_from(image.id.size).ok()?.min(MAX_UNPACKED);
            let mut kernel = vec![0; size];
            let got = scan::read_at_most(&image.file, 0, &mut kernel).ok()?;
            kernel.truncate(got);
            kernel
        }
    };
    let symbols = Symbols::read(&kernel)?;
    named(&kernel, |name| symbols.address_of(name))
}

/// The same for the bytes of a vmlinux, and the addresses of its symbols.
fn named(kernel: &[u8], address_of: impl Fn(&str) -> Option<u64>) -> Option<Vec<String>> {
    let memory = Memory::of(kernel)?;
    let mut names = Vec::new();
    let mut tables = 0;
    for (start, end) in TABLES {
        let (Some(start), Some(end)) = (address_of(start), address_of(end)) else {
            continue;
        };
        tables += 1;
        for i in 0..(end.saturating_sub(start) / 8).min(MAX_SUITES) {
            let pointer = memory.at(start + 8 * i, 8)?;
            let suite = u64::from_le_bytes(pointer.try_into().ok()?);
            let field = memory.at(suite, MAX_NAME)?;
            let name = name_of(field)?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    (tables > 0).then_some(names)
}

/// A suite's name, from the field that has it.
fn name_of(field: &[u8]) -> Option<&str> {
    let name = field.split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    let plain = |c: char| c.is_ascii_graphic() && c != '/';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// What a kernel's file has for the addresses that it is linked to.
struct Memory<'k> {
    kernel: &'k [u8],
    /// Address, place in the file and length of each segment.
    segments: Vec<(u64, u64, u64)>,
}

impl<'k> Memory<'k> {
    fn of(kernel: &'k [u8]) -> Option<Self> {
        let header = FileHeader64::<Endianness>::parse(kernel).ok()?;
        let endian = header.endian().ok()?;
        let headers = header.program_headers(endian, kernel).ok()?;
        let loaded = headers.iter().filter(|h| h.p_type(endian) == PT_LOAD);
        let segments = loaded.map(|segment| {
            let (place, len) = segment.file_range(endian);
            (segment.p_vaddr(endian), place, len)
        });
        Some(Self {
            kernel,
            segments: segments.collect(),
        })
    }

    fn at(&self, address: u64, len: u64) -> Option<&'k [u8]> {
        let (start, place, _) = self.segments.iter().find(|(start, _, size)| {
            let behind = address.checked_sub(*start).and_then(|b| b.checked_add(len));
            behind.is_some_and(|end| end <= *size)
        })?;
        let from = usize::try_from(place.checked_add(address - start)?).ok()?;
        self.kernel.get(from..)?.get(..usize::try_from(len).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0xFFFF_FFFF_8100_0000;

    /// An ELF file of one segment at [`BASE`] that holds `content` (`Elf64_Ehdr` and `Elf64_Phdr` of elf(5)).
    fn elf(content: &[u8]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for half in [2_u16, 62] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        for word in [0_u64, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, 1, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        file.extend(7_u32.to_le_bytes());
        let size = content.len() as u64;
        for word in [120_u64, BASE, BASE, size, size, 4096] {
            file.extend(word.to_le_bytes());
        }
        file.extend(content);
        file
    }

    /// Two pointers, then two suites of 300 bytes.
    fn two_suites() -> Vec<u8> {
        let mut content = Vec::new();
        for at in [16, 316_u64] {
            content.extend((BASE + at).to_le_bytes());
        }
        for name in ["example", "list-kunit-test"] {
            let mut suite = name.as_bytes().to_vec();
            suite.resize(300, 0);
            content.extend(suite);
        }
        content
    }

    fn address(name: &str) -> Option<u64> {
        match name {
            "__kunit_suites_start" => Some(BASE),
            "__kunit_suites_end" => Some(BASE + 16),
            _ => None,
        }
    }

    #[test]
    fn suites_are_named_in_their_order() {
        let names = named(&elf(&two_suites()), address).unwrap();
        assert_eq!(names, ["example", "list-kunit-test"]);
        assert_eq!(named(&elf(&two_suites()), |_| None), None);
        let none = |name: &str| address(name).map(|_| BASE);
        assert_eq!(named(&elf(&two_suites()), none), Some(vec![]));
    }

    #[test]
    fn a_pointer_that_leads_nowhere_is_no_suite() {
        for pointer in [0, u64::MAX, BASE + 500, BASE - 1] {
            let mut content = two_suites();
            content[8..16].copy_from_slice(&pointer.to_le_bytes());
            assert_eq!(named(&elf(&content), address), None, "{pointer:#x}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_panic(at in 0..700_usize, bytes in proptest::collection::vec(any::<u8>(), 1..16)) {
            let mut file = elf(&two_suites());
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
            let _ = named(&file, address);
        }
    }
}
