//! Lines of a kernel log that mean the kernel is broken. First words only; whole reports are cut elsewhere.

/// What a line of kernel log says about the kernel's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splat {
    /// The kernel gave up (`kernel/panic.c`).
    Panic,
    /// The kernel found itself broken and went on.
    Oops,
}

/// Starts of lines, after the time stamp, by which the kernel reports that it is broken.
const OOPS: &[&str] = &[
    // arch/x86/kernel/dumpstack.c, arch/x86/mm/fault.c, arch/x86/kernel/traps.c
    "Oops: ",
    "BUG: ",
    "general protection fault",
    "PANIC: double fault",
    "divide error: ",
    "invalid opcode: ",
    "stack segment: ",
    // lib/bug.c
    "kernel BUG at ",
    // kernel/watchdog.c
    "watchdog: BUG: soft lockup",
    "watchdog: Watchdog detected hard LOCKUP",
];

/// Looks at the text of one kernel message, without its time stamp.
#[must_use]
pub fn classify(text: &str) -> Option<Splat> {
    if text.starts_with("Kernel panic - not syncing: ") {
        return Some(Splat::Panic);
    }
    OOPS.iter()
        .any(|start| text.starts_with(start))
        .then_some(Splat::Oops)
}

/// Cuts a console line into its time stamp in microseconds and its text: `[   12.345678][  T1] text`.
///
/// A line without one was not written by printk (`printk.time=1` is always set).
#[must_use]
pub fn console_line(line: &str) -> Option<(u64, &str)> {
    let line = line.trim_start_matches('\r');
    let (stamp, mut text) = line.strip_prefix('[')?.split_once(']')?;
    let (seconds, micros) = stamp.trim_start().split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let micros: u64 = micros.parse().ok()?;
    let stamp = seconds
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)?;
    text = text.strip_prefix(' ').unwrap_or(text);
    // CONFIG_PRINTK_CALLER: a second bracket with the task or CPU.
    if let Some((caller, rest)) = text.strip_prefix('[').and_then(|t| t.split_once("] ")) {
        let caller = caller.trim_start();
        if caller.len() > 1
            && (caller.starts_with('T') || caller.starts_with('C'))
            && caller[1..].bytes().all(|b| b.is_ascii_digit())
        {
            text = rest;
        }
    }
    Some((stamp, text.trim_end_matches('\r')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_reports_are_told_from_text_about_them() {
        assert_eq!(
            classify("Kernel panic - not syncing: sysrq triggered crash"),
            Some(Splat::Panic)
        );
        assert_eq!(
            classify("BUG: kernel NULL pointer dereference, address: 0"),
            Some(Splat::Oops)
        );
        assert_eq!(classify("Oops: 0002 [#1] PREEMPT SMP"), Some(Splat::Oops));
        assert_eq!(classify("no BUG: here"), None);
        assert_eq!(classify("Debug: fine"), None);
    }

    #[test]
    fn console_lines_are_cut_with_and_without_a_caller() {
        assert_eq!(
            console_line("[    1.250000] hello"),
            Some((1_250_000, "hello"))
        );
        assert_eq!(
            console_line("[   12.000001][  T345] hello\r"),
            Some((12_000_001, "hello"))
        );
        assert_eq!(
            console_line("[    0.000000] [Firmware Bug]: x"),
            Some((0, "[Firmware Bug]: x"))
        );
        assert_eq!(console_line("[OK] not the kernel"), None);
        assert_eq!(console_line("SeaBIOS"), None);
        assert_eq!(console_line("[99999999999999999999.000000] x"), None);
    }
}
