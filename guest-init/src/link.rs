//! The port that speaks with the host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use wire::{Decoder, GuestMessage, HostMessage};

use crate::failure::{Failure, Result, Trying};

/// Bytes of test output or of an artifact that go into one message: with the rest of its frame it
/// stays within the 32 KiB that the driver passes on in one piece.
pub const PIECE: usize = 32 * 1024 - 512;

/// What a look at the port gave.
pub enum Received {
    /// These messages, perhaps none.
    Messages(Vec<HostMessage>),
    /// The host has closed its end.
    Closed,
}

/// The open port. Its descriptor is non-blocking; sending waits for the host, but not for a host that
/// has gone away.
pub struct Link {
    port: File,
    decoder: Decoder,
}

impl Link {
    pub fn new(port: File) -> Self {
        Self {
            port,
            decoder: Decoder::new(),
        }
    }

    /// Sends one message.
    ///
    /// An error means that the host has closed its end or the port is broken.
    pub fn send(&mut self, message: &GuestMessage) -> Result<()> {
        let frame = wire::encode(message).trying(|| "encode a message".into())?;
        self.write(&frame)
            .trying(|| "send a message to the host".into())
    }

    /// Sends a warning.
    pub fn warn(&mut self, sentence: impl Into<String>) -> Result<()> {
        self.send(&GuestMessage::Warning(sentence.into()))
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.port.write(bytes) {
                // The driver says 0 when its queue has no room, though it should say EAGAIN.
                Ok(0) => self.wait_writable()?,
                Ok(written) => bytes = &bytes[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.wait_writable()?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn wait_writable(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.port, PollFlags::OUT)];
        match poll(&mut fds, None) {
            Ok(_) if fds[0].revents().contains(PollFlags::HUP) => {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads what has come, without waiting.
    pub fn receive(&mut self) -> Result<Received> {
        let mut bytes = [0; 16 * 1024];
        match self.port.read(&mut bytes) {
            Ok(0) => return Ok(Received::Closed),
            Ok(length) => self.decoder.push(&bytes[..length]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Failure::new(format!("cannot read from the host: {e}"))),
        }
        let mut messages = Vec::new();
        while let Some(message) = self
            .decoder
            .next_message()
            .trying(|| "understand the host".into())?
        {
            messages.push(message);
        }
        Ok(Received::Messages(messages))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}
