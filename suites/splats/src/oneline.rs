//! Every other line by which a splat is known: lock validator, stalls, lockups, and remarks of one line.

use crate::{
    Class, Severity,
    headline::{Headline, Shape, message, until},
    normal::normalise,
};

/// How far a stack trace may be from the headline, in lines.
const NEAR: u32 = 15;
/// The same where lists come before it: locks held, dependency chains, workers.
const FAR: u32 = 250;

/// Sentences of the lock validator (`kernel/locking/lockdep.c`) behind `WARNING: `, `INFO: `, `BUG: ` or `[ BUG: `.
const LOCKDEP: &[&str] = &[
    "possible circular locking dependency detected",
    "possible recursive locking detected",
    "possible irq lock inversion dependency detected",
    "-unsafe lock order detected",
    "inconsistent lock state",
    "bad unlock balance detected",
    "bad contention detected",
    "held lock freed",
    "Nested lock was not taken",
    "lock held when returning to user space",
    "still has locks held",
    "lock held at task exit time",
    "chain_key collision",
    "Invalid wait context",
    "trying to register non-static key",
    "has not been registered",
    "MAX_LOCK_DEPTH too low",
    "MAX_LOCKDEP_ENTRIES too low",
    "MAX_LOCKDEP_CHAINS too low",
    "MAX_LOCKDEP_KEYS too low",
    "MAX_STACK_TRACE_ENTRIES too low",
];

/// Kernel messages that only look like reports.
const HARMLESS: &[&str] = &[
    "Spectre ",
    "Flushing system-wide workqueues",
    "Unprivileged eBPF",
    "mand mount option",
    "the mand mount option",
    "MDS CPU bug",
    "TAA CPU bug",
    "VMSCAPE",
];

/// Reads a line that is known by its first words.
pub(crate) fn read(text: &str, after_rule: bool) -> Option<Headline> {
    let bare = ["watchdog: ", "NMI watchdog: ", "rcu: ", "[ "]
        .iter()
        .find_map(|start| text.strip_prefix(start));
    let bare = bare.unwrap_or(text);
    if let Some(rest) = bare.strip_prefix("BUG: ") {
        return Some(bug(rest, text));
    }
    if let Some(rest) = bare.strip_prefix("WARNING: ") {
        return warning(rest, text, after_rule);
    }
    if let Some(rest) = bare.strip_prefix("INFO: ") {
        return info(rest, text);
    }
    if bare.starts_with("Watchdog detected hard LOCKUP") {
        return Some(Headline::new(
            Class::HardLockup,
            "hard lockup",
            Shape::Trace(60),
            text,
        ));
    }
    // No colon: `BUG kmalloc-32 (Tainted: G B): Object already free`.
    if let Some(rest) = text.strip_prefix("BUG ").filter(|_| after_rule) {
        return Some(slab(rest, text));
    }
    remark(text)
}

fn lockdep(sentence: &str, text: &str) -> Option<Headline> {
    let known = LOCKDEP.iter().find(|known| sentence.contains(**known))?;
    // Names of tasks and keys may stand before it; `SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected` is all of one kind.
    let base = match known.starts_with('-') {
        true => normalise(until(sentence, &[" ["])),
        false => (*known).to_owned(),
    };
    let headline = Headline::new(Class::Lockdep, base, Shape::Trace(FAR), text);
    Some(
        match sentence.contains("too low") || sentence.contains("has not been registered") {
            // The validator ran out of room, or met a lock it was not told of.
            true => Headline {
                severity: Severity::Warning,
                ..headline
            },
            false => headline,
        },
    )
}

/// `BUG: ...`
fn bug(rest: &str, text: &str) -> Headline {
    let new = |class, base: &str, shape| Headline::new(class, base, shape, text);
    let trace = Shape::Trace(NEAR);
    let starts = |start: &str| rest.starts_with(start);
    if let Some(headline) = lockdep(rest, text) {
        return headline;
    }
    if starts("soft lockup") {
        return new(Class::SoftLockup, "soft lockup", Shape::Trace(60));
    } else if starts("scheduling while atomic") {
        return new(
            Class::SchedulingWhileAtomic,
            "BUG: scheduling while atomic",
            Shape::Trace(60),
        );
    } else if starts("sleeping function called from invalid context") {
        return new(
            Class::SleepingInAtomic,
            "BUG: sleeping function called from invalid context",
            Shape::Trace(60),
        );
    } else if starts("assuming atomic context") {
        return new(
            Class::SleepingInAtomic,
            "BUG: assuming atomic context",
            Shape::Trace(60),
        );
    } else if starts("using ") && rest.contains("in preemptible") {
        let base = format!(
            "BUG: {} in preemptible code",
            until(rest, &[" in preemptible"])
        );
        return new(Class::Preemptible, &normalise(&base), trace);
    } else if ["spinlock ", "rwlock ", "rtmutex "]
        .iter()
        .any(|lock| starts(lock))
    {
        let base = format!("BUG: {}", normalise(until(rest, &[" on CPU", ",", " ("])));
        return new(Class::Spinlock, &base, trace);
    } else if starts("workqueue lockup") {
        return new(
            Class::WorkqueueLockup,
            "workqueue lockup",
            Shape::Trace(FAR),
        )
        .nobody();
    } else if starts("workqueue leaked") {
        return new(
            Class::WorkqueueLockup,
            "BUG: workqueue leaked atomic, lock or RCU",
            trace,
        );
    } else if starts("Bad rss-counter state") {
        return new(Class::BadPage, "BUG: Bad rss-counter state", Shape::Line).nobody();
    } else if starts("non-zero pgtables_bytes") {
        return new(
            Class::BadPage,
            "BUG: non-zero pgtables_bytes on freeing mm",
            Shape::Line,
        )
        .nobody();
    } else if starts("Bad page") {
        let base = format!("BUG: {}", normalise(until(rest, &[" in process"])));
        return new(Class::BadPage, &base, Shape::Trace(30));
    } else if starts("Dentry ") {
        return new(Class::BusyInodes, "BUG: Dentry still in use", Shape::Line).nobody();
    }
    new(Class::Bug, &format!("BUG: {}", normalise(rest)), trace)
}

/// `WARNING: ...` that is no `WARN()`.
fn warning(rest: &str, text: &str, after_rule: bool) -> Option<Headline> {
    if rest.starts_with("suspicious RCU usage") {
        return Some(Headline::new(
            Class::SuspiciousRcu,
            "suspicious RCU usage",
            Shape::Trace(FAR),
            text,
        ));
    }
    if let Some(headline) = lockdep(rest, text) {
        return Some(headline);
    }
    if HARMLESS.iter().any(|start| rest.starts_with(start)) {
        return None;
    }
    let base = format!("WARNING: {}", normalise(rest));
    Some(match after_rule {
        true => Headline::new(Class::Warning, base, Shape::Trace(FAR), text),
        // The word alone, in a driver's message, does not make a report.
        false => Headline {
            severity: Severity::Info,
            ..Headline::new(Class::Warning, base, Shape::Line, text).nobody()
        },
    })
}

/// `INFO: ...`: few of these are reports.
fn info(rest: &str, text: &str) -> Option<Headline> {
    if rest.starts_with("task ") && rest.contains(" blocked for more than ") {
        return Some(Headline::new(
            Class::HungTask,
            "task hung",
            Shape::Trace(NEAR),
            text,
        ));
    }
    if rest.starts_with("suspicious RCU usage") {
        return Some(Headline::new(
            Class::SuspiciousRcu,
            "suspicious RCU usage",
            Shape::Trace(FAR),
            text,
        ));
    }
    if rest.starts_with("rcu") && rest.contains("stall") {
        let flavour = until(rest, &[" "]);
        let kind = match () {
            () if rest.contains("self-detected") => "self-detected stall",
            () if rest.contains("expedited") => "expedited stall",
            () => "stall",
        };
        let base = format!("{} {kind}", normalise(flavour));
        return Some(Headline::new(
            Class::RcuStall,
            base,
            Shape::Trace(FAR),
            text,
        ));
    }
    lockdep(rest, text)
}

/// `BUG kmalloc-32 (Tainted: G    B): Object already free`.
fn slab(rest: &str, text: &str) -> Headline {
    let cache = until(rest, &[" ", "("]);
    let reason = rest.rsplit_once("): ").map_or(rest, |(_, reason)| reason);
    let base = format!("BUG {}: {}", message(cache), normalise(reason));
    Headline::new(Class::SlabCorruption, base, Shape::Slab, text)
}

/// Remarks, most of one line.
fn remark(text: &str) -> Option<Headline> {
    let line = |class, base: &str| Some(Headline::new(class, base, Shape::Line, text).nobody());
    let starts = |start: &str| text.starts_with(start);
    match text.as_bytes().first()? {
        b'*' if starts("** ") && text.ends_with(" printk messages dropped **") => {
            line(Class::DroppedMessages, "printk messages dropped")
        }
        b'[' if starts("[Firmware Bug]: ") => {
            let base = format!(
                "[Firmware Bug]: {}",
                normalise(text.trim_start_matches("[Firmware Bug]: "))
            );
            line(Class::Firmware, &base)
        }
        b'u' if starts("unregister_netdevice: waiting for ") => line(
            Class::NetdevRefcount,
            "unregister_netdevice: waiting for a device to become free",
        ),
        b'k' if starts("kmemleak: ") && text.contains(" new suspected memory leaks") => {
            line(Class::MemoryLeak, "kmemleak: new suspected memory leaks")
        }
        b'k' if starts("kobject_add_internal failed for ")
            || starts("kobject: kobject_add_internal failed for ") =>
        {
            line(Class::DuplicateName, "kobject_add_internal failed")
        }
        b's' if starts("sysfs: cannot create duplicate filename") => Some(Headline::new(
            Class::DuplicateName,
            "sysfs: cannot create duplicate filename",
            Shape::Trace(NEAR),
            text,
        )),
        b'V' if starts("VFS: Busy inodes after unmount") => {
            line(Class::BusyInodes, "VFS: Busy inodes after unmount")
        }
        b'V' if starts("VFS: Close: file count is 0") => {
            line(Class::Bug, "VFS: Close: file count is 0")
        }
        b'w' if starts("workqueue: ") && text.contains(" hogged CPU for ") => {
            let headline = line(Class::WorkqueueLockup, "a work item hogged a CPU")?;
            Some(Headline {
                severity: Severity::Info,
                ..headline
            })
        }
        b'O' if starts("Out of memory: Killed process") => {
            line(Class::Oom, "out of memory: killed a process")
        }
        b'M' if starts("Memory cgroup out of memory: Killed process") => {
            line(Class::Oom, "memory cgroup out of memory: killed a process")
        }
        b'E' if starts("EXT4-fs error") => {
            line(Class::FsError, &of_function("EXT4-fs error", text))
        }
        b'X' if starts("XFS (")
            && (text.contains("): Internal error") || text.contains("): Corruption")) =>
        {
            let kind = if text.contains("): Internal error") {
                "XFS: Internal error"
            } else {
                "XFS: Corruption"
            };
            line(Class::FsError, kind)
        }
        b'B' if starts("BTRFS error") || starts("BTRFS critical") => {
            line(Class::FsError, "BTRFS error")
        }
        b'B' if starts("Buffer I/O error") => line(Class::IoError, "Buffer I/O error"),
        _ if text.contains("I/O error, dev ") => line(Class::IoError, "I/O error"),
        // `warn_alloc()` (`mm/page_alloc.c`), called by `mm/vmalloc.c`: `sh: vmalloc error: size 4096, exceeds total pages, mode:...`
        _ if text.contains(": vmalloc error: size ") && text.contains(", mode:") => {
            let reason = text
                .split_once(": vmalloc error: ")
                .map_or("", |(_, after)| after);
            let reason = until(reason, &[", mode:"])
                .split_once(", ")
                .map_or("", |(_, why)| why);
            let base = format!("vmalloc error: {}", normalise(reason));
            Some(Headline::new(
                Class::AllocationFailure,
                base,
                Shape::Trace(NEAR),
                text,
            ))
        }
        _ if text.contains(": page allocation failure: order:") => Some(Headline::new(
            Class::AllocationFailure,
            "page allocation failure",
            Shape::Trace(NEAR),
            text,
        )),
        _ => None,
    }
}

/// `EXT4-fs error (device sda): ext4_lookup:1785: ...` with the function only.
fn of_function(base: &str, text: &str) -> String {
    let function = text
        .split_once("): ")
        .and_then(|(_, rest)| rest.split(':').next());
    match function {
        Some(function) if !function.contains(' ') => format!("{base} in {}", normalise(function)),
        _ => base.to_owned(),
    }
}
