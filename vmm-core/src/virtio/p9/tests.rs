//! The device with a server that does as it is told, and with the real one.

use super::*;
use crate::virtio::{
    Iov,
    testing::{Driver, Face, MmioFace, faces},
};
use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex},
};

/// Answers with the request; requests whose tag is held wait.
#[derive(Default)]
struct Told {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeSet<u16>,
    begun: Vec<u16>,
    longest: usize,
    resets: usize,
}

impl Told {
    fn holding(tags: &[u16]) -> Arc<Self> {
        let told = Self::default();
        told.state.lock().expect("no panic").held = tags.iter().copied().collect();
        Arc::new(told)
    }

    /// Lets all go when a test ends, however it ends: a device waits for what it serves.
    fn at_last(&self) -> AtLast<'_> {
        AtLast(self)
    }

    fn release(&self, tag: u16) {
        self.state.lock().expect("no panic").held.remove(&tag);
        self.changed.notify_all();
    }

    /// Waits until so many requests have begun.
    fn wait_begun(&self, count: usize) {
        let state = self.state.lock().expect("no panic");
        let waited = self
            .changed
            .wait_while(state, |state| state.begun.len() < count);
        drop(waited.expect("no panic"));
    }
}

struct AtLast<'a>(&'a Told);

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.state.lock() {
            state.held.clear();
        }
        self.0.changed.notify_all();
    }
}

impl Serve for Told {
    fn handle(&self, request: &[u8], reply: Iov<'_, '_>) -> usize {
        let tag = u16::from_le_bytes([request[5], request[6]]);
        let mut state = self.state.lock().expect("no panic");
        state.begun.push(tag);
        state.longest = state.longest.max(request.len());
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_while(state, |state| state.held.contains(&tag));
        drop(waited.expect("no panic"));
        reply.write_at(0, request)
    }

    fn reset(&self) {
        self.state.lock().expect("no panic").resets += 1;
    }
}

fn device(server: &Arc<Told>, workers: usize) -> Box<P9> {
    let mut device = P9::with_server("tag", server.clone()).expect("short");
    device.workers = workers;
    Box::new(device)
}

/// `size[4] kind[1] tag[2]` and more.
fn message(kind: u8, tag: u16, rest: &[u8]) -> Vec<u8> {
    let size = u32::try_from(7 + rest.len()).expect("small");
    let mut message = size.to_le_bytes().to_vec();
    message.push(kind);
    message.extend(tag.to_le_bytes());
    message.extend(rest);
    message
}

/// Offers a request in descriptors `2 * tag` and the next; whether the device wants to be notified.
fn send(driver: &mut Driver<'_>, tag: u16, message: &[u8]) -> bool {
    let rings = &mut driver.rings[0];
    let at = 0x8_0000 + u64::from(tag) * 0x1000;
    rings.write(at, message);
    let len = u32::try_from(message.len()).expect("small");
    let buffers = [(at, len, false), (at + 0x800, 0x800, true)];
    rings.chain(rings.parts[0], 2 * tag, &buffers);
    let wanted = rings.offer(2 * tag);
    if wanted {
        driver.face.notify(0);
    }
    wanted
}

/// Waits for so many replies, and returns their tags in order.
fn replies(driver: &mut Driver<'_>, count: usize) -> Vec<u32> {
    let mut tags = Vec::new();
    loop {
        tags.extend(driver.rings[0].take_used().iter().map(|(head, _)| head / 2));
        if tags.len() >= count {
            return tags;
        }
        driver.face.wait(Some(0));
    }
}

#[test]
fn several_requests_are_in_flight_and_end_in_any_order() {
    let server = Told::holding(&[1, 2, 3]);
    let face = MmioFace::new(device(&server, 4));
    let _at_last = server.at_last();
    let mut driver = Driver::start(&face, true);
    for tag in 1..=3 {
        send(&mut driver, tag, &message(24, tag, &[]));
    }
    server.wait_begun(3);
    assert_eq!(driver.rings[0].take_used(), []);
    for tag in [3, 1, 2] {
        server.release(tag);
        assert_eq!(replies(&mut driver, 1), [u32::from(tag)]);
    }
    send(&mut driver, 4, &message(24, 4, &[]));
    assert_eq!(replies(&mut driver, 1), [4], "and on it goes");
}

#[test]
fn requests_that_come_together_need_one_kick() {
    let server = Told::holding(&[]);
    for workers in [1, 2, 4] {
        let face = MmioFace::new(device(&server, workers));
        let mut driver = Driver::start(&face, true);
        let rings = &mut driver.rings[0];
        for tag in 0..20_u16 {
            let at = 0x8_0000 + u64::from(tag) * 0x1000;
            rings.write(at, &message(24, tag, &[]));
            let buffers = [(at, 7, false), (at + 0x800, 7, true)];
            rings.chain(rings.parts[0], 2 * tag, &buffers);
            rings.offer(2 * tag);
        }
        face.notify(0);
        let mut tags = replies(&mut driver, 20);
        tags.sort_unstable();
        assert_eq!(tags, (0..20).collect::<Vec<_>>());
        face.set_status(0);
        let counts = face.transport.counters()[0].statistics();
        assert_eq!((counts.kicks, counts.chains), (1, 20));
        assert!(counts.interrupts <= 20, "{counts:?}");
    }
}

#[test]
fn a_lone_worker_that_is_busy_wants_no_kicks() {
    let server = Told::holding(&[0]);
    for event_idx in [true, false] {
        let face = MmioFace::new(device(&server, 1));
        let _at_last = server.at_last();
        let mut driver = Driver::start(&face, event_idx);
        server.state.lock().expect("no panic").held.insert(0);
        let before = server.state.lock().expect("no panic").begun.len();
        send(&mut driver, 0, &message(24, 0, &[]));
        server.wait_begun(before + 1);
        for tag in 1..=3 {
            assert!(
                !send(&mut driver, tag, &message(24, tag, &[])),
                "{event_idx}"
            );
        }
        server.release(0);
        assert_eq!(replies(&mut driver, 4), [0, 1, 2, 3]);
    }
}

#[test]
fn a_flush_is_answered_after_what_it_flushes() {
    let server = Told::holding(&[5]);
    let face = MmioFace::new(device(&server, 2));
    let _at_last = server.at_last();
    let mut driver = Driver::start(&face, true);
    send(&mut driver, 5, &message(24, 5, &[]));
    server.wait_begun(1);
    send(&mut driver, 6, &message(108, 6, &5_u16.to_le_bytes()));
    server.wait_begun(2);
    assert_eq!(driver.rings[0].take_used(), []);
    server.release(5);
    assert_eq!(replies(&mut driver, 2), [5, 6]);
}

#[test]
fn a_reset_waits_for_what_is_in_flight_and_forgets_the_client() {
    let server = Told::holding(&[1]);
    let face = MmioFace::new(device(&server, 2));
    let _at_last = server.at_last();
    let mut driver = Driver::start(&face, true);
    let resets = server.state.lock().expect("no panic").resets;
    send(&mut driver, 1, &message(24, 1, &[]));
    server.wait_begun(1);
    std::thread::scope(|scope| {
        let reset = scope.spawn(|| face.set_status(0));
        server.release(1);
        reset.join().expect("no panic");
    });
    assert_eq!(server.state.lock().expect("no panic").resets, resets + 1);
    let mut driver = Driver::start(&face, true);
    let request = message(24, 9, b"after");
    assert_eq!(driver.ask(0, &request, 64), request);
    face.pause();
    face.resume();
    assert_eq!(driver.ask(0, &request, 64), request);
    let resets_now = server.state.lock().expect("no panic").resets;
    assert_eq!(
        resets_now,
        resets + 2,
        "one by the driver's start, none by the pause"
    );
}

#[test]
fn long_requests_are_cut_and_empty_ones_not_served() {
    let server = Told::holding(&[]);
    let face = MmioFace::new(device(&server, 2));
    let _at_last = server.at_last();
    let mut driver = Driver::start(&face, true);
    let rings = &mut driver.rings[0];
    rings.write(0x8_0000, &message(118, 0, &[]));
    rings.chain(
        rings.parts[0],
        0,
        &[(0x8_0000, 0x8_0000, false), (0x10_0000, 64, true)],
    );
    rings.offer(0);
    face.notify(0);
    assert_eq!(replies(&mut driver, 1), [0]);
    assert_eq!(server.state.lock().expect("no panic").longest, MAX_REQUEST);
    for buffers in [
        [(0x8_0000, 0, false), (0x9_0000, 64, true)],
        [(0x8_0000, 7, false), (0x9_0000, 0, true)],
    ] {
        let rings = &mut driver.rings[0];
        rings.chain(rings.parts[0], 0, &buffers);
        if rings.offer(0) {
            face.notify(0);
        }
        assert_eq!(replies(&mut driver, 1), [0]);
    }
    assert_eq!(server.state.lock().expect("no panic").begun.len(), 1);
}

#[test]
fn the_tag_is_in_the_configuration() {
    let server = Told::holding(&[]);
    for face in faces(|| device(&server, 1)) {
        assert_eq!(face.device_type(), 9);
        assert_eq!(face.features() & 1, 1);
        assert_eq!(face.max_size(0), 128);
        assert_eq!(face.max_size(1), 0);
        let mut config = [9; 8];
        face.read_config(0, &mut config);
        assert_eq!(&config, b"\x03\0tag\0\0\0", "{}", face.name());
    }
    let long = "x".repeat(256);
    let error = P9::with_server(&long, server).err().expect("too long");
    assert!(error.to_string().contains("256"));
}

#[test]
fn the_real_server_answers() {
    let directory = tempfile::tempdir().expect("a directory");
    for face in faces(|| {
        let server = Server::new(directory.path(), ninep::Limits::default());
        Box::new(P9::new("share", server.expect("a share")).expect("short"))
    }) {
        let mut driver = Driver::start(&*face, true);
        let mut version = 8192_u32.to_le_bytes().to_vec();
        version.extend(8_u16.to_le_bytes());
        version.extend(b"9P2000.L");
        let reply = driver.ask(0, &message(100, 0xffff, &version), 64);
        assert_eq!(reply, message(101, 0xffff, &version), "{}", face.name());
        // fid, no afid, no names, uid.
        let mut attach = [&0_u32.to_le_bytes()[..], &[0xff; 4], &[0; 4], &[0; 4]].concat();
        let reply = driver.ask(0, &message(104, 1, &attach), 64);
        assert_eq!((reply.len(), reply[4]), (20, 105));
        attach.truncate(2);
        let reply = driver.ask(0, &message(104, 1, &attach), 64);
        assert_eq!((reply.len(), reply[4]), (11, 7), "an error");
    }
}
