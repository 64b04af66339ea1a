//! Chains of any shape.

use super::*;
use crate::virtio::testing::{QUEUE_AT, RAM, Rings, ram};
use proptest::{collection::vec, prelude::*};
use virtio_queue::{Queue, QueueOwnedT, QueueT, desc::split::Descriptor};
use vm_memory::{Bytes, GuestAddress};

const SIZE: u16 = 16;

/// What a chain of these descriptors, offered at `head`, is taken for: bytes readable and writable, descriptors.
fn take(describe: impl FnOnce(&Rings), head: u16) -> (usize, usize, usize) {
    let ram = ram();
    let mut rings = Rings::new(&ram, 0, SIZE, false);
    describe(&rings);
    rings.offer(head);
    let mut queue = queue();
    let chain = queue.iter(ram.memory()).expect("ready").next();
    let chain = Chain::new(ram.memory(), chain.expect("offered"), SIZE);
    for slice in chain.slices.iter() {
        assert!(slice.len() as u64 <= RAM);
    }
    (
        chain.readable().len(),
        chain.writable().len(),
        chain.slices.len(),
    )
}

fn queue() -> Queue {
    let mut queue = Queue::new(SIZE).expect("a size");
    queue.set_desc_table_address(Some(QUEUE_AT as u32), Some(0));
    queue.set_avail_ring_address(Some(QUEUE_AT as u32 + 0x4000), Some(0));
    queue.set_used_ring_address(Some(QUEUE_AT as u32 + 0x8000), Some(0));
    queue.set_ready(true);
    queue
}

#[test]
fn as_long_as_the_queue_and_no_longer() {
    let fits = |rings: &Rings| rings.chain(QUEUE_AT, 0, &[(0x8_0000, 2, false); SIZE as usize]);
    assert_eq!(take(fits, 0), (32, 0, 16));
    let table = |len: u16| {
        move |rings: &Rings| {
            rings.chain(0xa_0000, 0, &vec![(0x8_0000, 2, true); len.into()]);
            rings.describe(
                QUEUE_AT,
                2,
                Descriptor::new(0xa_0000, u32::from(len) * 16, 4, 0),
            );
        }
    };
    assert_eq!(take(table(16), 2), (0, 32, 16));
    assert_eq!(take(table(17), 2), (0, 0, 0));
    assert_eq!(take(table(4096), 2), (0, 0, 0));
}

#[test]
fn tables_in_tables_and_cut_ones_are_none() {
    let nested = |rings: &Rings| {
        rings.describe(QUEUE_AT, 0, Descriptor::new(0xa_0000, 16, 4, 0));
        rings.describe(0xa_0000, 0, Descriptor::new(0xa_0000, 16, 4, 0));
    };
    assert_eq!(take(nested, 0), (0, 0, 0));
    let cut = |rings: &Rings| {
        rings.chain(0xa_0000, 0, &[(0x8_0000, 2, false); 2]);
        rings.describe(QUEUE_AT, 0, Descriptor::new(0xa_0000, 24, 4, 0));
    };
    assert_eq!(take(cut, 0), (0, 0, 0));
    let outside = |rings: &Rings| {
        rings.describe(QUEUE_AT, 0, Descriptor::new(RAM - 8, 16, 4, 0));
    };
    assert_eq!(take(outside, 0), (0, 0, 0));
}

#[test]
fn readable_after_writable_is_none() {
    let backwards =
        |rings: &Rings| rings.chain(QUEUE_AT, 0, &[(0x8_0000, 2, true), (0x9_0000, 3, false)]);
    assert_eq!(take(backwards, 0), (0, 0, 0));
    let forwards =
        |rings: &Rings| rings.chain(QUEUE_AT, 0, &[(0x8_0000, 2, false), (0x9_0000, 3, true)]);
    assert_eq!(take(forwards, 0), (2, 3, 2));
}

#[test]
fn more_than_four_gibibytes_are_none() {
    let sum = |rings: &Rings| {
        rings.chain(QUEUE_AT, 0, &[(0, RAM as u32, true); 16]);
    };
    assert_eq!(
        take(sum, 0),
        (0, RAM as usize * 16, 16),
        "the same twice is the guest's affair"
    );
    let great = |rings: &Rings| {
        rings.chain(QUEUE_AT, 0, &[(0, u32::MAX, true), (0, u32::MAX, true)]);
    };
    assert_eq!(take(great, 0), (0, 0, 0));
}

proptest! {
    #[test]
    fn any_descriptors_are_taken(
        descriptors in vec((any::<bool>(), any::<u64>(), any::<u32>(), 0..8_u16, 0..20_u16), 16),
        head in 0..SIZE,
    ) {
        let describe = |rings: &Rings| {
            for (index, &(near, address, len, flags, next)) in (0..).zip(&descriptors) {
                let (address, len) = match near {
                    true => (address % (RAM + 16), len % 0x2000),
                    false => (address, len),
                };
                rings.describe(QUEUE_AT, index, Descriptor::new(address, len, flags, next));
            }
        };
        let (_, _, slices) = take(describe, head);
        prop_assert!(slices <= SIZE.into());
    }

    #[test]
    fn copies_are_those_of_one_long_buffer(
        lens in vec(0..40_u32, 1..12),
        offset in 0..300_usize,
        bytes in vec(any::<u8>(), 0..300),
    ) {
        let ram = ram();
        let mut rings = Rings::new(&ram, 0, SIZE, false);
        let buffers: Vec<_> = (0_u64..).zip(&lens).map(|(i, &len)| (0x8_0000 + i * 64, len, true)).collect();
        rings.chain(QUEUE_AT, 0, &buffers);
        rings.offer(0);
        let mut queue = queue();
        let chain = queue.iter(ram.memory()).expect("ready").next();
        let chain = Chain::new(ram.memory(), chain.expect("offered"), SIZE);
        let iov = chain.writable();

        let mut model = vec![0; lens.iter().sum::<u32>() as usize];
        prop_assert_eq!(iov.len(), model.len());
        prop_assert_eq!(iov.is_empty(), model.is_empty());
        let room = model.get_mut(offset..).unwrap_or_default();
        let fits = room.len().min(bytes.len());
        room[..fits].copy_from_slice(&bytes[..fits]);
        prop_assert_eq!(iov.write_at(offset, &bytes), fits);

        let mut all = vec![0xee; model.len() + 5];
        prop_assert_eq!(iov.read_at(0, &mut all), model.len());
        prop_assert_eq!(&all[..model.len()], &model[..]);
        let mut part = vec![0; bytes.len()];
        prop_assert_eq!(iov.read_at(offset, &mut part), fits);
        prop_assert_eq!(&part[..fits], &bytes[..fits]);
        // Nothing between the slices was touched.
        for (address, len, _) in buffers {
            let mut rest = vec![0; 64 - len as usize];
            let after = GuestAddress(address + u64::from(len));
            ram.memory().read_slice(&mut rest, after).expect("RAM");
            prop_assert!(rest.iter().all(|&byte| byte == 0));
        }
    }
}
