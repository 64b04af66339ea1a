//! The registers of a 16550, with breaks.
//!
//! The registers are those of [`vm_superio::Serial`], which knows received bytes but no line errors. A break is here a
//! zero byte in its FIFO that is remembered as one: while it is the next to be read, the line status says "break", and
//! where that interrupt is enabled, so does the interrupt identification (data sheet of the NS16550AF, 8.4 and 8.6).
//! The data sheet has the bit cleared by reading the line status; here it is cleared by reading the byte, so that no
//! reader of the line status which looks for something else can lose a break. Linux's handler copes with both.

use super::output::Output;
use std::{collections::VecDeque, io};
use vm_superio::{Trigger, serial::NoEvents};
use vmm_sys_util::eventfd::EventFd;

/// Registers, from the port's base on.
const DATA: u8 = 0;
const IER: u8 = 1;
const IIR: u8 = 2;
const LCR: u8 = 3;
const LSR: u8 = 5;
/// Number of registers.
pub(super) const REGISTERS: u64 = 8;

/// LCR: the first two registers are the divisor.
const DLAB: u8 = 1 << 7;
/// IER: received data.
const ERBFI: u8 = 1 << 0;
/// IER: line status.
const ELSI: u8 = 1 << 2;
/// IER: bits that exist.
const IER_BITS: u8 = 0x0f;
/// IIR: bits that say which interrupt.
const IIR_CAUSE: u8 = 0x0f;
/// IIR: line status.
const IIR_LINE_STATUS: u8 = 0x06;
/// LSR: break interrupt.
const LSR_BREAK: u8 = 1 << 4;

/// Bytes in the receive FIFO.
const FIFO: usize = 64;
/// Received breaks and commands that wait for room in the FIFO: a few, for a driver that has only just begun to read.
const WAITING: usize = 16;

/// The interrupt line.
struct Line(EventFd);

impl Trigger for Line {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.write(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    Byte(u8),
    Break,
}

/// The registers.
pub(super) struct Uart {
    inner: vm_superio::Serial<Line, NoEvents, Output>,
    /// For each byte in the FIFO, whether it is a break.
    breaks: VecDeque<bool>,
    /// What comes after the FIFO.
    waiting: VecDeque<Received>,
    interrupts_enabled: u8,
}

impl Uart {
    pub(super) fn new(interrupt: EventFd) -> Self {
        Self {
            inner: vm_superio::Serial::new(Line(interrupt), Output::default()),
            breaks: VecDeque::with_capacity(FIFO),
            waiting: VecDeque::with_capacity(WAITING),
            interrupts_enabled: 0,
        }
    }

    pub(super) fn output(&mut self) -> &mut Output {
        self.inner.writer_mut()
    }

    /// Bytes that [`Uart::receive`] takes.
    pub(super) fn room(&self) -> usize {
        if self.waiting.is_empty() {
            self.inner.fifo_capacity()
        } else {
            0
        }
    }

    /// Bytes from the host, no more than there is [`Uart::room`] for. Lost in loopback mode, as on a real line.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        // Fails where the interrupt cannot be sent, which an event far from its limit always can.
        let _ = self.inner.enqueue_raw_bytes(bytes);
        self.count_fifo();
    }

    /// A break and then `command`, which Linux takes as the magic SysRq key. Whether they were taken.
    pub(super) fn send_break(&mut self, command: u8) -> bool {
        if self.waiting.len() + 2 > WAITING {
            return false;
        }
        self.waiting
            .extend([Received::Break, Received::Byte(command)]);
        self.refill();
        true
    }

    pub(super) fn read(&mut self, register: u8) -> u8 {
        match register {
            DATA if !self.divisor_selected() => {
                let value = self.inner.read(DATA);
                self.breaks.pop_front();
                self.refill();
                self.raise_line_status();
                value
            }
            IIR => {
                let value = self.inner.read(IIR);
                if self.line_status_enabled() && self.break_is_next() {
                    value & !IIR_CAUSE | IIR_LINE_STATUS
                } else {
                    value
                }
            }
            LSR if self.break_is_next() => self.inner.read(LSR) | LSR_BREAK,
            _ => self.inner.read(register),
        }
    }

    pub(super) fn write(&mut self, register: u8, value: u8) {
        let enables = register == IER && !self.divisor_selected();
        // Fails where the output or the interrupt does: the first never does, for the second see `receive`.
        let _ = self.inner.write(register, value);
        // In loopback mode, what is transmitted is received.
        self.count_fifo();
        self.refill();
        if enables {
            self.interrupts_enabled = value & IER_BITS;
            self.raise_line_status();
        }
    }

    /// Moves what waits into the FIFO, as far as there is room.
    fn refill(&mut self) {
        while let Some(&next) = self.waiting.front() {
            let byte = match next {
                Received::Byte(byte) => byte,
                Received::Break => 0,
            };
            // Takes it or does not, in loopback mode or without room; for its error see `receive`.
            let _ = self.inner.enqueue_raw_bytes(&[byte]);
            if self.fifo_len() == self.breaks.len() {
                return;
            }
            self.breaks.push_back(next == Received::Break);
            self.waiting.pop_front();
            if self.breaks.len() == 1 {
                self.raise_line_status();
            }
        }
    }

    /// The interrupt for a break that is the next to be read. Where received data is enabled too, that one has been
    /// sent for the same byte.
    fn raise_line_status(&self) {
        let data_enabled = self.interrupts_enabled & ERBFI != 0;
        if self.break_is_next() && self.line_status_enabled() && !data_enabled {
            // See `receive`.
            let _ = self.inner.interrupt_evt().trigger();
        }
    }

    fn break_is_next(&self) -> bool {
        self.breaks.front() == Some(&true)
    }

    fn line_status_enabled(&self) -> bool {
        self.interrupts_enabled & ELSI != 0
    }

    fn divisor_selected(&mut self) -> bool {
        self.inner.read(LCR) & DLAB != 0
    }

    fn fifo_len(&self) -> usize {
        FIFO - self.inner.fifo_capacity()
    }

    /// Bytes that came into the FIFO are no breaks.
    fn count_fifo(&mut self) {
        let len = self.fifo_len();
        self.breaks.resize(len, false);
    }
}

#[cfg(test)]
mod tests;
