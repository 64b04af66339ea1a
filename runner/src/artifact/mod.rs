//! What a run leaves on the host, and the sealed files it gives to machines.

mod kept;
mod names;
mod rundir;
mod scratch;
mod sealed;

pub use kept::keep;
pub use names::{guest_path, test_dir};
pub use rundir::{RunDir, RunDirError};
pub use scratch::{Scratch, run_keeper};
pub use sealed::sealed_file;
