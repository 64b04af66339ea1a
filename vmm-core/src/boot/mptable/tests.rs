use super::*;
use std::collections::BTreeSet;

fn cpus(sockets: u32, cores: u32, threads: u32) -> CpuConfig {
    CpuConfig {
        sockets,
        cores,
        threads,
        numa_nodes: 1,
        nested: false,
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn half(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

fn full(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")).into()
}

/// Goes over a table as a kernel does: from the pointer to the entries, which it returns.
fn entries(image: &[u8]) -> Vec<&[u8]> {
    assert_eq!(&image[..4], b"_MP_");
    assert_eq!(sum(&image[..16]), 0);
    assert_eq!(image[8..10], [1, 4], "length and version");
    assert_eq!(image[11..16], [0; 5], "features");
    let start = full(image, 4) - layout::MP_TABLE.start;
    let table = &image[usize::try_from(start).expect("small")..];
    assert_eq!(&table[..4], b"PCMP");
    assert_eq!(half(table, 4), table.len(), "base table length");
    assert_eq!(table[6], 4, "version");
    assert_eq!(sum(table), 0);
    assert_eq!(full(table, 36), layout::LAPIC.start);
    let mut rest = &table[44..];
    let mut entries = Vec::new();
    while let [kind, ..] = rest {
        let len = if *kind == 0 { 20 } else { 8 };
        let (entry, after) = rest.split_at(len);
        entries.push(entry);
        rest = after;
    }
    assert_eq!(half(table, 34), entries.len());
    assert!(entries.is_sorted_by_key(|entry| entry[0]), "by type");
    entries
}

fn of_type<'a>(entries: &[&'a [u8]], kind: u8) -> Vec<&'a [u8]> {
    entries
        .iter()
        .copied()
        .filter(|entry| entry[0] == kind)
        .collect()
}

#[test]
fn it_is_where_the_kernel_looks() {
    let area = layout::MP_TABLE;
    assert!(area.start >= 0xf_0000 && area.end() <= 0x10_0000);
    assert!(area.start.is_multiple_of(16));
}

#[test]
fn every_vcpu_is_a_processor() {
    for cpus in [cpus(1, 1, 1), cpus(2, 3, 2), cpus(1, 254, 1)] {
        let image = build(&cpus, Transport::Mmio).expect("a table");
        assert!(image.len() as u64 <= layout::MP_TABLE.len);
        let entries = entries(&image);
        let processors = of_type(&entries, 0);
        let ids: Vec<u32> = processors.iter().map(|cpu| cpu[1].into()).collect();
        let expected: Vec<u32> = (0..cpus.count())
            .map(|vcpu| topology::apic_id(&cpus, vcpu))
            .collect();
        assert_eq!(ids, expected);
        let flags: BTreeSet<u8> = processors[1..].iter().map(|cpu| cpu[3]).collect();
        assert_eq!(processors[0][3], 3, "enabled, boots");
        assert!(flags.is_empty() || flags == BTreeSet::from([1]), "enabled");

        let [ioapic] = of_type(&entries, 2)[..] else {
            panic!("one IOAPIC");
        };
        assert!(!ids.contains(&ioapic[1].into()), "a vCPU's identifier");
        assert_ne!(ioapic[1], 0xff, "all of them");
        assert_eq!(ioapic[3], 1, "enabled");
        assert_eq!(full(ioapic, 4), layout::IOAPIC.start);
        for interrupt in of_type(&entries, 3) {
            assert_eq!(interrupt[6], ioapic[1]);
        }
    }
}

#[test]
fn mmio_lines_are_isa_lines() {
    let image = build(&CpuConfig::flat(1), Transport::Mmio).expect("a table");
    let entries = entries(&image);
    assert_eq!(of_type(&entries, 1), [b"\x01\x00ISA   "]);
    let lines: Vec<u32> = of_type(&entries, 3)
        .iter()
        .map(|entry| {
            assert_eq!(entry[1..5], [0; 4], "vectored, conforming, bus 0");
            assert_eq!(entry[5], entry[7], "line n is pin n");
            entry[7].into()
        })
        .collect();
    for line in gsi::MMIO.into_iter().chain([gsi::COM1, gsi::RTC]) {
        assert!(lines.contains(&line), "{line}");
    }
    assert!(!lines.contains(&2));
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len());
}

#[test]
fn pins_of_pci_devices_are_wired() {
    let image = build(&CpuConfig::flat(1), Transport::Pci).expect("a table");
    let entries = entries(&image);
    assert_eq!(of_type(&entries, 1), [b"\x01\x00PCI   ", b"\x01\x01ISA   "]);
    let interrupts = of_type(&entries, 3);
    let (isa, pci) = interrupts
        .into_iter()
        .partition::<Vec<_>, _>(|entry| entry[4] == 1);
    assert_eq!(isa.len(), 15);
    assert_eq!(pci.len(), 32);
    for (device, entry) in pci.iter().enumerate() {
        assert_eq!(usize::from(entry[5]), device << 2, "pin A");
        assert_eq!(u32::from(entry[7]), gsi::PCI[device % gsi::PCI.len()]);
    }
}

#[test]
fn local_lines_are_connected() {
    let image = build(&CpuConfig::flat(2), Transport::Pci).expect("a table");
    let entries = entries(&image);
    let local: Vec<[u8; 3]> = of_type(&entries, 4)
        .iter()
        .map(|entry| [entry[1], entry[6], entry[7]])
        .collect();
    // Interrupts of an 8259 on LINT0, NMI on LINT1.
    assert_eq!(local, [[3, 0xff, 0], [1, 0xff, 1]]);
}

#[test]
fn too_many_vcpus_are_refused() {
    let error = |cpus| {
        build(&cpus, Transport::Pci)
            .expect_err("no identifiers")
            .to_string()
    };
    assert!(error(CpuConfig::flat(255)).contains("identifier 254"));
    assert!(error(CpuConfig::flat(300)).contains("identifier 299"));
    assert!(error(CpuConfig::flat(0)).contains("no vCPU"));
}
