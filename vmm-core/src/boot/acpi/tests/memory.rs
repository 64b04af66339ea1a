//! NUMA nodes.

use super::*;
use crate::boot::acpi::numa::split;

const MIB: u64 = 1 << 20;

fn area(start: u64, len: u64) -> Area {
    Area { start, len }
}

#[test]
fn a_node_may_lie_around_the_hole() {
    let hole = layout::HOLE_END;
    assert_eq!(
        split(&layout::ram(8 << 30), 2),
        [
            (0, area(0, layout::HOLE_START)),
            (0, area(hole, 1 << 30)),
            (1, area(hole + (1 << 30), 4 << 30)),
        ]
    );
    assert_eq!(
        split(&layout::ram(6 * MIB), 2),
        [(0, area(0, 2 * MIB)), (1, area(2 * MIB, 4 * MIB))]
    );
}

#[test]
fn nodes_are_in_the_tables() {
    let cpus = two_nodes();
    let image = machine(&cpus, VirtioBus::Pci);
    let srat = table(&image, "SRAT");
    assert_eq!(number(srat, 36..40), 1, "reserved to be one");
    let (processors, memory) = structures(&srat[48..])
        .into_iter()
        .partition::<Vec<_>, _>(|structure| structure[0] == 0);
    let nodes: Vec<(u32, u8)> = processors
        .iter()
        .map(|entry| (entry[3].into(), entry[2]))
        .collect();
    let expected: Vec<(u32, u8)> = (0..12)
        .map(|vcpu| (apic_id(&cpus, vcpu), u8::from(vcpu >= 6)))
        .collect();
    assert_eq!(nodes, expected);
    let parts: Vec<(u32, Area)> = memory
        .iter()
        .map(|entry| {
            assert_eq!(entry[..2], [1, 40]);
            assert_eq!(number(entry, 28..32), 1, "enabled, not for hot-plug");
            let node = u32::try_from(number(entry, 2..6)).expect("32 bits");
            (node, area(number(entry, 8..16), number(entry, 16..24)))
        })
        .collect();
    assert_eq!(parts, split(&layout::ram(5 << 30), 2));

    let slit = table(&image, "SLIT");
    assert_eq!(number(slit, 36..44), 2);
    assert_eq!(slit[44..], [10, 20, 20, 10]);
}

proptest! {
    /// Every byte of RAM is in one node, the nodes are equal but for a unit, and no huge page is in two.
    #[test]
    fn memory_is_split_evenly(units in 0..5000_u64, nodes in 1..65_u32) {
        let ram = layout::ram(units * 2 * MIB);
        let parts = split(&ram, nodes);
        let mut joined: Vec<Area> = Vec::new();
        let mut sizes = vec![0; nodes as usize];
        let mut before = 0;
        for (node, part) in parts {
            prop_assert!(part.len > 0);
            prop_assert!(part.start.is_multiple_of(2 * MIB) && part.len.is_multiple_of(2 * MIB));
            prop_assert!(node >= before);
            before = node;
            sizes[node as usize] += part.len;
            match joined.last_mut() {
                Some(last) if last.end() == part.start => last.len += part.len,
                _ => joined.push(part),
            }
        }
        let expected: Vec<Area> = ram.into_iter().filter(|area| area.len > 0).collect();
        prop_assert_eq!(joined, expected);
        let least = sizes.iter().min().expect("a node");
        let most = sizes.iter().max().expect("a node");
        prop_assert!(most - least <= 2 * MIB, "{least} {most}");
    }
}
