//! Where a vCPU stands: words of its stack that look like return addresses.

use super::{PhysicalMemory, Paging, paging::walk, view::KERNEL_MAP};
use std::ops::Range;

/// Where the text of kernels and modules is (`Documentation/arch/x86/x86_64/mm.rst`), whatever KASLR chose.
pub const KERNEL_TEXT: Range<u64> = KERNEL_MAP..0xFFFF_FFFF_FF00_0000;

/// Most addresses of a backtrace.
pub const MAX_FRAMES: usize = 64;

/// Bytes of the stack that are looked at: a kernel stack (`THREAD_SIZE` without KASAN).
pub const STACK_BYTES: u64 = 16 << 10;

/// Begins with `rip`; then words on the stack from `rsp` on, innermost first, that are addresses within `text`, in
/// pages that can be executed. There is no telling which of them are leftovers of calls that have returned.
///
/// At most [`MAX_FRAMES`] out of [`STACK_BYTES`]. A stack that does not belong to the kernel is not looked at.
#[must_use]
pub fn backtrace(
    mem: &dyn PhysicalMemory,
    paging: &Paging,
    rip: u64,
    rsp: u64,
    text: &Range<u64>,
) -> Vec<u64> {
    let mut frames = vec![rip];
    let Some(first) = rsp.checked_next_multiple_of(8) else {
        return frames;
    };
    if rsp.cast_signed() >= 0 {
        return frames;
    }
    for offset in (0..STACK_BYTES).step_by(8) {
        let word = first
            .checked_add(offset)
            .and_then(|address| walk(mem, paging, address))
            .and_then(|mapping| mem.word(mapping.physical));
        let Some(word) = word else {
            break;
        };
        let code = text.contains(&word) && walk(mem, paging, word).is_some_and(|m| m.executable);
        if code {
            frames.push(word);
            if frames.len() == MAX_FRAMES {
                break;
            }
        }
    }
    frames
}
