//! The owner's end of the control socket: requests out, events in, one JSON document a line.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};
use vmm_core::control::{Event, MAX_LINE, Request};

/// Bytes taken in one go; more waits for the next, so that one machine does not hold up everything else.
const AT_ONCE: usize = 2 * MAX_LINE;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Box<Event>),
    /// Something else, said in words: this monitor cannot be talked to any more.
    Nonsense(String),
}

/// A connection to a monitor.
pub struct Control {
    stream: UnixStream,
    pending: Vec<u8>,
    open: bool,
}

impl Control {
    /// Takes a connected socket.
    ///
    /// # Errors
    /// When it cannot be made non-blocking.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            pending: Vec::new(),
            open: true,
        })
    }

    /// Becomes readable when there are events.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.open.then(|| self.stream.as_fd())
    }

    /// Sends a request; best effort, since a machine that is going away takes none.
    pub fn request(&mut self, request: &Request) {
        let mut line = serde_json::to_vec(request).expect("requests have a JSON form");
        line.push(b'\n');
        // A short line into an empty socket buffer: it fits or the peer is gone.
        let _ = self.stream.write_all(&line);
    }

    /// Takes what has come; never blocks. After [`Heard::Nonsense`] nothing more is heard.
    ///
    /// # Errors
    /// When the socket fails for another reason than having nothing or being closed.
    pub fn hear(&mut self) -> io::Result<Vec<Heard>> {
        let mut heard = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut taken = 0;
        while self.open && taken < AT_ONCE {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.open = false,
                Ok(n) => {
                    taken += n;
                    self.take(&buffer[..n], &mut heard);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => self.open = false,
                Err(e) => return Err(e),
            }
        }
        Ok(heard)
    }

    fn take(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            self.pending.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            match serde_json::from_slice(&self.pending) {
                Ok(event) => heard.push(Heard::Event(Box::new(event))),
                Err(error) => return self.give_up(format!("no event: {error}"), heard),
            }
            self.pending.clear();
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() > MAX_LINE {
            self.give_up(format!("a line of more than {MAX_LINE} bytes"), heard);
        }
    }

    fn give_up(&mut self, what: String, heard: &mut Vec<Heard>) {
        self.open = false;
        self.pending = Vec::new();
        heard.push(Heard::Nonsense(what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vmm_core::control::Mark;

    fn pair() -> (Control, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        (Control::new(ours).expect("non-blocking"), theirs)
    }

    #[test]
    fn events_are_found_however_they_are_cut() {
        let (mut control, mut theirs) = pair();
        let mark = Event::Mark {
            mark: Mark::Init,
            nanos: 5,
        };
        let mut text = serde_json::to_vec(&mark).expect("JSON");
        text.extend_from_slice(b"\n\"panicked\"\n\"paused\"\n");
        let mut heard = Vec::new();
        for piece in text.chunks(3) {
            theirs.write_all(piece).expect("room");
            heard.extend(control.hear().expect("readable"));
        }
        let event = |event| Heard::Event(Box::new(event));
        assert_eq!(
            heard,
            [event(mark), event(Event::Panicked), event(Event::Paused)]
        );
        control.request(&Request::SysRq('l'));
        let mut line = [0; 14];
        theirs.read_exact(&mut line).expect("it is there");
        assert_eq!(&line, b"{\"sys_rq\":\"l\"}");
        drop(theirs);
        assert_eq!(control.hear().expect("closed is no error"), []);
        assert!(control.fd().is_none());
        control.request(&Request::Nmi);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let (mut control, mut theirs) = pair();
        let writer = std::thread::spawn(move || {
            let piece = vec![b'x'; 1 << 20];
            // Ends when the reader has hung up.
            while theirs.write_all(&piece).is_ok() {}
        });
        let nonsense = loop {
            if let Some(last) = control.hear().expect("readable").pop() {
                break last;
            }
            std::thread::yield_now();
        };
        assert!(matches!(nonsense, Heard::Nonsense(words) if words.contains("bytes")));
        assert!(control.pending.is_empty());
        drop(control);
        writer.join().expect("it ended");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..500), cut in 1usize..50) {
            let (mut control, mut theirs) = pair();
            for piece in bytes.chunks(cut) {
                let _ = theirs.write_all(piece);
                let _ = control.hear();
                // What it no longer hears would fill the socket, and hold up the writer.
                if control.fd().is_none() {
                    break;
                }
            }
        }
    }
}
