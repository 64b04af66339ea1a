//! Source lines of one module. Its file is relocatable: every section of it begins at 0 until the kernel puts it somewhere,
//! so a copy is made in which each has a place of its own.

use super::{Loaded, loaded};
use crate::kernel::{
    modinfo,
    modules::{ModuleFile, load},
};
use object::{
    Endianness, SymbolIndex, U64,
    elf::{self, FileHeader64, Sym64},
    read::elf::{FileHeader, SectionHeader, Sym},
};
use std::{
    io::Write,
    mem::{offset_of, size_of},
    os::fd::AsRawFd,
    path::Path,
};

/// Most functions of one module.
const MAX_FUNCTIONS: usize = 1 << 18;

/// Where the first section is put; any place will do but 0, which is that of what the linker left out.
const FIRST: u64 = 1 << 20;

/// Distance of sections, of which none may run into the next.
const ALIGNMENT: u64 = 1 << 12;

/// The debug information of a module, and where its functions are in it.
pub struct ModuleLines {
    loaded: Loaded,
    /// Name, address, and bytes up to the next function of the section.
    functions: Vec<(String, u64, u64)>,
}

impl ModuleLines {
    /// Opens a module's file, packed or not. `None` where it has no debug information, is damaged, or is a module of another
    /// release than `release`.
    pub fn open(path: &Path, release: Option<&str>) -> Option<Self> {
        let file = ModuleFile {
            name: String::new(),
            path: path.into(),
        };
        let mut bytes = load(&file).ok()?;
        let built_for = modinfo::read(&bytes).map(|info| info.vermagic);
        if let (Some(built_for), Some(release)) = (built_for, release)
            && !built_for.is_empty()
            && built_for.split(' ').next() != Some(release)
        {
            return None;
        }
        let functions = place(&mut bytes)?;
        // Without a name, so that nothing of it can be left.
        let mut copy = tempfile::tempfile().ok()?;
        copy.write_all(&bytes).ok()?;
        drop(bytes);
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        Some(Self {
            loaded: loaded(Path::new(&path))?,
            functions,
        })
    }

    /// What is debugged.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The functions of a name: address and size of each.
    pub fn all_of(&self, name: &str) -> impl Iterator<Item = (u64, u64)> {
        let found = self.functions.iter().filter(move |(own, ..)| own == name);
        found.map(|(_, address, size)| (*address, *size))
    }
}

/// Gives every section that is loaded a place of its own by moving the symbols in it, which all else refers to; the
/// functions there are. `None` for what is no relocatable file with debug information.
fn place(bytes: &mut [u8]) -> Option<Vec<(String, u64, u64)>> {
    let mut moved: Vec<(usize, u64)> = Vec::new();
    let mut functions: Vec<(u64, String, u64)> = Vec::new();
    let endian;
    {
        let data = &*bytes;
        let header = FileHeader64::<Endianness>::parse(data).ok()?;
        endian = header.endian().ok()?;
        if header.e_type(endian) != elf::ET_REL {
            return None;
        }
        let sections = header.sections(endian, data).ok()?;
        sections.section_by_name(endian, b".debug_info")?;
        let mut next = FIRST;
        let mut places = Vec::new();
        for section in sections.iter() {
            let is_loaded = section.sh_flags(endian).contains(elf::SHF_ALLOC);
            if !is_loaded {
                places.push(None);
                continue;
            }
            let end = next.checked_add(section.sh_size(endian))?;
            places.push(Some((next, end)));
            next = end.checked_next_multiple_of(ALIGNMENT)?;
        }
        let table = sections.symbols(endian, data, elf::SHT_SYMTAB).ok()?;
        let at = sections.section(table.section()).ok()?.sh_offset(endian);
        let at = usize::try_from(at).ok()?;
        for (index, symbol) in table.iter().enumerate() {
            let section = table
                .symbol_section(endian, symbol, SymbolIndex(index))
                .ok()?;
            let place = section.and_then(|section| *places.get(section.0)?);
            let Some((base, end)) = place else { continue };
            let address = base.checked_add(symbol.st_value(endian))?;
            moved.push((at + index * size_of::<Sym64<Endianness>>(), address));
            if symbol.st_type() == elf::STT_FUNC && functions.len() < MAX_FUNCTIONS {
                let name = symbol.name(endian, table.strings()).ok()?;
                let name = String::from_utf8_lossy(name).into_owned();
                functions.push((address, name, end));
            }
        }
    }
    for (at, address) in moved {
        let value = U64::new(endian, address);
        let field = at + offset_of!(Sym64<Endianness>, st_value);
        bytes
            .get_mut(field..field + size_of::<u64>())?
            .copy_from_slice(object::pod::bytes_of(&value));
    }
    functions.sort();
    // From the last one back: of those at one address each ends where the next address begins, or the section.
    let mut behind = u64::MAX;
    let mut last = u64::MAX;
    let mut sized: Vec<(String, u64, u64)> = Vec::with_capacity(functions.len());
    for (address, name, end) in functions.into_iter().rev() {
        if address != last {
            (behind, last) = (last, address);
        }
        sized.push((name, address, behind.min(end).saturating_sub(address)));
    }
    Some(sized)
}
