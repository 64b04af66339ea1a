//! A driver: the initialization sequence of `drivers/virtio/virtio.c`, and rings.

use super::Face;
use crate::memory::GuestRam;
use std::sync::atomic::Ordering;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress};

const VERSION_1: u64 = 1 << 32;
const EVENT_IDX: u64 = 1 << 29;
const INDIRECT: u64 = 1 << 28;

/// Where the rings of queue 0 are; the next queue's are 64 KiB higher.
pub(crate) const QUEUE_AT: u64 = 0x1_0000;

/// The driver's side of one queue.
pub(crate) struct Rings {
    ram: GuestRam,
    pub(crate) size: u16,
    pub(crate) parts: [u64; 3],
    next: u16,
    used: u16,
    event_idx: bool,
}

impl Rings {
    /// Empty rings of queue `index`.
    pub(crate) fn new(ram: &GuestRam, index: u16, size: u16, event_idx: bool) -> Self {
        let base = QUEUE_AT + u64::from(index) * 0x1_0000;
        let rings = Self {
            ram: ram.clone(),
            size,
            parts: [base, base + 0x4000, base + 0x8000],
            next: 0,
            used: 0,
            event_idx,
        };
        let zeros = vec![0; 0x1_0000];
        rings.write(base, &zeros);
        rings
    }

    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        let memory = self.ram.memory();
        memory
            .write_slice(bytes, GuestAddress(address))
            .expect("RAM");
    }

    pub(crate) fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let memory = self.ram.memory();
        memory
            .read_slice(&mut bytes, GuestAddress(address))
            .expect("RAM");
        bytes
    }

    pub(crate) fn load(&self, address: u64) -> u16 {
        let memory = self.ram.memory();
        memory
            .load(GuestAddress(address), Ordering::SeqCst)
            .expect("RAM")
    }

    pub(crate) fn store(&self, address: u64, value: u16) {
        let memory = self.ram.memory();
        memory
            .store(value, GuestAddress(address), Ordering::SeqCst)
            .expect("RAM");
    }

    pub(crate) fn describe(&self, table: u64, index: u16, descriptor: Descriptor) {
        let memory = self.ram.memory();
        memory
            .write_obj(descriptor, GuestAddress(table + u64::from(index) * 16))
            .expect("RAM");
    }

    /// Describes `buffers` (address, length, writable) from descriptor `first` of `table` on.
    pub(crate) fn chain(&self, table: u64, first: u16, buffers: &[(u64, u32, bool)]) {
        for (index, &(address, len, writable)) in (first..).zip(buffers) {
            let last = usize::from(index - first) + 1 == buffers.len();
            let flags = u16::from(!last) | u16::from(writable) << 1;
            let descriptor = Descriptor::new(address, len, flags, index.wrapping_add(1));
            self.describe(table, index, descriptor);
        }
    }

    /// Offers the chain that begins at `head`. Whether the device wants to be notified.
    pub(crate) fn offer(&mut self, head: u16) -> bool {
        let [_, available, used] = self.parts;
        self.store(available + 4 + u64::from(self.next % self.size) * 2, head);
        self.next = self.next.wrapping_add(1);
        self.store(available + 2, self.next);
        if self.event_idx {
            let event = self.load(used + 4 + u64::from(self.size) * 8);
            event == self.next.wrapping_sub(1)
        } else {
            self.load(used) & 1 == 0
        }
    }

    /// What was used since the last time: head and length. The driver waits for more.
    pub(crate) fn take_used(&mut self) -> Vec<(u32, u32)> {
        let [_, available, used] = self.parts;
        let mut all = Vec::new();
        while self.load(used + 2) != self.used {
            let at = used + 4 + u64::from(self.used % self.size) * 8;
            let element = self.read(at, 8);
            let (id, len) = element.split_at(4);
            let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four"));
            all.push((number(id), number(len)));
            self.used = self.used.wrapping_add(1);
        }
        self.store(available + 4 + u64::from(self.size) * 2, self.used);
        all
    }
}

/// A driver of one device.
pub(crate) struct Driver<'f> {
    pub(crate) face: &'f dyn Face,
    pub(crate) rings: Vec<Rings>,
}

impl<'f> Driver<'f> {
    /// Reset, acknowledge, negotiate, set up all queues, go.
    pub(crate) fn start(face: &'f dyn Face, event_idx: bool) -> Self {
        face.set_status(0);
        assert_eq!(face.status(), 0, "{}: reset", face.name());
        face.set_status(1);
        face.set_status(3);
        let offered = face.features();
        for needed in [VERSION_1, EVENT_IDX, INDIRECT] {
            assert_ne!(offered & needed, 0, "{}: {needed:#x}", face.name());
        }
        face.accept(if event_idx {
            offered
        } else {
            offered & !EVENT_IDX
        });
        face.set_status(0xb);
        assert_eq!(face.status(), 0xb, "{}: features", face.name());
        let sizes = (0..).map(|queue| face.max_size(queue));
        let rings = (0..).zip(sizes.take_while(|&size| size > 0));
        let rings: Vec<_> = rings
            .map(|(queue, size)| {
                assert!(!face.is_enabled(queue));
                let rings = Rings::new(face.ram(), queue, size, event_idx);
                face.set_queue(queue, size, rings.parts);
                assert!(face.is_enabled(queue));
                rings
            })
            .collect();
        face.set_status(0xf);
        assert_eq!(face.status(), 0xf, "{}: running", face.name());
        Self { face, rings }
    }

    /// Sends `request` through queue `index` and waits for up to `room` bytes of answer.
    pub(crate) fn ask(&mut self, index: u16, request: &[u8], room: u32) -> Vec<u8> {
        let rings = &mut self.rings[usize::from(index)];
        let at = 0x8_0000;
        let len = u32::try_from(request.len()).expect("small");
        rings.write(at, request);
        rings.chain(
            rings.parts[0],
            0,
            &[(at, len, false), (at + 0x1_0000, room, true)],
        );
        if rings.offer(0) {
            self.face.notify(index);
        }
        let &[(head, len)] = &self.wait_used(index)[..] else {
            panic!("one request, several replies");
        };
        assert_eq!(head, 0);
        self.rings[usize::from(index)].read(at + 0x1_0000, len as usize)
    }

    /// Waits until something was used. An interrupt alone says little: it may be that of what was seen already.
    pub(crate) fn wait_used(&mut self, index: u16) -> Vec<(u32, u32)> {
        loop {
            let used = self.rings[usize::from(index)].take_used();
            if !used.is_empty() {
                return used;
            }
            self.face.wait(Some(index));
        }
    }
}
