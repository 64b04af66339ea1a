//! Rubbish in: what the fuzz target and its corpus test call.

use crate::Server;
use crate::message::HEADER;
use crate::sys::Scattered;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::{fs, io};

const GUARD: usize = 8;
const UNTOUCHED: u8 = 0xa5;

/// Feeds a server a script: `room[2] length[2] message[length]`, again and again, the last one cut where `script` ends.
/// The size of each message is set right where `room` is odd. Returns all replies that [`may_show`] something.
///
/// # Panics
/// If a reply is not what is promised, whatever the request: its size within the room, said in its first four bytes, and
/// nothing written beyond.
pub fn run(server: &Server, mut script: &[u8]) -> Vec<u8> {
    let mut replies = Vec::new();
    let mut buffer = vec![0; usize::from(u16::MAX) + GUARD];
    while let Some((&[r0, r1, l0, l1], rest)) = script.split_first_chunk() {
        let room = usize::from(u16::from_le_bytes([r0, r1]));
        let length = usize::from(u16::from_le_bytes([l0, l1])).min(rest.len());
        let (message, rest) = rest.split_at(length);
        script = rest;
        let mut message = message.to_vec();
        if room % 2 == 1
            && let (Ok(size), Some(field)) = (u32::try_from(length), message.first_chunk_mut())
        {
            *field = size.to_le_bytes();
        }
        buffer[room..room + GUARD].fill(UNTOUCHED);
        let size = {
            // Pieces of many sizes, the first of them as long as the header of data.
            let mut pieces = Vec::new();
            let (mut left, mut piece) = (&mut buffer[..room], 11);
            while !left.is_empty() {
                let (first, others) = left.split_at_mut(piece.min(left.len()));
                pieces.push(first);
                left = others;
                piece = piece * 3 % 4093 + 1;
            }
            server.handle(&message, &mut Scattered::new(pieces).reply())
        };
        assert!(size <= room, "{size} bytes of {room}");
        assert!(buffer[room..room + GUARD].iter().all(|&b| b == UNTOUCHED));
        assert_eq!(size < HEADER, room < HEADER, "{size} bytes of {room}");
        if let Some(said) = buffer[..size].first_chunk() {
            assert_eq!(u32::from_le_bytes(*said) as usize, size);
        }
        if may_show(&buffer[..size]) {
            replies.extend_from_slice(&buffer[..size]);
        }
    }
    replies
}

/// Whether a reply could have something in it from outside the share: the text of a link may name anything, and `Rgetlock`
/// repeats its request.
#[must_use]
pub fn may_show(reply: &[u8]) -> bool {
    !matches!(reply.get(4), Some(23 | 55))
}

/// What no reply that [`may_show`] something may ever contain: in the names and contents of all that lies beside the share.
pub const SECRET: &[u8] = b"SECRET";

/// Makes a small tree of all kinds of files in an empty directory: `share`, and beside it what must not be seen.
///
/// # Errors
/// Those of the file system.
pub fn populate(directory: &Path) -> io::Result<()> {
    let share = directory.join("share");
    fs::create_dir_all(share.join("a/b/c"))?;
    fs::write(share.join("file"), "content")?;
    fs::write(share.join("a/empty"), "")?;
    fs::write(share.join("a/b/big"), [b'B'; 70_000])?;
    fs::hard_link(share.join("file"), share.join("a/b/c/again"))?;
    for i in 0..40 {
        fs::write(share.join(format!("a/b/c/{i}")), i.to_string())?;
    }
    symlink("../SECRET", share.join("out"))?;
    symlink("..", share.join("up"))?;
    symlink("/", share.join("top"))?;
    symlink(directory, share.join("a/beside"))?;
    let _socket = UnixListener::bind(share.join("a/socket"))?;
    mknodat(CWD, share.join("fifo"), FileType::Fifo, Mode::RUSR, 0)?;
    let value = b"value".repeat(100);
    // Not every file system has these.
    let _ = setxattr(share.join("file"), "user.x", &value, XattrFlags::empty());
    fs::create_dir(directory.join("SECRET-directory"))?;
    for path in ["SECRET", "SECRET-directory/SECRET", "SECRET-directory/file"] {
        fs::write(directory.join(path), SECRET)?;
    }
    Ok(())
}
