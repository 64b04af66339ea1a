//! The kernel has not complained about itself.

use super::params::Params;
use super::report::{Checked, OrFail, Verdict};
use crate::kmsg::{Reader, Record};

/// How the reports begin that mean the kernel has found something wrong with itself, whatever their
/// level: most warnings are printed below the level of an error.
/// (kernel/panic.c, lib/bug.c, arch/x86/kernel/dumpstack.c, kernel/locking/lockdep.c, mm/kasan/report.c,
/// lib/ubsan.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/hung_task.c)
const BEGINNINGS: [&str; 21] = [
    "------------[ cut here ]------------",
    "BUG: ",
    "kernel BUG at ",
    "WARNING: CPU: ",
    "WARNING: possible ",
    "WARNING: inconsistent lock state",
    "WARNING: suspicious RCU usage",
    "WARNING: bad unlock balance",
    "WARNING: held lock freed",
    "Oops: ",
    "general protection fault",
    "invalid opcode: ",
    "Call Trace:",
    "Kernel panic",
    "UBSAN: ",
    "INFO: task ",
    "watchdog: BUG: ",
    "rcu: INFO: rcu_",
    "unregister_netdevice: waiting for ",
    "Unable to handle kernel ",
    "PANIC: ",
];

pub fn check(_: &Params) -> Checked {
    const ERROR: u8 = 3;
    let mut reader = Reader::open().or_fail("open /dev/kmsg")?;
    let (mut records, mut bad) = (0_u32, 0_u32);
    while let Some(bytes) = reader.next().or_fail("read /dev/kmsg")? {
        let record = Record::parse(bytes).ok_or_else(|| {
            let bytes = String::from_utf8_lossy(bytes);
            Verdict::Fail(format!("/dev/kmsg gives what is no record: {bytes:?}"))
        })?;
        records += 1;
        if record.facility != 0 {
            continue;
        }
        let text = String::from_utf8_lossy(record.text);
        if is_report(&text) {
            println!("{text}");
            bad += 1;
        } else if record.level <= ERROR {
            println!("(an error, but no fault of the kernel's own: {text})");
        }
    }
    println!("{records} records read");
    match bad {
        0 if records == 0 => Err(Verdict::Fail("the kernel log is empty".into())),
        0 => Ok(Verdict::Pass),
        _ => Err(Verdict::Fail(format!(
            "{bad} lines of the kernel log report a fault"
        ))),
    }
}

fn is_report(text: &str) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_other_lines() {
        for report in [
            "BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "WARNING: CPU: 1 PID: 70 at kernel/x.c:5 f+0x1/0x2",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]",
            "Oops: 0002 [#1] PREEMPT SMP",
        ] {
            assert!(is_report(report), "{report}");
        }
        for harmless in [
            "WARNING: Spectre v2 mitigation leaves CPU vulnerable",
            "DEBUG: something",
            "rcu: Hierarchical RCU implementation.",
            "INFO: lockdep is turned off.",
            "9pnet: Installing 9P2000 support",
        ] {
            assert!(!is_report(harmless), "{harmless}");
        }
    }
}
