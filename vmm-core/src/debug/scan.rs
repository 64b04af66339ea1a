//! Passes over guest memory for what leads to a kernel log: page by page for vmcoreinfo, which is quick, and word by word
//! for the ring itself.

use super::{
    PhysicalMemory,
    ring::{KNOWN, Layout, Ring},
    vmcoreinfo,
};

/// Bytes that are read at once.
const CHUNK: u64 = 1 << 20;

/// Size and alignment of pages.
const PAGE: usize = 4096;

/// Most places of a kind that are kept. A kernel has one page of vmcoreinfo and two rings; copies of its image's
/// initial data may lie around, and guests of the guest have theirs.
const MAX_PLACES: usize = 32;

/// What may be a `struct printk_ringbuffer`: guest-physical address, content and layout.
pub(super) type Place = (u64, Ring, &'static Layout);

/// Guest-physical addresses of the pages that begin as vmcoreinfo does, ascending.
pub(super) fn infos(mem: &dyn PhysicalMemory) -> Vec<u64> {
    let pages = mem.areas().into_iter().flat_map(|area| {
        let first = area.start.next_multiple_of(PAGE as u64);
        (first..area.start.saturating_add(area.len)).step_by(PAGE)
    });
    let begins = |address: &u64| {
        let mut begin = [0; vmcoreinfo::BEGIN.len()];
        mem.read(*address, &mut begin) && begin == *vmcoreinfo::BEGIN
    };
    pages.filter(begins).take(MAX_PLACES).collect()
}

/// Looks at every aligned word once.
pub(super) fn rings(mem: &dyn PhysicalMemory) -> Vec<Place> {
    let mut places = Vec::new();
    let overlap = KNOWN.iter().map(|layout| layout.ring.size).max();
    let overlap = overlap.expect("there are layouts") as u64;
    let mut buffer = vec![0; usize::try_from(CHUNK + overlap).expect("64-bit host")];
    for area in mem.areas() {
        let end = area.start.saturating_add(area.len);
        let mut at = area.start.next_multiple_of(PAGE as u64);
        while at < end {
            let len = (end - at).min(CHUNK + overlap);
            let bytes = &mut buffer[..usize::try_from(len).expect("a chunk")];
            if mem.read(at, bytes) {
                chunk(at, bytes, &mut places);
            }
            at += CHUNK;
        }
    }
    places
}

/// Looks at a chunk; what begins in the overlap is left to the next one.
fn chunk(address: u64, bytes: &[u8], places: &mut Vec<Place>) {
    let own = bytes.len().min(CHUNK as usize);
    for start in (0..own).step_by(PAGE) {
        let page = &bytes[start..own.min(start + PAGE)];
        if page.iter().all(|b| *b == 0) {
            continue;
        }
        for (index, word) in page.as_chunks::<8>().0.iter().enumerate() {
            // `count_bits`, with zeros after it: a small number that is not zero.
            if word[0] == 0 || word[0] > 32 || word[1..] != [0; 7] {
                continue;
            }
            let at = start + index * 8;
            for layout in &KNOWN {
                let ring = bytes
                    .get(at..at + layout.ring.size)
                    .and_then(|bytes| Ring::parse(bytes, &layout.ring));
                if let Some(ring) = ring
                    && places.len() < MAX_PLACES
                {
                    places.push((address + at as u64, ring, layout));
                }
            }
        }
    }
}
