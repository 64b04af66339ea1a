//! The port's face to the guest and its thread to the host.
//!
//! The guest may access all registers in any order, width and number. It can fill the output, which is bounded
//! ([`super::output`]), and leave its input unread, which then stays in the host's socket. No access waits for the
//! host: registers and buffers are behind one lock that is only ever held for copying, and for sends that do not wait.
//!
//! Data sheet of the NS16550AF; Linux `drivers/tty/serial/8250/8250_port.c`.

use super::{
    super::access::offsets,
    uart::{REGISTERS, Uart},
};
use crate::sync::lock;
use crate::{
    bus::BusDevice,
    worker::{Stop, Worker},
};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::Errno,
    net::{RecvFlags, recv},
    time::Timespec,
};
use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use vmm_sys_util::eventfd::EventFd;

/// How long output waits for more to come with it.
const LINGER: Duration = Duration::from_millis(2);
/// At the end: how long a host that takes nothing is waited for.
const STALL: Duration = Duration::from_millis(200);
/// At the end: how long in all.
const DRAIN: Duration = Duration::from_secs(2);

/// The first serial port, eight registers from [`crate::layout::port::COM1`] on.
pub struct Serial {
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker<()>>>,
}

struct Shared {
    uart: Mutex<Uart>,
    host: UnixStream,
    /// Readable when there is output again, or room for input.
    wake: OwnedFd,
}

impl Serial {
    /// A port between the guest and `host`. `interrupt` is the edge of [`crate::layout::gsi::COM1`].
    ///
    /// # Errors
    /// When the host has no descriptor or no thread left.
    pub fn new(host: UnixStream, interrupt: EventFd) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            uart: Mutex::new(Uart::new(interrupt)),
            host,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let worker = Worker::spawn("serial", {
            let shared = shared.clone();
            move |stop| shared.serve(&stop)
        })?;
        Ok(Self {
            shared,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Presses the magic SysRq key with `command`: a break, then the character (Linux
    /// `Documentation/admin-guide/sysrq.rst`). The guest acts on it if its console is this port and a process has it
    /// open.
    ///
    /// Returns whether the port took it: not where `command` is no ASCII character, or earlier ones have not been read.
    pub fn send_break(&self, command: char) -> bool {
        u8::try_from(command)
            .is_ok_and(|byte| byte.is_ascii() && self.shared.uart().send_break(byte))
    }

    /// Ends the thread, after what the guest wrote has gone to the host as far as it reads. What the guest writes later
    /// is lost. Dropping the port does the same.
    pub fn stop(&self) {
        let worker = lock(&self.worker).take();
        drop(worker);
    }
}

/// Wider accesses are as many of a byte, as on the bus of a PC.
impl BusDevice for Serial {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let mut uart = self.shared.uart();
        let had_room = uart.room() > 0;
        for (register, value) in offsets(offset).zip(data) {
            *value = match register {
                0..REGISTERS => uart.read(register as u8),
                _ => 0xff,
            };
        }
        let has_room = uart.room() > 0;
        drop(uart);
        if has_room && !had_room {
            self.shared.wake();
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let mut uart = self.shared.uart();
        let was_empty = uart.output().is_empty();
        for (register, &value) in offsets(offset).zip(data) {
            if register < REGISTERS {
                uart.write(register as u8, value);
            }
        }
        let is_empty = uart.output().is_empty();
        drop(uart);
        if was_empty && !is_empty {
            self.shared.wake();
        }
    }
}

impl Shared {
    fn uart(&self) -> MutexGuard<'_, Uart> {
        lock(&self.uart)
    }

    fn wake(&self) {
        // Cannot fail but when it is readable anyway.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// The thread.
    fn serve(&self, stop: &Stop) {
        let mut input_open = true;
        loop {
            let mut interest = PollFlags::empty();
            {
                let mut uart = self.uart();
                let gone = uart.output().is_closed();
                interest.set(PollFlags::IN, input_open && !gone && uart.room() > 0);
                interest.set(PollFlags::OUT, !uart.output().is_empty());
            }
            let mut fds = [
                PollFd::new(stop, PollFlags::IN),
                PollFd::new(&self.wake, PollFlags::IN),
                PollFd::new(&self.host, interest),
            ];
            // A host that has gone is always ready.
            let watched = if interest.is_empty() { 2 } else { 3 };
            match poll(&mut fds[..watched], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => panic!("poll(2) of three open descriptors: {error}"),
            }
            let [stopped, woken, host] = fds.map(|fd| fd.revents());
            if !stopped.is_empty() {
                return self.drain();
            }
            if !woken.is_empty() {
                // Only this thread reads it.
                let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                if !self.uart().output().is_plenty() && is_readable(stop, LINGER) {
                    return self.drain();
                }
            }
            if interest.contains(PollFlags::IN) && !host.is_empty() {
                input_open = self.receive();
            }
            self.uart().output().flush_to(&self.host);
        }
    }

    /// Takes input for which there is room. Whether there may be more.
    fn receive(&self) -> bool {
        let mut uart = self.uart();
        let mut buffer = [0; 64];
        let room = uart.room().min(buffer.len());
        if room == 0 {
            return true;
        }
        match recv(&self.host, &mut buffer[..room], RecvFlags::DONTWAIT) {
            Ok((0, _)) => false,
            Ok((received, _)) => {
                uart.receive(&buffer[..received]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Writes what is left, as long as the host takes it.
    fn drain(&self) {
        let deadline = Instant::now() + DRAIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut uart = self.uart();
            uart.output().flush_to(&self.host);
            if uart.output().is_empty() || left.is_zero() {
                return;
            }
            drop(uart);
            let mut fds = [PollFd::new(&self.host, PollFlags::OUT)];
            match poll(&mut fds, Some(&timespec(left.min(STALL)))) {
                Ok(0) => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => panic!("poll(2) of an open descriptor: {error}"),
            }
        }
    }
}

fn is_readable(fd: &Stop, within: Duration) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&timespec(within))), Ok(n) if n > 0)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).expect("seconds")
}

#[cfg(test)]
mod tests;
