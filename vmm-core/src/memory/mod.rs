//! Guest memory.

mod ram;

pub use ram::{GuestRam, RamError};
