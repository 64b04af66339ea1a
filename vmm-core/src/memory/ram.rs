//! The guest's RAM: one memfd, mapped around the hole below 4 GiB.
#![allow(unsafe_code, reason = "one madvise on our own mapping")]

use crate::{config::MemoryConfig, layout};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::{fs::File, io, sync::Arc};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// Why there is no guest memory.
#[derive(Debug, thiserror::Error)]
pub enum RamError {
    /// A size that no machine can have.
    #[error("guest memory of {0} bytes: not a multiple of 2 MiB, or none")]
    Size(u64),
    /// The host has not that much.
    #[error("cannot allocate {bytes} bytes of guest memory")]
    Allocate {
        /// The size wanted.
        bytes: u64,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// The guest's RAM; clones share it.
///
/// It is one memfd from the start, so that a snapshot or a fork can hand it on: nothing else may hold guest pages.
#[derive(Debug, Clone)]
pub struct GuestRam {
    memory: GuestMemoryMmap,
    file: Arc<File>,
}

impl GuestRam {
    /// Allocates address space for `config`; pages come as they are touched.
    ///
    /// # Errors
    /// See [`RamError`].
    pub fn new(config: &MemoryConfig) -> Result<Self, RamError> {
        let bytes = config.bytes;
        if bytes == 0 || !bytes.is_multiple_of(2 << 20) {
            return Err(RamError::Size(bytes));
        }
        let allocate = |source: io::Error| RamError::Allocate { bytes, source };
        let memfd = memfd_create("guest-ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(|e| allocate(e.into()))?;
        ftruncate(&memfd, bytes).map_err(|e| allocate(e.into()))?;
        fcntl_add_seals(&memfd, SealFlags::SHRINK | SealFlags::GROW)
            .map_err(|e| allocate(e.into()))?;
        let file = Arc::new(File::from(memfd));
        let mut offset = 0;
        let ranges = layout::ram(bytes).into_iter().map(|area| {
            let start = offset;
            offset += area.len;
            (
                GuestAddress(area.start),
                usize::try_from(area.len).expect("64-bit host"),
                Some(FileOffset::from_arc(file.clone(), start)),
            )
        });
        let memory = GuestMemoryMmap::from_ranges_with_files(ranges)
            .map_err(|e| allocate(io::Error::other(e)))?;
        if config.huge_pages {
            for region in memory.iter() {
                let len = usize::try_from(region.len()).expect("64-bit host");
                // SAFETY: advice on the whole of a mapping of ours, which changes no content. Where the host has it
                // disabled for shared memory, it has no effect and that is no error.
                let _ = unsafe { libc::madvise(region.as_ptr().cast(), len, libc::MADV_HUGEPAGE) };
            }
        }
        Ok(Self { memory, file })
    }

    /// The mappings, by guest-physical address.
    #[must_use]
    pub fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    /// The file behind all of it, regions one after the other.
    #[must_use]
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.memory.iter().map(GuestMemoryRegion::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::Bytes;

    fn config(bytes: u64) -> MemoryConfig {
        MemoryConfig {
            bytes,
            huge_pages: true,
        }
    }

    #[test]
    fn memory_beyond_the_hole_is_there_and_the_hole_is_not() {
        let ram = GuestRam::new(&config(5 << 30)).expect("address space");
        assert_eq!(ram.bytes(), 5 << 30);
        for address in [0, layout::HOLE_START - 8, layout::HOLE_END, (6 << 30) - 8] {
            ram.memory()
                .write_obj(address, GuestAddress(address))
                .expect("RAM");
        }
        for address in [layout::HOLE_START, layout::HOLE_END - 8, 6 << 30] {
            ram.memory()
                .write_obj(address, GuestAddress(address))
                .expect_err("no RAM");
        }
        let value: u64 = ram
            .memory()
            .read_obj(GuestAddress(layout::HOLE_END))
            .expect("RAM");
        assert_eq!(value, layout::HOLE_END);
    }

    #[test]
    fn odd_sizes_are_refused() {
        for bytes in [0, 1, 4096, (2 << 20) + 4096] {
            assert!(matches!(GuestRam::new(&config(bytes)), Err(RamError::Size(b)) if b == bytes));
        }
    }
}
