//! Names for a kernel's addresses: from the symbol table of a vmlinux, or from what a bzImage carries for its own
//! backtraces.

mod elf;
mod kallsyms;

use super::{
    image::{Format, KernelImage},
    payload::MAX_UNPACKED,
    scan, vmlinux,
};
use object::read::{ReadCache, ReadRef};

/// Most symbols that are kept. Distributions' kernels have some 200,000.
const MAX_SYMBOLS: usize = 1 << 21;

/// Longest name in bytes (`KSYM_NAME_LEN`).
const MAX_NAME: usize = 512;

/// Most bytes of all names.
const MAX_NAMES: usize = 128 << 20;

/// Where modules begin (`MODULES_VADDR`): no symbol of the kernel itself lies there.
const MODULES: u64 = 0xFFFF_FFFF_C000_0000;

/// The symbols of a kernel, at the addresses that it was linked to: KASLR's offset has to be taken off an address first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    /// All names, one after the other.
    names: String,
    /// Ascending by address; of several symbols at one address, the best name first.
    entries: Vec<Entry>,
}

/// One symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    address: u64,
    /// Where its name begins, and its length.
    name: u32,
    len: u16,
}

impl Symbols {
    /// The symbols of an image: out of a vmlinux's symbol table, else out of the tables that `CONFIG_KALLSYMS` builds
    /// into the kernel proper. A bzImage is unpacked for it.
    ///
    /// `None` where there are neither, or they cannot be read.
    #[must_use]
    pub fn of(image: &KernelImage) -> Option<Self> {
        match &image.format {
            Format::BzImage(_) => Self::read(&image.unpack().ok()??),
            Format::Vmlinux(_) => {
                elf::symbols(&ReadCache::new(image.content().ok()?)).or_else(|| {
                    let mut kernel =
                        vec![0; usize::try_from(image.id.size).ok()?.min(MAX_UNPACKED)];
                    let got = scan::read_at_most(&image.file, 0, &mut kernel).ok()?;
                    kallsyms::symbols(&kernel[..got])
                })
            }
        }
    }

    /// The symbols of a kernel proper, the whole file in memory.
    pub(super) fn read(kernel: &[u8]) -> Option<Self> {
        elf::symbols(kernel).or_else(|| kallsyms::symbols(kernel))
    }

    /// The symbol that an address belongs to, how many bytes behind its beginning that is, and how many bytes there are
    /// up to the next symbol. `None` before the first and from the last symbol on.
    #[must_use]
    pub fn resolve(&self, address: u64) -> Option<(&str, u64, u64)> {
        let after = self.entries.partition_point(|e| e.address <= address);
        let next = self.entries.get(after)?.address;
        let start = self.entries.get(after.checked_sub(1)?)?.address;
        let first = self.entries.partition_point(|e| e.address < start);
        Some((
            self.name(&self.entries[first]),
            address - start,
            next - start,
        ))
    }

    /// The address of a symbol; of several of that name, the lowest.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<u64> {
        let entry = self.entries.iter().find(|entry| self.name(entry) == name)?;
        Some(entry.address)
    }

    /// The symbols of an ELF file, out of its symbol table; `None` where there is none.
    #[must_use]
    pub fn of_elf<'data, R: ReadRef<'data>>(data: R) -> Option<Self> {
        elf::symbols(data)
    }

    /// All symbols of a name: their addresses, and for each how many bytes there are up to the next one, 0 for the last.
    pub fn all_of(&self, name: &str) -> impl Iterator<Item = (u64, u64)> {
        let found = self
            .entries
            .iter()
            .filter(move |entry| self.name(entry) == name);
        found.map(|entry| {
            let size = self.resolve(entry.address).map_or(0, |(.., size)| size);
            (entry.address, size)
        })
    }

    fn name(&self, entry: &Entry) -> &str {
        &self.names[entry.name as usize..][..usize::from(entry.len)]
    }

    /// Adds a symbol, unless it is none of the kernel's image (as the offsets of per-CPU variables are); whether there is
    /// room for more.
    fn push(&mut self, address: u64, name: &str) -> bool {
        if self.entries.len() == MAX_SYMBOLS || self.names.len() + name.len() > MAX_NAMES {
            return false;
        }
        let image = vmlinux::KERNEL_MAP..MODULES;
        if image.contains(&address) && !name.is_empty() && name.len() <= MAX_NAME {
            self.entries.push(Entry {
                address,
                name: u32::try_from(self.names.len()).expect("below MAX_NAMES"),
                len: u16::try_from(name.len()).expect("below MAX_NAME"),
            });
            self.names.push_str(name);
        }
        true
    }

    /// `None` when there are no symbols.
    fn some(self) -> Option<Self> {
        (!self.entries.is_empty()).then_some(self)
    }
}

#[cfg(test)]
mod tests;
