//! Whatever lies in the rings, the device works on and gives its queues back.

use super::{
    Console,
    fake_driver::{Driver, STRIDE},
};
use crate::virtio::device::VirtioDevice;
use proptest::{collection::vec, prelude::*};
use std::{io::Write, os::unix::net::UnixStream};
use vm_memory::{Bytes, GuestAddress};

/// Where in a queue's memory, and what.
fn scribble() -> impl Strategy<Value = (u64, Vec<u8>)> {
    let place = prop_oneof![
        // Descriptors; the flags, index and first entries of the rings.
        4 => 0..0x40_u64,
        2 => 0x1000..0x1010_u64,
        1 => 0x2000..0x2010_u64,
        1 => 0x4000..0x4100_u64,
        1 => 0..STRIDE - 64,
    ];
    (place, vec(prop_oneof![0..4_u8, any::<u8>()], 1..64))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn wild_rings_are_survived(
        before in vec((0..6_u64, scribble()), 0..40),
        during in vec((0..6_u64, scribble()), 0..40),
        multiport in any::<bool>(),
    ) {
        let (device, host) = UnixStream::pair().expect("sockets");
        let (other, mut second) = UnixStream::pair().expect("sockets");
        let mut console = Console::new(Some(device), vec![("port".into(), other)]).expect("valid");
        let mut driver = Driver::new(&console);
        let write = |driver: &Driver, queue: u64, (place, bytes): &(u64, Vec<u8>)| {
            let address = GuestAddress(queue * STRIDE + place);
            driver.ram().memory().write_slice(bytes, address).expect("RAM");
        };
        second.write_all(&[1; 4096]).expect("into the socket");
        for (queue, scribble) in &before {
            write(&driver, *queue, scribble);
        }
        driver.activate(&mut console, multiport, driver.device_queues());
        for (queue, scribble) in &during {
            driver.queues[*queue as usize].send(&scribble.1);
            write(&driver, *queue, scribble);
            driver.queues[*queue as usize].offer_buffer();
        }
        // Nobody waits for these at the end.
        drop((host, second));
        prop_assert_eq!(console.deactivate().len(), driver.queues.len());
    }
}
