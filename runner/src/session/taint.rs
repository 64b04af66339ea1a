//! The kernel's taint, spelled out.

/// Letter and meaning of each bit, from bit 0 (`Documentation/admin-guide/tainted-kernels.rst`).
const BITS: [(char, &str); 20] = [
    ('P', "proprietary module"),
    ('F', "module loaded by force"),
    ('S', "kernel on an out of specification system"),
    ('R', "module unloaded by force"),
    ('M', "machine check"),
    ('B', "bad page"),
    ('U', "asked for by user space"),
    ('D', "the kernel died: an oops or BUG"),
    ('A', "ACPI table overridden"),
    ('W', "the kernel warned"),
    ('C', "staging driver"),
    ('I', "workaround for a firmware bug"),
    ('O', "module from outside of the tree"),
    ('E', "unsigned module"),
    ('L', "soft lockup"),
    ('K', "live patch"),
    ('X', "distribution-defined"),
    ('T', "randomised structures"),
    ('N', "in-kernel test"),
    ('J', "fwctl's mutating debug operation"),
];

/// What bits of `/proc/sys/kernel/tainted` mean: `W (the kernel warned)`.
#[must_use]
pub fn spelled(taint: u64) -> Vec<String> {
    (0..u64::BITS)
        .filter(|bit| taint & (1 << bit) != 0)
        .map(|bit| match BITS.get(bit as usize) {
            Some((letter, meaning)) => format!("{letter} ({meaning})"),
            None => format!("bit {bit}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_their_letters() {
        assert!(spelled(0).is_empty());
        assert_eq!(spelled(512), ["W (the kernel warned)"]);
        assert_eq!(
            spelled((1 << 7) | (1 << 63)),
            ["D (the kernel died: an oops or BUG)", "bit 63"]
        );
    }
}
