//! A guest that writes anything anywhere: no panic, no hang, and a reset helps.

use crate::{
    bus::BusDevice,
    virtio::testing::{Driver, Echo, Face, MmioFace, PciFace, QUEUE_AT, RAM, faces},
};
use proptest::{collection::vec, prelude::*};
use std::{sync::Arc, thread};
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress};

/// One thing that a guest does.
#[derive(Debug, Clone)]
enum Act {
    /// Reads from one of the face's ranges.
    Read {
        range: usize,
        offset: u64,
        len: usize,
    },
    /// Writes to it.
    Write {
        range: usize,
        offset: u64,
        data: Vec<u8>,
    },
    /// Writes bytes into the page of a queue.
    Memory {
        at: u64,
        data: Vec<u8>,
    },
    /// A descriptor.
    Descriptor {
        index: u16,
        address: u64,
        len: u32,
        flags: u16,
        next: u16,
    },
    /// Offers a chain.
    Offer {
        head: u16,
        available: u16,
    },
    Notify(u16),
    /// A status, in any order.
    Status(u8),
    /// The whole initialization.
    Start(bool),
    /// Queue registers.
    Queue {
        index: u16,
        size: u16,
        parts: [u64; 3],
    },
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        QUEUE_AT..QUEUE_AT + 0x2_0000,
        0..RAM,
        RAM - 32..RAM + 32,
        any::<u64>(),
        Just(u64::MAX),
    ]
}

/// Offsets of registers, mostly.
fn offset(end: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => (0..0x40_u64).prop_map(move |word| word * 4 % end),
        2 => (0..8_u64, 0..0x40_u64).prop_map(move |(area, at)| (area * 0x1000 + at) % end),
        1 => 0..end,
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 1..=8),
        any::<u32>().prop_map(|word| word.to_le_bytes().to_vec()),
        (0..20_u32).prop_map(|word| word.to_le_bytes().to_vec()),
        (0..4_u16).prop_map(|word| word.to_le_bytes().to_vec()),
        Just(vec![0xff; 4]),
    ]
}

fn act(ends: &'static [u64]) -> impl Strategy<Value = Act> {
    let place = || (0..ends.len()).prop_flat_map(|range| (Just(range), offset(ends[range])));
    let small = prop_oneof![0..20_u16, any::<u16>()];
    prop_oneof![
        4 => (place(), 1..=8_usize).prop_map(|((range, offset), len)| Act::Read { range, offset, len }),
        6 => (place(), bytes()).prop_map(|((range, offset), data)| Act::Write { range, offset, data }),
        3 => (0..0x2_0000_u64, vec(any::<u8>(), 1..64)).prop_map(|(at, data)| Act::Memory { at, data }),
        6 => (0..16_u16, address(), any::<u32>(), 0..8_u16, small.clone()).prop_map(
            |(index, address, len, flags, next)| Act::Descriptor { index, address, len, flags, next }
        ),
        6 => (small.clone(), small.clone()).prop_map(|(head, available)| Act::Offer { head, available }),
        6 => (0..4_u16).prop_map(Act::Notify),
        3 => prop_oneof![Just(0), Just(1), Just(3), Just(0xb), Just(0xf), any::<u8>()].prop_map(Act::Status),
        3 => any::<bool>().prop_map(Act::Start),
        2 => (0..3_u16, small, address(), address(), address())
            .prop_map(|(index, size, a, b, c)| Act::Queue { index, size, parts: [a, b, c] }),
    ]
}

fn perform(face: &dyn Face, ranges: &[Arc<dyn BusDevice>], ends: &[u64], act: &Act) {
    let memory = face.ram().memory();
    match act {
        Act::Read { range, offset, len } => {
            let len = (*len).min(usize::try_from(ends[*range] - offset).expect("small"));
            ranges[*range].read(*offset, &mut [0; 8][..len]);
        }
        Act::Write {
            range,
            offset,
            data,
        } => {
            let len = data
                .len()
                .min(usize::try_from(ends[*range] - offset).expect("small"));
            ranges[*range].write(*offset, &data[..len]);
        }
        Act::Memory { at, data } => {
            memory
                .write_slice(data, GuestAddress(QUEUE_AT + at))
                .expect("RAM");
        }
        &Act::Descriptor {
            index,
            address,
            len,
            flags,
            next,
        } => {
            let descriptor = Descriptor::new(address, len, flags, next);
            let at = GuestAddress(QUEUE_AT + u64::from(index) * 16);
            memory.write_obj(descriptor, at).expect("RAM");
        }
        &Act::Offer { head, available } => {
            let ring = QUEUE_AT + 0x4000;
            let at = GuestAddress(ring + 4 + u64::from(available % 16) * 2);
            memory.write_obj(head, at).expect("RAM");
            memory
                .write_obj(available, GuestAddress(ring + 2))
                .expect("RAM");
        }
        &Act::Notify(queue) => {
            face.notify(queue);
        }
        &Act::Status(status) => face.set_status(status),
        &Act::Start(event_idx) => start(face, event_idx),
        &Act::Queue { index, size, parts } => face.set_queue(index, size, parts),
    }
}

/// The initialization, without looking at what comes of it.
fn start(face: &dyn Face, event_idx: bool) {
    for status in [0, 1, 3] {
        face.set_status(status);
    }
    face.accept(1 << 32 | u64::from(event_idx) << 29 | 1 << 28);
    face.set_status(0xb);
    for queue in [0, 1] {
        let base = QUEUE_AT + u64::from(queue) * 0x1_0000;
        face.set_queue(queue, 8, [base, base + 0x4000, base + 0x8000]);
    }
    face.set_status(0xf);
}

/// The window from the function's BAR on.
struct FromBar(Arc<dyn BusDevice>);

impl BusDevice for FromBar {
    fn read(&self, offset: u64, data: &mut [u8]) {
        self.0.read(0x8000 + offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        self.0.write(0x8000 + offset, data);
    }
}

/// Lengths of the ranges: the register block.
const MMIO: &[u64] = &[0x1000];
/// The ports, ECAM, the BAR and the window.
const PCI: &[u64] = &[8, 0x10_0000, 0x8000, 0x1000_0000];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn mmio_takes_anything(acts in vec(act(MMIO), 1..80)) {
        let face = MmioFace::new(Box::<Echo>::default());
        let ranges = [face.transport.clone() as Arc<dyn BusDevice>];
        for act in &acts {
            perform(&face, &ranges, MMIO, act);
        }
        let mut driver = Driver::start(&face, true);
        prop_assert_eq!(driver.ask(0, b"alive", 8), b"alive");
    }

    #[test]
    fn pci_takes_anything(acts in vec(act(PCI), 1..80)) {
        let mut face = PciFace::new(Box::<Echo>::default());
        let window = face.window.clone();
        let (ports, ecam) = (face.root.config_ports(), face.root.ecam());
        let bar = Arc::new(FromBar(window.clone()));
        let ranges = [ports, ecam, bar, window];
        for act in &acts {
            perform(&face, &ranges, PCI, act);
        }
        face.probe_again();
        let mut driver = Driver::start(&face, true);
        prop_assert_eq!(driver.ask(0, b"alive", 8), b"alive");
    }
}

#[test]
fn resets_come_while_workers_run() {
    for face in faces(|| Box::<Echo>::default()) {
        let face = &*face;
        thread::scope(|scope| {
            let noise = scope.spawn(move || {
                for round in 0..2000_u16 {
                    face.notify(round % 3);
                    let memory = face.ram().memory();
                    let at = GuestAddress(QUEUE_AT + 0x4002);
                    memory.write_obj(round, at).expect("RAM");
                }
            });
            while !noise.is_finished() {
                start(face, true);
                face.notify(0);
            }
        });
        let mut driver = Driver::start(face, true);
        assert_eq!(driver.ask(0, b"alive", 8), b"alive", "{}", face.name());
    }
}
