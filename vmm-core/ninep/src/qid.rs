//! What a file is called by number: unique and stable over all the file systems below the share.

use rustix::fs::{FileType, Statx};
use std::collections::HashMap;
use std::sync::RwLock;

/// Bits of an inode number that fit beside the number of its file system.
const INO_BITS: u32 = 48;
/// Set where a path is a hash. Fifteen bits lie between.
const HASHED: u64 = 1 << 63;
const MAX_DEVICES: u64 = 1 << (63 - INO_BITS);

/// A 9P file identity: `type[1] version[4] path[8]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Qid {
    /// `P9_QTDIR`, `P9_QTSYMLINK` or `P9_QTFILE`.
    pub kind: u8,
    /// Changes when the file does; see [`version`].
    pub version: u32,
    /// See [`Devices::path`].
    pub path: u64,
}

impl Qid {
    pub const SIZE: usize = 13;

    pub fn encode(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0] = self.kind;
        bytes[1..5].copy_from_slice(&self.version.to_le_bytes());
        bytes[5..].copy_from_slice(&self.path.to_le_bytes());
        bytes
    }
}

/// The type byte of a qid (`enum p9_qid_t`).
pub(crate) fn qid_kind(file_type: FileType) -> u8 {
    match file_type {
        FileType::Directory => 0x80,
        FileType::Symlink => 0x02,
        _ => 0,
    }
}

/// The version of a file: never 0 unless it is a regular file without a size.
///
/// A client that caches takes a file of another version for another file, so that what has changed on the host is not
/// read from its cache (`fs/9p/vfs_inode_dotl.c`, `v9fs_test_inode_dotl`). Version 0 tells it not to cache at all
/// (`fs/9p/fid.h`, `v9fs_fid_add_modes`, since Linux 6.4): right for the files of `/proc`, which have no size and all
/// the same content.
pub(crate) fn version(stat: &Statx) -> u32 {
    if file_type(stat) == FileType::RegularFile && stat.stx_size == 0 {
        return 0;
    }
    let ctime = &stat.stx_ctime;
    let mixed = mix(ctime.tv_sec.cast_unsigned() ^ (u64::from(ctime.tv_nsec) << 34));
    u32::try_from(mixed >> 32).expect("32 bits are left").max(1)
}

pub(crate) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

pub(crate) fn device(stat: &Statx) -> u64 {
    (u64::from(stat.stx_dev_major) << 32) | u64::from(stat.stx_dev_minor)
}

/// The file systems that were met, numbered in that order. The share's own is the first, so that its files keep their
/// numbers.
#[derive(Debug, Default)]
pub(crate) struct Devices(RwLock<HashMap<u64, u64>>);

impl Devices {
    /// One number for a device's inode: `0 index[15] inode[48]`, or where that does not fit `1 hash[63]`.
    pub fn path(&self, device: u64, inode: u64) -> u64 {
        if inode >> INO_BITS == 0
            && let Some(index) = self.index(device)
        {
            return (index << INO_BITS) | inode;
        }
        HASHED | (mix(mix(device).wrapping_add(inode)) >> 1)
    }

    fn index(&self, device: u64) -> Option<u64> {
        let found = self.0.read().expect(NO_PANIC).get(&device).copied();
        found.or_else(|| {
            let mut known = self.0.write().expect(NO_PANIC);
            let next = u64::try_from(known.len()).expect("it is at most 2^15");
            // Another worker may have come first.
            match known.get(&device) {
                Some(index) => Some(*index),
                None if next < MAX_DEVICES => {
                    known.insert(device, next);
                    Some(next)
                }
                None => None,
            }
        })
    }
}

const NO_PANIC: &str = "nothing panics while it holds this lock";

/// A bijection that spreads its input over all bits: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn files_of_the_first_device_keep_their_numbers() {
        let devices = Devices::default();
        assert_eq!(devices.path(8, 2), 2);
        assert_eq!(devices.path(9, 2), (1 << 48) | 2);
        assert_eq!(devices.path(8, 3), 3);
        assert_eq!(devices.path(9, 2), (1 << 48) | 2);
    }

    #[test]
    fn every_file_has_a_number_of_its_own() {
        let devices = Devices::default();
        let mut seen = HashSet::new();
        for device in 0..40_000 {
            for inode in [0, 1, device, 1 << 47, 1 << 48, u64::MAX] {
                seen.insert(devices.path(device, inode));
            }
        }
        // `device` is 0 or 1 once each.
        assert_eq!(seen.len(), 40_000 * 6 - 2);
        assert_eq!(devices.path(39_999, 7), devices.path(39_999, 7));
    }

    #[test]
    fn a_qid_is_thirteen_bytes() {
        let qid = Qid {
            kind: 0x80,
            version: 0x0403_0201,
            path: 0x0807_0605_0403_0201,
        };
        assert_eq!(qid.encode(), [0x80, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
