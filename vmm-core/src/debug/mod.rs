//! Looking into a machine from outside: a dead or hanging guest's kernel log, and where its vCPUs stand.
//!
//! Everything here reads guest memory that stands still and is hostile: structures are bounded before they are
//! walked, nothing recurses, and what cannot be read is left out.

mod find;
#[cfg(test)]
mod fixture;
mod kernel_log;
mod paging;
mod physical;
mod records;
mod ring;
mod scan;
mod stack;
mod view;
mod vmcoreinfo;

pub use {
    kernel_log::{Found, LogError, kernel_log},
    paging::{Paging, translate},
    physical::PhysicalMemory,
    records::{MAX_RECORDS, MAX_TEXT},
    stack::{KERNEL_TEXT, MAX_FRAMES, STACK_BYTES, backtrace},
};
