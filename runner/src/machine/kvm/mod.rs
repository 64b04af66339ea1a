//! Our own KVM monitor as an engine: each machine a process of this same program, talked to over a control socket.
//!
//! The only place that knows the monitor.

mod control;
mod engine;
mod handover;
mod lower;
mod process;
mod watched;

pub use engine::Kvm;
pub use process::{RunMachineArgs, run_machine};
