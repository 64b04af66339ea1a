//! The ACPI tables of a machine: [`build`] makes the image that belongs at [`crate::layout::ACPI`].
//!
//! The machine is *hardware-reduced* (ACPI 6.5, section 4.1): no fixed event registers, no SCI, no PM timer, no 8259,
//! only sleep and reset registers of one port each. Linux then does without PIC, PIT and their probing. Who reads what
//! (files of Linux 6.12):
//!
//! | Table | Consumer |
//! |---|---|
//! | RSDP | `drivers/acpi/acpica/tbxfroot.c` scans the BIOS area, or the boot loader's pointer in the zero page or `hvm_start_info` (`arch/x86/kernel/acpi/boot.c`) |
//! | XSDT | `drivers/acpi/acpica/tbutils.c` |
//! | FADT | `drivers/acpi/acpica/tbfadt.c`; `arch/x86/kernel/acpi/boot.c` (`acpi_generic_reduced_hw_init`, legacy device flags); `acpica/hwesleep.c` (power-off); `drivers/acpi/reboot.c` |
//! | MADT | `arch/x86/kernel/acpi/boot.c` (local APICs, IOAPIC, NMI lines) |
//! | MCFG | `drivers/acpi/pci_mcfg.c`, `arch/x86/pci/mmconfig-shared.c`, which believes it only where the `PNP0C02` device of the DSDT reserves the range |
//! | SRAT | `drivers/acpi/numa/srat.c`, `arch/x86/mm/srat.c` |
//! | SLIT | `drivers/acpi/numa/srat.c` |
//! | DSDT | `drivers/acpi/acpica/` loads it, `drivers/acpi/scan.c` makes devices of it; who takes each is said in `dsdt.rs` |

mod dsdt;
mod error;
mod fadt;
mod image;
mod madt;
mod numa;
mod pci;
mod platform;
mod table;

#[cfg(test)]
mod tests;

pub use error::AcpiError;
pub use image::{RSDP, build};
pub use platform::{Platform, VirtioBus};
