//! What the tables say about a machine, before it is put into tables.

use super::AcpiError;
use crate::{
    config::CpuConfig,
    layout::{self, Area},
    x86::topology,
};

/// A machine, as far as ACPI tables describe it.
#[derive(Debug, Clone, Copy)]
pub struct Platform<'a> {
    /// The vCPUs and their NUMA nodes.
    pub cpus: &'a CpuConfig,
    /// RAM in ascending order ([`layout::ram`]); only read where there is more than one NUMA node.
    pub ram: &'a [Area],
    /// Where the virtio devices are.
    pub bus: VirtioBus,
}

/// Where the virtio devices of a machine are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtioBus {
    /// Behind the PCI host bridge, where the guest finds them itself.
    Pci,
    /// In register blocks from [`layout::VIRTIO_MMIO`] on, with the lines of [`layout::gsi::MMIO`]; no PCI at all.
    Mmio {
        /// Number of devices.
        devices: u32,
    },
}

impl Platform<'_> {
    /// Checks what bounds the tables' sizes, so that building them cannot go astray.
    pub(super) fn check(&self) -> Result<(), AcpiError> {
        topology::check(self.cpus)?;
        if let VirtioBus::Mmio { devices } = self.bus {
            let max = max_mmio_devices();
            if devices > max {
                return Err(AcpiError::MmioDevices { devices, max });
            }
        }
        Ok(())
    }
}

fn max_mmio_devices() -> u32 {
    let lines = layout::gsi::MMIO.len() as u64;
    let blocks = layout::VIRTIO_MMIO.len / layout::VIRTIO_MMIO_STRIDE;
    u32::try_from(lines.min(blocks)).expect("there are few lines")
}
