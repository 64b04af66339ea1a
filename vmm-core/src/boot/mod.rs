//! From kernel images to a machine that can be entered.

pub mod acpi;
mod bzimage;
mod command_line;
mod e820;
mod elf;
mod error;
mod image;
mod initramfs;
mod load;
pub mod mptable;
mod pvh;
pub mod reset_vector;
#[cfg(test)]
mod samples;
mod zero_page;

pub use error::LoadError;
pub use load::{Entry, Loaded, load};
