//! What tests of transports and devices share: interrupt controllers that remember, a device that echoes, and a
//! driver that works over both transports.

mod driver;
mod echo;
mod face;
mod interrupts;

pub(crate) use driver::{Driver, QUEUE_AT, Rings};
pub(crate) use echo::Echo;
pub(crate) use face::{Face, MESSAGE, MmioFace, PciFace, faces};
pub(crate) use interrupts::{FakeInterrupts, RecordingNotifier};

use crate::{config::MemoryConfig, memory::GuestRam};

/// Bytes of the tests' guest memory.
pub(crate) const RAM: u64 = 2 << 20;

/// Guest memory of [`RAM`] bytes.
pub(crate) fn ram() -> GuestRam {
    GuestRam::new(&MemoryConfig {
        bytes: RAM,
        huge_pages: false,
        file: false,
    })
    .expect("address space")
}
