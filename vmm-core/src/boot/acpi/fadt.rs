//! FADT: the fixed features of a hardware-reduced machine (ACPI 6.5, section 5.2.9).

use super::{
    image::bytes_of,
    table::{OEM_ID, OEM_REVISION, OEM_TABLE_ID},
};
use crate::layout::port;
use acpi_tables::{
    fadt::{FADTBuilder, Flags},
    gas::{AccessSize, AddressSpace, GAS},
};

/// What has to be written to the reset register for a reset.
const RESET_VALUE: u8 = 1;

/// `IAPC_BOOT_ARCH` (ACPI 6.5, table 5.11): no VGA. The bits for ISA devices and an i8042 are clear, so that nobody
/// probes for them: the serial port and the clock are in the DSDT. The bit against MSI is clear.
const BOOT_ARCHITECTURE: u16 = 1 << 2;

/// The table; the DSDT is at `dsdt`.
pub(super) fn build(dsdt: u64) -> Vec<u8> {
    let mut fadt = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .dsdt_64(dsdt)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup)
        .flag(Flags::Headless)
        // The caches stay coherent: without it Linux asks before every deep idle state.
        .flag(Flags::Wbinvd)
        // No button in fixed registers, of which there are none.
        .flag(Flags::PwrButton)
        .flag(Flags::SlpButton);
    fadt.iapc_boot_arch = BOOT_ARCHITECTURE.into();
    fadt.sleep_control_reg = byte_port(port::ACPI);
    fadt.sleep_status_reg = byte_port(port::ACPI + 1);
    fadt.reset_reg = byte_port(port::ACPI + 2);
    fadt.reset_value = RESET_VALUE;
    bytes_of(&fadt.finalize())
}

fn byte_port(port: u16) -> GAS {
    GAS::new(
        AddressSpace::SystemIo,
        8,
        0,
        AccessSize::ByteAccess,
        u64::from(port),
    )
}
