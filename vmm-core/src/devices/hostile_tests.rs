//! Whatever a guest does to the ports of these devices, they answer, and in time.

use super::*;
use crate::bus::BusDevice;
use proptest::{collection::vec, prelude::*};
use std::{os::unix::net::UnixStream, sync::Arc};
use vmm_sys_util::eventfd::EventFd;

#[derive(Debug, Clone)]
enum Access {
    Read(u64, usize),
    Write(u64, Vec<u8>),
}

fn access() -> impl Strategy<Value = Access> {
    let offset = prop_oneof![9 => 0..8_u64, 1 => any::<u64>(), 1 => u64::MAX - 8..=u64::MAX];
    (offset, 1..=8_usize, vec(any::<u8>(), 1..=8), any::<bool>()).prop_map(
        |(offset, len, data, write)| {
            if write {
                Access::Write(offset, data)
            } else {
                Access::Read(offset, len)
            }
        },
    )
}

fn devices() -> Vec<Arc<dyn BusDevice>> {
    let end: EndSignal = Arc::new(|_| {});
    let (device, _) = UnixStream::pair().expect("sockets");
    let line = EventFd::new(libc::EFD_NONBLOCK).expect("an event");
    let clock_line = line.try_clone().expect("a copy");
    vec![
        Arc::new(AcpiPower::new(end.clone())),
        Arc::new(DebugPort::new(Arc::new(|_, _| {}))),
        Arc::new(I8042::new(end)),
        Arc::new(Pvpanic::new(Arc::new(|| {}))),
        Arc::new(Rtc::new(clock_line).expect("a thread")),
        Arc::new(Serial::new(device, line).expect("a thread")),
    ]
}

proptest! {
    #[test]
    fn every_access_is_answered(accesses in vec(access(), 1..200)) {
        for device in devices() {
            for access in &accesses {
                match access {
                    Access::Read(offset, len) => device.read(*offset, &mut vec![0; *len]),
                    Access::Write(offset, data) => device.write(*offset, data),
                }
            }
        }
    }
}
