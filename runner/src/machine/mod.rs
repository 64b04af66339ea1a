//! Machines: what a run asks of one, and the engines that can build it.
//!
//! Nothing outside [`qemu`] knows that QEMU exists, and only [`kvm`] knows how our monitor is run.

mod child;
mod choose;
mod cmdline;
mod engine;
mod kvm;
mod nesting;
pub mod qemu;
mod spec;
mod watched;

pub use child::{ChildArgs, run_child};
pub use choose::{EngineChoice, choose};
pub use cmdline::{CommandLine, Platform, leaves_acpi_on};
pub use engine::{
    Accelerator, Boots, Control, Engine, HostPorts, LaunchError, Launched, Machine, Sight,
    StopReason, VmlinuxEntry,
};
pub use kvm::{MonitorArgs, run_machine};
pub use nesting::Nesting;
pub use spec::{MachineSpec, ShareSpec, Topology, Transport};
pub use vmm_core::control::{Inspection, LogRecord, Mark, QueueStatistics, Statistics, VcpuState};
