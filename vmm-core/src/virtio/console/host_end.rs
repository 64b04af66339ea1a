//! The host's end of a port: a socket, which may be full, half closed or gone.

use super::socket;
use crate::virtio::iov::Iov;
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use std::{io, os::unix::net::UnixStream};

/// The host's end.
#[derive(Debug)]
pub(super) struct HostEnd {
    /// None: nobody reads what the guest writes, nobody writes.
    socket: Option<UnixStream>,
    /// What goes before anything else: the rest of a chain that was given back to the guest when the device stopped.
    leftover: Vec<u8>,
    /// The host writes no more, and all it wrote has been read.
    input_ended: bool,
    /// The host reads no more.
    output_closed: bool,
}

/// How far an output came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it is with the host, or nobody wants it.
    All,
    /// The socket is full.
    Blocked,
}

/// What came from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing at present.
    Nothing,
    /// Nothing ever again.
    End,
}

impl HostEnd {
    pub(super) fn new(socket: Option<UnixStream>) -> Self {
        let absent = socket.is_none();
        Self {
            socket,
            leftover: Vec::new(),
            input_ended: absent,
            output_closed: absent,
        }
    }

    pub(super) fn socket(&self) -> Option<&UnixStream> {
        self.socket.as_ref()
    }

    pub(super) fn is_input_ended(&self) -> bool {
        self.input_ended
    }

    pub(super) fn is_output_closed(&self) -> bool {
        self.output_closed
    }

    /// Whether neither bytes come nor are wanted any more.
    pub(super) fn is_closed(&self) -> bool {
        self.input_ended && self.output_closed
    }

    /// The host reads no more: what is to be sent goes nowhere.
    pub(super) fn close_output(&mut self) {
        self.output_closed = true;
        self.leftover = Vec::new();
    }

    pub(super) fn has_leftover(&self) -> bool {
        !self.leftover.is_empty()
    }

    /// Puts `bytes` before everything that is sent later, after what was put here before.
    pub(super) fn keep(&mut self, bytes: Vec<u8>) {
        if !self.output_closed {
            self.leftover.extend(bytes);
        }
    }

    /// Sends the leftover, as far as the socket takes it.
    pub(super) fn send_leftover(&mut self) -> Sent {
        while let (Some(socket), false) = (&self.socket, self.leftover.is_empty()) {
            match send(
                socket,
                &self.leftover,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(sent) => drop(self.leftover.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Sent::Blocked,
                Err(_) => self.close_output(),
            }
        }
        Sent::All
    }

    /// Sends `iov` from `offset` on, which it moves, as far as the socket takes it.
    pub(super) fn send(&mut self, iov: &Iov<'_, '_>, offset: &mut usize) -> Sent {
        let len = iov.len();
        while let (Some(socket), false, true) = (&self.socket, self.output_closed, *offset < len) {
            match socket::send(socket, iov, *offset) {
                Ok(sent) => *offset += sent,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Sent::Blocked,
                Err(_) => self.close_output(),
            }
        }
        Sent::All
    }

    /// Receives into `iov`, which must not be empty.
    pub(super) fn receive(&mut self, iov: &Iov<'_, '_>) -> Received {
        loop {
            let (Some(socket), false) = (&self.socket, self.input_ended) else {
                return Received::End;
            };
            match socket::receive(socket, iov) {
                Ok(0) => self.input_ended = true,
                Ok(received) => return Received::Bytes(received),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Received::Nothing,
                Err(_) => self.input_ended = true,
            }
        }
    }
}
