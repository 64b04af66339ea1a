//! The host's end of the link port.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};
use wire::{Decoder, GuestMessage, HostMessage};

/// Bytes read at a time; also the most that is taken before other ports get their turn.
const PIECE: usize = 64 * 1024;

/// Why the link is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// What came is not the protocol.
    #[error("the guest does not keep to the protocol: {0}")]
    Protocol(#[from] wire::FrameError),
    /// The socket.
    #[error("the link failed")]
    Io(#[source] io::Error),
}

/// A connected link.
pub struct Link {
    stream: UnixStream,
    decoder: Decoder,
    outgoing: Vec<u8>,
    open: bool,
}

impl Link {
    /// Over a non-blocking socket.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            outgoing: Vec::new(),
            open: true,
        }
    }

    /// The socket, while it is open.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.open.then(|| self.stream.as_fd())
    }

    /// Whether bytes wait for the socket to take them.
    pub fn wants_to_write(&self) -> bool {
        self.open && !self.outgoing.is_empty()
    }

    /// Sends a message, now or when the socket takes it.
    ///
    /// # Errors
    /// When the message is too long for the protocol or the socket fails.
    pub fn send(&mut self, message: &HostMessage) -> Result<(), LinkError> {
        self.outgoing.extend(wire::encode(message)?);
        self.flush()
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When the socket fails. A peer that is gone is no error here: its end is seen elsewhere.
    pub fn flush(&mut self) -> Result<(), LinkError> {
        while self.wants_to_write() {
            match self.stream.write(&self.outgoing) {
                Ok(n) => drop(self.outgoing.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                    ) =>
                {
                    self.outgoing.clear();
                }
                Err(e) => return Err(LinkError::Io(e)),
            }
        }
        Ok(())
    }

    /// Reads one piece; returns whether there may be more at once.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn receive(&mut self) -> Result<bool, LinkError> {
        let mut buffer = [0; PIECE];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.open = false;
                Ok(false)
            }
            Ok(n) => {
                self.decoder.push(&buffer[..n]);
                Ok(true)
            }
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(false)
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {
                self.open = false;
                Ok(false)
            }
            Err(e) => Err(LinkError::Io(e)),
        }
    }

    /// The next whole message received.
    ///
    /// # Errors
    /// When the guest does not keep to the protocol.
    pub fn next(&mut self) -> Result<Option<GuestMessage>, LinkError> {
        Ok(self.decoder.next_message()?)
    }
}
