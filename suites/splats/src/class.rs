//! What kinds of splats there are, and how bad each is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a splat is, from a remark to the end of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; no fault of the kernel by itself.
    Info,
    /// The kernel met something that its authors held to be impossible or wrong, and goes on.
    Warning,
    /// A bug of the kernel; its state is doubtful from here on.
    Error,
    /// The kernel gave up.
    Fatal,
}

impl Severity {
    /// The name, as in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares the classes once: variant, name, severity, and where the kernel prints it.
macro_rules! classes {
    ($($variant:ident $name:literal $severity:ident $about:literal;)*) => {
        /// What kind of splat it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Class {
            $(#[doc = $about] #[serde(rename = $name)] $variant,)*
        }

        impl Class {
            /// All classes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as in reports: lower case, words joined by dashes.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// How bad a splat of this class is, unless it led to a panic.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }
        }
    };
}

classes! {
    Panic "panic" Fatal "The kernel gave up by itself (`kernel/panic.c`), not after another splat.";
    StackProtector "stack-protector" Fatal "A stack's canary was overwritten (`kernel/panic.c`, `kernel/sched/core.c`).";
    DoubleFault "double-fault" Error "An exception while another was delivered (`arch/x86/kernel/traps.c`).";
    NullDeref "null-deref" Error "A NULL pointer was followed (`arch/x86/mm/fault.c`).";
    PageFault "page-fault" Error "An address without memory, or without permission, was used (`arch/x86/mm/fault.c`).";
    Gpf "gpf" Error "A general protection fault, as by a non-canonical address (`arch/x86/kernel/traps.c`).";
    StackOverflow "stack-overflow" Error "The guard page of a kernel stack was hit (`arch/x86/kernel/traps.c`).";
    Oops "oops" Error "Any other exception in the kernel: divide error, invalid opcode, int3, ...";
    Bug "bug" Error "`BUG()`, and every other `BUG:` (`lib/bug.c`).";
    Warning "warning" Warning "`WARN()` (`kernel/panic.c`).";
    Kasan "kasan" Error "The address sanitizer (`mm/kasan/report.c`).";
    Kfence "kfence" Error "The sampling memory error detector (`mm/kfence/report.c`).";
    Kmsan "kmsan" Error "The memory sanitizer: uninitialised values (`mm/kmsan/report.c`).";
    Kcsan "kcsan" Error "The concurrency sanitizer: data races (`kernel/kcsan/report.c`).";
    Ubsan "ubsan" Error "The undefined behaviour sanitizer (`lib/ubsan.c`).";
    Lockdep "lockdep" Error "The lock validator (`kernel/locking/lockdep.c`).";
    SuspiciousRcu "suspicious-rcu" Error "RCU-protected data used without its protection (`kernel/locking/lockdep.c`).";
    Spinlock "spinlock" Error "The checks of spin and rw locks (`kernel/locking/spinlock_debug.c`).";
    RcuStall "rcu-stall" Error "A grace period that does not end (`kernel/rcu/tree_stall.h`).";
    SoftLockup "soft-lockup" Error "A CPU that does not schedule (`kernel/watchdog.c`).";
    HardLockup "hard-lockup" Error "A CPU that takes no interrupts (`kernel/watchdog.c`).";
    HungTask "hung-task" Error "A task blocked for too long (`kernel/hung_task.c`).";
    WorkqueueLockup "workqueue-lockup" Error "A worker pool that makes no progress (`kernel/workqueue.c`).";
    SchedulingWhileAtomic "scheduling-while-atomic" Error "A task gave up the CPU where it must not (`kernel/sched/core.c`).";
    SleepingInAtomic "sleeping-in-atomic" Error "A function that may sleep was called where nothing may (`kernel/sched/core.c`).";
    Preemptible "preemptible" Error "Per-CPU data used by a task that may move (`lib/smp_processor_id.c`).";
    ListCorruption "list-corruption" Error "A linked list whose pointers do not agree (`lib/list_debug.c`).";
    Refcount "refcount" Error "A reference count that over- or underflowed (`lib/refcount.c`).";
    DebugObjects "debug-objects" Error "An object used against its life cycle (`lib/debugobjects.c`).";
    Usercopy "usercopy" Error "A copy to or from user space beyond its object (`mm/usercopy.c`).";
    Fortify "fortify" Error "A string function beyond its buffer (`lib/string_helpers.c`).";
    SlabCorruption "slab-corruption" Error "The checks of the slab allocator (`mm/slub.c`).";
    BadPage "bad-page" Error "A page, page table or memory counter that cannot be (`mm/page_alloc.c`, `mm/memory.c`, `kernel/fork.c`).";
    MemoryLeak "memory-leak" Error "Memory that nothing points to (`mm/kmemleak.c`).";
    NetdevRefcount "netdev-refcount" Error "A network device that is still referenced when it goes (`net/core/dev.c`).";
    BusyInodes "busy-inodes" Error "Inodes or dentries in use when a file system goes (`fs/super.c`, `fs/dcache.c`).";
    DuplicateName "duplicate-name" Warning "Two things of one name in sysfs (`fs/sysfs/dir.c`, `lib/kobject.c`).";
    AllocationFailure "allocation-failure" Warning "Pages could not be allocated (`mm/page_alloc.c`).";
    FsError "fs-error" Warning "A file system found itself damaged (`fs/ext4`, `fs/xfs`, `fs/btrfs`).";
    IoError "io-error" Info "A block device could not read or write (`block/blk-core.c`).";
    Oom "oom" Info "The out-of-memory killer ended a process (`mm/oom_kill.c`).";
    Firmware "firmware" Info "A bug of the firmware, as the kernel sees it (`[Firmware Bug]`).";
    DroppedMessages "dropped-messages" Info "The console left messages out: the log is not complete (`kernel/printk`).";
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_their_own() {
        let mut names: Vec<&str> = Class::ALL.iter().map(|c| c.as_str()).collect();
        for (class, name) in Class::ALL.iter().zip(&names) {
            let json = serde_json::to_string(class).expect("JSON");
            assert_eq!(json, format!("\"{name}\""));
            assert!(name.bytes().all(|b| b == b'-' || b.is_ascii_lowercase()));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Class::ALL.len());
    }
}
