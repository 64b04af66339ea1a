//! DSDT: the devices that nobody could find by himself (ACPI 6.5, section 5.2.11.1), and who takes them in Linux 6.12.
//!
//! | Device | `_HID` | Driver |
//! |---|---|---|
//! | `PCI0` | `PNP0A08` | `drivers/acpi/pci_root.c`, `drivers/acpi/pci_irq.c` (`_PRT`) |
//! | `ECAM` | `PNP0C02` | `arch/x86/pci/mmconfig-shared.c`, `drivers/pnp/system.c` |
//! | `COM1` | `PNP0501` | `drivers/tty/serial/8250/8250_pnp.c` |
//! | `RTC_` | `PNP0B00` | `drivers/rtc/rtc-cmos.c`, `arch/x86/kernel/rtc.c` |
//! | `PEVT` | `QEMU0001` | `drivers/misc/pvpanic/pvpanic-mmio.c` |
//! | `VGEN` | `RUNN0001`, compatible with `VMGENCTR` | `drivers/virt/vmgenid.c` |
//! | `GED_` | `ACPI0013` | `drivers/acpi/evged.c` |
//! | `V000`... | `LNRO0005` | `drivers/virtio/virtio_mmio.c` |
//! | `C000`... | `ACPI0007` | `drivers/acpi/acpi_processor.c` |
//! | `\_S5_` | | `drivers/acpi/sleep.c` |

use super::{Platform, VirtioBus, pci, table::table};
use crate::{
    devices::acpi_power::S5_TYPE,
    layout::{self, gsi, port},
};
use acpi_tables::{
    Aml,
    aml::{
        Arg, Device, EISAName, Equal, IO, If, Interrupt, Memory32Fixed, Method, Name, Notify,
        Package, Path, ResourceTemplate, Scope,
    },
};

/// Revision of the table: integers have 64 bits.
const REVISION: u8 = 2;
/// `_STA`: present, enabled, shown, working.
const PRESENT: u8 = 0xf;
/// Notification value: the generation identifier changed.
const GENERATION_CHANGED: u8 = 0x80;

/// The table.
pub(super) fn build(platform: &Platform<'_>) -> Vec<u8> {
    let mut scope = Vec::new();
    if platform.bus == VirtioBus::Pci {
        pci::add_host_bridge(&mut scope);
    }
    add_serial_port(&mut scope);
    add_clock(&mut scope);
    add_panic_port(&mut scope);
    add_generation_identifier(&mut scope);
    if let VirtioBus::Mmio { devices } = platform.bus {
        for number in 0..devices {
            add_virtio_mmio(&mut scope, number);
        }
    }
    for number in 0..platform.cpus.count() {
        add_processor(&mut scope, number);
    }

    let mut body = Scope::raw("_SB_".into(), scope);
    Name::new(
        "_S5_".into(),
        &Package::new(vec![&S5_TYPE, &S5_TYPE, &0_u8, &0_u8]),
    )
    .to_aml_bytes(&mut body);
    table(*b"DSDT", REVISION, &body)
}

fn add_serial_port(scope: &mut Vec<u8>) {
    Device::new(
        "COM1".into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0501")),
            &Name::new("_UID".into(), &0_u8),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![
                    &IO::new(port::COM1, port::COM1, 1, 8),
                    &edge(gsi::COM1),
                ]),
            ),
        ],
    )
    .to_aml_bytes(scope);
}

/// The clock.
fn add_clock(scope: &mut Vec<u8>) {
    Device::new(
        "RTC_".into(),
        vec![
            &Name::new("_HID".into(), &EISAName::new("PNP0B00")),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![&IO::new(port::RTC, port::RTC, 1, 2), &edge(gsi::RTC)]),
            ),
        ],
    )
    .to_aml_bytes(scope);
}

fn add_panic_port(scope: &mut Vec<u8>) {
    Device::new(
        "PEVT".into(),
        vec![
            &Name::new("_HID".into(), &"QEMU0001"),
            &Name::new("_STA".into(), &PRESENT),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![&IO::new(port::PVPANIC, port::PVPANIC, 1, 1)]),
            ),
        ],
    )
    .to_aml_bytes(scope);
}

/// The generation identifier, and the event device that tells its driver of a change (Microsoft, "Virtual Machine
/// Generation ID"). Its compatible identifier has two spellings, of which Linux takes the second.
fn add_generation_identifier(scope: &mut Vec<u8>) {
    let address = layout::VMGENID.start.to_le_bytes();
    let word = |at: usize| {
        u32::from_le_bytes(address[at..at + 4].try_into().expect("four bytes of eight"))
    };
    Device::new(
        "VGEN".into(),
        vec![
            &Name::new("_HID".into(), &"RUNN0001"),
            &Name::new(
                "_CID".into(),
                &Package::new(vec![&"VM_Gen_Counter", &"VMGENCTR"]),
            ),
            &Name::new("_DDN".into(), &"VM_Gen_Counter"),
            &Name::new("ADDR".into(), &Package::new(vec![&word(0), &word(4)])),
        ],
    )
    .to_aml_bytes(scope);

    Device::new(
        "GED_".into(),
        vec![
            &Name::new("_HID".into(), &"ACPI0013"),
            &Name::new("_UID".into(), &0_u8),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![&edge(gsi::EVENTS)]),
            ),
            &Method::new(
                "_EVT".into(),
                1,
                true,
                vec![&If::new(
                    &Equal::new(&Arg(0), &gsi::EVENTS),
                    vec![&Notify::new(&Path::new("VGEN"), &GENERATION_CHANGED)],
                )],
            ),
        ],
    )
    .to_aml_bytes(scope);
}

fn add_virtio_mmio(scope: &mut Vec<u8>, number: u32) {
    let start = layout::VIRTIO_MMIO.start + u64::from(number) * layout::VIRTIO_MMIO_STRIDE;
    let word = |value| u32::try_from(value).expect("below 4 GiB");
    Device::new(
        Path::new(&format!("V{number:03X}")),
        vec![
            &Name::new("_HID".into(), &"LNRO0005"),
            &Name::new("_UID".into(), &number),
            &Name::new(
                "_CRS".into(),
                &ResourceTemplate::new(vec![
                    &Memory32Fixed::new(true, word(start), word(layout::VIRTIO_MMIO_STRIDE)),
                    &edge(gsi::MMIO[number as usize]),
                ]),
            ),
        ],
    )
    .to_aml_bytes(scope);
}

fn add_processor(scope: &mut Vec<u8>, number: u32) {
    Device::new(
        Path::new(&format!("C{number:03X}")),
        vec![
            &Name::new("_HID".into(), &"ACPI0007"),
            &Name::new("_UID".into(), &number),
        ],
    )
    .to_aml_bytes(scope);
}

/// Line `gsi` as edge-triggered, active-high and a device's own. Always in the extended form: for the short form Linux
/// looks for source overrides first.
fn edge(gsi: u32) -> Interrupt {
    Interrupt::new(true, true, false, false, gsi)
}
