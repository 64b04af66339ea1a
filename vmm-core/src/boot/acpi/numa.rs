//! SRAT and SLIT: which vCPUs and which memory are in which node, and how far the nodes are apart (ACPI 6.5, sections
//! 5.2.16 and 5.2.17).
//!
//! Nodes have equal and consecutive parts: of the vCPUs by their number, of the memory by address with the hole left
//! out.

use super::{Platform, image::bytes_of, table::table};
use crate::{
    layout::Area,
    x86::topology::{apic_id, node},
};
use acpi_tables::{AmlSink, srat::MemoryAffinity};

/// Revision of the SRAT since ACPI 4.0: proximity domains have 32 bits.
const SRAT_REVISION: u8 = 3;
/// Revision of the SLIT.
const SLIT_REVISION: u8 = 1;

/// Processor local APIC affinity structure: type and length.
const APIC_AFFINITY: [u8; 2] = [0, 16];
/// Flag of an affinity structure that means something.
const ENABLED: u32 = 1;

/// Distance of a node to itself, and to any other: Linux's `LOCAL_DISTANCE` and `REMOTE_DISTANCE`.
const DISTANCES: [u8; 2] = [10, 20];

/// Nodes are made of so many bytes: the size of a huge page, so that none is on two nodes.
const UNIT: u64 = 2 << 20;

/// The SRAT.
pub(super) fn srat(platform: &Platform<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    // "Reserved to be 1 for backward compatibility", and eight more reserved bytes.
    body.dword(1);
    body.qword(0);
    let cpus = platform.cpus;
    for vcpu in 0..cpus.count() {
        processor(&mut body, apic_id(cpus, vcpu), node(cpus, vcpu));
    }
    for (node, part) in split(platform.ram, cpus.numa_nodes) {
        let memory = MemoryAffinity::new(node, part.start, part.len).enabled();
        body.vec(&bytes_of(&memory));
    }
    table(*b"SRAT", SRAT_REVISION, &body)
}

/// The SLIT for `nodes` nodes.
pub(super) fn slit(nodes: u32) -> Vec<u8> {
    let mut body = Vec::new();
    body.qword(u64::from(nodes));
    for from in 0..nodes {
        for to in 0..nodes {
            body.byte(DISTANCES[usize::from(from != to)]);
        }
    }
    table(*b"SLIT", SLIT_REVISION, &body)
}

fn processor(body: &mut Vec<u8>, id: u32, node: u32) {
    let [lowest, rest @ ..] = node.to_le_bytes();
    body.vec(&APIC_AFFINITY);
    body.byte(lowest);
    body.byte(u8::try_from(id).expect("APIC identifiers are at most MAX_APIC_ID"));
    body.dword(ENABLED);
    body.byte(0); // local SAPIC EID
    body.vec(&rest);
    body.dword(0); // clock domain
}

/// The memory of each node, in ascending order of both; a node has two parts where the hole is in it, and none where
/// there is less than [`UNIT`] for each.
pub(super) fn split(ram: &[Area], nodes: u32) -> Vec<(u32, Area)> {
    let total: u64 = ram.iter().map(|area| area.len).sum();
    let units = total / UNIT;
    let mut parts = Vec::new();
    let mut from = 0;
    for node in 0..nodes {
        let to = if node + 1 == nodes {
            total
        } else {
            units * u64::from(node + 1) / u64::from(nodes) * UNIT
        };
        parts.extend(addresses(ram, from, to).map(|area| (node, area)));
        from = to;
    }
    parts
}

/// Where the bytes `from..to` of memory are, counted without holes.
fn addresses(ram: &[Area], from: u64, to: u64) -> impl Iterator<Item = Area> {
    let mut before = 0;
    ram.iter().filter_map(move |area| {
        let first = from.max(before);
        let end = to.min(before + area.len);
        let start = area.start + first.saturating_sub(before);
        before += area.len;
        (first < end).then(|| Area {
            start,
            len: end - first,
        })
    })
}
