//! What the guest has written and the host has not taken yet: bounded, and the newest is kept.
//!
//! A guest can write for ever and its host may not read. When the bound is reached, the oldest bytes go, because what a
//! kernel says last matters most, and a line says how many.

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use std::{collections::VecDeque, io, os::unix::net::UnixStream};

/// Most bytes that wait.
pub(super) const LIMIT: usize = 1 << 20;
/// Bytes from which on waiting for more to come with them gains nothing.
pub(super) const PIECE: usize = 4096;

/// The waiting bytes.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: VecDeque<u8>,
    /// Bytes dropped since the last notice.
    lost: u64,
    /// A notice, or the rest of one, that goes before the bytes.
    notice: VecDeque<u8>,
    /// The host has closed its end: nobody will ever read.
    closed: bool,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.notice.is_empty()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether it is worth writing at once.
    pub(super) fn is_plenty(&self) -> bool {
        self.bytes.len() >= PIECE
    }

    /// Writes as much as `host` takes without waiting.
    pub(super) fn flush_to(&mut self, host: &UnixStream) {
        if self.lost > 0 && self.notice.is_empty() {
            let lost = std::mem::take(&mut self.lost);
            self.notice = format!("\r\n[{lost} bytes of serial output lost: nobody read them]\r\n")
                .into_bytes()
                .into();
        }
        if self.send_to(host).is_err() {
            *self = Self {
                closed: true,
                ..Self::default()
            };
        }
    }

    fn send_to(&mut self, host: &UnixStream) -> Result<(), Errno> {
        for queue in [&mut self.notice, &mut self.bytes] {
            while !queue.is_empty() {
                let (piece, _) = queue.as_slices();
                match send(host, piece, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Ok(sent) => drop(queue.drain(..sent)),
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// What the UART transmits.
impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.closed {
            for &byte in bytes {
                if self.bytes.len() == LIMIT {
                    self.bytes.pop_front();
                    self.lost += 1;
                }
                self.bytes.push_back(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        thread,
    };

    fn received(mut host: UnixStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        host.read_to_end(&mut bytes).expect("the other end closes");
        bytes
    }

    #[test]
    fn what_was_written_arrives() {
        let (device, host) = UnixStream::pair().expect("sockets");
        let mut output = Output::default();
        output.write_all(b"one").expect("buffered");
        output.flush_to(&device);
        assert!(output.is_empty());
        drop(device);
        assert_eq!(received(host), b"one");
    }

    #[test]
    fn the_newest_is_kept_and_the_loss_is_told() {
        let (device, host) = UnixStream::pair().expect("sockets");
        let mut output = Output::default();
        let written: Vec<u8> = (0..LIMIT + 1000).map(|i| b'a' + (i % 23) as u8).collect();
        output.write_all(&written).expect("buffered");
        assert_eq!(output.bytes.len(), LIMIT);
        let reader = thread::spawn(move || received(host));
        while !output.is_empty() {
            output.flush_to(&device);
            thread::yield_now();
        }
        drop(device);
        let mut expected = b"\r\n[1000 bytes of serial output lost: nobody read them]\r\n".to_vec();
        expected.extend(&written[1000..]);
        assert!(reader.join().expect("no panic") == expected);
    }

    #[test]
    fn a_notice_is_never_cut() {
        let (device, host) = UnixStream::pair().expect("sockets");
        let mut output = Output {
            notice: b"notice ".to_vec().into(),
            ..Output::default()
        };
        output.write_all(&[b'x'; LIMIT + 1]).expect("buffered");
        output.flush_to(&device);
        let mut start = [0; 8];
        (&host).read_exact(&mut start).expect("there");
        assert_eq!(&start, b"notice x");
    }

    #[test]
    fn nothing_is_kept_for_a_host_that_has_gone() {
        let (device, host) = UnixStream::pair().expect("sockets");
        drop(host);
        let mut output = Output::default();
        output.write_all(b"one").expect("buffered");
        output.flush_to(&device);
        assert!(output.is_closed() && output.is_empty());
        output.write_all(b"two").expect("taken");
        assert!(output.is_empty());
    }
}
