//! Machines: what a run asks of one, and the engines that can build it.
//!
//! Nothing outside [`qemu`] knows that QEMU exists.

mod child;
mod choose;
mod cmdline;
mod engine;
mod nesting;
pub mod qemu;
mod spec;

pub use child::{ChildArgs, run_child};
pub use choose::{EngineChoice, choose};
pub use cmdline::CommandLine;
pub use engine::{
    Accelerator, Control, Engine, HostPorts, LaunchError, Launched, Machine, StopReason,
};
pub use nesting::Nesting;
pub use spec::{MachineSpec, ShareSpec, Transport};
