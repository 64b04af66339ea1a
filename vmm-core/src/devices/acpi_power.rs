//! The sleep and reset registers of a hardware-reduced ACPI machine.
//!
//! The guest may read and write three byte registers in any order and width. A write can end the machine, which a
//! guest is free to do; nothing is stored.
//!
//! ACPI 6.5: 4.8.3.6 reset register, 4.8.3.7 sleep control and sleep status registers.

use super::{EndSignal, Ending, access::offsets};
use crate::bus::BusDevice;

/// Offset of the sleep control register.
pub const SLEEP_CONTROL: u64 = 0;
/// Offset of the sleep status register.
pub const SLEEP_STATUS: u64 = 1;
/// Offset of the reset register.
pub const RESET: u64 = 2;
/// Bytes that the registers take.
pub const LEN: u64 = 3;

/// `SLP_TYPx` of S5, soft off: the first element of `\_S5`.
pub const S5_TYPE: u8 = 5;
/// The value that the reset register wants: `RESET_VALUE` of the FADT.
pub const RESET_VALUE: u8 = 1;

const SLP_TYP_SHIFT: u8 = 2;
const SLP_TYP_MASK: u8 = 0b111;
const SLP_EN: u8 = 1 << 5;

/// The three registers, from [`crate::layout::port::ACPI`] on.
pub struct AcpiPower {
    end: EndSignal,
}

impl AcpiPower {
    /// Registers that call `end`.
    #[must_use]
    pub fn new(end: EndSignal) -> Self {
        Self { end }
    }
}

impl BusDevice for AcpiPower {
    /// `SLP_EN` is write-only and the machine never wakes from a sleep: all is zero.
    fn read(&self, _offset: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        for (register, &value) in offsets(offset).zip(data) {
            match register {
                SLEEP_CONTROL
                    if value & SLP_EN != 0
                        && (value >> SLP_TYP_SHIFT) & SLP_TYP_MASK == S5_TYPE =>
                {
                    (self.end)(Ending::PowerOff);
                }
                RESET if value == RESET_VALUE => (self.end)(Ending::Reset),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::end::tests::recorder, *};

    fn after(writes: &[(u64, &[u8])]) -> Vec<Ending> {
        let (end, seen) = recorder();
        let device = AcpiPower::new(end);
        for (offset, data) in writes {
            device.write(*offset, data);
        }
        let seen = seen.lock().expect("held by nobody");
        seen.clone()
    }

    #[test]
    fn s5_switches_off() {
        assert_eq!(after(&[(SLEEP_CONTROL, &[0x34])]), [Ending::PowerOff]);
    }

    #[test]
    fn other_sleep_types_and_a_missing_enable_do_nothing() {
        for value in (0..=0xff_u8).filter(|v| v & 0x3c != 0x34) {
            assert_eq!(after(&[(SLEEP_CONTROL, &[value])]), [], "{value:#x}");
        }
    }

    #[test]
    fn only_the_right_value_resets() {
        assert_eq!(after(&[(RESET, &[1])]), [Ending::Reset]);
        assert_eq!(after(&[(RESET, &[0]), (RESET, &[6])]), []);
    }

    #[test]
    fn a_wide_write_reaches_each_register() {
        assert_eq!(
            after(&[(0, &[0x34, 0x80, 1])]),
            [Ending::PowerOff, Ending::Reset]
        );
        assert_eq!(after(&[(SLEEP_STATUS, &[0x80])]), []);
    }

    #[test]
    fn a_driver_that_looks_for_pending_wakes_sees_none() {
        let mut data = [0xff; 3];
        AcpiPower::new(recorder().0).read(0, &mut data);
        assert_eq!(data, [0; 3]);
    }
}
