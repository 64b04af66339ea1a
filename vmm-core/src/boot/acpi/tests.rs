use super::*;
use crate::{
    config::CpuConfig,
    layout::{self, Area, gsi, port},
    x86::topology::apic_id,
};
use proptest::prelude::*;
use std::ops::Range;

mod iasl;
mod memory;

/// A table in the image.
struct Found<'a> {
    signature: &'a str,
    bytes: &'a [u8],
}

fn machine(cpus: &CpuConfig, bus: VirtioBus) -> Vec<u8> {
    let ram = layout::ram(5 << 30);
    build(&Platform {
        cpus,
        ram: &ram,
        bus,
    })
    .expect("a machine that fits")
}

fn two_nodes() -> CpuConfig {
    CpuConfig {
        sockets: 2,
        cores: 3,
        threads: 2,
        numa_nodes: 2,
        nested: false,
    }
}

fn number(bytes: &[u8], field: Range<usize>) -> u64 {
    let mut value = [0; 8];
    value[..field.len()].copy_from_slice(&bytes[field]);
    u64::from_le_bytes(value)
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The table that `address` points at, with its length and checksum checked.
fn at(image: &[u8], address: u64) -> Found<'_> {
    assert!(address.is_multiple_of(16), "{address:#x}");
    let start = usize::try_from(address - layout::ACPI.start).expect("inside the area");
    let len = usize::try_from(number(image, start + 4..start + 8)).expect("small");
    let bytes = &image[start..start + len];
    let signature = std::str::from_utf8(&bytes[..4]).expect("a signature");
    assert_eq!(sum(bytes), 0, "{signature}");
    assert_eq!(&bytes[10..16], b"RUNNER", "{signature}");
    Found { signature, bytes }
}

/// Goes from the root pointer to every table: those of the XSDT in its order, and the DSDT last.
fn tables(image: &[u8]) -> Vec<Found<'_>> {
    assert_eq!(&image[..8], b"RSD PTR ");
    assert_eq!(sum(&image[..20]), 0);
    assert_eq!(sum(&image[..36]), 0);
    let xsdt = at(image, number(image, 24..32));
    assert_eq!(xsdt.signature, "XSDT");
    let mut found: Vec<Found> = xsdt.bytes[36..]
        .chunks(8)
        .map(|entry| at(image, number(entry, 0..8)))
        .collect();
    let dsdt = number(found[0].bytes, 140..148);
    found.push(at(image, dsdt));
    found
}

fn table<'a>(image: &'a [u8], signature: &str) -> &'a [u8] {
    tables(image)
        .into_iter()
        .find(|table| table.signature == signature)
        .unwrap_or_else(|| panic!("no {signature}"))
        .bytes
}

/// What is in a device of the DSDT, its name first.
fn device<'a>(dsdt: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let at = dsdt.windows(4).position(|part| part == name.as_bytes())?;
    // One or two bytes of length between the opcode and the name.
    let (len, length_bytes) = match dsdt[..at] {
        [.., 0x5b, 0x82, len] if len < 0x40 => (usize::from(len), 1),
        [.., 0x5b, 0x82, low, high] => (usize::from(low & 0xf) | usize::from(high) << 4, 2),
        _ => return None,
    };
    Some(&dsdt[at..at - length_bytes + len])
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn ports(first: u16, count: u8) -> Vec<u8> {
    let [low, high] = first.to_le_bytes();
    vec![0x47, 1, low, high, low, high, 1, count]
}

/// Extended interrupt descriptor: consumer, edge-triggered, active-high, exclusive.
fn edge(gsi: u32) -> Vec<u8> {
    let mut descriptor = vec![0x89, 6, 0, 0b0011, 1];
    descriptor.extend(gsi.to_le_bytes());
    descriptor
}

/// Structures of a table: type, length, data.
fn structures(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (structure, rest) = bytes.split_at(usize::from(bytes[1]));
        found.push(structure);
        bytes = rest;
    }
    found
}

#[test]
fn each_machine_has_its_tables() {
    let signatures = |cpus, bus| {
        let image = machine(&cpus, bus);
        tables(&image)
            .iter()
            .map(|table| table.signature.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        signatures(CpuConfig::flat(1), VirtioBus::Mmio { devices: 3 }),
        ["FACP", "APIC", "DSDT"]
    );
    assert_eq!(
        signatures(two_nodes(), VirtioBus::Pci),
        ["FACP", "APIC", "MCFG", "SRAT", "SLIT", "DSDT"]
    );
}

#[test]
fn the_root_pointer_is_where_the_kernel_looks() {
    assert_eq!(RSDP, layout::ACPI.start);
    assert!((0xe_0000..0x10_0000).contains(&RSDP) && RSDP.is_multiple_of(16));
}

#[test]
fn the_fixed_features_are_those_of_a_hardware_reduced_machine() {
    let image = machine(&CpuConfig::flat(1), VirtioBus::Pci);
    let fadt = table(&image, "FACP");
    let flags = number(fadt, 112..116);
    assert_eq!(flags >> 20 & 1, 1, "HW_REDUCED_ACPI");
    assert_eq!(flags >> 10 & 1, 1, "RESET_REG_SUP");
    assert_eq!(number(fadt, 109..111), 1 << 2, "no VGA only");
    let register = |port: u16| {
        let mut bytes = vec![1, 8, 0, 1];
        bytes.extend(u64::from(port).to_le_bytes());
        bytes
    };
    assert_eq!(fadt[116..128], register(port::ACPI + 2), "reset");
    assert_eq!(fadt[128], 1, "reset value");
    assert_eq!(fadt[108], 0x32, "century");
    assert_eq!(fadt[244..256], register(port::ACPI), "sleep control");
    assert_eq!(fadt[256..268], register(port::ACPI + 1), "sleep status");
    let dsdt = table(&image, "DSDT");
    assert!(has(dsdt, b"\x08_S5_\x12\x08\x04\x0a\x05\x0a\x05"));
}

#[test]
fn every_vcpu_has_its_local_apic() {
    for cpus in [CpuConfig::flat(1), two_nodes(), CpuConfig::flat(255)] {
        let image = machine(&cpus, VirtioBus::Pci);
        let madt = table(&image, "APIC");
        assert_eq!(number(madt, 36..40), layout::LAPIC.start);
        let (apics, others) = structures(&madt[44..])
            .into_iter()
            .partition::<Vec<_>, _>(|structure| structure[0] == 0);
        let ids: Vec<u32> = apics.iter().map(|apic| apic[3].into()).collect();
        let expected: Vec<u32> = (0..cpus.count()).map(|n| apic_id(&cpus, n)).collect();
        assert_eq!(ids, expected);
        for (number, apic) in apics.iter().enumerate() {
            assert_eq!(usize::from(apic[2]), number, "_UID");
            assert_eq!(apic[4..8], [1, 0, 0, 0], "enabled");
        }
        let [ioapic, nmi] = others[..] else {
            panic!("{others:x?}");
        };
        assert_eq!(ioapic[..2], [1, 12]);
        assert!(!ids.contains(&ioapic[2].into()), "a vCPU's identifier");
        assert_eq!(number(ioapic, 4..8), layout::IOAPIC.start);
        assert_eq!(number(ioapic, 8..12), 0, "first line");
        assert_eq!(nmi, [4, 6, 0xff, 0, 0, 1]);
        let dsdt = table(&image, "DSDT");
        for number in 0..cpus.count() {
            let processor = device(dsdt, &format!("C{number:03X}")).expect("a processor");
            assert!(has(processor, b"ACPI0007\0"));
        }
    }
}

#[test]
fn simple_devices_are_where_the_layout_has_them() {
    let image = machine(&CpuConfig::flat(1), VirtioBus::Pci);
    let dsdt = table(&image, "DSDT");
    let get = |name| device(dsdt, name).unwrap_or_else(|| panic!("no {name}"));
    assert!(has(get("COM1"), &ports(port::COM1, 8)));
    assert!(has(get("COM1"), &edge(gsi::COM1)));
    assert!(has(get("RTC_"), &ports(port::RTC, 2)));
    assert!(has(get("RTC_"), &edge(gsi::RTC)));
    assert!(has(get("PEVT"), &ports(port::PVPANIC, 1)));
    assert!(has(get("GED_"), &edge(gsi::EVENTS)));
    let mut address = b"ADDR\x12\x08\x02\x0c".to_vec();
    address.extend(&layout::VMGENID.start.to_le_bytes()[..4]);
    address.push(0);
    assert!(has(get("VGEN"), &address), "{:x?}", get("VGEN"));
}

#[test]
fn the_host_bridge_has_its_window_and_lines() {
    let image = machine(&CpuConfig::flat(1), VirtioBus::Pci);
    let mcfg = table(&image, "MCFG");
    assert_eq!(mcfg.len(), 60);
    assert_eq!(number(mcfg, 44..52), layout::ECAM.start);
    assert_eq!(number(mcfg, 52..56), 0, "segment 0, bus 0 to 0");
    assert_eq!(layout::ECAM.len, 32 * 8 * 0x1000, "a bus");

    let dsdt = table(&image, "DSDT");
    let bridge = device(dsdt, "PCI0").expect("a host bridge");
    assert!(has(bridge, &ports(port::PCI_CONFIG, 8)));
    let mut window = Vec::new();
    let last = layout::PCI_WINDOW.end() - 1;
    for value in [0, layout::PCI_WINDOW.start, last, 0, layout::PCI_WINDOW.len] {
        window.extend(u32::try_from(value).expect("below 4 GiB").to_le_bytes());
    }
    assert!(has(bridge, &window));
    for device in 0..32_u8 {
        let line = u8::try_from(gsi::PCI[usize::from(device) % 8]).expect("a line");
        let address = match device {
            0 => vec![0x0b, 0xff, 0xff],
            device => vec![0x0c, 0xff, 0xff, device, 0],
        };
        let entry = [&address[..], &[0, 0, 0x0a, line]].concat();
        assert!(has(bridge, &entry), "device {device}");
    }
    let mut reserved = vec![0x86, 9, 0, 1];
    reserved.extend(&layout::ECAM.start.to_le_bytes()[..4]);
    reserved.extend(&layout::ECAM.len.to_le_bytes()[..4]);
    assert!(has(device(dsdt, "ECAM").expect("a reservation"), &reserved));
}

#[test]
fn every_mmio_device_has_its_registers_and_line() {
    let devices = u32::try_from(gsi::MMIO.len()).expect("few");
    let image = machine(&CpuConfig::flat(2), VirtioBus::Mmio { devices });
    let dsdt = table(&image, "DSDT");
    for number in 0..devices {
        let virtio = device(dsdt, &format!("V{number:03X}")).expect("a device");
        assert!(has(virtio, b"LNRO0005\0"));
        let start = layout::VIRTIO_MMIO.start + u64::from(number) * layout::VIRTIO_MMIO_STRIDE;
        let mut registers = vec![0x86, 9, 0, 1];
        registers.extend(&start.to_le_bytes()[..4]);
        registers.extend(&layout::VIRTIO_MMIO_STRIDE.to_le_bytes()[..4]);
        assert!(has(virtio, &registers), "{number}");
        assert!(has(virtio, &edge(gsi::MMIO[number as usize])), "{number}");
    }
    assert!(device(dsdt, &format!("V{devices:03X}")).is_none());
    assert!(device(dsdt, "PCI0").is_none());
}

#[test]
fn what_cannot_be_described_is_refused() {
    let ram = layout::ram(1 << 30);
    let error = |cpus, bus| {
        build(&Platform {
            cpus: &cpus,
            ram: &ram,
            bus,
        })
        .expect_err("no such machine")
        .to_string()
    };
    let nodes = |numa_nodes, cores| CpuConfig {
        numa_nodes,
        ..CpuConfig::flat(cores)
    };
    assert_eq!(
        error(CpuConfig::flat(1), VirtioBus::Mmio { devices: 17 }),
        "17 virtio-mmio devices, where there is room for 16"
    );
    assert!(error(CpuConfig::flat(0), VirtioBus::Pci).contains("no vCPU"));
    assert!(error(CpuConfig::flat(288), VirtioBus::Pci).contains("identifier 287"));
    assert!(error(nodes(0, 4), VirtioBus::Pci).contains("0 NUMA nodes"));
    let message = error(nodes(255, 255), VirtioBus::Pci);
    assert!(message.ends_with("there is room for 65536"), "{message}");
}

proptest! {
    /// Whatever the machine: tables that hold together inside their area, or a refusal.
    #[test]
    fn machines_are_described_or_refused(
        (sockets, cores, threads, numa_nodes) in (0..5_u32, 0..70_u32, 0..4_u32, 0..5_u32),
        mmio in proptest::option::of(0..20_u32),
        bytes in (1..4096_u64).prop_map(|units| units << 21),
    ) {
        let cpus = CpuConfig { sockets, cores, threads, numa_nodes, nested: false };
        let bus = mmio.map_or(VirtioBus::Pci, |devices| VirtioBus::Mmio { devices });
        let ram = layout::ram(bytes);
        if let Ok(image) = build(&Platform { cpus: &cpus, ram: &ram, bus }) {
            prop_assert!(image.len() as u64 <= layout::ACPI.len);
            prop_assert!(tables(&image).len() >= 3);
        }
    }
}
