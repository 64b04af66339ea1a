//! What only PCI has.

use super::PciRoot;
use crate::{
    layout::{PCI_WINDOW, gsi},
    virtio::testing::{Driver, Echo, Face, FakeInterrupts, MESSAGE, PciFace, ram},
};
use std::sync::{Arc, atomic::Ordering};

fn echo() -> PciFace {
    PciFace::new(Box::<Echo>::default())
}

fn asserted(interrupts: &FakeInterrupts, gsi: u32) -> bool {
    let lines = interrupts.lines.lock().expect("no panic");
    lines[&gsi].0.load(Ordering::SeqCst)
}

/// Has queue 0 use a chain without waiting for an interrupt.
fn use_one(driver: &mut Driver<'_>) {
    let rings = &mut driver.rings[0];
    rings.chain(rings.parts[0], 0, &[(0x8_0000, 4, false)]);
    rings.offer(0);
    driver.face.notify(0);
    while rings.take_used().is_empty() {
        std::thread::yield_now();
    }
    // The interrupt comes before the notification is armed again.
    let armed = rings.parts[2] + 4 + u64::from(rings.size) * 8;
    while rings.load(armed) != rings.load(rings.parts[1] + 2) {
        std::thread::yield_now();
    }
}

#[test]
fn the_size_of_the_bar_shows() {
    let face = echo();
    let base = face.config(0x10);
    face.set_config(0x10, u32::MAX);
    assert_eq!(face.config(0x10), 0xffff_8000, "32 KiB of 32-bit memory");
    for other in [0x14, 0x18, 0x1c, 0x20, 0x24, 0x30] {
        face.set_config(other, u32::MAX);
        assert_eq!(face.config(other), 0, "{other:#x}");
    }
    face.set_config(0x10, base);
    Driver::start(&face, true);
}

#[test]
fn the_bar_moves_with_its_doorbells() {
    let mut face = echo();
    Driver::start(&face, true);
    let old = face.bar();
    let new = PCI_WINDOW.start + 0x80_0000;
    face.set_config(4, 4);
    assert_eq!(face.interrupts().doorbell_count(), 0, "not decoded");
    assert_eq!(face.read(old), [0xff; 4]);
    face.set_config(0x10, u32::try_from(new).expect("32 bits"));
    assert_eq!(face.read(new), [0xff; 4]);
    face.set_config(4, 6);
    assert_eq!(face.read(old), [0xff; 4]);
    face.moved(new);
    assert_eq!(face.status(), 0xf, "still running");
    assert!(face.notify(0), "by the doorbell");
    face.set_status(0);
    let mut driver = Driver::start(&face, true);
    assert_eq!(driver.ask(1, b"moved", 8), b"moved");
}

#[test]
fn a_bar_outside_of_the_window_answers_nobody() {
    let face = echo();
    Driver::start(&face, true);
    for outside in [
        0,
        0x10_0000,
        0xbfff_8000,
        0xd000_0000,
        0xfee0_0000,
        0xffff_8000,
    ] {
        face.set_config(0x10, outside);
        assert_eq!(face.interrupts().doorbell_count(), 0, "{outside:#x}");
        assert_eq!(face.read(face.bar()), [0xff; 4]);
    }
    face.set_config(0x10, u32::try_from(face.bar()).expect("32 bits"));
    assert_eq!(face.interrupts().doorbell_count(), 2);
}

#[test]
fn a_masked_vector_is_pending_until_it_is_unmasked() {
    let face = echo();
    let mut driver = Driver::start(&face, true);
    let entry = face.bar() + 0x4000 + 16;
    let pending = face.bar() + 0x5000;
    let vector = face.vector(1);
    for function in [false, true] {
        let mask = |masked: bool| match function {
            true => face.set_config(face.msix, if masked { 0xc000_0000 } else { 0x8000_0000 }),
            false => face.write(entry + 12, &u32::from(masked).to_le_bytes()),
        };
        mask(true);
        use_one(&mut driver);
        assert_eq!(face.pending(Some(0)), 0);
        assert_eq!(face.read(pending), [2, 0, 0, 0, 0, 0, 0, 0]);
        let data = 77 + u32::from(function);
        face.write(entry + 8, &data.to_le_bytes());
        mask(false);
        assert_eq!(face.wait(Some(0)), 1);
        assert_eq!(
            *vector.message.lock().expect("no panic"),
            Some((MESSAGE, data))
        );
        assert_eq!(face.read(pending), [0; 8]);
    }
}

#[test]
fn a_message_changes_only_in_whole_words() {
    let face = echo();
    let entry = face.bar() + 0x4000 + 16;
    let before: [u8; 16] = face.read(entry);
    face.write(entry, &[1]);
    face.write(entry + 2, &[1, 1]);
    face.write(entry + 4, &[1; 8]);
    face.write(entry + 2, &[1; 4]);
    assert_eq!(face.read(entry), before);
    face.write(face.bar() + 0x4000 + 3 * 16, &[1; 4]);
    assert_eq!(
        face.read(face.bar() + 0x4000 + 3 * 16),
        [0; 4],
        "beyond the table"
    );
}

#[test]
fn a_queue_without_a_vector_interrupts_nobody() {
    let face = echo();
    face.set_status(0);
    face.set_status(1);
    let common = face.bar();
    face.write(common + 22, &0_u16.to_le_bytes());
    assert_eq!(face.read(common + 26), [0xff, 0xff], "none at first");
    face.write(common + 26, &2_u16.to_le_bytes());
    assert_eq!(face.read(common + 26), [2, 0]);
    face.write(common + 26, &3_u16.to_le_bytes());
    assert_eq!(face.read(common + 26), [0xff, 0xff], "no such vector");
}

#[test]
fn without_msix_the_pin_is_asserted_until_the_status_is_read() {
    let face = echo();
    let mut driver = Driver::start(&face, true);
    face.set_config(face.msix, 0);
    let line = gsi::PCI[1];
    assert_eq!(face.config(0x3c) & 0xffff, 0x100 | line, "pin A");
    use_one(&mut driver);
    assert!(asserted(face.interrupts(), line));
    assert_ne!(face.config(4) & 1 << 19, 0, "interrupt status");
    face.set_config(4, 0x406);
    assert!(!asserted(face.interrupts(), line), "disabled");
    assert_ne!(face.config(4) & 1 << 19, 0, "and still due");
    face.set_config(4, 6);
    assert!(asserted(face.interrupts(), line));
    assert_eq!(face.read(face.isr), [1]);
    assert!(!asserted(face.interrupts(), line));
    assert_eq!(face.read(face.isr), [0]);
    assert_eq!(face.config(4) & 1 << 19, 0);
    assert_eq!(face.pending(Some(0)), 0, "no message");
}

#[test]
fn a_shared_pin_stays_while_one_function_needs_it() {
    let interrupts = Arc::new(FakeInterrupts::default());
    let root = PciRoot::new();
    let (ecam, window) = (root.ecam(), root.window());
    for _ in 0..9 {
        root.add_virtio(ram(), Box::<Echo>::default(), interrupts.clone())
            .expect("a slot");
    }
    let bar = |slot: u64| slot * 0x8000;
    for slot in [1, 9] {
        ecam.write((slot << 15) + 4, &[6, 0]);
        for status in [1, 3] {
            window.write(bar(slot) + 20, &[status]);
        }
        // VERSION_1.
        window.write(bar(slot) + 8, &[1, 0, 0, 0]);
        window.write(bar(slot) + 12, &[1, 0, 0, 0]);
        window.write(bar(slot) + 20, &[0xb]);
        // A queue of a size that is refused, which interrupts for the status.
        window.write(bar(slot) + 24, &[3, 0]);
        window.write(bar(slot) + 28, &[1, 0]);
        window.write(bar(slot) + 20, &[0xf]);
    }
    let line = gsi::PCI[1];
    let isr = |slot: u64| {
        let mut isr = [0];
        window.read(bar(slot) + 0x1000, &mut isr);
        isr[0]
    };
    assert!(asserted(&interrupts, line));
    assert_eq!(isr(1), 2);
    assert!(asserted(&interrupts, line), "function 9 is still waiting");
    assert_eq!(isr(9), 2);
    assert!(!asserted(&interrupts, line));
}

#[test]
fn configuration_is_the_same_by_ports_and_in_memory() {
    let face = echo();
    let (ecam, ports) = (face.root.ecam(), face.root.config_ports());
    for register in (0..256_u32).step_by(4) {
        let mut data = [0; 4];
        ecam.read(0x8000 + u64::from(register), &mut data);
        assert_eq!(
            u32::from_le_bytes(data),
            face.config(register),
            "{register:#x}"
        );
        for byte in 0..4_u8 {
            let mut one = [0];
            ports.read(4 + u64::from(byte), &mut one);
            assert_eq!(one[0], data[usize::from(byte)], "{register:#x}+{byte}");
        }
    }
}

#[test]
fn nobody_else_is_on_the_bus() {
    let face = echo();
    let (ecam, ports) = (face.root.ecam(), face.root.config_ports());
    let mut data = [0; 4];
    ecam.read(0, &mut data);
    assert_eq!(data, [0x36, 0x1b, 8, 0], "the host bridge");
    ecam.read(8, &mut data);
    assert_eq!(data, [0, 0, 0, 6], "class of a host bridge");
    for address in [0x1000, 0x9000, 0x1_0000, 0xf_8000] {
        ecam.read(address, &mut data);
        assert_eq!(data, [0xff; 4], "{address:#x}");
    }
    for address in [
        0x0000_0800_u32,
        0x8001_0000,
        0x8000_0100,
        0x8000_1000,
        0x8100_0000,
    ] {
        ports.write(0, &address.to_le_bytes());
        ports.read(4, &mut data);
        assert_eq!(data, [0xff; 4], "{address:#x}");
    }
    ports.write(0, &0x8000_0000_u32.to_le_bytes());
    ports.read(0, &mut data);
    assert_eq!(data, [0, 0, 0, 0x80], "mechanism 1");
    ports.write(3, &[1]);
    ports.read(0, &mut data);
    assert_eq!(data, [0, 0, 0, 0x80], "bytes do not change it");
}

#[test]
fn the_bar_can_be_reached_through_configuration_space() {
    let face = echo();
    let cap = face.access;
    let go = |offset: u32, len: u32| {
        face.set_config(cap + 8, offset);
        face.set_config(cap + 12, len);
    };
    go(20, 1);
    face.set_config(cap + 16, 1);
    assert_eq!(face.status(), 1);
    assert_eq!(face.config(cap + 16), 1);
    go(18, 2);
    assert_eq!(face.config(cap + 16), 2, "queues");
    for (offset, len) in [
        (0x8000, 4),
        (0x7ffe, 4),
        (0xffff_fffc, 4),
        (0, 3),
        (0, 0),
        (1, 2),
        (0, 8),
    ] {
        go(offset, len);
        face.set_config(cap + 16, 0xffff_ffff);
        assert_eq!(
            face.config(cap + 16),
            0xffff_ffff,
            "{offset:#x} {len}: just memory"
        );
    }
    assert_eq!(face.status(), 1);
    face.set_config(cap + 4, 1);
    go(20, 1);
    face.set_config(cap + 16, 3);
    assert_eq!(face.status(), 1, "there is no BAR 1");
}

#[test]
fn the_bus_has_an_end() {
    let interrupts = Arc::new(FakeInterrupts::default());
    let root = PciRoot::new();
    let ram = ram();
    for slot in 1..=31 {
        let added = root.add_virtio(ram.clone(), Box::<Echo>::default(), interrupts.clone());
        assert_eq!(added.expect("a slot"), slot);
    }
    let full = root.add_virtio(ram, Box::<Echo>::default(), interrupts);
    assert!(full.expect_err("full").to_string().contains("31"));
    root.reset_all();
}
