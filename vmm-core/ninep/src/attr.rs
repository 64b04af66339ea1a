//! `Tgetattr`, `Tstatfs` and `Treadlink`: what is known of a file without opening it.

use crate::fid::Fid;
use crate::message::Body;
use crate::resolve::{Share, look};
use crate::sys::Reply;
use rustix::fs::{FileType, StatxFlags, StatxTimestamp, fstatfs, makedev, readlinkat_raw};
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// `P9_STATS_BASIC` and `P9_STATS_BTIME` (`include/net/9p/9p.h`).
const BASIC: u64 = 0x7ff;
const BIRTH_TIME: u64 = 0x800;

/// The attributes of a file as they are now, whatever part of them was asked for. Generation and data version, which
/// only some file systems have and only for open files, are never among them.
///
/// The block size of a regular file is what one request can bring, `io_unit` bytes: programs read in such pieces.
pub(crate) fn get(share: &Share, fid: &Fid, io_unit: u32) -> Result<Body, Errno> {
    let stat = fid.with_fd(share, |fd| look(fd))?;
    let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let block_size = match fid.node.file_type() {
        FileType::RegularFile => io_unit,
        _ => stat.stx_blksize,
    };
    let mut body = Body::new();
    body.u64(if born { BASIC | BIRTH_TIME } else { BASIC })
        .qid(share.qid_of(&stat))
        .u32(u32::from(stat.stx_mode))
        .u32(stat.stx_uid)
        .u32(stat.stx_gid)
        .u64(u64::from(stat.stx_nlink))
        .u64(makedev(stat.stx_rdev_major, stat.stx_rdev_minor))
        .u64(stat.stx_size)
        .u64(u64::from(block_size))
        .u64(stat.stx_blocks);
    for time in [&stat.stx_atime, &stat.stx_mtime, &stat.stx_ctime] {
        put_time(&mut body, time);
    }
    if born {
        put_time(&mut body, &stat.stx_btime);
    } else {
        body.u64(0).u64(0);
    }
    let (generation, data_version) = (0, 0);
    body.u64(generation).u64(data_version);
    Ok(body)
}

fn put_time(body: &mut Body, time: &StatxTimestamp) {
    body.u64(time.tv_sec.cast_unsigned())
        .u64(u64::from(time.tv_nsec));
}

/// The state of the file system that a file is on.
pub(crate) fn file_system(share: &Share, fid: &Fid) -> Result<Body, Errno> {
    let fs = fid.with_fd(share, |fd| fstatfs(fd))?;
    let device = fid.node.device();
    let mut body = Body::new();
    // The types of these fields differ between architectures.
    body.u32(fs.f_type as u32)
        .u32(fs.f_bsize as u32)
        .u64(fs.f_blocks)
        .u64(fs.f_bfree)
        .u64(fs.f_bavail)
        .u64(fs.f_files)
        .u64(fs.f_ffree)
        .u64(device)
        .u32(fs.f_namelen as u32);
    Ok(body)
}

/// Writes the text of a symbolic link to the reply at `at`, as far as there is room, and returns its length.
///
/// # Errors
/// `EINVAL` where it is none, and those of `readlinkat(2)`.
pub(crate) fn link(
    share: &Share,
    fid: &Fid,
    reply: &mut Reply<'_>,
    at: usize,
) -> Result<usize, Errno> {
    if fid.node.file_type() != FileType::Symlink {
        return Err(Errno::INVAL);
    }
    let mut buffer = [MaybeUninit::uninit(); libc::PATH_MAX as usize];
    let (text, _) = readlinkat_raw(&*share.held(&fid.node)?, c"", &mut buffer)?;
    reply.cursor(at).write(text);
    Ok(text.len())
}
