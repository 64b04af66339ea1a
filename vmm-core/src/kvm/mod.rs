//! The kernel's interface to hardware virtualization.

mod probe;

pub use probe::{Fault, KvmHealth, probe};
