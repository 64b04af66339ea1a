//! The PCI host bridge: its device in the DSDT, and MCFG.
//!
//! One bus. Pin A of a device is wired to one of eight lines, without link devices, so Linux takes it for level-triggered
//! and active-low (`drivers/acpi/pci_irq.c`); KVM's IOAPIC does not look at the polarity.

use super::{
    image::bytes_of,
    table::{OEM_ID, OEM_REVISION, OEM_TABLE_ID},
};
use crate::layout::{self, Area, gsi, port};
use acpi_tables::{
    Aml,
    aml::{
        AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Memory32Fixed, Name, Package,
        PackageBuilder, ResourceTemplate,
    },
    mcfg::MCFG,
};

/// Devices of a bus.
const DEVICES: u32 = 32;
/// The only bus.
const BUS: u8 = 0;

/// The table that says where configuration space is.
pub(super) fn mcfg() -> Vec<u8> {
    let mut mcfg = MCFG::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    mcfg.add_ecam(layout::ECAM.start, 0, BUS, BUS);
    bytes_of(&mcfg)
}

/// Adds the host bridge, and a device that reserves configuration space: the host bridge may not, since what it has are
/// resources for the devices behind it.
pub(super) fn add_host_bridge(scope: &mut Vec<u8>) {
    let (first, last) = bounds(layout::PCI_WINDOW);
    let configuration = IO::new(port::PCI_CONFIG, port::PCI_CONFIG, 1, 8);
    let window = AddressSpace::<u32>::new_memory(
        AddressSpaceCacheable::NotCacheable,
        true,
        first,
        last,
        None,
    );
    Device::new(
        "PCI0".into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0A08")),
            &Name::new("_CID".into(), &EISAName::new("PNP0A03")),
            &Name::new("_UID".into(), &0_u8),
            &Name::new("_SEG".into(), &0_u8),
            &Name::new("_BBN".into(), &BUS),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![
                    &AddressSpace::<u16>::new_bus_number(BUS.into(), BUS.into()),
                    &configuration,
                    &window,
                ]),
            ),
            &Name::new("_PRT".into(), &routing()),
        ],
    )
    .to_aml_bytes(scope);

    let (first, last) = bounds(layout::ECAM);
    Device::new(
        "ECAM".into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0C02")),
            &Name::new("_UID".into(), &0_u8),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![&Memory32Fixed::new(true, first, last - first + 1)]),
            ),
        ],
    )
    .to_aml_bytes(scope);
}

/// Routing of the interrupt pins (ACPI 6.5, section 6.2.13): device in the upper half of the first word, pin A, no link
/// device, line.
fn routing() -> PackageBuilder {
    let mut table = PackageBuilder::new();
    for (device, line) in (0..DEVICES).zip(gsi::PCI.iter().cycle()) {
        let address = device << 16 | 0xffff;
        table.add_element(&Package::new(vec![&address, &0_u8, &0_u8, line]));
    }
    table
}

/// First and last byte.
fn bounds(area: Area) -> (u32, u32) {
    let word = |address| u32::try_from(address).expect("below 4 GiB");
    (word(area.start), word(area.end() - 1))
}
