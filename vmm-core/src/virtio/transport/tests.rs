//! Both transports by the same driver.

use crate::virtio::{
    Notifier,
    testing::{Driver, Echo, Face, PciFace, RAM, Rings, faces},
};
use std::sync::{Arc, Mutex};

fn echo_faces() -> [Box<dyn Face + Send + Sync>; 2] {
    faces(|| Box::<Echo>::default())
}

#[test]
fn a_driver_comes_up_and_talks() {
    for face in echo_faces() {
        assert_eq!(face.device_type(), Echo::TYPE);
        for event_idx in [true, false, true] {
            let mut driver = Driver::start(&*face, event_idx);
            for round in 0..100_u8 {
                for queue in [0, 1] {
                    let request = [round; 20];
                    assert_eq!(driver.ask(queue, &request, 64), request, "{}", face.name());
                }
            }
        }
    }
}

#[test]
fn a_notification_is_taken_by_the_doorbell_of_a_working_queue() {
    for face in echo_faces() {
        assert!(!face.notify(0), "{}: nobody works", face.name());
        let driver = Driver::start(&*face, true);
        assert_eq!(face.interrupts().doorbell_count(), 2);
        assert!(driver.face.notify(0) && driver.face.notify(1));
        assert!(!driver.face.notify(2), "{}: no such queue", face.name());
        face.set_status(0);
        assert_eq!(face.interrupts().doorbell_count(), 0);
        assert!(!face.notify(0), "{}: reset", face.name());
    }
}

#[test]
fn a_notification_without_a_doorbell_arrives_too() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        let rings = &mut driver.rings[0];
        rings.chain(rings.parts[0], 3, &[(0x8_0000, 4, false)]);
        rings.offer(3);
        face.notify_slowly(0);
        face.wait(Some(0));
        assert_eq!(rings.take_used(), [(3, 0)]);
    }
}

#[test]
fn one_interrupt_at_most_for_a_request() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        for _ in 0..50 {
            let rings = &mut driver.rings[0];
            rings.chain(rings.parts[0], 0, &[(0x8_0000, 4, false)]);
            assert!(rings.offer(0), "an idle device wants to know");
            face.notify(0);
            assert_eq!(face.wait(Some(0)), 1, "{}", face.name());
            assert_eq!(rings.take_used(), [(0, 0)]);
            // The worker goes on to arm the notification; whatever it does, it interrupts no more.
            let armed = rings.parts[2] + 4 + u64::from(rings.size) * 8;
            let next = rings.load(rings.parts[1] + 2);
            while rings.load(armed) != next {
                std::thread::yield_now();
            }
            assert_eq!(face.pending(Some(0)), 0, "{}", face.name());
        }
    }
}

#[test]
fn features_that_were_not_offered_or_are_too_old_are_refused() {
    for face in echo_faces() {
        for features in [0, 1, Echo::FEATURE, 1 << 32 | 1 << 63, 1 << 32 | 1] {
            face.set_status(0);
            face.set_status(1);
            face.set_status(3);
            face.accept(features);
            face.set_status(0xb);
            assert_eq!(face.status(), 3, "{} {features:#x}", face.name());
            face.set_status(7);
            assert_eq!(face.status(), 3, "{}: not running", face.name());
        }
    }
}

#[test]
fn the_status_only_grows_in_order() {
    for face in echo_faces() {
        for wrong in [2, 4, 8, 0xe, 0x40] {
            face.set_status(wrong);
            assert_eq!(face.status(), 0, "{} {wrong:#x}", face.name());
        }
        face.set_status(3);
        assert_eq!(face.status(), 3);
        face.set_status(1);
        assert_eq!(face.status(), 3, "{}: bits are not taken back", face.name());
        face.set_status(0x83);
        assert_eq!(face.status(), 0x83, "{}: the driver gave up", face.name());
        face.accept(1 << 32);
        face.set_status(0x8b);
        face.set_status(0x8f);
        assert_eq!(face.status() & 4, 0, "{}: only a reset helps", face.name());
    }
}

#[test]
fn a_queue_outside_of_memory_needs_a_reset() {
    let good = [0x1000, 0x2000, 0x3000];
    for face in echo_faces() {
        for (size, parts) in [
            (16, [RAM, 0x2000, 0x3000]),
            (16, [RAM - 16, 0x2000, 0x3000]),
            (16, [0x1000, RAM - 2, 0x3000]),
            (16, [0x1000, 0x2000, RAM - 4]),
            (16, [0x1000, 0x2000, u64::MAX - 3]),
            (16, [0x1001, 0x2000, 0x3000]),
            (16, [0x1000, 0x2001, 0x3000]),
            (16, [0x1000, 0x2000, 0x3002]),
            (0, good),
            (3, good),
            (32, good),
            (0x8000, good),
        ] {
            begin(&*face);
            face.set_queue(0, size, parts);
            face.set_status(0xf);
            assert_eq!(face.status(), 0x4f, "{} {size} {parts:x?}", face.name());
            face.wait(None);
            face.notify(0);
        }
        begin(&*face);
        face.set_queue(0, 16, good);
        face.set_status(0xf);
        assert_eq!(face.status(), 0xf, "{}: as good as new", face.name());
    }
}

fn begin(face: &dyn Face) {
    face.set_status(0);
    face.set_status(1);
    face.set_status(3);
    face.accept(1 << 32);
    face.set_status(0xb);
}

#[test]
fn a_ruined_ring_needs_a_reset() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        let rings = &mut driver.rings[0];
        rings.store(rings.parts[1] + 2, 1000);
        face.notify(0);
        face.wait(None);
        assert_eq!(face.status(), 0x4f, "{}", face.name());
        let mut driver = Driver::start(&*face, true);
        assert_eq!(driver.ask(0, b"again", 8), b"again");
    }
}

#[test]
fn queues_cannot_be_changed_while_they_work() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        face.set_queue(0, 2, [0, 0, 0]);
        face.accept(0);
        assert_eq!(driver.ask(0, b"same", 8), b"same");
    }
}

#[test]
fn the_configuration_is_the_devices() {
    for face in echo_faces() {
        face.write_config(2, &[1, 2, 3]);
        let mut data = [9; 8];
        face.read_config(0, &mut data);
        assert_eq!(data, [0, 0, 1, 2, 3, 0, 0, 0], "{}", face.name());
        face.read_config(0x200, &mut data);
        assert_eq!(data, [0; 8], "{}: beyond it", face.name());
    }
}

#[test]
fn a_change_of_configuration_is_seen() {
    let notifier: Arc<Mutex<Option<Arc<dyn Notifier>>>> = Arc::default();
    for face in faces(|| Box::new(Echo::telling(notifier.clone()))) {
        Driver::start(&*face, true);
        let before = face.generation();
        notifier
            .lock()
            .expect("no panic")
            .as_ref()
            .expect("active")
            .config();
        assert_eq!(face.wait(None), 1);
        assert_ne!(face.generation(), before, "{}", face.name());
        assert_eq!(face.status(), 0xf);
    }
}

#[test]
fn a_pause_loses_nothing() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        assert_eq!(driver.ask(0, b"before", 8), b"before");
        face.pause();
        let rings = &mut driver.rings[0];
        rings.chain(rings.parts[0], 0, &[(0x8_0000, 4, false)]);
        assert!(rings.offer(0));
        face.notify(0);
        face.resume();
        assert_eq!(driver.wait_used(0), [(0, 0)], "{}", face.name());
        face.pause();
        face.set_status(0);
        face.resume();
        assert_eq!(face.status(), 0, "{}: nothing to resume", face.name());
        let mut driver = Driver::start(&*face, true);
        assert_eq!(driver.ask(0, b"after", 8), b"after");
    }
}

#[test]
fn what_is_counted() {
    let face = PciFace::new(Box::<Echo>::default());
    let mut driver = Driver::start(&face, true);
    for _ in 0..3 {
        driver.ask(1, b"x", 1);
    }
    face.set_status(0);
    let counts: Vec<_> = face
        .root
        .counters()
        .iter()
        .map(|c| c.statistics())
        .collect();
    assert_eq!(counts[0].queue, "echo:0");
    assert_eq!((counts[0].kicks, counts[0].chains), (0, 0));
    assert_eq!(counts[1].queue, "echo:1");
    assert_eq!(counts[1].chains, 3);
    assert!((1..=3).contains(&counts[1].kicks) && (1..=3).contains(&counts[1].interrupts));
}

#[test]
fn chains_of_any_shape_come_back() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        let table = driver.rings[0].parts[0];
        let loops: &dyn Fn(&Rings) = &|r| {
            r.chain(table, 0, &[(0x8_0000, 4, false); 16]);
            let flags = 1;
            r.describe(
                table,
                15,
                virtio_queue::desc::split::Descriptor::new(0x8_0000, 4, flags, 0),
            );
        };
        let outside: &dyn Fn(&Rings) = &|r| r.chain(table, 0, &[(RAM - 2, 4, true)]);
        let huge: &dyn Fn(&Rings) = &|r| r.chain(table, 0, &[(0, u32::MAX, true)]);
        let backwards: &dyn Fn(&Rings) =
            &|r| r.chain(table, 0, &[(0x8_0000, 4, true), (0x9_0000, 4, false)]);
        let wild: &dyn Fn(&Rings) = &|r| {
            r.describe(
                table,
                0,
                virtio_queue::desc::split::Descriptor::new(0x8_0000, 4, 1, 999),
            );
        };
        let absurd_table: &dyn Fn(&Rings) = &|r| {
            r.describe(
                table,
                0,
                virtio_queue::desc::split::Descriptor::new(0, 0xffff_fff0, 4, 0),
            );
        };
        for shape in [loops, outside, huge, backwards, wild, absurd_table] {
            let rings = &mut driver.rings[0];
            shape(rings);
            if rings.offer(0) {
                face.notify(0);
            }
            assert_eq!(driver.wait_used(0), [(0, 0)], "{}", face.name());
        }
        assert_eq!(driver.ask(0, b"alive", 8), b"alive");
    }
}

#[test]
fn an_indirect_table_is_followed() {
    for face in echo_faces() {
        let mut driver = Driver::start(&*face, true);
        let rings = &mut driver.rings[0];
        rings.write(0x8_0000, b"indirect");
        rings.chain(
            0xa_0000,
            0,
            &[
                (0x8_0000, 8, false),
                (0x9_0000, 3, true),
                (0x9_0003, 9, true),
            ],
        );
        let table = virtio_queue::desc::split::Descriptor::new(0xa_0000, 48, 4, 0);
        rings.describe(rings.parts[0], 7, table);
        rings.offer(7);
        face.notify(0);
        face.wait(Some(0));
        assert_eq!(rings.take_used(), [(7, 8)]);
        assert_eq!(rings.read(0x9_0000, 8), b"indirect", "{}", face.name());
    }
}
