//! What stands where a PC has the start of its BIOS.
//!
//! A kernel built for EFI does not restart a machine with hardware-reduced ACPI by its reset register: it asks EFI, which is not
//! there, and then jumps to the BIOS in 16-bit mode (`native_machine_emergency_restart` of
//! `arch/x86/kernel/reboot.c`, `efi_reboot_required` of `drivers/firmware/efi/reboot.c`). So the BIOS of this machine is
//! a reset.

/// Code in 16-bit mode for [`crate::layout::RESET_VECTOR`]: pulses the reset line through the keyboard controller, and
/// waits for what comes of it.
pub const CODE: [u8; 7] = [
    0xb0, 0xfe, // mov al, 0xfe: pulse the reset line
    0xe6, 0x64, // out 0x64, al: command of the keyboard controller
    0xf4, // hlt
    0xeb, 0xfd, // jmp to the hlt
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    #[test]
    fn it_fits_and_writes_to_the_keyboard_controller() {
        assert!(CODE.len() as u64 <= layout::RESET_VECTOR.len);
        assert_eq!(u16::from(CODE[3]), layout::port::I8042_COMMAND);
        // What the segment and offset of the jump, f000:fff0, make.
        assert_eq!(layout::RESET_VECTOR.start, (0xf000 << 4) + 0xfff0);
    }
}
