//! A file that is read straight into guest memory, at positions that are ours alone.
//!
//! Kernels arrive as descriptors that several machines may have inherited, and those share one file position: so every
//! read here names its own.
#![allow(unsafe_code, reason = "one pread into guest memory")]

use super::LoadError;
use rustix::fs::{SealFlags, fcntl_get_seals};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::{fd::AsRawFd, unix::fs::FileExt},
};
use vm_memory::{
    FileOffset, MmapRegion, ReadVolatile, VolatileMemory, VolatileMemoryError, VolatileSlice,
    bitmap::BitmapSlice,
};

/// See the module.
pub(super) struct Image<'a> {
    file: &'a File,
    /// All of it, where it cannot shrink while it is mapped.
    map: Option<MmapRegion>,
    name: &'static str,
    len: u64,
    position: u64,
}

/// A file that is sealed against getting shorter, mapped: a copy out of it needs no system call and, in the program's own
/// copy loop, is the fastest there is on every kind of host.
fn map(file: &File, len: u64) -> Option<MmapRegion> {
    let seals = fcntl_get_seals(file).ok()?;
    if !seals.contains(SealFlags::SHRINK) || len == 0 {
        return None;
    }
    let len = usize::try_from(len).ok()?;
    let whole = FileOffset::new(file.try_clone().ok()?, 0);
    MmapRegion::build(Some(whole), len, libc::PROT_READ, libc::MAP_PRIVATE).ok()
}

impl<'a> Image<'a> {
    /// `file`, called `name` in errors.
    pub(super) fn new(file: &'a File, name: &'static str) -> Result<Self, LoadError> {
        let metadata = file
            .metadata()
            .map_err(|source| LoadError::Read { file: name, source })?;
        Ok(Self {
            file,
            map: map(file, metadata.len()),
            name,
            len: metadata.len(),
            position: 0,
        })
    }

    /// Size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Makes the file end at `end` where it is longer.
    pub(super) fn truncate(&mut self, end: u64) {
        self.len = self.len.min(end);
    }

    /// Whether `bytes` from `offset` on, called `part`, are in the file.
    pub(super) fn check(
        &self,
        part: &'static str,
        offset: u64,
        bytes: u64,
    ) -> Result<(), LoadError> {
        let end = offset.saturating_add(bytes);
        if end <= self.len {
            return Ok(());
        }
        let len = self.len;
        Err(LoadError::Cut { part, end, len })
    }

    /// Fills `buffer` from `offset` on, where `part` is.
    pub(super) fn read_at(
        &self,
        part: &'static str,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), LoadError> {
        self.check(part, offset, buffer.len() as u64)?;
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|source| LoadError::Read {
                file: self.name,
                source,
            })
    }

    /// Bytes up to the end, at most `wanted`.
    fn remaining(&self, wanted: usize) -> usize {
        let left = self.len.saturating_sub(self.position);
        usize::try_from(left).map_or(wanted, |left| left.min(wanted))
    }
}

impl Read for Image<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.remaining(buffer.len());
        let done = self.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += done as u64;
        Ok(done)
    }
}

impl Seek for Image<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.len.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        // What the system takes for an offset.
        self.position = position
            .filter(|position| i64::try_from(*position).is_ok())
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl ReadVolatile for Image<'_> {
    fn read_volatile<B: BitmapSlice>(
        &mut self,
        buffer: &mut VolatileSlice<B>,
    ) -> Result<usize, VolatileMemoryError> {
        let wanted = self.remaining(buffer.len());
        if let (Some(map), Ok(position)) = (&self.map, usize::try_from(self.position))
            && wanted > 0
        {
            let from = map.as_volatile_slice().subslice(position, wanted)?;
            from.copy_to_volatile_slice(buffer.subslice(0, wanted)?);
            self.position += wanted as u64;
            return Ok(wanted);
        }
        let offset = i64::try_from(self.position)
            .map_err(|_| VolatileMemoryError::IOError(io::ErrorKind::InvalidInput.into()))?;
        let guard = buffer.ptr_guard_mut();
        // SAFETY: the guard's pointer is valid for writes of the buffer's length, and `wanted` is no more. No Rust
        // reference to guest memory exists; the kernel writes to it as a device would.
        let answer =
            unsafe { libc::pread(self.file.as_raw_fd(), guard.as_ptr().cast(), wanted, offset) };
        let Ok(done) = usize::try_from(answer) else {
            return Err(VolatileMemoryError::IOError(io::Error::last_os_error()));
        };
        buffer.bitmap().mark_dirty(0, done);
        self.position += done as u64;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary directory");
        file.write_all(content).expect("room");
        file
    }

    #[test]
    fn the_file_position_is_neither_used_nor_moved() {
        let file = file(b"0123456789");
        let mut image = Image::new(&file, "kernel").expect("a file");
        assert_eq!(image.seek(SeekFrom::Start(4)).expect("inside"), 4);
        let mut two = [0; 2];
        image.read_exact(&mut two).expect("inside");
        assert_eq!(&two, b"45");
        let mut memory = [0; 3];
        let mut slice = VolatileSlice::from(memory.as_mut_slice());
        assert_eq!(image.read_volatile(&mut slice).expect("inside"), 3);
        assert_eq!(&memory, b"678");
        assert_eq!((&file).stream_position().expect("a file"), 10);
    }

    #[test]
    fn a_sealed_file_is_read_out_of_a_map() {
        let memfd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::ALLOW_SEALING);
        let mut file = File::from(memfd.expect("a memfd"));
        file.write_all(b"0123456789").expect("room");
        assert!(Image::new(&file, "kernel").expect("a file").map.is_none());
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK).expect("may be sealed");
        let mut image = Image::new(&file, "kernel").expect("a file");
        assert!(image.map.is_some());
        image.seek(SeekFrom::Start(6)).expect("inside");
        let mut memory = [0; 3];
        let mut slice = VolatileSlice::from(memory.as_mut_slice());
        assert_eq!(image.read_volatile(&mut slice).expect("inside"), 3);
        assert_eq!(image.read_volatile(&mut slice).expect("inside"), 1);
        assert_eq!(image.read_volatile(&mut slice).expect("at the end"), 0);
        image.seek(SeekFrom::Start(1 << 40)).expect("an offset");
        assert_eq!(image.read_volatile(&mut slice).expect("beyond"), 0);
        assert_eq!(&memory, b"978");
    }

    #[test]
    fn the_end_is_where_it_was_set() {
        let file = file(b"0123456789");
        let mut image = Image::new(&file, "kernel").expect("a file");
        image.truncate(6);
        assert_eq!(image.seek(SeekFrom::End(-1)).expect("inside"), 5);
        let mut memory = [0; 3];
        let mut slice = VolatileSlice::from(memory.as_mut_slice());
        assert_eq!(image.read_volatile(&mut slice).expect("inside"), 1);
        assert_eq!(image.read_volatile(&mut slice).expect("at the end"), 0);
        assert_eq!(image.read(&mut [0; 2]).expect("at the end"), 0);
        image
            .seek(SeekFrom::Start(u64::MAX))
            .expect_err("no offset");
        image
            .seek(SeekFrom::Current(-7))
            .expect_err("before the start");
        let error = image.read_at("rest", 5, &mut [0; 2]).expect_err("cut");
        assert_eq!(
            error.to_string(),
            "the kernel is cut: its rest ends at byte 7, the file at 6"
        );
    }
}
