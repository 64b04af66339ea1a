//! Descriptor chains as lists of slices of guest memory (virtio 1.2, 2.7.4 and 2.7.5).
//!
//! The guest chooses addresses, lengths, flags and the links between descriptors, and may change all of it and the
//! bytes behind it at any time. What is made of a chain here lies in guest memory, has at most as many descriptors
//! as the queue and at most 4 GiB; bytes are only ever copied, or handed to the kernel as addresses.

use virtio_queue::DescriptorChain;
use vm_memory::{GuestMemory, GuestMemoryMmap, Permissions, VolatileSlice};

/// A descriptor chain: what the driver wrote for the device, then what the device may write.
///
/// A chain that is malformed (a loop, more descriptors than the queue, memory that is not there, readable after
/// writable) has neither. It is used like any other.
#[derive(Debug)]
pub struct Chain<'m> {
    head: u16,
    slices: Vec<VolatileSlice<'m>>,
    readable: usize,
}

impl<'m> Chain<'m> {
    /// Walks the chain; `limit` is the size of its queue.
    pub(super) fn new(
        memory: &'m GuestMemoryMmap,
        chain: DescriptorChain<&GuestMemoryMmap>,
        limit: u16,
    ) -> Self {
        let head = chain.head_index();
        let (slices, readable) = walk(memory, chain, limit).unwrap_or_default();
        Self {
            head,
            slices,
            readable,
        }
    }

    /// Index of its first descriptor, by which it is used.
    #[must_use]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// What the driver wrote.
    #[must_use]
    pub fn readable(&self) -> Iov<'_, 'm> {
        Iov(&self.slices[..self.readable])
    }

    /// Where the device may write.
    #[must_use]
    pub fn writable(&self) -> Iov<'_, 'm> {
        Iov(&self.slices[self.readable..])
    }
}

/// The slices of a well-formed chain, and how many of them are readable.
fn walk<'m>(
    memory: &'m GuestMemoryMmap,
    mut chain: DescriptorChain<&GuestMemoryMmap>,
    limit: u16,
) -> Option<(Vec<VolatileSlice<'m>>, usize)> {
    let mut slices = Vec::new();
    let mut readable = 0;
    for _ in 0..limit {
        // An end without a last descriptor: a loop, a bad link, a bad table, or beyond 4 GiB.
        let descriptor = chain.next()?;
        let writable = descriptor.is_write_only();
        let access = if writable {
            Permissions::Write
        } else {
            Permissions::Read
        };
        if !writable && readable != slices.len() {
            return None;
        }
        let len = usize::try_from(descriptor.len()).expect("64-bit host");
        for slice in memory.get_slices(descriptor.addr(), len, access).ok()? {
            slices.push(slice.ok()?);
        }
        if !writable {
            readable = slices.len();
        }
        if !descriptor.has_next() {
            return Some((slices, readable));
        }
    }
    None
}

/// Slices of guest memory, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Iov<'c, 'm>(&'c [VolatileSlice<'m>]);

impl<'c, 'm> Iov<'c, 'm> {
    /// Bytes of all slices together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(VolatileSlice::len).sum()
    }

    /// Whether there is not a byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(VolatileSlice::is_empty)
    }

    /// The slices.
    #[must_use]
    pub fn slices(&self) -> &'c [VolatileSlice<'m>] {
        self.0
    }

    /// Host address and length in bytes of each slice, for the kernel to read or write: they are valid for as long as
    /// the memory is borrowed, the guest changes what they hold, and no Rust reference to it may exist.
    #[must_use]
    pub fn raw(&self) -> Vec<(*mut u8, usize)> {
        self.0
            .iter()
            .map(|slice| (slice.ptr_guard_mut().as_ptr(), slice.len()))
            .collect()
    }

    /// Copies bytes from `offset` on into `buffer`: how many, which is less than its length only at the end.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        for slice in self.from(offset) {
            done += slice.copy_to(&mut buffer[done..]);
            if done == buffer.len() {
                break;
            }
        }
        done
    }

    /// Copies `bytes` to `offset` and after: how many, which is less than their number only at the end.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> usize {
        let mut done = 0;
        for slice in self.from(offset) {
            let rest = &bytes[done..];
            slice.copy_from(rest);
            done += rest.len().min(slice.len());
            if done == bytes.len() {
                break;
            }
        }
        done
    }

    /// What lies from `offset` bytes on.
    fn from(&self, offset: usize) -> impl Iterator<Item = VolatileSlice<'m>> {
        let mut skip = offset;
        self.0.iter().filter_map(move |slice| {
            let here = skip.min(slice.len());
            skip -= here;
            slice.offset(here).ok()
        })
    }
}

#[cfg(test)]
mod tests;
