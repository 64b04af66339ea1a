//! All tables in one image, with the addresses they point at each other by.

use super::{
    AcpiError, Platform, VirtioBus, dsdt, fadt, madt, numa, pci,
    table::{OEM_ID, OEM_REVISION, OEM_TABLE_ID},
};
use crate::layout;
use acpi_tables::{Aml, rsdp::Rsdp, xsdt::XSDT};

/// Guest-physical address of the root pointer (RSDP), the first bytes of the image.
pub const RSDP: u64 = layout::ACPI.start;

/// Alignment of every table in bytes. The specification asks for none; this keeps the fields of each aligned.
const ALIGNMENT: usize = 16;

/// The ACPI tables of a machine: bytes that belong at the start of [`layout::ACPI`], [`RSDP`] first.
///
/// # Errors
/// When the machine has more of something than can be described, or the tables do not fit in their area.
pub fn build(platform: &Platform<'_>) -> Result<Vec<u8>, AcpiError> {
    platform.check()?;
    let mut image = Image {
        bytes: vec![0; Rsdp::len()],
    };
    let dsdt = image.place(&dsdt::build(platform));
    let mut tables = vec![
        image.place(&fadt::build(dsdt)),
        image.place(&madt::build(platform.cpus)),
    ];
    if platform.bus == VirtioBus::Pci {
        tables.push(image.place(&pci::mcfg()));
    }
    if platform.cpus.numa_nodes > 1 {
        tables.push(image.place(&numa::srat(platform)));
        tables.push(image.place(&numa::slit(platform.cpus.numa_nodes)));
    }
    let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    for table in tables {
        xsdt.add_entry(table);
    }
    let xsdt = image.place(&bytes_of(&xsdt));
    image.bytes[..Rsdp::len()].copy_from_slice(&bytes_of(&Rsdp::new(OEM_ID, xsdt)));
    if image.bytes.len() as u64 > layout::ACPI.len {
        return Err(AcpiError::TooLarge {
            bytes: image.bytes.len(),
            room: layout::ACPI.len,
        });
    }
    Ok(image.bytes)
}

/// What a table of the `acpi_tables` crate is in memory.
pub(super) fn bytes_of(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// Puts a table behind the others; returns its guest-physical address.
    fn place(&mut self, table: &[u8]) -> u64 {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        let address = layout::ACPI.start + self.bytes.len() as u64;
        self.bytes.extend_from_slice(table);
        address
    }
}
