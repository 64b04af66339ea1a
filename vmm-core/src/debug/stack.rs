//! Where a vCPU stands: words of its stack that look like return addresses.

use super::{
    Paging, PhysicalMemory,
    paging::walk,
    view::{KERNEL_MAP, Map, View},
};
use std::ops::Range;

/// Where the text of kernels and modules is (`Documentation/arch/x86/x86_64/mm.rst`), whatever KASLR chose.
pub const KERNEL_TEXT: Range<u64> = KERNEL_MAP..0xFFFF_FFFF_FF00_0000;

/// Most addresses of a backtrace.
pub const MAX_FRAMES: usize = 64;

/// Bytes of the stack that are looked at: a kernel stack (`THREAD_SIZE` without KASAN).
pub const STACK_BYTES: u64 = 16 << 10;

/// Selector of the kernel's code (`__KERNEL_CS`), which follows an interrupted instruction's address on the stack.
const KERNEL_CS: u64 = 0x10;

/// Longest indirect call in bytes, without prefixes: `call *disp32(base,index,scale)`.
const MAX_CALL: usize = 7;

/// Begins with `rip`; then words on the stack from `rsp` on, innermost first, that are addresses within `text`, in
/// pages that can be executed, and either come after a call or were interrupted. There is no telling which of them are
/// leftovers of calls that have returned.
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
    if rsp.cast_signed() >= 0 {
        return frames;
    }
    let view = View {
        mem,
        map: Map::Tables(*paging),
    };
    let stack: Vec<u64> = (0..STACK_BYTES)
        .step_by(8)
        .map_while(|offset| view.word((rsp & !7).checked_add(offset)?))
        .collect();
    for (index, word) in stack.iter().enumerate() {
        if frames.len() == MAX_FRAMES {
            break;
        }
        let interrupted = stack.get(index + 1) == Some(&KERNEL_CS);
        if text.contains(word)
            && walk(mem, paging, *word).is_some_and(|mapping| mapping.executable)
            && (interrupted || follows_call(&view, *word))
        {
            frames.push(*word);
        }
    }
    frames
}

/// Whether the bytes before `address` may be a call (Intel SDM volume 2, `CALL`: E8 with 32 bits of displacement, or FF
/// with 2 in the middle of the next byte).
fn follows_call(view: &View, address: u64) -> bool {
    let mut before = [0; MAX_CALL];
    if !view.read(address.wrapping_sub(MAX_CALL as u64), &mut before) {
        return false;
    }
    let indirect = |bytes: &[u8]| bytes[0] == 0xFF && bytes[1] >> 3 & 7 == 2;
    before[MAX_CALL - 5] == 0xE8 || before.windows(2).any(indirect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::fixture::{Image, STACK, TEXT, VIRTUAL};

    #[test]
    fn return_addresses_and_interrupted_ones_are_kept() {
        let mut image = Image::new();
        let code = VIRTUAL + TEXT;
        image.poke(TEXT + 0x10, &[0xE8, 1, 2, 3, 4]);
        image.poke(TEXT + 0x20, &[0xFF, 0xD0]);
        image.poke(TEXT + 0x30, &[0x90, 0xFF, 0x25, 0, 0, 0, 0]);
        let words = [
            code + 0x15,
            7,
            code + 0x22,
            code + 0x37, // after a jump
            code + 0x40, // after nothing
            code + 0x50, // interrupted
            KERNEL_CS,
            VIRTUAL + (2 << 20) + 0x15, // not mapped
        ];
        for (index, word) in words.iter().enumerate() {
            image.poke(STACK + 8 * index as u64, &word.to_le_bytes());
        }
        let part = code..code + 0x20;
        let trace = |rsp, text| backtrace(&image, &Image::paging(), 1, rsp, text);
        let expected = [1, code + 0x15, code + 0x22, code + 0x50];
        assert_eq!(trace(VIRTUAL + STACK, &KERNEL_TEXT), expected);
        assert_eq!(trace(VIRTUAL + STACK + 3, &part), expected[..2]);
        assert_eq!(trace(STACK, &KERNEL_TEXT), [1], "a user's stack");
        assert_eq!(trace(u64::MAX, &KERNEL_TEXT), [1]);
    }

    #[test]
    fn a_stack_full_of_calls_is_cut() {
        let mut image = Image::new();
        image.poke(TEXT, &[0xE8, 0, 0, 0, 0]);
        for at in (STACK..STACK + STACK_BYTES).step_by(8) {
            image.poke(at, &(VIRTUAL + TEXT + 5).to_le_bytes());
        }
        let trace = backtrace(
            &image,
            &Image::paging(),
            VIRTUAL,
            VIRTUAL + STACK,
            &KERNEL_TEXT,
        );
        assert_eq!(trace.len(), MAX_FRAMES);
    }
}
