//! What a run needs of a machine, in no engine's words.

use std::{os::fd::OwnedFd, path::PathBuf, sync::Arc};

/// Everything an engine has to know to build one machine. Plain data; the same spec builds any number of machines.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// The kernel image, a sealed copy: a rebuild during the run does not change what the next machine boots.
    pub kernel: Arc<OwnedFd>,
    /// The initramfs, uncompressed newc.
    pub initramfs: Arc<OwnedFd>,
    /// The user's additions to the kernel command line, after ours.
    pub append: Vec<String>,
    /// The virtual CPUs.
    pub cpus: Topology,
    /// Guest memory in MiB.
    pub memory_mib: u64,
    /// How virtio devices are attached.
    pub transport: Transport,
    /// Whether the kernel reads ACPI tables, where an engine can do without them.
    pub acpi: bool,
    /// Host directories to show read-only over 9P; the first is the root.
    pub shares: Vec<ShareSpec>,
    /// Whether the guest gets hardware virtualization of its own.
    pub nested: bool,
    /// Where the kernel's `start_kernel` will run, a virtual address, for engines that can tell when it does
    /// ([`super::Mark::StartKernel`]). It costs an exit, so only measurements ask for it.
    pub start_kernel: Option<u64>,
}

/// The virtual CPUs and how they are told to belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Sockets.
    pub sockets: u32,
    /// Cores of a socket.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
    /// NUMA nodes, over which CPUs and memory are spread in equal, consecutive parts.
    pub numa_nodes: u32,
}

impl Topology {
    /// `count` CPUs: one socket of so many cores, one node.
    #[cfg(test)]
    #[must_use]
    pub const fn flat(count: u32) -> Self {
        Self {
            sockets: 1,
            cores: count,
            threads: 1,
            numa_nodes: 1,
        }
    }

    /// Number of virtual CPUs.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.sockets
            .saturating_mul(self.cores)
            .saturating_mul(self.threads)
    }
}

/// One host directory behind a 9P mount tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSpec {
    /// 9P mount tag.
    pub tag: String,
    /// Absolute host path.
    pub path: PathBuf,
}

/// The bus that virtio devices sit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// virtio-pci: what every general-purpose configuration has.
    Pci,
    /// virtio-mmio: for kernels built without PCI.
    Mmio,
}
