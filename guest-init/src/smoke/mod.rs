//! The checks built into init: they need nothing of the guest's root, no compiler and no source tree.
//!
//! Each runs as a child process, `runner-init smoke CHECK key=value...`, prints plain lines, and exits
//! 0 when all is well, 1 when the kernel is not as it should be, 4 when the check does not apply, and 2
//! when it was asked for wrongly.

mod boot;
mod clock;
mod cpus;
mod dmesg;
mod fork_exec;
mod memory;
mod params;
mod report;
mod root_equal;
mod root_read_only;
mod tmpfs;

pub use report::run;
