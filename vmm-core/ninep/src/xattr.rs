//! `Txattrwalk`: extended attributes.
//!
//! A fid of an attribute keeps the name and not the value, which is asked for again when it is read: a client can hold
//! many fids, and a value has up to 64 KiB.

use crate::resolve::{Node, Share};
use rustix::fs::{fgetxattr, flistxattr, getxattr, listxattr};
use rustix::io::Errno;

/// Bytes of a name, of a value, and of a list of names (`include/uapi/linux/limits.h`).
const NAME_MAX: usize = 255;
const SIZE_MAX: usize = 64 << 10;

/// The size of the value of an attribute, or of the list of names where `name` is empty, in bytes.
///
/// # Errors
/// `ERANGE` for a name that none can have, and those of `getxattr(2)` and `listxattr(2)`.
pub(crate) fn size(share: &Share, node: &Node, name: &[u8]) -> Result<usize, Errno> {
    fetch(share, node, name, &mut [])
}

/// The value of an attribute, or the list of names, each ending with a zero byte.
///
/// # Errors
/// Those of [`size`].
pub(crate) fn value(share: &Share, node: &Node, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; SIZE_MAX];
    let size = fetch(share, node, name, &mut buffer)?;
    buffer.truncate(size);
    Ok(buffer)
}

/// Asks for the size only where the buffer is empty.
fn fetch(share: &Share, node: &Node, name: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::RANGE);
    }
    let held = share.held(node)?;
    match share.path_of(&held) {
        // The attributes of what the descriptor is of, were it a symbolic link.
        Some(path) if name.is_empty() => listxattr(path, buffer),
        Some(path) => getxattr(path, name, buffer),
        None => {
            let open = share.open_for_reading(node)?;
            if name.is_empty() {
                flistxattr(open, buffer)
            } else {
                fgetxattr(open, name, buffer)
            }
        }
    }
}
