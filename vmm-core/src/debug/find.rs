//! From a place in memory to a ring buffer that can be read.

use super::{
    Paging, PhysicalMemory,
    paging::{translate, walk},
    records::{self, is_there},
    ring::{Layout, Ring},
    view::{KERNEL_MAP, KERNEL_MAP_END, Map, View},
    vmcoreinfo::VmcoreInfo,
};
use crate::control::{KernelPlace, LogRecord};

/// Images are aligned to this many bytes, virtually and physically: `CONFIG_PHYSICAL_ALIGN` is at least that.
const IMAGE_ALIGN: u64 = 2 << 20;

/// Furthest that two parts of an image's data lie apart, in bytes.
const IMAGE_SPAN: u64 = 256 << 20;

/// The mapping of all physical memory is aligned to this many bytes, with KASLR too (`arch/x86/mm/kaslr.c`).
const DIRECT_ALIGN: u64 = 1 << 30;

/// Most alignments that are tried for a ring in the mapping of all memory: 1 TiB.
const MAX_DIRECT: u64 = 1024;

/// Most alignments that are read in full: where the descriptors seem to be there. One is right.
const MAX_VIEWS: usize = 4;

/// Where `_text` is linked: [`KERNEL_MAP`] and the default of `CONFIG_PHYSICAL_START`, which KASLR needs.
const LINKED_AT: u64 = KERNEL_MAP + 0x100_0000;

/// A log that could be read.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Its records, oldest first.
    pub records: Vec<LogRecord>,
    /// Where its kernel is, if known.
    pub place: Option<KernelPlace>,
    /// Whether a vCPU has it mapped where its kernel thinks it is.
    pub running: bool,
}

/// The log that the vmcoreinfo at the guest-physical `address` leads to.
pub(super) fn told(
    mem: &dyn PhysicalMemory,
    paging: Option<Paging>,
    address: u64,
) -> Option<Candidate> {
    let info = VmcoreInfo::read(mem, address)?;
    let layout = Layout::told(&info)?;
    let base = info.number("phys_base")?.cast_unsigned();
    let five_levels = info.number("pgtable_l5_enabled") == Some(1);
    let tables = info
        .symbol("swapper_pg_dir")
        .map(|root| root.wrapping_sub(KERNEL_MAP).wrapping_add(base))
        .map(|root| Paging::long_mode(root, five_levels));
    let view = View {
        mem,
        map: Map::Image(base, tables.or(paging)),
    };
    let pointer = info.symbol("prb")?;
    let mut bytes = vec![0; layout.ring.size];
    if !view.read(view.word(pointer)?, &mut bytes) {
        return None;
    }
    let ring = Ring::parse(&bytes, &layout.ring)?;
    let (physical, _) = view.physical(pointer)?;
    Some(Candidate {
        records: records::read(&view, &layout, &ring).records,
        place: info
            .kernel_offset()
            .map(|virtual_offset| KernelPlace { virtual_offset }),
        running: paging.is_some_and(|p| translate(mem, &p, pointer) == Some(physical)),
    })
}

/// The log of what looks like a ring at the guest-physical `address`, if its parts can be found and agree.
pub(super) fn guessed(
    mem: &dyn PhysicalMemory,
    paging: Option<Paging>,
    address: u64,
    ring: &Ring,
    layout: &Layout,
) -> Option<Candidate> {
    let shown = |map: Map| {
        let view = View { mem, map };
        is_there(&view, layout, ring).then_some(view)
    };
    let read = |view: View| {
        let found = records::read(&view, layout, ring);
        found.consistent.then_some(found.records)
    };
    if let Some(paging) = paging
        && let Some(records) = shown(Map::Tables(paging)).and_then(read)
    {
        return Some(Candidate {
            records,
            place: place(mem, &paging),
            running: true,
        });
    }
    let records = alignments(mem, address, ring.descs)
        .filter_map(|physical| shown(Map::Linear(physical.wrapping_sub(ring.descs))))
        .take(MAX_VIEWS)
        .find_map(read)?;
    Some(Candidate {
        records,
        place: None,
        running: false,
    })
}

/// Guest-physical addresses that the kernel's address `pointer`, found in a structure at the guest-physical `at`, may
/// have.
fn alignments(
    mem: &dyn PhysicalMemory,
    at: u64,
    pointer: u64,
) -> impl Iterator<Item = u64> + use<> {
    let (align, range) = if (KERNEL_MAP..KERNEL_MAP_END).contains(&pointer) {
        let first = at.saturating_sub(IMAGE_SPAN) / IMAGE_ALIGN;
        let last = at.saturating_add(IMAGE_SPAN) / IMAGE_ALIGN;
        (IMAGE_ALIGN, first..last + 1)
    } else {
        let areas = mem.areas();
        let end = areas.last().map_or(0, |area| area.end());
        (DIRECT_ALIGN, 0..end.div_ceil(DIRECT_ALIGN).min(MAX_DIRECT))
    };
    range.map(move |index| index * align + pointer % align)
}

/// Where the kernel is whose tables these are: nothing is mapped before its image (`__startup_64` of
/// `arch/x86/kernel/head64.c` and `cleanup_highmap` of `arch/x86/mm/init_64.c` see to that).
fn place(mem: &dyn PhysicalMemory, paging: &Paging) -> Option<KernelPlace> {
    let first = (KERNEL_MAP..KERNEL_MAP_END)
        .step_by(usize::try_from(IMAGE_ALIGN).expect("64-bit host"))
        .find(|address| walk(mem, paging, *address).is_some())?;
    let virtual_offset = first.checked_sub(LINKED_AT)?;
    Some(KernelPlace { virtual_offset })
}
