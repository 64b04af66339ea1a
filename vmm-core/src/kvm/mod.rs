//! The kernel's interface to hardware virtualization.

mod exit_name;
mod interrupts;
mod kick;
mod probe;
mod vcpu;
mod vcpus;
mod vm;

pub(crate) use exit_name::exit_name;
pub(crate) use interrupts::KvmInterrupts;
pub use probe::{Fault, KvmHealth, probe};
pub(crate) use vcpu::{Buses, Vcpu, VcpuEnd};
pub(crate) use vcpus::{OnBreakpoint, OnEnd, Vcpus};
pub use vm::KvmError;
pub(crate) use vm::{Vm, call};
