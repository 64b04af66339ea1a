//! A ring by itself, with a driver's side beside it.

use super::*;
use crate::{
    memory::GuestRam,
    virtio::testing::{RecordingNotifier, Rings, ram},
};
use virtio_queue::Queue;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

const SIZE: u16 = 8;

struct Sides {
    driver: Rings,
    notifier: Arc<RecordingNotifier>,
    queue: DeviceQueue,
}

fn sides(ram: &GuestRam, event_idx: bool) -> Sides {
    let driver = Rings::new(ram, 0, SIZE, event_idx);
    let mut queue = Queue::new(SIZE).expect("a size");
    let [descriptors, available, used] = driver.parts.map(GuestAddress);
    queue
        .try_set_desc_table_address(descriptors)
        .expect("aligned");
    queue
        .try_set_avail_ring_address(available)
        .expect("aligned");
    queue.try_set_used_ring_address(used).expect("aligned");
    queue.set_event_idx(event_idx);
    queue.set_ready(true);
    Sides {
        driver,
        notifier: Arc::default(),
        queue: DeviceQueue {
            index: 0,
            queue,
            kick: EventFd::new(EFD_NONBLOCK).expect("a descriptor"),
            counters: Arc::new(QueueCounters::new("test", 0)),
        },
    }
}

fn offer(driver: &mut Rings, head: u16) -> bool {
    driver.chain(driver.parts[0], head, &[(0x8_0000, 4, false)]);
    driver.offer(head)
}

#[test]
fn used_together_told_together() {
    let ram = ram();
    for event_idx in [true, false] {
        let Sides {
            mut driver,
            notifier,
            queue,
        } = sides(&ram, event_idx);
        let counters = queue.counters.clone();
        let mut ring = Ring::new(ram.memory(), queue, notifier.clone());
        for head in 0..4 {
            offer(&mut driver, head);
        }
        assert!(!ring.drain(|_| 0));
        assert_eq!(notifier.queues.load(Ordering::SeqCst), 1);
        assert_eq!(driver.take_used(), [(0, 0), (1, 0), (2, 0), (3, 0)]);
        assert!(!ring.drain(|_| 0));
        ring.notify();
        assert_eq!(notifier.queues.load(Ordering::SeqCst), 1, "nothing to tell");
        let counts = counters.statistics();
        assert_eq!((counts.interrupts, counts.chains), (1, 4));
    }
}

#[test]
fn a_driver_that_does_not_want_interrupts_gets_none() {
    let ram = ram();
    for event_idx in [true, false] {
        let Sides {
            mut driver,
            notifier,
            queue,
        } = sides(&ram, event_idx);
        let [_, available, _] = driver.parts;
        let mut ring = Ring::new(ram.memory(), queue, notifier.clone());
        // Far ahead, or the flag.
        driver.store(available + 4 + u64::from(SIZE) * 2, 1000);
        driver.store(available, u16::from(!event_idx));
        offer(&mut driver, 0);
        ring.drain(|_| 0);
        assert_eq!(notifier.queues.load(Ordering::SeqCst), 0, "{event_idx}");
    }
}

#[test]
fn kicks_are_wanted_only_by_who_waits() {
    let ram = ram();
    for event_idx in [true, false] {
        let Sides {
            mut driver,
            notifier,
            queue,
        } = sides(&ram, event_idx);
        let mut ring = Ring::new(ram.memory(), queue, notifier);
        assert!(offer(&mut driver, 0), "the first");
        let mut wanted = Vec::new();
        ring.drain(|_| {
            if wanted.len() < 2 {
                wanted.push(offer(&mut driver, 1));
            }
            0
        });
        assert_eq!(wanted, [false, false], "at work");
        assert!(offer(&mut driver, 1), "waiting");
    }
}

#[test]
fn a_chain_taken_back_comes_again() {
    let ram = ram();
    let Sides {
        mut driver,
        notifier,
        queue,
    } = sides(&ram, true);
    let mut ring = Ring::new(ram.memory(), queue, notifier);
    offer(&mut driver, 3);
    assert_eq!(ring.pop().expect("offered").head(), 3);
    ring.undo_pop();
    assert_eq!(ring.pop().expect("again").head(), 3);
    assert!(ring.pop().is_none());
    let queue = ring.into_queue();
    assert_eq!(queue.queue.next_avail(), 1, "the position goes along");
}

#[test]
fn a_driver_that_never_ceases_does_not_keep_the_worker() {
    let ram = ram();
    let Sides {
        mut driver,
        notifier,
        queue,
    } = sides(&ram, true);
    let mut ring = Ring::new(ram.memory(), queue, notifier.clone());
    offer(&mut driver, 0);
    let mut served = 0;
    let more = ring.drain(|_| {
        served += 1;
        offer(&mut driver, 0);
        0
    });
    assert!(more);
    assert!(served <= SIZE, "{served}");
    assert_eq!(notifier.queues.load(Ordering::SeqCst), 1);
}

#[test]
fn rings_that_make_no_sense_are_given_up_once() {
    let ram = ram();
    for (available, head) in [(SIZE + 1, 0), (u16::MAX, 0), (1, SIZE), (1, u16::MAX)] {
        let Sides {
            driver,
            notifier,
            queue,
        } = sides(&ram, true);
        let mut ring = Ring::new(ram.memory(), queue, notifier.clone());
        driver.store(driver.parts[1] + 4, head);
        driver.store(driver.parts[1] + 2, available);
        for _ in 0..3 {
            assert!(!ring.drain(|_| panic!("no chain")), "{available} {head}");
        }
        assert!(ring.is_given_up());
        assert_eq!(notifier.broken.load(Ordering::SeqCst), 1);
        ring.add_used(0, 0);
        ring.notify();
        assert_eq!(notifier.queues.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn kicks_are_counted_when_taken() {
    let ram = ram();
    let Sides {
        notifier, queue, ..
    } = sides(&ram, true);
    let counters = queue.counters.clone();
    queue.kick.write(1).expect("far from full");
    queue.kick.write(1).expect("far from full");
    let mut ring = Ring::new(ram.memory(), queue, notifier);
    assert!(ring.take_kick());
    assert!(!ring.take_kick(), "two writes, one wake-up");
    assert_eq!(counters.statistics().kicks, 1);
    assert_eq!(counters.statistics().queue, "test:0");
}
