//! The memory that a reply goes to, and reading from a file straight into it: all the unsafe code there is.
//!
//! The memory is the guest's. It may change at any moment, so nothing is ever read back from it, and no reference to it
//! is made: bytes are copied to it through pointers, here or by the kernel.
#![allow(unsafe_code, reason = "guest memory is written through pointers")]

use crate::message::{Body, RLERROR};
use rustix::io::Errno;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Pieces given to the kernel at a time. A reply of the greatest size has 125 pages and its header.
const PIECES: usize = 128;

/// Where a reply goes: pieces of memory, in order.
#[derive(Debug)]
pub struct Reply<'a> {
    pieces: Pieces<'a>,
    room: usize,
    memory: PhantomData<&'a mut [u8]>,
}

#[derive(Debug)]
enum Pieces<'a> {
    One((*mut u8, usize)),
    Many(&'a [(*mut u8, usize)]),
}

impl<'a> Reply<'a> {
    /// A reply in these pieces of memory, each a start and a length in bytes.
    ///
    /// # Safety
    /// Each piece is valid for writes of its length for `'a`, and no reference to it exists meanwhile. It may be memory
    /// of a guest, which writes to it at the same time.
    pub unsafe fn from_raw(pieces: &'a [(*mut u8, usize)]) -> Self {
        Self {
            room: pieces.iter().fold(0, |sum, p| sum.saturating_add(p.1)),
            pieces: Pieces::Many(pieces),
            memory: PhantomData,
        }
    }

    /// A reply in one piece of ordinary memory.
    pub fn from_slice(slice: &'a mut [u8]) -> Self {
        Self {
            room: slice.len(),
            pieces: Pieces::One((slice.as_mut_ptr(), slice.len())),
            memory: PhantomData,
        }
    }

    /// Bytes that fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    fn pieces(&self) -> &[(*mut u8, usize)] {
        match &self.pieces {
            Pieces::One(piece) => std::slice::from_ref(piece),
            Pieces::Many(pieces) => pieces,
        }
    }

    /// Writes a message: `head`, `tail`, and at its end `in_place` bytes that are there already. Returns its size; 0
    /// where it does not fit, and then nothing is written.
    pub(crate) fn send(&mut self, head: &[u8], tail: &[u8], in_place: usize) -> usize {
        let size = head.len() + tail.len() + in_place;
        if size > self.room {
            return 0;
        }
        let mut cursor = self.cursor(0);
        cursor.write(head);
        cursor.write(tail);
        size
    }

    /// Writes `Rlerror`, cut to its header where no more fits, and returns its size; 0 where not even that fits.
    pub(crate) fn send_error(&mut self, tag: u16, errno: Errno) -> usize {
        let mut body = Body::new();
        body.u32(errno.raw_os_error().cast_unsigned());
        match self.send(body.finish(RLERROR, tag, 0), &[], 0) {
            0 => self.send(Body::new().finish(RLERROR, tag, 0), &[], 0),
            size => size,
        }
    }

    /// A place in the reply from which to write on.
    pub(crate) fn cursor(&mut self, offset: usize) -> Cursor<'_> {
        let mut cursor = Cursor {
            pieces: self.pieces(),
            within: 0,
            memory: PhantomData,
        };
        cursor.skip(offset);
        cursor
    }

    /// Reads from a file straight into the reply at `at`: no more than `count` bytes, less at the end of the file.
    ///
    /// # Errors
    /// Those of `preadv(2)`, where nothing was read.
    pub(crate) fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        at: usize,
        count: usize,
    ) -> Result<usize, Errno> {
        let mut cursor = self.cursor(at);
        let mut done = 0;
        loop {
            let mut pieces = [NO_PIECE; PIECES];
            let (used, asked) = cursor.gather(&mut pieces, count - done);
            let from = offset
                .checked_add(done as u64)
                .and_then(|from| i64::try_from(from).ok())
                .ok_or(Errno::INVAL)?;
            // SAFETY: `pieces` begins with `used` entries (at most 128), each of memory that `from_raw` or `from_slice`
            // vouched for, and this reply is borrowed for writing. The descriptor is borrowed, too.
            let read = unsafe {
                libc::preadv(file.as_raw_fd(), pieces.as_ptr(), used as libc::c_int, from)
            };
            if let Ok(read) = usize::try_from(read) {
                done += read;
                if read < asked || done == count || asked == 0 {
                    return Ok(done);
                }
                cursor.skip(asked);
            } else {
                match last_error() {
                    Errno::INTR => {}
                    error if done == 0 => return Err(error),
                    _ => return Ok(done),
                }
            }
        }
    }
}

/// Pieces of ordinary memory as a reply, for tests.
#[derive(Debug)]
pub struct Scattered<'a> {
    pieces: Vec<(*mut u8, usize)>,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Scattered<'a> {
    /// Takes the pieces, in order.
    pub fn new(pieces: impl IntoIterator<Item = &'a mut [u8]>) -> Self {
        let pieces = pieces.into_iter();
        Self {
            pieces: pieces.map(|p| (p.as_mut_ptr(), p.len())).collect(),
            memory: PhantomData,
        }
    }

    /// A reply in them.
    pub fn reply(&mut self) -> Reply<'_> {
        // SAFETY: the pieces were borrowed for writing for as long as this lives, so no other reference to them exists.
        unsafe { Reply::from_raw(&self.pieces) }
    }
}

const NO_PIECE: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// A place in a reply.
pub(crate) struct Cursor<'a> {
    /// The pieces from this place on.
    pieces: &'a [(*mut u8, usize)],
    /// Bytes of the first of them that lie before it.
    within: usize,
    memory: PhantomData<&'a mut [u8]>,
}

impl Cursor<'_> {
    /// Writes bytes and moves behind them. What does not fit is left out.
    pub fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty()
            && let Some(&(start, length)) = self.pieces.first()
        {
            let part = bytes.len().min(length - self.within);
            // SAFETY: `within + part` is at most the length of the piece, which is valid for writes. `bytes` is our own
            // memory: no reference to that of the reply exists.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(self.within), part) };
            bytes = &bytes[part..];
            self.skip(part);
        }
    }

    /// Moves on by `count` bytes, at most to the end.
    fn skip(&mut self, mut count: usize) {
        while let Some(&(_, length)) = self.pieces.first() {
            let left = length - self.within;
            if count < left {
                self.within += count;
                return;
            }
            count -= left;
            self.pieces = &self.pieces[1..];
            self.within = 0;
        }
    }

    /// Fills `pieces` with the next `count` bytes of the reply, as far as both go. Returns the number of pieces and of
    /// bytes. Does not move.
    fn gather(&self, pieces: &mut [libc::iovec; PIECES], count: usize) -> (usize, usize) {
        let mut used = 0;
        let mut bytes = 0;
        let mut within = self.within;
        for &(start, length) in self.pieces {
            let part = (length - within).min(count - bytes);
            // Pages that follow each other in memory are one piece to the kernel.
            let start = start.wrapping_add(within);
            within = 0;
            if part == 0 {
                continue;
            }
            match pieces[..used].last_mut() {
                Some(last) if last.iov_base.cast::<u8>().wrapping_add(last.iov_len) == start => {
                    last.iov_len += part;
                }
                _ if used == PIECES => break,
                _ => {
                    pieces[used] = libc::iovec {
                        iov_base: start.cast(),
                        iov_len: part,
                    };
                    used += 1;
                }
            }
            bytes += part;
        }
        (used, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    /// Pieces of these lengths, each apart from the next, in a buffer of `0xee`.
    fn scattered<'a>(buffer: &'a mut [u8], lengths: &[usize]) -> Scattered<'a> {
        let mut rest = buffer;
        Scattered::new(lengths.iter().map(|&length| {
            let (piece, others) = std::mem::take(&mut rest).split_at_mut(length + 1);
            rest = others;
            &mut piece[..length]
        }))
    }

    fn joined(buffer: &[u8], lengths: &[usize]) -> Vec<u8> {
        let mut at = 0;
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.extend_from_slice(&buffer[at..][..*length]);
            assert_eq!(buffer[at + length], 0xee, "written beyond a piece");
            at += length + 1;
        }
        bytes
    }

    #[test]
    fn files_are_read_into_every_shape_of_reply() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..1000u32).map(|i| (i % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let many = vec![3; 400];
        for lengths in [&[11, 1200][..], &[4, 0, 20, 0, 1, 999], &[1024], &many] {
            for (offset, count) in [(0, 1000), (0, 5000), (999, 9), (5, 100), (1000, 1), (0, 0)] {
                let mut buffer = vec![0xee; 2000];
                let mut pieces = scattered(&mut buffer, lengths);
                let mut reply = pieces.reply();
                let most = count.min(reply.room() - 11);
                let read = reply.read_from(file.as_fd(), offset, 11, most).unwrap();
                let start = usize::try_from(offset).unwrap();
                assert_eq!(read, most.min(1000 - start));
                let all = joined(&buffer, lengths);
                assert_eq!(&all[11..11 + read], &content[start..start + read]);
                assert!(
                    all[..11]
                        .iter()
                        .chain(&all[11 + read..])
                        .all(|&b| b == 0xee)
                );
            }
        }
    }

    #[test]
    fn offsets_beyond_the_greatest_file_are_refused() {
        let file = tempfile::tempfile().unwrap();
        let mut buffer = [0; 32];
        let mut reply = Reply::from_slice(&mut buffer);
        for offset in [u64::MAX, 1 << 63] {
            let read = reply.read_from(file.as_fd(), offset, 11, 8);
            assert_eq!(read, Err(Errno::INVAL));
        }
    }

    #[test]
    fn messages_are_written_across_pieces_or_not_at_all() {
        for lengths in [&[11][..], &[1; 11], &[0, 3, 0, 8, 0]] {
            let mut buffer = vec![0xee; 40];
            let mut pieces = scattered(&mut buffer, lengths);
            let mut reply = pieces.reply();
            assert_eq!(reply.send(b"123456789", b"abc", 0), 0);
            assert_eq!(reply.send(b"123456789", b"ab", 1), 0);
            assert_eq!(reply.send(b"1234567", b"ab", 2), 11);
            assert_eq!(joined(&buffer, lengths), b"1234567ab\xee\xee");
        }
    }

    #[test]
    fn errors_fit_where_a_header_does() {
        for (room, size) in [(0, 0), (6, 0), (7, 7), (10, 7), (11, 11), (99, 11)] {
            let mut buffer = vec![0; room];
            let mut reply = Reply::from_slice(&mut buffer);
            assert_eq!(reply.send_error(1, Errno::IO), size);
            if size != 0 {
                assert_eq!(buffer[0], u8::try_from(size).unwrap());
                assert_eq!(buffer[4], RLERROR);
            }
        }
    }
}
