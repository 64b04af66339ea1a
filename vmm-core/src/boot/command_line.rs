//! The kernel command line in guest memory.

use super::LoadError;
use crate::{layout::COMMAND_LINE, memory::GuestRam};
use vm_memory::{Bytes, GuestAddress};

/// `COMMAND_LINE_SIZE` of x86 (`arch/x86/include/asm/setup.h`) without the NUL, for kernels that do not say.
pub(super) const USUAL_LIMIT: usize = 2047;

/// Whether a kernel that reads at most `limit` bytes, the NUL not counted, reads all of `line`.
pub(super) fn check(line: &str, limit: usize) -> Result<(), LoadError> {
    let room = usize::try_from(COMMAND_LINE.len - 1).expect("64-bit host");
    let limit = limit.min(room);
    let length = line.len();
    if length > limit {
        return Err(LoadError::CommandLineLength { length, limit });
    }
    match line.bytes().position(|byte| byte == 0) {
        Some(at) => Err(LoadError::CommandLineNul(at)),
        None => Ok(()),
    }
}

/// Writes `line`, which [`check`] accepted, with its NUL.
pub(super) fn write(ram: &GuestRam, line: &str) {
    let bytes = [line.as_bytes(), &[0]].concat();
    ram.memory()
        .write_slice(&bytes, GuestAddress(COMMAND_LINE.start))
        .expect("every machine has this memory, and the line was checked to fit");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lengths_are_named() {
        let line = "x".repeat(2048);
        check(&line[1..], USUAL_LIMIT).expect("2047 bytes fit");
        let error = check(&line, USUAL_LIMIT).expect_err("one too many");
        assert_eq!(
            error.to_string(),
            "the kernel command line has 2048 bytes and the kernel takes at most 2047"
        );
    }

    #[test]
    fn our_own_room_bounds_what_the_kernel_says() {
        let error = check(&"x".repeat(4096), usize::MAX).expect_err("no room for the NUL");
        assert!(matches!(
            error,
            LoadError::CommandLineLength { limit: 4095, .. }
        ));
    }

    #[test]
    fn nothing_is_lost_behind_a_nul() {
        let error = check("quiet\0ro", USUAL_LIMIT).expect_err("a NUL");
        assert!(matches!(error, LoadError::CommandLineNul(5)));
    }
}
