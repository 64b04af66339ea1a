//! Segments of the entry state and the table that describes them (Intel SDM volume 3, section 3.4.5).
//!
//! Selectors are the boot protocol's: `__BOOT_CS` is 0x10 and `__BOOT_DS` 0x18 (`Documentation/arch/x86/boot.rst`).

use kvm_bindings::kvm_segment;

/// Where a segment's descriptor is in the table, in bytes.
const CODE: u16 = 0x10;
const DATA: u16 = 0x18;
const TASK: u16 = 0x20;
/// Descriptors of eight bytes: two unused, code, data, and the task's, which takes two in 64-bit mode.
pub(super) const TABLE_LEN: usize = 6;

/// The whole address space for code: 64-bit or 32-bit.
pub(super) fn code(is_64_bit: bool) -> kvm_segment {
    kvm_segment {
        selector: CODE,
        type_: 0b1011, // execute, read, accessed
        l: is_64_bit.into(),
        db: (!is_64_bit).into(),
        ..data_with(CODE)
    }
}

/// The whole address space for data.
pub(super) fn data() -> kvm_segment {
    data_with(DATA)
}

/// A task that nothing switches to; the processor wants one (`hvm_start_info`'s specification asks for this).
pub(super) fn task() -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: 0x67,
        selector: TASK,
        type_: 0b1011, // busy
        present: 1,
        ..kvm_segment::default()
    }
}

fn data_with(selector: u16) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_: 0b0011, // read, write, accessed
        present: 1,
        s: 1,
        db: 1,
        g: 1,
        ..kvm_segment::default()
    }
}

/// The descriptor table.
pub(super) fn table(is_64_bit: bool) -> [u64; TABLE_LEN] {
    let mut table = [0; TABLE_LEN];
    for segment in [code(is_64_bit), data(), task()] {
        table[usize::from(segment.selector / 8)] = descriptor(&segment);
    }
    table
}

/// A segment, whose base is below 4 GiB, as it stands in the table.
fn descriptor(segment: &kvm_segment) -> u64 {
    let limit = u64::from(if segment.g == 1 {
        segment.limit >> 12
    } else {
        segment.limit
    });
    let access =
        u64::from(segment.type_ | segment.s << 4 | segment.dpl << 5 | segment.present << 7);
    let flags = u64::from(segment.avl | segment.l << 1 | segment.db << 2 | segment.g << 3);
    limit & 0xffff
        | (segment.base & 0xff_ffff) << 16
        | access << 40
        | (limit >> 16 & 0xf) << 48
        | flags << 52
        | (segment.base >> 24 & 0xff) << 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_the_well_known_ones() {
        assert_eq!(
            table(true),
            [
                0,
                0,
                0x00af_9b00_0000_ffff,
                0x00cf_9300_0000_ffff,
                0x0000_8b00_0000_0067,
                0
            ]
        );
        assert_eq!(table(false)[2], 0x00cf_9b00_0000_ffff);
    }
}
