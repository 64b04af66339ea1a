//! CPUs that stay idle in an emulated machine that runs machines.
//!
//! QEMU's emulated CPUs are threads, and one of them writes to the state of another: whatever loads x87 state (FXRSTOR,
//! XRSTOR: every switch between tasks) clears a flag in `hflags2` of the *first* CPU, without a lock
//! (`cpu_clear_ignne`, called by `cpu_set_fpus`, in QEMU's `target/i386/tcg`; 7.2 and later). The same word holds the
//! global interrupt flag and whether nested paging is on, which VMRUN, STGI and an exit change all the time: an update of the
//! first CPU's gets lost, and it stands still for ever, or runs the host's code on the guest's memory. So where there is more
//! than one CPU the first runs no machine.

use crate::machine::Topology;

/// A machine's CPUs with those that are to stay idle: `cpus` as they are asked for, behind some more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spare {
    /// All of them.
    pub all: Topology,
    /// How many of them, the first ones, are to stay idle.
    pub idle: u32,
}

impl Spare {
    /// No more than `cpus`.
    #[must_use]
    pub const fn none(cpus: Topology) -> Self {
        Self { all: cpus, idle: 0 }
    }

    /// For an emulated machine that runs machines on `cpus`: another core, or another socket where there are several. A
    /// single CPU has nobody who could write to its state.
    #[must_use]
    pub const fn before(cpus: Topology) -> Self {
        let mut all = cpus;
        let idle = match cpus {
            cpus if cpus.count() == 1 => 0,
            Topology { sockets: 1, .. } => {
                all.cores += 1;
                cpus.threads
            }
            _ => {
                all.sockets += 1;
                cpus.cores * cpus.threads
            }
        };
        Self { all, idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_asked_for_remain() {
        for (sockets, cores, threads, idle) in [
            (1, 1, 1, 0),
            (1, 2, 1, 1),
            (1, 2, 2, 2),
            (2, 1, 1, 1),
            (2, 2, 2, 4),
        ] {
            let cpus = Topology {
                sockets,
                cores,
                threads,
                numa_nodes: 1,
            };
            let spare = Spare::before(cpus);
            assert_eq!(spare.idle, idle);
            assert_eq!(spare.all.count() - spare.idle, cpus.count());
            assert_eq!(Spare::none(cpus).all, cpus);
        }
    }
}
