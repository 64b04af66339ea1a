//! Where the initramfs lies: as high as it may, so that the kernel has what is below it in one piece.

use super::{LoadError, image::Image};
use crate::{layout::Area, memory::GuestRam};
use vm_memory::{Bytes, GuestAddress};

const PAGE: u64 = 4096;

/// Where `bytes` of initramfs go, between the kernel's end and `limit`. The kernel may refuse to look above `limit`;
/// `low_end` is the end of memory below the hole.
pub(super) fn place(
    bytes: u64,
    kernel_end: u64,
    limit: u64,
    low_end: u64,
) -> Result<Area, LoadError> {
    let start = kernel_end.next_multiple_of(PAGE);
    let end = limit.min(low_end);
    let address = end.checked_sub(bytes).map(|address| address / PAGE * PAGE);
    if let Some(address) = address.filter(|address| *address >= start) {
        return Ok(Area {
            start: address,
            len: bytes,
        });
    }
    let needed = start.saturating_add(bytes).saturating_add(PAGE);
    if needed > low_end && needed <= limit.min(crate::layout::HOLE_START) {
        return Err(memory(needed, low_end));
    }
    Err(LoadError::Initramfs { bytes, start, end })
}

/// `needed` bytes of memory below the hole are too many for the `available` ones.
pub(super) fn memory(needed: u64, available: u64) -> LoadError {
    // Machines are made in steps of 2 MiB.
    LoadError::Memory {
        needed_mib: needed.div_ceil(2 << 20) * 2,
        available_mib: available >> 20,
    }
}

/// Copies the initramfs to `area`.
pub(super) fn copy(ram: &GuestRam, image: &mut Image<'_>, area: Area) -> Result<(), LoadError> {
    let bytes = usize::try_from(area.len).expect("64-bit host");
    ram.memory()
        .read_exact_volatile_from(GuestAddress(area.start), image, bytes)
        .map_err(|source| LoadError::CopyBytes {
            file: "initramfs",
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn it_lies_at_the_end_of_what_the_kernel_looks_at() {
        let area = place(5 * MIB + 1, 40 * MIB, u64::MAX, 128 * MIB).expect("room");
        assert_eq!((area.start, area.len), (123 * MIB - PAGE, 5 * MIB + 1));
        let area = place(5 * MIB, 40 * MIB, 64 * MIB, 128 * MIB).expect("room");
        assert_eq!(area.end(), 64 * MIB);
    }

    #[test]
    fn more_memory_is_asked_for_only_where_it_helps() {
        let error = place(40 * MIB, 40 * MIB, u64::MAX, 64 * MIB).expect_err("too little");
        assert_eq!(
            error.to_string(),
            "64 MiB of memory are too little: the kernel and its initramfs alone need 82 MiB"
        );
        for (bytes, limit) in [
            (40 * MIB, 64 * MIB),
            (4 << 30, u64::MAX),
            (u64::MAX, u64::MAX),
        ] {
            let error = place(bytes, 40 * MIB, limit, 64 * MIB).expect_err("too large");
            assert!(matches!(error, LoadError::Initramfs { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn it_never_leaves_its_room(bytes in 1u64.., kernel_end in 0u64..(1 << 32), limit: u64, low_mib in 1u64..3072) {
            if let Ok(area) = place(bytes, kernel_end, limit, low_mib * MIB) {
                prop_assert!(area.start >= kernel_end && area.start.is_multiple_of(PAGE));
                prop_assert!(area.end() <= limit && area.end() <= low_mib * MIB);
            }
        }

        #[test]
        fn as_much_memory_as_it_asks_for_is_enough(bytes in 1u64..(1 << 31), kernel_end in MIB..(1 << 31)) {
            if let Err(LoadError::Memory { needed_mib, .. }) = place(bytes, kernel_end, u64::MAX, 2 * MIB) {
                place(bytes, kernel_end, u64::MAX, needed_mib * MIB).expect("enough");
            }
        }
    }
}
