//! A KVM virtual machine monitor made for testing kernels.
//!
//! [`probe`] says whether KVM on this host is fit to run kernels, and if not, why and what helps. A machine is
//! described by a [`config::VmConfig`], which is plain data, and talks to its owner through descriptors: its ports,
//! its serial console, and a control socket ([`control`]).
#![deny(unsafe_code)]

mod assemble;
pub mod boot;
pub mod bus;
pub mod config;
pub mod control;
pub mod debug;
pub mod devices;
mod ending;
mod inspect;
pub mod irq;
mod kvm;
pub mod layout;
mod machine;
pub mod memory;
mod owner;
mod stats;
mod sync;
pub mod virtio;
pub mod worker;
pub mod x86;

pub use kvm::{Fault, KvmError, KvmHealth, probe};
pub use machine::{Descriptors, Error, run};
