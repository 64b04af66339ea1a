//! What an ELF program asks for before it starts: its interpreter and its shared libraries.

use object::{
    Endianness,
    elf::{
        DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, DynamicTag, FileHeader32,
        FileHeader64, PT_INTERP,
    },
    read::elf::{Dyn as _, FileHeader, ProgramHeader as _},
};

/// Longest list of libraries that is believed.
const MAX_LIBRARIES: usize = 512;

/// `e_machine` and whether it is a 64-bit file: libraries of another kind do not fit.
pub type Kind = (u16, bool);

/// The dynamic linking of a program or library (System V ABI, chapter 5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// What it runs on.
    pub kind: Kind,
    /// `PT_INTERP`.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// `DT_RUNPATH`, else `DT_RPATH`: directories between colons, `$ORIGIN` not replaced.
    pub run_path: String,
}

/// Reads the dynamic linking of an ELF file; `None` for anything else, and for a broken one.
#[must_use]
pub fn dynamic(content: &[u8]) -> Option<Dynamic> {
    match content.get(..5)? {
        [0x7f, b'E', b'L', b'F', 2] => read::<FileHeader64<Endianness>>(content, true),
        [0x7f, b'E', b'L', b'F', 1] => read::<FileHeader32<Endianness>>(content, false),
        _ => None,
    }
}

fn read<Elf: FileHeader<Endian = Endianness>>(content: &[u8], is_64: bool) -> Option<Dynamic> {
    let header = Elf::parse(content).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, content).ok()?;
    let mut found = Dynamic {
        kind: (header.e_machine(endian).0, is_64),
        ..Dynamic::default()
    };
    // A string table is named by its address in memory: the segment that is loaded there has it.
    let at = |address: u64, length: u64| {
        segments.iter().find_map(|segment| {
            segment
                .data_range(endian, content, address, length)
                .ok()
                .flatten()
        })
    };
    for segment in segments {
        if segment.p_type(endian) == PT_INTERP {
            let bytes = segment.data(endian, content).ok()?;
            found.interpreter = text(bytes);
        }
        let Ok(Some(entries)) = segment.dynamic(endian, content) else {
            continue;
        };
        let value = |tag: DynamicTag| {
            let mut tagged = entries.iter().filter(|entry| entry.d_tag(endian) == tag);
            tagged.next().map(|entry| entry.d_val(endian).into())
        };
        let (Some(table), Some(length)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
            continue;
        };
        let Some(strings) = at(table, length) else {
            continue;
        };
        let string = |offset: u64| text(strings.get(usize::try_from(offset).ok()?..)?);
        for entry in entries {
            if entry.d_tag(endian) == DT_NEEDED && found.needed.len() < MAX_LIBRARIES {
                found.needed.extend(string(entry.d_val(endian).into()));
            }
        }
        let path = value(DT_RUNPATH).or_else(|| value(DT_RPATH));
        found.run_path = path.and_then(string).unwrap_or_default();
    }
    Some(found)
}

/// Up to the first zero byte.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_this_system_names_its_libraries() {
        let content = std::fs::read("/bin/sh").expect("a shell");
        let found = dynamic(&content).expect("an ELF file");
        assert_eq!(found.kind, (object::elf::EM_X86_64.0, true));
        let interpreter = found.interpreter.expect("dynamically linked");
        assert!(interpreter.contains("ld-linux"), "{interpreter}");
        assert!(
            found.needed.iter().any(|name| name == "libc.so.6"),
            "{:?}",
            found.needed
        );
    }

    #[test]
    fn what_is_cut_or_no_elf_file_is_nothing_and_no_crash() {
        let content = std::fs::read("/bin/sh").expect("a shell");
        for length in (0..content.len()).step_by(content.len() / 97) {
            let _ = dynamic(&content[..length]);
        }
        assert_eq!(dynamic(b"#!/bin/sh\n"), None);
        assert_eq!(dynamic(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_file_is_no_crash(at in 0_usize..4096, byte: u8) {
            let mut content = std::fs::read("/bin/sh").expect("a shell");
            content[at] = byte;
            let _ = dynamic(&content);
        }
    }
}
