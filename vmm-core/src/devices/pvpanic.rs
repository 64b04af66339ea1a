//! pvpanic: the guest tells that it panicked, before it has printed why.
//!
//! The guest may write any byte as often as it likes; the owner hears of it once.
//!
//! QEMU's `docs/specs/pvpanic.rst`; Linux `drivers/misc/pvpanic/pvpanic.c`.

use crate::bus::BusDevice;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// `PVPANIC_PANICKED`: the guest panicked and does nothing more.
pub const PANICKED: u8 = 1 << 0;
/// `PVPANIC_CRASH_LOADED`: the guest panicked and goes on in its crash kernel.
pub const CRASH_LOADED: u8 = 1 << 1;

/// The event register at [`crate::layout::port::PVPANIC`].
pub struct Pvpanic {
    report: Arc<dyn Fn() + Send + Sync>,
    reported: AtomicBool,
}

impl Pvpanic {
    /// A register that calls `report` on the first panic, on the vCPU's thread.
    #[must_use]
    pub fn new(report: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            report,
            reported: AtomicBool::new(false),
        }
    }
}

impl BusDevice for Pvpanic {
    /// The events that are understood.
    fn read(&self, _offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(first) = data.first_mut() {
            *first = PANICKED | CRASH_LOADED;
        }
    }

    fn write(&self, _offset: u64, data: &[u8]) {
        let panicked = data
            .first()
            .is_some_and(|v| v & (PANICKED | CRASH_LOADED) != 0);
        if panicked && !self.reported.swap(true, Ordering::Relaxed) {
            (self.report)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn device() -> (Pvpanic, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let report = move || {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        (Pvpanic::new(Arc::new(report)), count)
    }

    #[test]
    fn a_panic_is_reported_once() {
        for event in [PANICKED, CRASH_LOADED, 0xff] {
            let (device, count) = device();
            device.write(0, &[event]);
            device.write(0, &[event]);
            assert_eq!(count.load(Ordering::Relaxed), 1, "{event}");
        }
    }

    #[test]
    fn other_events_are_not_panics() {
        let (device, count) = device();
        for event in [0, 4, 0xfc] {
            device.write(0, &[event]);
        }
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_driver_sees_what_is_supported() {
        let mut data = [0xff];
        device().0.read(0, &mut data);
        assert_eq!(data, [3]);
    }
}
