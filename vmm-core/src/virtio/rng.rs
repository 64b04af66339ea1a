//! virtio-rng (virtio 1.2, 5.4): entropy of the host for the guest.
//!
//! The guest offers buffers of any size, as often as it likes. A request is filled up to 64 KiB and takes no
//! more memory than a page; what it costs is the time of one thread.

use super::{
    device::{ActivateError, Activation, DeviceQueue, VirtioDevice},
    iov::Chain,
    queue_thread::QueueThread,
    ring::Ring,
};
use crate::worker::Stop;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    rand::{GetRandomFlags, getrandom},
};
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

const QUEUE_SIZES: &[u16] = &[64];
/// Most bytes for one request.
const MAX_REQUEST: usize = 64 << 10;
/// Bytes asked of the host at a time.
const CHUNK: usize = 4096;
const NAME: &str = "rng";

/// A source of entropy.
#[derive(Default)]
pub struct Rng {
    thread: QueueThread,
}

impl Rng {
    /// Entropy by getrandom(2).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl VirtioDevice for Rng {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_RNG
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn queue_sizes(&self) -> &[u16] {
        QUEUE_SIZES
    }

    fn read_config(&self, _offset: u64, _data: &mut [u8]) {}

    fn activate(&mut self, mut activation: Activation) -> Result<(), ActivateError> {
        let queue = activation.only_queue(NAME)?;
        let Activation { ram, notifier, .. } = activation;
        let body = move |stop: Stop| {
            let mut ring = Ring::new(ram.memory(), queue, notifier);
            run(&mut ring, &stop);
            ring.into_queue()
        };
        self.thread.start(NAME, body)
    }

    fn deactivate(&mut self) -> Vec<DeviceQueue> {
        self.thread.stop()
    }
}

fn run(ring: &mut Ring<'_>, stop: &Stop) {
    let mut more = false;
    loop {
        let stopped = {
            let mut events = [
                PollFd::new(stop, PollFlags::IN),
                PollFd::new(ring, PollFlags::IN),
            ];
            let at_once = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // Fails only where a signal comes first; then nothing is readable.
            let _ = poll(&mut events, more.then_some(&at_once));
            !events[0].revents().is_empty()
        };
        if stopped {
            return;
        }
        ring.take_kick();
        more = ring.drain(fill);
    }
}

/// Fills what the chain has room for; the number of bytes.
fn fill(chain: &Chain<'_>) -> u32 {
    let room = chain.writable();
    let mut done = 0;
    while done < MAX_REQUEST {
        let mut chunk = [0; CHUNK];
        // Up to 256 bytes come at once and whole; more may be cut short by a signal.
        let Ok(len) = getrandom(&mut chunk[..], GetRandomFlags::empty()) else {
            break;
        };
        let written = room.write_at(done, &chunk[..len.min(MAX_REQUEST - done)]);
        if written == 0 {
            break;
        }
        done += written;
    }
    u32::try_from(done).expect("at most 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::testing::{Driver, faces};

    #[test]
    fn requests_are_filled_with_something_else_each_time() {
        for face in faces(|| Box::new(Rng::new())) {
            assert_eq!(face.device_type(), 4);
            let mut driver = Driver::start(&*face, true);
            let one = driver.ask(0, &[], 5000);
            let two = driver.ask(0, &[], 5000);
            assert_eq!((one.len(), two.len()), (5000, 5000), "{}", face.name());
            assert_ne!(one, two);
            assert!(one[4096..].iter().any(|&byte| byte != 0));
        }
    }

    #[test]
    fn a_great_request_is_filled_in_part() {
        for face in faces(|| Box::new(Rng::new())) {
            let mut driver = Driver::start(&*face, false);
            assert_eq!(driver.ask(0, &[], 0xf_0000).len(), MAX_REQUEST);
            assert_eq!(driver.ask(0, b"?", 0), b"", "no room");
        }
    }

    #[test]
    fn without_its_queue_it_does_not_start() {
        for face in faces(|| Box::new(Rng::new())) {
            for status in [0, 1, 3] {
                face.set_status(status);
            }
            face.accept(1 << 32);
            face.set_status(0xb);
            face.set_status(0xf);
            assert_eq!(face.status(), 0x4f, "{}", face.name());
        }
    }
}
