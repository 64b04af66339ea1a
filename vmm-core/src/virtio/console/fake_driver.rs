//! A driver for tests: queues in guest memory, filled and emptied as Linux does it.

use super::{
    Console,
    control::{HEADER, Message, event},
};
use crate::{
    config::MemoryConfig,
    memory::GuestRam,
    virtio::{
        device::{Activation, DeviceQueue, Notifier, VirtioDevice},
        ring::QueueCounters,
    },
};
use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

/// Guest memory of one queue.
pub(super) const STRIDE: u64 = 0x8_0000;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const BUFFERS: u64 = 0x4000;
/// Bytes of the buffer behind each descriptor.
pub(super) const BUFFER: usize = 0x400;

/// Waits for something that must come.
pub(super) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[derive(Default)]
pub(super) struct Interrupts(Mutex<Vec<u16>>);

impl Interrupts {
    pub(super) fn count(&self, queue: u16) -> usize {
        let seen = self.0.lock().expect("held by nobody");
        seen.iter().filter(|q| **q == queue).count()
    }
}

impl Notifier for Interrupts {
    fn queue(&self, index: u16) {
        self.0.lock().expect("held by nobody").push(index);
    }

    fn config(&self) {}

    fn broken(&self) {}
}

/// The driver's side of one queue.
pub(super) struct FakeQueue {
    ram: GuestRam,
    base: u64,
    size: u16,
    kick: EventFd,
    next_descriptor: u16,
    available: u16,
    used: u16,
}

impl FakeQueue {
    fn write<T: vm_memory::ByteValued>(&self, offset: u64, value: T) {
        let address = GuestAddress(self.base + offset);
        self.ram.memory().write_obj(value, address).expect("RAM");
    }

    fn read<T: vm_memory::ByteValued>(&self, offset: u64) -> T {
        let address = GuestAddress(self.base + offset);
        self.ram.memory().read_obj(address).expect("RAM")
    }

    fn buffer(&self, descriptor: u16) -> u64 {
        BUFFERS + u64::from(descriptor) * BUFFER as u64
    }

    /// Offers a chain of buffers and kicks. At most the queue's size of descriptors may be under way.
    fn offer(&mut self, lengths: &[usize], writable: bool) -> u16 {
        let head = self.next_descriptor;
        for (i, len) in lengths.iter().enumerate() {
            let this = self.next_descriptor;
            let next = (this + 1) % self.size;
            let more = i + 1 < lengths.len();
            let at = u64::from(this) * 16;
            self.write(at, self.base + self.buffer(this));
            self.write(at + 8, u32::try_from(*len).expect("short"));
            self.write(at + 12, u16::from(more) | u16::from(writable) << 1);
            self.write(at + 14, next);
            self.next_descriptor = next;
        }
        self.write(
            AVAILABLE + 4 + 2 * u64::from(self.available % self.size),
            head,
        );
        self.available = self.available.wrapping_add(1);
        self.write(AVAILABLE + 2, self.available);
        self.kick.write(1).expect("far from its limit");
        head
    }

    /// Sends bytes in one chain.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let lengths: Vec<_> = bytes.chunks(BUFFER).map(<[u8]>::len).collect();
        for (i, piece) in (0..).zip(bytes.chunks(BUFFER)) {
            let offset = self.buffer((self.next_descriptor + i) % self.size);
            let address = GuestAddress(self.base + offset);
            self.ram.memory().write_slice(piece, address).expect("RAM");
        }
        self.offer(&lengths, false);
    }

    /// Offers a buffer for bytes to come.
    pub(super) fn offer_buffer(&mut self) {
        self.offer(&[BUFFER], true);
    }

    /// The next used chain: what was written into it.
    pub(super) fn take_used(&mut self) -> Option<Vec<u8>> {
        if self.read::<u16>(USED + 2) == self.used {
            return None;
        }
        let at = USED + 4 + 8 * u64::from(self.used % self.size);
        self.used = self.used.wrapping_add(1);
        // As Linux does: an interrupt for the next.
        self.write(AVAILABLE + 4 + 2 * u64::from(self.size), self.used);
        let head = u16::try_from(self.read::<u32>(at)).expect("a descriptor");
        let mut bytes = vec![0; self.read::<u32>(at + 4) as usize];
        let address = GuestAddress(self.base + self.buffer(head));
        self.ram
            .memory()
            .read_slice(&mut bytes, address)
            .expect("RAM");
        Some(bytes)
    }

    /// As [`FakeQueue::take_used`], and waits for it.
    pub(super) fn await_used(&mut self) -> Vec<u8> {
        eventually("a used chain", || self.take_used())
    }
}

/// A driver and its queues, by number.
pub(super) struct Driver {
    pub(super) queues: Vec<FakeQueue>,
    pub(super) interrupts: Arc<Interrupts>,
    ram: GuestRam,
}

impl Driver {
    /// Fresh queues for `console`, which is not active yet.
    pub(super) fn new(console: &Console) -> Self {
        let sizes = console.queue_sizes();
        let bytes = (sizes.len() as u64 * STRIDE).next_multiple_of(2 << 20);
        let config = MemoryConfig {
            bytes,
            huge_pages: false,
            file: false,
        };
        let ram = GuestRam::new(&config).expect("memory");
        let queue = |(index, size): (u64, &u16)| FakeQueue {
            ram: ram.clone(),
            base: index * STRIDE,
            size: *size,
            kick: EventFd::new(libc::EFD_NONBLOCK).expect("an event"),
            next_descriptor: 0,
            available: 0,
            used: 0,
        };
        Self {
            queues: (0..).zip(sizes).map(queue).collect(),
            interrupts: Arc::default(),
            ram,
        }
    }

    pub(super) fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// The device's side of all queues, at their beginning.
    pub(super) fn device_queues(&self) -> Vec<DeviceQueue> {
        let queue = |(index, fake): (u16, &FakeQueue)| {
            let mut queue = Queue::new(fake.size).expect("a power of two");
            let base = fake.base;
            queue
                .try_set_desc_table_address(GuestAddress(base))
                .expect("aligned");
            queue
                .try_set_avail_ring_address(GuestAddress(base + AVAILABLE))
                .expect("aligned");
            queue
                .try_set_used_ring_address(GuestAddress(base + USED))
                .expect("aligned");
            queue.set_event_idx(true);
            queue.set_ready(true);
            DeviceQueue {
                index,
                queue,
                kick: fake.kick.try_clone().expect("an event"),
                counters: Arc::new(QueueCounters::new("console", index)),
            }
        };
        (0..).zip(&self.queues).map(queue).collect()
    }

    pub(super) fn activate(
        &self,
        console: &mut Console,
        multiport: bool,
        queues: Vec<DeviceQueue>,
    ) {
        let features = if multiport { console.features() } else { 0 };
        let activation = Activation {
            ram: self.ram.clone(),
            features,
            queues,
            notifier: self.interrupts.clone(),
        };
        console.activate(activation).expect("starts");
    }

    /// A driver that has activated `console`.
    pub(super) fn start(console: &mut Console) -> Self {
        let driver = Self::new(console);
        driver.activate(console, true, driver.device_queues());
        driver
    }

    pub(super) fn send_message(&mut self, id: u32, event: u16, value: u16) {
        self.queues[3].send(&Message { id, event, value }.encode());
        assert!(self.queues[3].await_used().is_empty());
    }

    /// The next message of the device, and its name.
    pub(super) fn await_message(&mut self) -> (Message, String) {
        let bytes = self.queues[2].await_used();
        self.queues[2].offer_buffer();
        let (header, name) = bytes.split_first_chunk::<HEADER>().expect("a header");
        let name = String::from_utf8(name.to_vec()).expect("a name of ours");
        (Message::decode(*header), name)
    }

    /// Adds all `ports` that are announced, and opens them.
    pub(super) fn open_ports(&mut self, ports: &[u32]) {
        for _ in 0..8 {
            self.queues[2].offer_buffer();
        }
        self.send_message(u32::MAX, event::DEVICE_READY, 1);
        for port in ports {
            let (message, _) = self.await_message();
            assert_eq!((message.id, message.event), (*port, event::PORT_ADD));
        }
        for port in ports {
            self.send_message(*port, event::PORT_READY, 1);
            let described = self.await_message().0.event;
            assert!([event::CONSOLE_PORT, event::PORT_NAME].contains(&described));
            let (opened, _) = self.await_message();
            assert_eq!((opened.event, opened.value), (event::PORT_OPEN, 1));
            self.send_message(*port, event::PORT_OPEN, 1);
        }
    }
}
