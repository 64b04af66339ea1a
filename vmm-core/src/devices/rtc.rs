//! The CMOS clock: an MC146818 that shows the host's time as UTC, and 114 bytes of battery-backed RAM.
//!
//! The guest may select any register and write anything to it. What it writes to the RAM, the alarm and the control
//! registers stays within those 128 bytes; the time is the host's and cannot be set; there are no interrupts.
//!
//! Motorola MC146818A data sheet; Linux `drivers/rtc/rtc-mc146818-lib.c`, `arch/x86/kernel/rtc.c`. The century is where
//! PC firmware keeps it, and where the FADT says.

use super::access::offsets;
use crate::bus::BusDevice;
use crate::sync::lock;
use std::{
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

/// Offset of the index port.
pub const INDEX: u64 = 0;
/// Offset of the data port.
pub const DATA: u64 = 1;
/// Bytes that the ports take.
pub const LEN: u64 = 2;

/// Register of the century: `CENTURY` of the FADT.
pub const CENTURY: u8 = 0x32;

const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const WEEKDAY: u8 = 6;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
const STATUS_A: u8 = 10;
const STATUS_B: u8 = 11;
const STATUS_C: u8 = 12;
const STATUS_D: u8 = 13;

/// A: an update is in progress; what is read is never torn, so never set.
const UIP: u8 = 1 << 7;
/// A: 32.768 kHz time base, 1024 Hz periodic rate: what the chip has after firmware.
const STATUS_A_DEFAULT: u8 = 0x26;
/// B: hours count to 24.
const HOURS_24: u8 = 1 << 1;
/// B: values are binary, not BCD.
const BINARY: u8 = 1 << 2;
/// D: the battery is good.
const VALID: u8 = 1 << 7;
/// Hours, in the 12-hour mode: afternoon.
const PM: u8 = 1 << 7;

const REGISTERS: usize = 128;

/// The two ports, from [`crate::layout::port::RTC`] on.
pub struct Rtc {
    clock: fn() -> SystemTime,
    state: Mutex<State>,
}

struct State {
    index: u8,
    registers: [u8; REGISTERS],
}

impl Default for Rtc {
    fn default() -> Self {
        Self::new()
    }
}

impl Rtc {
    /// A clock that shows the host's.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemTime::now)
    }

    fn with_clock(clock: fn() -> SystemTime) -> Self {
        let mut registers = [0; REGISTERS];
        registers[usize::from(STATUS_A)] = STATUS_A_DEFAULT;
        registers[usize::from(STATUS_B)] = HOURS_24;
        Self {
            clock,
            state: Mutex::new(State {
                index: 0,
                registers,
            }),
        }
    }
}

impl BusDevice for Rtc {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let state = lock(&self.state);
        for (port, value) in offsets(offset).zip(data) {
            *value = match port {
                DATA => state.register((self.clock)()),
                _ => 0xff,
            };
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let mut state = lock(&self.state);
        for (port, &value) in offsets(offset).zip(data) {
            match port {
                // Bit 7 masks NMIs on a PC.
                INDEX => state.index = value & 0x7f,
                DATA => state.set_register(value),
                _ => {}
            }
        }
    }
}

impl State {
    fn register(&self, now: SystemTime) -> u8 {
        let stored = self.registers[usize::from(self.index)];
        let time = CivilTime::from(now);
        let value = match self.index {
            SECONDS => time.second,
            MINUTES => time.minute,
            HOURS => return self.hour(time.hour),
            WEEKDAY => time.weekday,
            DAY => time.day,
            MONTH => time.month,
            YEAR => time.year_of_century,
            CENTURY => time.century,
            STATUS_A => return stored & !UIP,
            STATUS_C => return 0,
            STATUS_D => return VALID,
            _ => return stored,
        };
        self.encode(value)
    }

    fn set_register(&mut self, value: u8) {
        match self.index {
            SECONDS | MINUTES | HOURS | WEEKDAY | DAY | MONTH | YEAR | CENTURY | STATUS_C
            | STATUS_D => {}
            index => self.registers[usize::from(index)] = value,
        }
    }

    fn encode(&self, value: u8) -> u8 {
        if self.registers[usize::from(STATUS_B)] & BINARY != 0 {
            value
        } else {
            ((value / 10) << 4) | (value % 10)
        }
    }

    fn hour(&self, hour: u8) -> u8 {
        if self.registers[usize::from(STATUS_B)] & HOURS_24 != 0 {
            return self.encode(hour);
        }
        let twelve = self.encode((hour + 11) % 12 + 1);
        if hour >= 12 { twelve | PM } else { twelve }
    }
}

/// UTC, as the chip counts it.
#[derive(Debug, PartialEq, Eq)]
struct CivilTime {
    century: u8,
    year_of_century: u8,
    /// 1 to 12.
    month: u8,
    /// 1 to 31.
    day: u8,
    /// 1 is Sunday.
    weekday: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

impl From<SystemTime> for CivilTime {
    /// A clock before 1970 shows 1970, one after 9999 wraps around.
    fn from(time: SystemTime) -> Self {
        /// Days of 400 years of the Gregorian calendar; they repeat after that.
        const DAYS_OF_ERA: u64 = 146_097;
        let narrow = |value: u64| u8::try_from(value).expect("two digits");
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let days = seconds / 86_400;
        let mut year = 1970 + days / DAYS_OF_ERA * 400;
        let mut rest = days % DAYS_OF_ERA;
        while rest >= days_of_year(year) {
            rest -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while rest >= days_of_month(year, month) {
            rest -= days_of_month(year, month);
            month += 1;
        }
        Self {
            century: narrow(year / 100 % 100),
            year_of_century: narrow(year % 100),
            month: narrow(month),
            day: narrow(rest + 1),
            // The epoch was a Thursday.
            weekday: narrow((days + 4) % 7 + 1),
            hour: narrow(seconds / 3600 % 24),
            minute: narrow(seconds / 60 % 60),
            second: narrow(seconds % 60),
        }
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests;
