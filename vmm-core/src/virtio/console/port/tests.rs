use super::{
    super::{Console, fake_driver::Driver},
    *,
};
use crate::virtio::device::Notifier;
use std::{os::unix::net::UnixStream, sync::Arc};

/// Has `test` look at a port of a driver with no buffers yet.
fn with_port(test: impl FnOnce(Port<'_>, &mut Driver)) {
    let console = Console::new(None, Vec::new()).expect("valid");
    let mut driver = Driver::new(&console);
    let ram = driver.ram().clone();
    let (device, _host) = UnixStream::pair().expect("sockets");
    let mut port = Port::new(HostEnd::new(Some(device)));
    let mut rings = driver.device_queues().into_iter().map(|queue| {
        let notifier: Arc<dyn Notifier> = driver.interrupts.clone();
        Ring::new(ram.memory(), queue, notifier)
    });
    port.rx = rings.next().map(Rx::new);
    port.tx = rings.next().map(Tx::new);
    drop(rings);
    test(port, &mut driver);
}

#[test]
fn input_is_awaited_only_while_the_guest_can_take_it() {
    with_port(|mut port, driver| {
        assert_eq!(port.interest(false), Some(PollFlags::empty()));
        assert_eq!(port.interest(true), Some(PollFlags::IN));
        // There is input, but no buffer.
        port.socket_ready(PollFlags::IN);
        port.work(true);
        assert_eq!(port.interest(true), Some(PollFlags::empty()));
        driver.queues[0].offer_buffer();
        let rx = port.rx.as_mut().expect("placed");
        assert!(rx.waits_for_kick().is_some());
        rx.take_kick();
        assert!(rx.waits_for_kick().is_none());
        assert_eq!(port.interest(true), Some(PollFlags::IN));
    });
}

#[test]
fn a_host_that_has_gone_is_not_watched_in_vain() {
    with_port(|mut port, _| {
        port.socket_ready(PollFlags::HUP);
        port.work(false);
        assert_eq!(port.interest(false), None);
        // What it wrote before is still to be read.
        assert_eq!(port.interest(true), Some(PollFlags::IN));
    });
}
