//! From kernel images to a machine that can be entered.

pub mod acpi;
pub mod mptable;
