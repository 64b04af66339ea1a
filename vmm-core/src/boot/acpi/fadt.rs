//! FADT: the fixed features of a hardware-reduced machine (ACPI 6.5, section 5.2.9).

use super::{
    image::bytes_of,
    table::{OEM_ID, OEM_REVISION, OEM_TABLE_ID},
};
use crate::{
    devices::{acpi_power, rtc},
    layout::port,
};
use acpi_tables::{
    fadt::{FADTBuilder, Flags},
    gas::{AccessSize, AddressSpace, GAS},
};

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
    fadt.sleep_control_reg = power_register(acpi_power::SLEEP_CONTROL);
    fadt.sleep_status_reg = power_register(acpi_power::SLEEP_STATUS);
    fadt.reset_reg = power_register(acpi_power::RESET);
    fadt.reset_value = acpi_power::RESET_VALUE;
    fadt.century = rtc::CENTURY;
    bytes_of(&fadt.finalize())
}

fn power_register(offset: u64) -> GAS {
    GAS::new(
        AddressSpace::SystemIo,
        8,
        0,
        AccessSize::ByteAccess,
        u64::from(port::ACPI) + offset,
    )
}
