use super::*;
use std::{
    io::{Read, Write},
    thread,
};

fn port() -> (Serial, UnixStream, EventFd) {
    let (device, host) = UnixStream::pair().expect("sockets");
    let line = EventFd::new(0).expect("an event");
    let interrupt = line.try_clone().expect("an event");
    (
        Serial::new(device, interrupt).expect("a thread"),
        host,
        line,
    )
}

fn read(serial: &Serial, register: u64) -> u8 {
    let mut data = [0];
    serial.read(register, &mut data);
    data[0]
}

#[test]
fn what_the_guest_writes_reaches_the_host_without_an_end_of_line() {
    let (serial, mut host, _) = port();
    serial.write(0, b"l");
    let mut byte = [0];
    host.read_exact(&mut byte).expect("comes");
    assert_eq!(&byte, b"l");
}

#[test]
fn what_the_host_writes_reaches_the_guest_and_waits_for_room() {
    let (serial, mut host, line) = port();
    serial.write(1, &[1]);
    let sent: Vec<u8> = (0..=255).collect();
    host.write_all(&sent).expect("into the socket");
    let mut received = Vec::new();
    while received.len() < sent.len() {
        line.read().expect("an interrupt");
        while read(&serial, 5) & 1 != 0 {
            received.push(read(&serial, 0));
        }
    }
    assert_eq!(received, sent);
}

#[test]
fn the_sysrq_key_interrupts() {
    let (serial, _host, line) = port();
    serial.write(1, &[5]);
    assert!(serial.send_break('w'));
    line.read().expect("an interrupt");
    assert_eq!(read(&serial, 5) & 0x11, 0x11);
    assert_eq!(read(&serial, 0), 0);
    assert_eq!(read(&serial, 0), b'w');
    assert!(!serial.send_break('\u{e4}') && !serial.send_break('\u{20ac}'));
}

#[test]
fn the_last_bytes_reach_a_host_that_reads() {
    let (serial, mut host, _) = port();
    let written: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
    for byte in &written {
        serial.write(0, &[*byte]);
    }
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        host.read_to_end(&mut bytes).expect("closed at the end");
        bytes
    });
    serial.stop();
    drop(serial);
    assert!(reader.join().expect("no panic") == written);
}

#[test]
fn a_host_that_never_reads_keeps_nobody_waiting() {
    let (serial, _host, _) = port();
    // More than the socket takes.
    for _ in 0..500_000 {
        serial.write(0, b"x");
    }
    serial.stop();
    serial.write(0, b"late");
}

#[test]
fn a_host_that_has_gone_is_no_trouble() {
    let (serial, host, _) = port();
    drop(host);
    for _ in 0..10_000 {
        serial.write(0, b"x");
    }
    assert_ne!(read(&serial, 5) & 0x20, 0);
}

#[test]
fn a_host_that_only_listens_still_hears() {
    let (serial, mut host, _) = port();
    host.shutdown(std::net::Shutdown::Write)
        .expect("half closed");
    serial.write(0, b"a");
    let mut byte = [0];
    host.read_exact(&mut byte).expect("comes");
    serial.write(0, b"b");
    host.read_exact(&mut byte).expect("comes");
    assert_eq!(&byte, b"b");
}

#[test]
fn wide_accesses_are_bytes_side_by_side() {
    let (serial, ..) = port();
    serial.write(6, &[0xaa, 0x55, 1, 2, 3, 4, 5, 6]);
    let mut data = [0; 3];
    serial.read(7, &mut data);
    assert_eq!(data, [0x55, 0xff, 0xff]);
}
