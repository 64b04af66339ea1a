//! The keyboard controller, as far as it resets machines.
//!
//! The guest may write any command and any data, and read as often as it likes. Two writes end the machine; but for
//! "the next data byte goes to the output port" nothing is stored.
//!
//! There is no keyboard and no mouse. Linux asks the controller only where no table says that there is none, and then
//! drains its output buffer first: one that does not become empty in 16 reads is "no controller found"
//! (`drivers/input/serio/i8042.c`, `i8042_flush`), where a controller that is silent or half there costs half a second
//! of polling for each command. So the output buffer is always full. The input buffer is always empty: before a reset,
//! that is what `kb_wait` in `arch/x86/kernel/reboot.c` waits for.
//!
//! IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller"; Intel 8042 commands.

use super::{EndSignal, Ending, access::offsets};
use crate::bus::BusDevice;
use std::sync::atomic::{AtomicBool, Ordering};

/// Offset of the data port.
pub const DATA: u64 = 0;
/// Offset of the command and status port.
pub const COMMAND: u64 = 4;
/// Bytes from the first port to the last.
pub const LEN: u64 = 5;

/// Status: output buffer full.
const STATUS_OBF: u8 = 1 << 0;
/// Status: the system flag, set once the self-test has passed.
const STATUS_SYSTEM: u8 = 1 << 2;
/// Status: the keyboard is not locked.
const STATUS_UNLOCKED: u8 = 1 << 4;

/// Command: the next data byte goes to the output port.
const WRITE_OUTPUT_PORT: u8 = 0xd1;
/// Commands from here on: bits 0 to 3 that are clear pulse their line of the output port low.
const PULSE: u8 = 0xf0;
/// The line of the output port that resets the machine when low.
const RESET_LINE: u8 = 1 << 0;

/// The two ports, from [`crate::layout::port::I8042_DATA`] to [`crate::layout::port::I8042_COMMAND`]. The ports in
/// between belong to others, which come first; here they are an empty bus.
pub struct I8042 {
    end: EndSignal,
    output_port_next: AtomicBool,
}

impl I8042 {
    /// A controller that calls `end`.
    #[must_use]
    pub fn new(end: EndSignal) -> Self {
        Self {
            end,
            output_port_next: AtomicBool::new(false),
        }
    }

    fn command(&self, command: u8) {
        self.output_port_next
            .store(command == WRITE_OUTPUT_PORT, Ordering::Relaxed);
        if command >= PULSE && command & RESET_LINE == 0 {
            (self.end)(Ending::Reset);
        }
    }

    fn data(&self, value: u8) {
        let output_port = self.output_port_next.swap(false, Ordering::Relaxed);
        if output_port && value & RESET_LINE == 0 {
            (self.end)(Ending::Reset);
        }
    }
}

impl BusDevice for I8042 {
    fn read(&self, offset: u64, data: &mut [u8]) {
        for (port, value) in offsets(offset).zip(data) {
            *value = match port {
                DATA => 0,
                COMMAND => STATUS_OBF | STATUS_SYSTEM | STATUS_UNLOCKED,
                _ => 0xff,
            };
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        for (port, &value) in offsets(offset).zip(data) {
            match port {
                DATA => self.data(value),
                COMMAND => self.command(value),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::end::tests::recorder, *};

    fn after(writes: &[(u64, u8)]) -> Vec<Ending> {
        let (end, seen) = recorder();
        let device = I8042::new(end);
        for (offset, value) in writes {
            device.write(*offset, &[*value]);
        }
        let seen = seen.lock().expect("held by nobody");
        seen.clone()
    }

    fn status(device: &I8042) -> u8 {
        let mut data = [0];
        device.read(COMMAND, &mut data);
        data[0]
    }

    #[test]
    fn linux_resets_with_0xfe() {
        assert_eq!(after(&[(COMMAND, 0xfe)]), [Ending::Reset]);
    }

    #[test]
    fn a_pulse_of_other_lines_is_no_reset() {
        for command in 0xf0..=0xff {
            let expected: &[Ending] = if command % 2 == 0 {
                &[Ending::Reset]
            } else {
                &[]
            };
            assert_eq!(after(&[(COMMAND, command)]), expected, "{command:#x}");
        }
    }

    #[test]
    fn the_output_port_resets_when_its_line_falls() {
        assert_eq!(after(&[(COMMAND, 0xd1), (DATA, 0xfe)]), [Ending::Reset]);
        assert_eq!(after(&[(COMMAND, 0xd1), (DATA, 0xdf)]), []);
        // The data belongs to the last command alone.
        assert_eq!(after(&[(COMMAND, 0xd1), (COMMAND, 0x60), (DATA, 0)]), []);
        assert_eq!(after(&[(COMMAND, 0xd1), (DATA, 1), (DATA, 0)]), []);
    }

    #[test]
    fn linux_finds_no_controller() {
        let device = I8042::new(recorder().0);
        // i8042_flush gives up when there is still a byte after 16.
        for _ in 0..17 {
            assert_ne!(status(&device) & STATUS_OBF, 0);
            let mut data = [0xff];
            device.read(DATA, &mut data);
            assert_eq!(data, [0]);
        }
    }

    #[test]
    fn kb_wait_need_not_wait() {
        assert_eq!(status(&I8042::new(recorder().0)) & 0x02, 0);
    }
}
