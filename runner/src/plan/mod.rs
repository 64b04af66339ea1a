//! What a run will do, decided before anything starts: the kernel, the tests, the machine.

mod boot;
mod debug_info;
mod durations;
mod known;
mod lists;
mod names;
mod needs;
mod select;
mod shard;

pub use boot::{Boot, BootMethod, BootWishes, Known, RootTransport, image as boot_image};
pub use debug_info::debug_info;
pub use durations::Durations;
pub use known::known_files;
pub use names::names;
pub use select::{About, Asked, fragment, select};
pub use shard::{Part, ShardArg, digest, split};
