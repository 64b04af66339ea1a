//! Symbols out of a vmlinux's `.symtab`.

use super::{MAX_NAMES, MAX_SYMBOLS, Symbols};
use object::{
    Endianness,
    elf::{self, FileHeader64, Sym64},
    read::{
        ReadRef, StringTable,
        elf::{FileHeader, SectionHeader, Sym},
    },
};
use std::{cmp::Reverse, mem::size_of};

/// Most sections that a kernel may have; with `-ffunction-sections` there may be thousands before it is linked.
const MAX_SECTIONS: u32 = 1 << 16;

/// The symbols of an ELF file; `None` when it has no symbol table, or a damaged one.
pub fn symbols<'data, R: ReadRef<'data>>(data: R) -> Option<Symbols> {
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if header.shnum(endian, data).ok()? > MAX_SECTIONS {
        return None;
    }
    let sections = header.section_headers(endian, data).ok()?;
    let table = sections
        .iter()
        .find(|section| section.sh_type(endian) == elf::SHT_SYMTAB)?;
    let names = sections.get(usize::try_from(table.sh_link(endian)).ok()?)?;
    let most = (MAX_SYMBOLS * size_of::<Sym64<Endianness>>()) as u64;
    if table.sh_size(endian) > most || names.sh_size(endian) > MAX_NAMES as u64 {
        return None;
    }
    let table: &[Sym64<Endianness>] = table.data_as_array(endian, data).ok()?;
    let names = names.data(endian, data).ok()?;
    let names = StringTable::new(names, 0, names.len() as u64);

    let mut found: Vec<_> = table
        .iter()
        .filter(|symbol| {
            let kind = symbol.st_type();
            !symbol.is_undefined(endian) && kind != elf::STT_SECTION && kind != elf::STT_FILE
        })
        .filter_map(|symbol| {
            let name = std::str::from_utf8(symbol.name(endian, names).ok()?).ok()?;
            // As the kernel chooses among several symbols at one address (`compare_symbols` of scripts/kallsyms.c):
            // weak ones, what the linker's script provides, and underscores come last.
            let rank = (
                symbol.st_type() == elf::STT_NOTYPE,
                symbol.st_bind() == elf::STB_WEAK,
                name.bytes().take_while(|b| *b == b'_').count(),
                Reverse(symbol.st_size(endian)),
            );
            Some((symbol.st_value(endian), rank, name))
        })
        .collect();
    found.sort_unstable();
    let mut symbols = Symbols::default();
    for (address, _, name) in found {
        if !symbols.push(address, name) {
            return None;
        }
    }
    symbols.some()
}
