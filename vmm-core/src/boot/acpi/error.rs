//! Why a machine cannot be described by ACPI tables.

use crate::x86::topology::TopologyError;

/// A machine that the tables cannot describe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcpiError {
    /// The vCPUs cannot be numbered or spread over the nodes.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// More virtio-mmio devices than there are interrupt lines or register blocks for.
    #[error("{devices} virtio-mmio devices, where there is room for {max}")]
    MmioDevices {
        /// How many were asked for.
        devices: u32,
        /// Most that can be.
        max: u32,
    },
    /// The tables are larger than their area.
    #[error("the ACPI tables take {bytes} bytes, where there is room for {room}")]
    TooLarge {
        /// Bytes they take.
        bytes: usize,
        /// Bytes of the area.
        room: u64,
    },
}
