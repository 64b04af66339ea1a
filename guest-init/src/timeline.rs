//! Marks for a machine that draws a timeline of the boot.

use std::fs::File;
use std::os::unix::fs::FileExt;

use wire::mark::PORT;

/// Marks a point: one of the codes in [`wire::mark`]. Best effort: a kernel without `/dev/port` (`CONFIG_DEVPORT`), or one
/// that is locked down, has no timeline.
///
/// The kernel writes to the port, not init itself by `ioperm`: where a hypervisor loses the task's permission bitmap, which
/// emulated ones do, the instruction would fault, and the machine would end with its init.
pub fn mark(code: u8) {
    let port = File::options().write(true).open("/dev/port");
    let _ = port.and_then(|port| port.write_at(&[code], PORT.into()));
}
