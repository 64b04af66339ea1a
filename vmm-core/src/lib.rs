//! A KVM virtual machine monitor made for testing kernels.
//!
//! [`probe`] says whether KVM on this host is fit to run kernels, and if not, why and what helps.
#![deny(unsafe_code)]

mod kvm;

pub use kvm::{Fault, KvmHealth, probe};
