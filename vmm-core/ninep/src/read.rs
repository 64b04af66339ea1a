//! `Tlopen` and `Tread`: the content of files.

use crate::dir::Listing;
use crate::fid::{Fid, Open};
use crate::resolve::Share;
use crate::sys::Reply;
use crate::xattr;
use rustix::fs::FileType;
use rustix::io::Errno;

/// `P9_DOTL_*` (`include/net/9p/9p.h`): the numbers of `open(2)` on most architectures.
const ACCESS: u32 = 0o3;
const TRUNCATE: u32 = 0o1000;
const DIRECTORY: u32 = 0o200_000;

/// Opens a file for reading, whatever else the flags say that does not change it: Linux passes on `O_CREAT` and
/// `O_APPEND`, which mean nothing for a file that exists and is only read (`flock(1)` opens so).
///
/// # Errors
/// `EROFS` where the flags ask for more than reading, `EBUSY` if it is open, and those of
/// [`Share::open_for_reading`].
pub(crate) fn open(share: &Share, fid: &Fid, flags: u32) -> Result<(), Errno> {
    if flags & (ACCESS | TRUNCATE) != 0 {
        return Err(Errno::ROFS);
    }
    if fid.attribute.is_some() {
        return Err(Errno::BADF);
    }
    if fid.opened().is_some() {
        return Err(Errno::BUSY);
    }
    let is_directory = fid.node.file_type() == FileType::Directory;
    if flags & DIRECTORY != 0 && !is_directory {
        return Err(Errno::NOTDIR);
    }
    let held = share.open_for_reading(&fid.node)?;
    fid.set_open(if is_directory {
        Open::Directory(Box::new(Listing::new(held)))
    } else {
        Open::File(held)
    })
}

/// Reads into the reply at `at`, no more than `count` bytes. Returns the bytes read: none at the end.
///
/// # Errors
/// `EBADF` where the fid is not open, `EISDIR` for a directory, and those of `preadv(2)`.
pub(crate) fn read(
    share: &Share,
    fid: &Fid,
    offset: u64,
    reply: &mut Reply<'_>,
    at: usize,
    count: usize,
) -> Result<usize, Errno> {
    if let Some(name) = &fid.attribute {
        let value = xattr::value(share, &fid.node, name)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = value.get(start..).unwrap_or_default();
        let part = &rest[..count.min(rest.len())];
        reply.cursor(at).write(part);
        return Ok(part.len());
    }
    match fid.opened().ok_or(Errno::BADF)? {
        Open::File(_) if count == 0 => Ok(0),
        Open::File(held) => reply.read_from(std::os::fd::AsFd::as_fd(held), offset, at, count),
        Open::Directory(_) => Err(Errno::ISDIR),
    }
}
