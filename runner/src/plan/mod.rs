//! What a run will do, decided before anything starts: the kernel, the tests, the machine.

mod boot;
mod debug_info;
mod known;
mod names;
mod select;

pub use boot::{Boot, BootMethod, BootWishes, RootTransport, image as boot_image};
pub use debug_info::debug_info;
pub use known::known_files;
pub use names::names;
pub use select::select;
