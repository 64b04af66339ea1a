//! What is particular to x86: registers, CPUID, MSRs.

pub(crate) mod control;
pub mod cpuid;
pub mod msrs;
mod paging;
pub mod registers;
mod segments;
pub mod topology;
