//! Guest-virtual memory of a kernel.

use super::{
    PhysicalMemory,
    paging::{Paging, walk},
};

/// Where the kernel's image is mapped: `__START_KERNEL_map` (`arch/x86/include/asm/page_64_types.h`).
pub(super) const KERNEL_MAP: u64 = 0xFFFF_FFFF_8000_0000;

/// End of the image's mapping at most: `KERNEL_IMAGE_SIZE` with KASLR is 1 GiB; modules follow.
pub(super) const KERNEL_MAP_END: u64 = 0xFFFF_FFFF_C000_0000;

/// A kernel's memory by its own addresses.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// Guest memory.
    pub mem: &'a dyn PhysicalMemory,
    /// How other addresses become physical ones.
    pub map: Map,
}

/// How addresses become physical ones.
#[derive(Debug, Clone, Copy)]
pub(super) enum Map {
    /// By the tables alone.
    Tables(Paging),
    /// The image lies in one piece: what is added to an address less [`KERNEL_MAP`] (the kernel's `phys_base`). The
    /// tables, where known, are for the rest.
    Image(u64, Option<Paging>),
    /// All addresses are one constant away: this is added.
    Linear(u64),
}

impl View<'_> {
    /// Guest-physical address of `address`, and how many bytes from there on are certainly contiguous.
    pub fn physical(&self, address: u64) -> Option<(u64, u64)> {
        let to_page_end = 0x1000 - (address & 0xFFF);
        let tables = |paging| walk(self.mem, &paging, address).map(|m| (m.physical, m.rest));
        match self.map {
            Map::Tables(paging) => tables(paging),
            Map::Image(base, _) if (KERNEL_MAP..KERNEL_MAP_END).contains(&address) => {
                Some(((address - KERNEL_MAP).wrapping_add(base), to_page_end))
            }
            Map::Image(_, paging) => tables(paging?),
            Map::Linear(offset) => Some((address.wrapping_add(offset), to_page_end)),
        }
    }

    /// Reads from the kernel's `address` on; whether all of it is there.
    pub fn read(&self, mut address: u64, mut data: &mut [u8]) -> bool {
        while !data.is_empty() {
            let Some((physical, rest)) = self.physical(address) else {
                return false;
            };
            let len = data.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            let (now, later) = data.split_at_mut(len);
            if !self.mem.read(physical, now) {
                return false;
            }
            address = address.wrapping_add(len as u64);
            data = later;
        }
        true
    }

    /// The word at the kernel's `address`.
    pub fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)
            .then(|| u64::from_le_bytes(bytes))
    }
}
