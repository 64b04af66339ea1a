//! `Txattrwalk`: extended attributes.
//!
//! A fid of an attribute keeps the name and not the value, which is asked for again when it is read: a client can hold
//! many fids, and a value has up to 64 KiB.

use crate::resolve::{Node, Share};
use rustix::fs::{
    fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, getxattr, getxattr_query, listxattr,
    listxattr_query,
};
use rustix::io::Errno;

/// Bytes of a name, of a value, and of a list of names (`include/uapi/linux/limits.h`).
const NAME_MAX: usize = 255;
const SIZE_MAX: usize = 64 << 10;

/// The size of the value of an attribute, or of the list of names where `name` is empty, in bytes.
///
/// # Errors
/// `ERANGE` for a name that none can have, and those of `getxattr(2)` and `listxattr(2)`.
pub(crate) fn size(share: &Share, node: &Node, name: &[u8]) -> Result<usize, Errno> {
    check(name)?;
    let held = share.held(node)?;
    match share.path_of(&held) {
        Some(path) if name.is_empty() => listxattr_query(path),
        Some(path) => getxattr_query(path, name),
        None if name.is_empty() => flistxattr_query(share.open_for_reading(node)?),
        None => fgetxattr_query(share.open_for_reading(node)?, name),
    }
}

/// The value of an attribute, or the list of names, each ending with a zero byte.
///
/// # Errors
/// Those of [`size`].
pub(crate) fn value(share: &Share, node: &Node, name: &[u8]) -> Result<Vec<u8>, Errno> {
    check(name)?;
    let held = share.held(node)?;
    let mut value = vec![0; SIZE_MAX];
    let buffer = &mut value[..];
    let size = match share.path_of(&held) {
        // The attributes of what the descriptor is of, were it a symbolic link.
        Some(path) if name.is_empty() => listxattr(path, buffer),
        Some(path) => getxattr(path, name, buffer),
        None if name.is_empty() => flistxattr(share.open_for_reading(node)?, buffer),
        None => fgetxattr(share.open_for_reading(node)?, name, buffer),
    }?;
    value.truncate(size);
    Ok(value)
}

fn check(name: &[u8]) -> Result<(), Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::RANGE);
    }
    Ok(())
}
