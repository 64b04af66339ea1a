//! What is particular to x86: registers, CPUID, MSRs.

pub mod topology;
