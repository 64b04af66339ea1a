//! Marks of the boot's timeline, for a monitor that listens ([`wire::mark`]).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use wire::mark;

/// Marks that init came this far. Best effort: a kernel that is locked down or has no `/dev/port` refuses.
///
/// The kernel does it for us. An `out` of our own, which `ioperm` allows, is a general protection fault where the
/// processor takes the task state for invalid, as QEMU's emulated one does in machines within it. The file stays open, as
/// a test may do away with its name.
pub fn reached(code: u8) {
    static PORTS: OnceLock<Option<File>> = OnceLock::new();
    let ports = PORTS.get_or_init(|| OpenOptions::new().write(true).open("/dev/port").ok());
    if let Some(ports) = ports {
        let _ = ports.write_at(&[code], mark::PORT.into());
    }
}
