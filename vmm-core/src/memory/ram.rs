//! The guest's RAM, mapped around the hole below 4 GiB: one memfd, or private memory where only that has huge pages.
#![allow(unsafe_code, reason = "madvise and mincore on our own mapping")]

use crate::{config::MemoryConfig, layout};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::{fs::File, io, sync::Arc};
use vm_memory::{
    FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
    GuestRegionMmap,
    mmap::{FromRangesError, MmapRegionError},
};

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
/// Where it is one memfd, a snapshot or a fork can hand it on: nothing else may hold guest pages.
#[derive(Debug, Clone)]
pub struct GuestRam {
    memory: GuestMemoryMmap,
    file: Option<Arc<File>>,
}

/// Says which transparent huge pages shared memory gets (`Documentation/admin-guide/mm/transhuge.rst`).
const SHARED_HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/// The choices there by which `MADV_HUGEPAGE` has an effect.
const GIVEN: [&str; 4] = ["[always]", "[within_size]", "[advise]", "[force]"];

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
        let choice = || std::fs::read_to_string(SHARED_HUGE_PAGES).unwrap_or_default();
        let is_file = config.file
            || !config.huge_pages
            || choice()
                .split_whitespace()
                .any(|word| GIVEN.contains(&word));
        let file = match is_file {
            true => Some(Arc::new(memfd(bytes).map_err(allocate)?)),
            false => None,
        };
        let mut offset = 0;
        let ranges = layout::ram(bytes).into_iter().map(|area| {
            let start = offset;
            offset += area.len;
            (
                GuestAddress(area.start),
                usize::try_from(area.len).expect("64-bit host"),
                file.clone().map(|file| FileOffset::from_arc(file, start)),
            )
        });
        let memory = GuestMemoryMmap::from_ranges_with_files(ranges)
            .map_err(|error| allocate(system_reason(error)))?;
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

    /// The file behind all of it, regions one after the other, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    /// Which pages of 4 KiB of the region hold anything, 1 in bit 0 for those that do. A page that was never touched does
    /// not come to be by this.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn resident(region: &GuestRegionMmap) -> io::Result<Vec<u8>> {
        let len = usize::try_from(region.len()).expect("64-bit host");
        let mut pages = vec![0; len.div_ceil(4096)];
        // SAFETY: the whole of a mapping of ours, and room for a byte for each of its pages.
        let answer = unsafe { libc::mincore(region.as_ptr().cast(), len, pages.as_mut_ptr()) };
        if answer == 0 {
            Ok(pages)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// KiB of all of it that are there; what the system does not tell counts as none.
    pub(crate) fn resident_kib(&self) -> u64 {
        let pages = self.memory.iter().flat_map(Self::resident).flatten();
        4 * pages.filter(|page| page & 1 != 0).count() as u64
    }

    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.memory.iter().map(GuestMemoryRegion::len).sum()
    }
}

/// What the system said, without what was made of it on the way.
fn system_reason(error: FromRangesError) -> io::Error {
    match error {
        FromRangesError::MmapRegion(MmapRegionError::Mmap(reason)) => reason,
        other => io::Error::other(other),
    }
}

/// A file in memory of this size, for good.
fn memfd(bytes: u64) -> io::Result<File> {
    let memfd = memfd_create("guest-ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&memfd, bytes)?;
    fcntl_add_seals(&memfd, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(File::from(memfd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::Bytes;

    fn config(bytes: u64) -> MemoryConfig {
        MemoryConfig {
            bytes,
            huge_pages: true,
            file: true,
        }
    }

    #[test]
    fn what_the_host_has_not_is_refused_in_the_systems_words() {
        for huge_pages in [false, true] {
            let wanted = MemoryConfig {
                huge_pages,
                ..config(1 << 62)
            };
            let Err(RamError::Allocate { bytes, source }) = GuestRam::new(&wanted) else {
                panic!("no host has so much");
            };
            assert_eq!(bytes, 1 << 62);
            assert!(source.raw_os_error().is_some(), "{source:?}");
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
