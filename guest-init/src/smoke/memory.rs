//! The kernel has the memory that the machine was given, and it can be used.

use super::params::Params;
use super::report::{Checked, Verdict, ensure};
use crate::facts;

/// `memory_kib=N`: what the machine was given.
pub fn check(params: &Params) -> Checked {
    let given = params.number("memory_kib")?;
    let total = facts::memory_kib();
    println!("MemTotal is {total} KiB of {given} KiB");
    let least = least_total(given);
    ensure((least..=given).contains(&total), || {
        format!("MemTotal is not between {least} and {given} KiB")
    })?;
    // 4 MiB in the pattern of their own offsets, so that no two pages are alike.
    const WORDS: usize = 512 * 1024;
    let memory: Vec<u64> = (0..WORDS as u64).map(std::hint::black_box).collect();
    let wrong = memory
        .iter()
        .enumerate()
        .find(|(index, word)| *index as u64 != std::hint::black_box(**word));
    ensure(wrong.is_none(), || {
        format!("memory does not keep its content: {wrong:?}")
    })?;
    Ok(Verdict::Pass)
}

/// What the kernel keeps for itself grows with the memory, and has a fixed part besides.
fn least_total(given: u64) -> u64 {
    const FIXED_KIB: u64 = 160 * 1024;
    (given / 4 * 3).min(given.saturating_sub(FIXED_KIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_machines_may_lose_a_larger_part() {
        const MIB: u64 = 1024;
        assert_eq!(least_total(100 * MIB), 0);
        assert_eq!(least_total(256 * MIB), 96 * MIB);
        assert_eq!(least_total(1024 * MIB), 768 * MIB);
        assert_eq!(least_total(8192 * MIB), 6144 * MIB);
    }
}
