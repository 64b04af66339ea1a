//! From guest-virtual to guest-physical addresses (Intel SDM volume 3, section "4-Level Paging and 5-Level Paging").

use super::PhysicalMemory;
use crate::control::Registers;

use crate::x86::control::{CR0_PG, CR4_LA57, EFER_LMA};

/// An entry is in use.
const PRESENT: u64 = 1;
/// An entry of level 2 or 3 maps a page.
const LARGE: u64 = 1 << 7;
/// Nothing beneath can be executed.
const NO_EXECUTE: u64 = 1 << 63;
/// The physical address in an entry, and in `CR3`.
const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// The registers that say how a vCPU translates addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// `CR0`: whether addresses are translated at all.
    pub cr0: u64,
    /// `CR3`: the first table, guest-physical.
    pub cr3: u64,
    /// `CR4`: four or five levels.
    pub cr4: u64,
    /// `EFER`: whether 64-bit mode is active.
    pub efer: u64,
}

impl From<&Registers> for Paging {
    fn from(registers: &Registers) -> Self {
        Self {
            cr0: registers.cr0,
            cr3: registers.cr3,
            cr4: registers.cr4,
            efer: registers.efer,
        }
    }
}

impl Paging {
    /// The paging of 64-bit mode with its first table at the guest-physical `root`.
    pub(super) const fn long_mode(root: u64, five_levels: bool) -> Self {
        Self {
            cr0: CR0_PG,
            cr3: root,
            cr4: if five_levels { CR4_LA57 } else { 0 },
            efer: EFER_LMA,
        }
    }
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Guest-physical address.
    pub physical: u64,
    /// Bytes from it on that lie in the same page.
    pub rest: u64,
    /// Whether code there can be executed.
    pub executable: bool,
}

/// The guest-physical address behind a guest-virtual one. `None` where nothing is mapped, a table lies outside of
/// memory, the address is not canonical, or a 32-bit mode translates it.
#[must_use]
pub fn translate(mem: &dyn PhysicalMemory, paging: &Paging, address: u64) -> Option<u64> {
    walk(mem, paging, address).map(|mapping| mapping.physical)
}

/// [`translate`], with what else the tables say.
pub(super) fn walk(mem: &dyn PhysicalMemory, paging: &Paging, address: u64) -> Option<Mapping> {
    if paging.cr0 & CR0_PG == 0 {
        return Some(Mapping {
            physical: address,
            rest: 0x1000 - (address & 0xFFF),
            executable: true,
        });
    }
    if paging.efer & EFER_LMA == 0 {
        return None;
    }
    let levels = if paging.cr4 & CR4_LA57 == 0 { 4 } else { 5 };
    let unused = 64 - (12 + 9 * levels);
    if (address.cast_signed() << unused >> unused).cast_unsigned() != address {
        return None;
    }
    let mut table = paging.cr3 & ADDRESS;
    let mut executable = true;
    for level in (1..=levels).rev() {
        let shift = 12 + 9 * (level - 1);
        let index = (address >> shift) & 0x1FF;
        let entry = mem.word(table + index * 8)?;
        if entry & PRESENT == 0 {
            return None;
        }
        executable &= entry & NO_EXECUTE == 0;
        if level == 1 || (entry & LARGE != 0 && level <= 3) {
            let inside = (1 << shift) - 1;
            return Some(Mapping {
                physical: (entry & ADDRESS & !inside) | (address & inside),
                rest: inside + 1 - (address & inside),
                executable,
            });
        }
        table = entry & ADDRESS;
    }
    None
}

#[cfg(test)]
mod tests;
