//! `Tlock` and `Tgetlock`.
//!
//! The host's files are never locked: a guest that may not change them may not hold up who can, either. Linux takes a lock
//! among its own processes first and asks the server then (`fs/9p/vfs_file.c`, `v9fs_file_do_lock`), so that saying yes
//! is right within the guest, and programs that lock what they read work.

use crate::message::Body;
use rustix::io::Errno;

/// `P9_LOCK_TYPE_UNLCK`, the last of them.
const UNLOCKED: u8 = 2;
/// `P9_LOCK_SUCCESS`.
const SUCCESS: u8 = 0;

/// The answer to a lock of a type.
///
/// # Errors
/// `EINVAL` for a type that there is not.
pub(crate) fn lock(kind: u8) -> Result<Body, Errno> {
    if kind > UNLOCKED {
        return Err(Errno::INVAL);
    }
    let mut body = Body::new();
    body.u8(SUCCESS);
    Ok(body)
}

/// Nobody holds a lock there. The name of the client follows.
pub(crate) fn get(start: u64, length: u64, process: u32, client: &[u8]) -> Result<Body, Errno> {
    let size = u16::try_from(client.len()).map_err(|_| Errno::INVAL)?;
    let mut body = Body::new();
    body.u8(UNLOCKED)
        .u64(start)
        .u64(length)
        .u32(process)
        .u16(size);
    Ok(body)
}
