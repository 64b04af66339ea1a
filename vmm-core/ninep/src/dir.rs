//! `Treaddir`: the names in a directory.
//!
//! The offsets are the file system's own, so that any of them can be gone back to. The client chooses them; one that was
//! never given out is the file system's to refuse or to take for the next entry.

use crate::qid::{Qid, qid_kind};
use crate::resolve::{Held, Node, Share};
use crate::sys::Reply;
use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, StatxFlags, seek, statx};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

/// Bytes taken from the kernel at a time; what an entry takes of them without its name and before it is rounded up to
/// eight (`struct linux_dirent64`); and more than an entry takes.
const BATCH: usize = 32 << 10;
const RECORD: usize = 20;
const MARGIN: usize = 1 << 10;
/// `qid[13] offset[8] type[1] name[s]` without the name.
const ENTRY: usize = Qid::SIZE + 8 + 1 + 2;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Listing {
    held: Held,
    /// Where the kernel will go on; none where that is not known. Held over a listing, since the descriptor has one
    /// position: requests for the same fid come after one another.
    place: Mutex<Option<u64>>,
}

impl AsFd for Listing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }
}

impl Listing {
    pub fn new(held: Held) -> Self {
        Self {
            held,
            place: Mutex::new(Some(0)),
        }
    }

    /// Writes the entries from `offset` on to the reply at `at`, whole ones, in no more than `room` bytes. Returns the
    /// bytes written: none at the end of the directory.
    ///
    /// # Errors
    /// `EINVAL` where not even one entry fits, and those of `lseek(2)` and `getdents(2)`.
    pub fn read(
        &self,
        share: &Share,
        node: &Arc<Node>,
        offset: u64,
        reply: &mut Reply<'_>,
        at: usize,
        room: usize,
    ) -> Result<usize, Errno> {
        let mut place = self.place.lock().unwrap_or_else(|e| e.into_inner());
        if place.take() != Some(offset) {
            // An offset beyond the greatest is what the position before the start would be.
            if i64::try_from(offset).is_err() {
                return Err(Errno::INVAL);
            }
            seek(&self.held, SeekFrom::Start(offset))?;
        }
        let mut cursor = reply.cursor(at);
        let mut buffer = [MaybeUninit::uninit(); BATCH];
        let mut entries = RawDir::new(&self.held, &mut buffer);
        let mut written = 0;
        let mut next = offset;
        let mut taken = 0;
        loop {
            if entries.is_buffer_empty() {
                // A batch that had room for another entry is the last, most likely; if it is not, the next request
                // finds out.
                if taken != 0 && taken < BATCH - MARGIN {
                    break;
                }
                taken = 0;
            }
            let entry = match entries.next() {
                None => break,
                Some(Err(_)) if written != 0 => return Ok(written),
                Some(entry) => entry?,
            };
            let name = entry.file_name();
            taken += (RECORD + name.count_bytes()).next_multiple_of(8);
            let size = ENTRY + name.count_bytes();
            if size > room - written {
                if written == 0 {
                    return Err(Errno::INVAL);
                }
                return Ok(written);
            }
            next = entry.next_entry_cookie();
            let file_type = self.type_of(name, entry.file_type());
            let path = match name.to_bytes() {
                b".." => {
                    let parent = node.parent();
                    share.qid(parent).path
                }
                _ => share.path(node.device(), entry.ino()),
            };
            let qid = Qid {
                kind: qid_kind(file_type),
                version: 0,
                path,
            };
            let mut head = [0; ENTRY];
            head[..13].copy_from_slice(&qid.encode());
            head[13..21].copy_from_slice(&next.to_le_bytes());
            head[21] = type_number(file_type);
            let length = u16::try_from(name.count_bytes()).map_err(|_| Errno::NAMETOOLONG)?;
            head[22..].copy_from_slice(&length.to_le_bytes());
            cursor.write(&head);
            cursor.write(name.to_bytes());
            written += size;
        }
        *place = Some(next);
        Ok(written)
    }

    /// Asks for the type of a file where its directory does not know it.
    fn type_of(&self, name: &CStr, known: FileType) -> FileType {
        if known != FileType::Unknown {
            return known;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        statx(&self.held, name, flags, StatxFlags::TYPE)
            .map_or(FileType::Unknown, |stat| crate::qid::file_type(&stat))
    }
}

/// `DT_*` of `readdir(3)`.
fn type_number(file_type: FileType) -> u8 {
    match file_type {
        FileType::Fifo => libc::DT_FIFO,
        FileType::CharacterDevice => libc::DT_CHR,
        FileType::Directory => libc::DT_DIR,
        FileType::BlockDevice => libc::DT_BLK,
        FileType::RegularFile => libc::DT_REG,
        FileType::Symlink => libc::DT_LNK,
        FileType::Socket => libc::DT_SOCK,
        FileType::Unknown => libc::DT_UNKNOWN,
    }
}
