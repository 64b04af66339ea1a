//! What a test prints.

use std::fs::File;
use std::io::{self, Read};

use rustix::event::{PollFd, PollFlags};
use wire::{GuestMessage, Stream};

use crate::failure::Result;
use crate::link::{Link, PIECE};

/// One of the two streams of a running test.
pub struct Output {
    test: u32,
    stream: Stream,
    /// `None` once every writer has closed it.
    pipe: Option<File>,
    /// Bytes that may still be passed on.
    left: u64,
    /// Bytes read and not passed on.
    pub dropped: u64,
}

impl Output {
    pub fn new(test: u32, stream: Stream, pipe: File, limit: u64) -> Self {
        Self {
            test,
            stream,
            pipe: Some(pipe),
            left: limit,
            dropped: 0,
        }
    }

    /// What to wait for, unless nothing comes any more.
    pub fn interest(&self) -> Option<PollFd<'_>> {
        let pipe = self.pipe.as_ref()?;
        Some(PollFd::new(pipe, PollFlags::IN))
    }

    /// Passes on what one read gives. `false` when there is nothing (more) to read now.
    pub fn pass_on(&mut self, link: &mut Link) -> Result<bool> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(false);
        };
        let mut bytes = [0; PIECE];
        let length = match pipe.read(&mut bytes) {
            Ok(0) => {
                self.pipe = None;
                return Ok(false);
            }
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(_) => {
                self.pipe = None;
                return Ok(false);
            }
        };
        let passed = usize::try_from(self.left).map_or(length, |left| left.min(length));
        self.left -= passed as u64;
        self.dropped += (length - passed) as u64;
        if passed > 0 {
            link.send(&GuestMessage::Output {
                test: self.test,
                stream: self.stream,
                data: bytes[..passed].to_vec(),
            })?;
        }
        Ok(true)
    }
}
