//! Our end of the control socket.

use crate::control::{Event, MAX_LINE, Mark, Request};
use crate::sync::{lock, now_nanos};
use rustix::net::{RecvFlags, recv};
use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
};

/// Where events go; clones share it. From any thread.
#[derive(Clone)]
pub(crate) struct Events(Arc<Mutex<UnixStream>>);

impl Events {
    /// Writes to `socket`, which blocks.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    /// Reports `event`. An owner who no longer listens has closed the socket, which ends the machine elsewhere.
    pub(crate) fn send(&self, event: &Event) {
        let mut line = serde_json::to_vec(event).expect("events are plain data");
        line.push(b'\n');
        let mut socket = lock(&self.0);
        let _ = socket.write_all(&line);
    }

    /// Reports that the timeline reached `mark` just now.
    pub(crate) fn mark(&self, mark: Mark) {
        self.send(&Event::Mark {
            mark,
            nanos: now_nanos(),
        });
    }
}

/// Requests as they come in.
pub(crate) struct Requests {
    socket: UnixStream,
    pending: Vec<u8>,
}

impl Requests {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            pending: vec![],
        }
    }

    /// The descriptor to wait on.
    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// What has come in, without waiting. The owner's end of the socket, or what is no request, is
    /// [`Request::Quit`].
    pub(crate) fn take(&mut self) -> Vec<Request> {
        let mut requests = vec![];
        let mut buffer = [0; 4096];
        loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => {
                    requests.push(Request::Quit);
                    break;
                }
                Ok((n, _)) => self.pending.extend_from_slice(&buffer[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => {
                    eprintln!("control socket: {}", io::Error::from(error));
                    requests.push(Request::Quit);
                    break;
                }
            }
            if self.pending.len() > MAX_LINE {
                requests.push(Request::Quit);
                break;
            }
        }
        let mut parsed = vec![];
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(request) => parsed.push(request),
                Err(error) => {
                    eprintln!("control socket: not a request: {error}");
                    parsed.push(Request::Quit);
                }
            }
        }
        parsed.append(&mut requests);
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    #[test]
    fn requests_come_in_pieces_and_the_end_is_quit() {
        let (mut owner, ours) = UnixStream::pair().expect("sockets");
        let mut requests = Requests::new(ours);
        assert_eq!(requests.take(), []);
        owner.write_all(b"\"pause\"\n{\"sys_rq\":").expect("room");
        assert_eq!(requests.take(), [Request::Pause]);
        owner.write_all(b"\"l\"}\n").expect("room");
        drop(owner);
        assert_eq!(requests.take(), [Request::SysRq('l'), Request::Quit]);
    }

    #[test]
    fn rubbish_ends_the_machine() {
        let (mut owner, ours) = UnixStream::pair().expect("sockets");
        let mut requests = Requests::new(ours);
        owner.write_all(b"\xff\n").expect("room");
        assert_eq!(requests.take(), [Request::Quit]);
    }

    #[test]
    fn an_event_is_a_line() {
        let (owner, ours) = UnixStream::pair().expect("sockets");
        let events = Events::new(ours);
        events.send(&Event::Panicked);
        events.mark(Mark::Ready);
        let mut lines = BufReader::new(owner).lines();
        let mut next = || -> Event {
            let line = lines.next().expect("a line").expect("UTF-8");
            serde_json::from_str(&line).expect("an event")
        };
        assert_eq!(next(), Event::Panicked);
        assert!(matches!(next(), Event::Mark { mark: Mark::Ready, nanos } if nanos > 0));
    }
}
