//! The little of QMP that a run needs: events in, a few commands out.
//!
//! QMP is one JSON document a line (QEMU, docs/interop/qmp-spec.txt). Commands are sent without waiting for
//! their answers.

use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

/// Longest line taken; a longer one is dropped. QEMU's own lines are a few hundred bytes.
const MAX_LINE: usize = 256 * 1024;

/// What QEMU says happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpEvent {
    /// The machine is about to end: QEMU's reason, such as `guest-reset`, `guest-shutdown`.
    Shutdown(String),
    /// The virtual CPUs stand still although nobody asked; after a KVM internal error QEMU stays like this for ever.
    Stopped,
    /// The command sent with this tag is done, well or not.
    Answered(String),
}

/// A QMP connection.
pub struct Qmp {
    stream: UnixStream,
    pending: Vec<u8>,
    open: bool,
}

impl Qmp {
    /// Takes a connected, non-blocking socket and leaves the capabilities negotiation behind.
    pub fn new(stream: UnixStream) -> Self {
        let mut qmp = Self {
            stream,
            pending: Vec::new(),
            open: true,
        };
        qmp.command("qmp_capabilities", None, None);
        qmp
    }

    /// Becomes readable when there are events.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.open.then(|| self.stream.as_fd())
    }

    /// Sends a command; best effort, since a machine that is going away takes none.
    ///
    /// With a `tag`, its end comes as [`QmpEvent::Answered`].
    pub fn command(&mut self, name: &str, arguments: Option<Value>, tag: Option<String>) {
        let mut command = json!({ "execute": name });
        if let Some(arguments) = arguments {
            command["arguments"] = arguments;
        }
        if let Some(tag) = tag {
            command["id"] = tag.into();
        }
        // A short line into an empty socket buffer: it fits or the peer is gone.
        let _ = self.stream.write_all(format!("{command}\n").as_bytes());
    }

    /// Reads whatever has come; never blocks.
    ///
    /// # Errors
    /// When the socket fails for another reason than having nothing or being closed.
    pub fn events(&mut self) -> io::Result<Vec<QmpEvent>> {
        let mut events = Vec::new();
        let mut buffer = [0; 4096];
        while self.open {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(n) => self.take(&buffer[..n], &mut events),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => self.open = false,
                Err(e) => return Err(e),
            }
        }
        Ok(events)
    }

    fn take(&mut self, bytes: &[u8], events: &mut Vec<QmpEvent>) {
        self.pending.extend_from_slice(bytes);
        while let Some(end) = self.pending.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            events.extend(parse(&line));
        }
        if self.pending.len() > MAX_LINE {
            self.pending.clear();
        }
    }
}

fn parse(line: &[u8]) -> Option<QmpEvent> {
    let value: Value = serde_json::from_slice(line).ok()?;
    if let Some(tag) = value["id"].as_str() {
        return Some(QmpEvent::Answered(tag.into()));
    }
    match value["event"].as_str()? {
        "SHUTDOWN" => Some(QmpEvent::Shutdown(
            value["data"]["reason"].as_str().unwrap_or("unknown").into(),
        )),
        "STOP" => Some(QmpEvent::Stopped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_between_answers_however_they_are_cut() {
        let (ours, mut theirs) = UnixStream::pair().expect("socketpair");
        ours.set_nonblocking(true).expect("non-blocking");
        let mut qmp = Qmp::new(ours);
        let text = b"{\"QMP\": {}}\r\n{\"return\": {}}\r\n{\"return\": {}, \"id\": \"b\"}\r\n{\"event\": \"RESUME\"}\r\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\nrubbish\n{\"event\": \"STOP\"}\n";
        let mut events = Vec::new();
        for piece in text.chunks(7) {
            theirs.write_all(piece).expect("room");
            events.extend(qmp.events().expect("readable"));
        }
        assert_eq!(
            events,
            [
                QmpEvent::Answered("b".into()),
                QmpEvent::Shutdown("guest-reset".into()),
                QmpEvent::Stopped
            ]
        );
        drop(theirs);
        assert!(qmp.events().expect("closed is no error").is_empty());
        assert!(qmp.fd().is_none());
    }
}
