//! The CMOS clock: an MC146818 that shows the host's time as UTC, with its alarm and update interrupts, and 114 bytes of
//! battery-backed RAM.
//!
//! The guest may select any register and write anything to it. What it writes to the RAM, the alarm and the control
//! registers stays within those 128 bytes; the time is the host's and cannot be set. There is no periodic interrupt:
//! Linux makes its own (`rtc_irq_set_freq`, `drivers/rtc/interface.c`).
//!
//! Motorola MC146818A data sheet; Linux `drivers/rtc/rtc-mc146818-lib.c`, `drivers/rtc/rtc-cmos.c`,
//! `arch/x86/kernel/rtc.c`. The century is where PC firmware keeps it, and where the FADT says.

mod alarm;
mod calendar;

use self::{alarm::Alarm, calendar::CivilTime};
use super::access::offsets;
use crate::{
    bus::BusDevice,
    sync::lock,
    worker::{Stop, Worker},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use vmm_sys_util::eventfd::EventFd;

/// Offset of the index port.
pub const INDEX: u64 = 0;
/// Offset of the data port.
pub const DATA: u64 = 1;
/// Bytes that the ports take.
pub const LEN: u64 = 2;

/// Register of the century: `CENTURY` of the FADT.
pub const CENTURY: u8 = 0x32;

const SECONDS: u8 = 0;
const SECONDS_ALARM: u8 = 1;
const MINUTES: u8 = 2;
const MINUTES_ALARM: u8 = 3;
const HOURS: u8 = 4;
const HOURS_ALARM: u8 = 5;
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
/// B: interrupt after every update, once a second.
const UPDATE_INTERRUPT: u8 = 1 << 4;
/// B: interrupt at the alarm.
const ALARM_INTERRUPT: u8 = 1 << 5;
/// B: the clock is being set, and does not update.
const SET: u8 = 1 << 7;
/// C: an update has ended.
const UPDATED: u8 = 1 << 4;
/// C: the alarm was met.
const ALARMED: u8 = 1 << 5;
/// C: the line is raised.
const INTERRUPT: u8 = 1 << 7;
/// D: the battery is good.
const VALID: u8 = 1 << 7;
/// Hours, in the 12-hour mode: afternoon.
const PM: u8 = 1 << 7;

const REGISTERS: usize = 128;

/// The two ports, from [`crate::layout::port::RTC`] on.
pub struct Rtc {
    shared: Arc<Shared>,
    /// Raises the line when its time has come.
    _worker: Worker<()>,
}

struct Shared {
    clock: fn() -> SystemTime,
    state: Mutex<State>,
    interrupt: EventFd,
    /// Readable at the time of the next interrupt, and when the host's clock was set.
    timer: OwnedFd,
}

struct State {
    index: u8,
    registers: [u8; REGISTERS],
    /// When the next second or alarm that the guest wants to know of comes.
    next: Option<SystemTime>,
}

impl Rtc {
    /// A clock that shows the host's. `interrupt` is the edge of [`crate::layout::gsi::RTC`].
    ///
    /// # Errors
    /// When the host has no descriptor or no thread left.
    pub fn new(interrupt: EventFd) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(SystemTime::now, interrupt)?);
        let worker = Worker::spawn("rtc", {
            let shared = shared.clone();
            move |stop| shared.serve(&stop)
        })?;
        Ok(Self {
            shared,
            _worker: worker,
        })
    }
}

impl BusDevice for Rtc {
    fn read(&self, offset: u64, data: &mut [u8]) {
        self.shared.read(offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        self.shared.write(offset, data);
    }
}

impl Shared {
    fn new(clock: fn() -> SystemTime, interrupt: EventFd) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let mut registers = [0; REGISTERS];
        registers[usize::from(STATUS_A)] = STATUS_A_DEFAULT;
        registers[usize::from(STATUS_B)] = HOURS_24;
        Ok(Self {
            clock,
            state: Mutex::new(State {
                index: 0,
                registers,
                next: None,
            }),
            interrupt,
            timer: timerfd_create(TimerfdClockId::Realtime, flags)?,
        })
    }

    fn read(&self, offset: u64, data: &mut [u8]) {
        let mut state = lock(&self.state);
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
                DATA => {
                    state.set_register(value);
                    if [SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM, STATUS_B].contains(&state.index)
                    {
                        let next = state.next_interrupt((self.clock)());
                        self.arm(&mut state, next);
                    }
                }
                _ => {}
            }
        }
    }

    fn arm(&self, state: &mut State, next: Option<SystemTime>) {
        if state.next == next {
            return;
        }
        state.next = next;
        self.set_timer(next);
    }

    fn set_timer(&self, next: Option<SystemTime>) {
        let since = next.and_then(|next| next.duration_since(UNIX_EPOCH).ok());
        let timer = Itimerspec {
            it_interval: Timespec::default(),
            // Zero disarms it.
            it_value: since
                .and_then(|since| Timespec::try_from(since).ok())
                .unwrap_or_default(),
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        // Cannot fail: the descriptor is a timer, and the time a valid one.
        let _ = timerfd_settime(&self.timer, flags, &timer);
    }

    /// The thread.
    fn serve(&self, stop: &Stop) {
        loop {
            let mut fds = [
                PollFd::new(stop, PollFlags::IN),
                PollFd::new(&self.timer, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => panic!("poll(2) of two open descriptors: {error}"),
            }
            let [stopped, expired] = fds.map(|fd| fd.revents());
            if !stopped.is_empty() {
                return;
            }
            if !expired.is_empty() {
                // ECANCELED, where the host's clock was set, is as good: the time is looked at anew.
                let _ = rustix::io::read(&self.timer, &mut [0; 8]);
                self.expire();
            }
        }
    }

    /// Raises the line where it is time, and waits for the next time.
    fn expire(&self) {
        let mut state = lock(&self.state);
        let now = (self.clock)();
        if state.expire(now) {
            // Cannot fail but where the line is being raised anyway.
            let _ = self.interrupt.write(1);
        }
        state.next = state.next_interrupt(now);
        self.set_timer(state.next);
    }
}

impl State {
    /// Whether the line rises: the guest gets to know of an alarm or of an update.
    fn expire(&mut self, now: SystemTime) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        let enabled = self.registers[usize::from(STATUS_B)];
        let mut flags = 0;
        if enabled & UPDATE_INTERRUPT != 0 {
            flags |= UPDATED;
        }
        // Times that have passed while nobody looked count too.
        let before = self.next.map(|next| next - Duration::from_secs(1));
        let due = before.and_then(|before| self.alarm().next(before));
        if enabled & ALARM_INTERRUPT != 0 && due.is_some_and(|due| due <= now) {
            flags |= ALARMED;
        }
        if flags == 0 {
            return false;
        }
        let was_raised = self.registers[usize::from(STATUS_C)] & INTERRUPT != 0;
        self.registers[usize::from(STATUS_C)] |= flags | INTERRUPT;
        !was_raised
    }

    fn next_interrupt(&self, now: SystemTime) -> Option<SystemTime> {
        let enabled = self.registers[usize::from(STATUS_B)];
        if enabled & SET != 0 {
            None
        } else if enabled & UPDATE_INTERRUPT != 0 {
            Alarm::EVERY_SECOND.next(now)
        } else if enabled & ALARM_INTERRUPT != 0 {
            self.alarm().next(now)
        } else {
            None
        }
    }

    fn alarm(&self) -> Alarm {
        let value = |register| self.registers[usize::from(register)];
        Alarm {
            hour: alarm::field(value(HOURS_ALARM), |value| self.decode_hour(value)),
            minute: alarm::field(value(MINUTES_ALARM), |value| self.decode(value)),
            second: alarm::field(value(SECONDS_ALARM), |value| self.decode(value)),
        }
    }

    fn register(&mut self, now: SystemTime) -> u8 {
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
            // Reading it lowers the line.
            STATUS_C => return std::mem::take(&mut self.registers[usize::from(STATUS_C)]),
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

    fn decode(&self, value: u8) -> u8 {
        if self.registers[usize::from(STATUS_B)] & BINARY != 0 {
            value
        } else {
            (value >> 4) * 10 + (value & 0xf)
        }
    }

    fn decode_hour(&self, value: u8) -> u8 {
        if self.registers[usize::from(STATUS_B)] & HOURS_24 != 0 {
            return self.decode(value);
        }
        let afternoon = if value & PM != 0 { 12 } else { 0 };
        self.decode(value & !PM) % 12 + afternoon
    }

    fn hour(&self, hour: u8) -> u8 {
        if self.registers[usize::from(STATUS_B)] & HOURS_24 != 0 {
            return self.encode(hour);
        }
        let twelve = self.encode((hour + 11) % 12 + 1);
        if hour >= 12 { twelve | PM } else { twelve }
    }
}

#[cfg(test)]
mod tests;
