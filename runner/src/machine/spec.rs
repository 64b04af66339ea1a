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
    /// Number of virtual CPUs.
    pub cpus: u32,
    /// Guest memory in MiB.
    pub memory_mib: u64,
    /// How virtio devices are attached.
    pub transport: Transport,
    /// Host directories to show read-only over 9P; the first is the root.
    pub shares: Vec<ShareSpec>,
    /// Whether the guest gets hardware virtualization of its own.
    pub nested: bool,
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
