//! The device with a driver on one side and sockets on the other.

use super::{
    Console,
    control::{Message, event},
    fake_driver::{BUFFER, Driver, eventually},
};
use crate::virtio::device::VirtioDevice;
use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};
use virtio_queue::QueueT;

/// Queues of ports 0 and 1.
const RX0: usize = 0;
const TX0: usize = 1;
const RX1: usize = 4;
const TX1: usize = 5;

fn link() -> (Console, UnixStream) {
    let (device, host) = UnixStream::pair().expect("sockets");
    let console = Console::new(None, vec![("link".into(), device)]).expect("valid");
    (console, host)
}

fn with_console() -> (Console, UnixStream) {
    let (device, host) = UnixStream::pair().expect("sockets");
    (Console::new(Some(device), Vec::new()).expect("valid"), host)
}

fn await_bytes(mut host: &UnixStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    // Better a failure than a test that hangs.
    host.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("not zero");
    host.read_exact(&mut bytes).expect("comes");
    assert!(bytes == expected);
}

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 7 + seed * 13) % 251) as u8)
        .collect()
}

/// Offers chains until the host's socket is full; all bytes of them.
fn fill(driver: &mut Driver) -> Vec<u8> {
    let mut sent = Vec::new();
    for seed in 0..100 {
        let bytes = pattern(64 * BUFFER, seed);
        driver.queues[TX1].send(&bytes);
        sent.extend(bytes);
        let mut looks = 0..200;
        let taken = looks.find_map(|_| {
            thread::sleep(Duration::from_millis(1));
            driver.queues[TX1].take_used()
        });
        if taken.is_none() {
            return sent;
        }
    }
    panic!("a socket takes everything");
}

#[test]
fn a_port_is_announced_and_carries_bytes_both_ways() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    host.write_all(b"early").expect("into the socket");
    driver.queues[RX1].offer_buffer();
    driver.open_ports(&[1]);
    assert_eq!(driver.queues[RX1].await_used(), b"early");
    // Without a buffer, bytes wait.
    host.write_all(b"more").expect("into the socket");
    driver.queues[RX1].offer_buffer();
    assert_eq!(driver.queues[RX1].await_used(), b"more");
    driver.queues[TX1].send(b"hello");
    await_bytes(&host, b"hello");
    driver.queues[TX1].await_used();
}

#[test]
fn bytes_stay_with_the_host_until_the_guest_opens_the_port() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    driver.send_message(1, event::PORT_OPEN, 0);
    driver.queues[RX1].offer_buffer();
    host.write_all(b"kept").expect("into the socket");
    driver.queues[TX1].send(b"x");
    await_bytes(&host, b"x");
    assert_eq!(driver.queues[RX1].take_used(), None);
    driver.send_message(1, event::PORT_OPEN, 1);
    assert_eq!(driver.queues[RX1].await_used(), b"kept");
}

#[test]
fn many_bytes_to_the_guest_fill_buffer_after_buffer() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    let sent = pattern(300 * BUFFER + 17, 1);
    let expected = sent.clone();
    let writer = thread::spawn(move || host.write_all(&sent).map(|()| host));
    let mut received = Vec::new();
    for _ in 0..32 {
        driver.queues[RX1].offer_buffer();
    }
    while received.len() < expected.len() {
        received.extend(driver.queues[RX1].await_used());
        driver.queues[RX1].offer_buffer();
    }
    assert!(received == expected);
    writer.join().expect("no panic").expect("all written");
}

#[test]
fn a_buffer_that_is_not_needed_is_kept() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    driver.queues[RX1].offer_buffer();
    driver.queues[RX1].offer_buffer();
    // Fills the first, and only looking again shows that there is nothing for the second.
    let exact = pattern(BUFFER, 1);
    host.write_all(&exact).expect("into the socket");
    assert!(driver.queues[RX1].await_used() == exact);
    // The device has looked again once it answers.
    driver.queues[TX1].send(b"x");
    await_bytes(&host, b"x");
    host.write_all(b"second").expect("into the socket");
    assert_eq!(driver.queues[RX1].await_used(), b"second");
}

#[test]
fn a_full_socket_makes_the_guest_wait_and_loses_nothing() {
    let (mut console, host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    let sent = fill(&mut driver);
    await_bytes(&host, &sent);
    driver.queues[TX1].await_used();
}

#[test]
fn chains_that_come_together_cost_one_interrupt() {
    let (mut console, host) = link();
    let mut driver = Driver::new(&console);
    for byte in *b"together" {
        driver.queues[TX1].send(&[byte]);
    }
    driver.activate(&mut console, true, driver.device_queues());
    await_bytes(&host, b"together");
    for _ in 0..8 {
        driver.queues[TX1].await_used();
    }
    console.deactivate();
    assert_eq!(driver.interrupts.count(TX1 as u16), 1);
}

#[test]
fn a_host_that_closes_is_told_and_keeps_nobody_waiting() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    host.write_all(b"last words").expect("into the socket");
    drop(host);
    driver.queues[RX1].offer_buffer();
    assert_eq!(driver.queues[RX1].await_used(), b"last words");
    driver.queues[RX1].offer_buffer();
    let closed = Message {
        id: 1,
        event: event::PORT_OPEN,
        value: 0,
    };
    assert_eq!(driver.await_message(), (closed, String::new()));
    driver.queues[TX1].send(b"to nobody");
    driver.queues[TX1].await_used();
    assert_eq!(driver.queues[RX1].take_used(), None);
}

#[test]
fn a_host_that_closes_while_the_guest_waits_frees_it() {
    let (mut console, host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    fill(&mut driver);
    drop(host);
    driver.queues[TX1].await_used();
}

#[test]
fn a_host_that_only_listens_still_hears() {
    let (mut console, host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    host.shutdown(Shutdown::Write).expect("half closed");
    driver.queues[RX1].offer_buffer();
    for _ in 0..3 {
        driver.queues[TX1].send(b"still here");
        await_bytes(&host, b"still here");
        driver.queues[TX1].await_used();
    }
}

#[test]
fn the_last_bytes_of_a_machine_reach_a_host_that_reads() {
    let (mut console, host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    let sent = fill(&mut driver);
    driver.queues[TX1].send(b"the end");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        (&host).read_to_end(&mut bytes).map(|_| bytes)
    });
    console.deactivate();
    drop(console);
    let received = reader.join().expect("no panic").expect("an end");
    assert!(received == [&sent, &b"the end"[..]].concat());
}

#[test]
fn a_pause_loses_and_repeats_nothing() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    let sent = fill(&mut driver);
    driver.queues[TX1].send(b"after");
    let queues = console.deactivate();
    assert_eq!(queues.len(), driver.queues.len());
    assert!(queues.iter().zip(0..).all(|(q, index)| q.index == index));
    assert!(console.deactivate().is_empty());
    driver.activate(&mut console, true, queues);
    await_bytes(&host, &[&sent, &b"after"[..]].concat());
    // The port is still open.
    driver.queues[RX1].offer_buffer();
    host.write_all(b"again").expect("into the socket");
    assert_eq!(driver.queues[RX1].await_used(), b"again");
}

#[test]
fn a_new_driver_begins_anew() {
    let (mut console, mut host) = link();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1]);
    console.deactivate();
    console.reset();
    host.write_all(b"for the next").expect("into the socket");
    let mut driver = Driver::start(&mut console);
    driver.queues[RX1].offer_buffer();
    driver.queues[TX1].send(b"x");
    await_bytes(&host, b"x");
    assert_eq!(driver.queues[RX1].take_used(), None);
    driver.open_ports(&[1]);
    assert_eq!(driver.queues[RX1].await_used(), b"for the next");
}

#[test]
fn the_console_is_port_0() {
    let (mut console, mut host) = with_console();
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[0]);
    driver.queues[TX0].send(b"Linux version");
    await_bytes(&host, b"Linux version");
    host.write_all(b"ls\n").expect("into the socket");
    driver.queues[RX0].offer_buffer();
    assert_eq!(driver.queues[RX0].await_used(), b"ls\n");
}

#[test]
fn a_driver_of_a_single_port_needs_no_messages() {
    let (mut console, mut host) = with_console();
    let mut driver = Driver::new(&console);
    let mut queues = driver.device_queues();
    queues.truncate(2);
    driver.activate(&mut console, false, queues);
    driver.queues[TX0].send(b"out");
    await_bytes(&host, b"out");
    host.write_all(b"in").expect("into the socket");
    driver.queues[RX0].offer_buffer();
    assert_eq!(driver.queues[RX0].await_used(), b"in");
}

#[test]
fn a_console_that_is_not_there_keeps_nobody_waiting() {
    let (mut console, _host) = link();
    let mut driver = Driver::new(&console);
    driver.activate(&mut console, false, driver.device_queues());
    driver.queues[TX0].send(b"to nobody");
    driver.queues[TX0].await_used();
}

#[test]
fn several_ports_do_not_wait_for_each_other() {
    let (device, full) = UnixStream::pair().expect("sockets");
    let (second, host) = UnixStream::pair().expect("sockets");
    let ports = vec![("full".into(), device), ("free".into(), second)];
    let mut console = Console::new(None, ports).expect("valid");
    let mut driver = Driver::start(&mut console);
    driver.open_ports(&[1, 2]);
    fill(&mut driver);
    driver.queues[7].send(b"free");
    await_bytes(&host, b"free");
    drop(full);
}

#[test]
fn queues_come_back_where_they_stood() {
    let (mut console, host) = link();
    let mut driver = Driver::start(&mut console);
    driver.queues[TX1].send(b"a");
    driver.queues[TX1].send(b"b");
    await_bytes(&host, b"ab");
    let queues = console.deactivate();
    assert_eq!(queues[TX1].queue.next_avail(), 2);
    assert_eq!(queues[TX1].queue.next_used(), 2);
    eventually("two used chains", || driver.queues[TX1].take_used());
    assert_eq!(driver.queues[TX1].take_used(), Some(Vec::new()));
}
