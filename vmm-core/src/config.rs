//! What a machine is made of: plain data, readable from and written to JSON.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything about one machine but its open descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmConfig {
    /// The vCPUs.
    pub cpus: CpuConfig,
    /// Guest memory.
    pub memory: MemoryConfig,
    /// How the kernel is entered.
    pub boot: BootConfig,
    /// The bus of the virtio devices.
    pub transport: Transport,
    /// Names of the console ports beside the console, in the order of their descriptors; at most
    /// [`MAX_PORTS`].
    pub ports: Vec<String>,
    /// Host directories shown read-only over 9P.
    pub shares: Vec<Share>,
}

/// Most named ports of a machine.
pub const MAX_PORTS: usize = 14;

/// The vCPUs and how they are told to belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuConfig {
    /// Sockets.
    pub sockets: u32,
    /// Cores of a socket.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
    /// NUMA nodes; the vCPUs and the memory are spread over them in equal, consecutive parts.
    pub numa_nodes: u32,
    /// Whether the guest may be a host itself (VMX or SVM), where this host can.
    pub nested: bool,
}

impl CpuConfig {
    /// `count` vCPUs: one socket of so many cores.
    #[must_use]
    pub const fn flat(count: u32) -> Self {
        Self {
            sockets: 1,
            cores: count,
            threads: 1,
            numa_nodes: 1,
            nested: false,
        }
    }

    /// Number of vCPUs.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.sockets
            .saturating_mul(self.cores)
            .saturating_mul(self.threads)
    }
}

/// Guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    /// Size in bytes, a multiple of 2 MiB.
    pub bytes: u64,
    /// Whether the host is asked to back it with transparent huge pages.
    pub huge_pages: bool,
    /// Whether it must be one file, for a machine that will be forked. Many hosts have huge pages for private memory
    /// only; without this, huge pages go first there.
    pub file: bool,
}

/// How the kernel is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootConfig {
    /// The kernel command line as the user and the engine's table give it; what the machine itself needs
    /// (`virtio_mmio.device=`) is put before it.
    pub command_line: String,
    /// Whether the guest is given ACPI tables, beside the MP table that it has in any case if its vCPUs fit in one.
    pub acpi: bool,
    /// Where the kernel's `start_kernel` will run, a virtual address, to have [`crate::control::Mark::StartKernel`]; a
    /// breakpoint there costs one exit.
    pub start_kernel: Option<u64>,
}

/// The bus that virtio devices sit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// virtio-pci, modern only.
    Pci,
    /// virtio-mmio, version 2.
    Mmio,
}

/// One host directory behind a 9P mount tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Mount tag, at most 255 bytes.
    pub tag: String,
    /// Absolute host path of its root.
    pub path: PathBuf,
}
