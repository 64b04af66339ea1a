//! Lines of a kernel log that say that tests may have stopped here.

/// What a line of a kernel log means for the test that was running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The kernel has stopped: nothing on this machine came after it.
    Panic,
    /// The kernel reported an error of its own and may have gone on.
    Oops,
    /// A kernel begins to boot.
    Boot,
}

/// Beginnings of lines (`arch/x86/kernel/{dumpstack,traps}.c`, `arch/x86/mm/fault.c`, `lib/bug.c`, `kernel/watchdog.c`,
/// `arch/arm64/mm/fault.c`).
const OOPSES: [&str; 12] = [
    "BUG: ",
    "Oops: ",
    "kernel BUG at ",
    "general protection fault",
    "divide error: ",
    "invalid opcode: ",
    "stack segment: ",
    "PANIC: double fault",
    "watchdog: BUG: soft lockup",
    "watchdog: Watchdog detected hard LOCKUP",
    "Unable to handle kernel ",
    "Internal error: Oops",
];

/// Reads a line without its prefixes.
#[must_use]
pub fn trouble(text: &str) -> Option<Trouble> {
    // Old kernels indent nothing here, but a console may.
    let text = text.trim_start();
    match text.as_bytes().first()? {
        b'K' if text.starts_with("Kernel panic - not syncing") => Some(Trouble::Panic),
        b'L' if text.starts_with("Linux version ") => Some(Trouble::Boot),
        _ if OOPSES.iter().any(|start| text.starts_with(start)) => Some(Trouble::Oops),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_oopses_and_boots_are_told_from_what_tests_print() {
        assert_eq!(
            trouble("Kernel panic - not syncing: Fatal exception"),
            Some(Trouble::Panic)
        );
        assert_eq!(
            trouble("\tKernel panic - not syncing: VFS: x"),
            Some(Trouble::Panic)
        );
        assert_eq!(
            trouble("BUG: kernel NULL pointer dereference, address: 0"),
            Some(Trouble::Oops)
        );
        assert_eq!(
            trouble("Linux version 6.12.117 (root@vm)"),
            Some(Trouble::Boot)
        );
        for text in ["# BUG: x", "ok 1 BUG: x", "debug: x", "Kernel panics", ""] {
            assert_eq!(trouble(text), None, "{text}");
        }
    }
}
