use super::*;
use crate::{
    debug::{
        MAX_FRAMES, MAX_RECORDS, backtrace,
        fixture::{
            DESCS, Image, KASLR, PHYSICAL, POINTER, RING, STACK, TABLES, VIRTUAL, VMCOREINFO,
            Writer,
        },
        ring::KNOWN,
    },
    layout::Area,
};
use proptest::{prelude::*, sample::select};

fn texts(found: &Found) -> Vec<&str> {
    let records = found.log.records.iter();
    records.map(|record| record.text.as_str()).collect()
}

fn expected(writer: &Writer) -> Vec<&str> {
    writer.live.iter().map(|live| live.3.as_str()).collect()
}

#[test]
fn a_kernel_that_tells_is_read_without_registers() {
    let writer = Writer::telling();
    for paging in [None, Some(Image::paging())] {
        let found = kernel_log(&writer.image, paging).expect("a log");
        assert_eq!(texts(&found), expected(&writer));
        let virtual_offset = KASLR;
        assert_eq!(found.place, Some(KernelPlace { virtual_offset }));
    }
}

#[test]
fn a_kernel_that_says_nothing_is_found() {
    for layout in &KNOWN {
        let writer = Writer::with(layout, 40);
        let found = kernel_log(&writer.image, None).expect("a log");
        assert_eq!(texts(&found), expected(&writer));
        assert_eq!(found.place, None);

        let found = kernel_log(&writer.image, Some(Image::paging())).expect("a log");
        assert_eq!(texts(&found), expected(&writer));
        let virtual_offset = KASLR;
        assert_eq!(found.place, Some(KernelPlace { virtual_offset }));
    }
}

#[test]
fn a_vmcoreinfo_that_leads_nowhere_does_not_hide_the_ring() {
    let mut writer = Writer::telling();
    writer.image.word(POINTER, 0xFFFF_8880_0000_0000);
    let found = kernel_log(&writer.image, None).expect("a log");
    assert_eq!(texts(&found), expected(&writer));
}

#[test]
fn memory_without_a_kernel_has_no_log() {
    let image = Image::new();
    let touched = image.bytes.len() as u64;
    assert_eq!(
        kernel_log(&image, None),
        Err(LogError::NotFound { touched })
    );

    let mut writer = Writer::with(&KNOWN[0], 3);
    for index in 0..4 {
        writer.image.word(DESCS + index * 24, 0);
    }
    assert_eq!(
        kernel_log(&writer.image, None),
        Err(LogError::Unreadable { infos: 0, rings: 1 })
    );
}

/// Memory of a machine with two images, one behind the other.
struct Two(Image, Image);

/// Bytes from one image to the next.
const STEP: u64 = 64 << 20;

impl PhysicalMemory for Two {
    fn read(&self, address: u64, data: &mut [u8]) -> bool {
        match address.checked_sub(STEP) {
            Some(second) => self.1.read(second, data),
            None => self.0.read(address, data),
        }
    }

    fn areas(&self) -> Vec<Area> {
        let area = self.0.areas()[0];
        let start = area.start + STEP;
        vec![area, Area { start, ..area }]
    }
}

#[test]
fn the_kernel_that_a_cpu_runs_comes_before_one_with_more_to_say() {
    let running = Writer::with(&KNOWN[0], 3);
    let old = Writer::with(&KNOWN[0], 10);
    let lines = expected(&old).len();
    let memory = Two(running.image.clone(), old.image);
    let found = kernel_log(&memory, Some(Image::paging())).expect("a log");
    assert_eq!(texts(&found), expected(&running));
    // Without registers there is no telling.
    let found = kernel_log(&memory, None).expect("a log");
    assert_eq!(found.log.records.len(), lines);
}

/// Values at the edges of what is believed.
fn word() -> impl Strategy<Value = u64> {
    let edges = vec![
        0,
        1,
        3,
        8,
        26,
        31,
        u64::MAX,
        u64::MAX >> 1,
        u64::MAX >> 2,
        1 << 62,
        1 << 63,
        PHYSICAL,
        PHYSICAL + TABLES + 3,
        VIRTUAL,
        VIRTUAL + RING,
        VIRTUAL + 0xFFF8,
        VIRTUAL - 8,
        0xFFFF_8880_0040_0000,
    ];
    prop_oneof![select(edges), any::<u64>()]
}

/// Places in the image where a word matters.
fn place() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..11u64).prop_map(|word| RING + word * 8),
        (0..48u64).prop_map(|word| DESCS + word * 8),
        (0..0x1800u64).prop_map(|word| POINTER + word * 8),
        (0..200u64).prop_map(|word| VMCOREINFO + word * 4),
        (0..0x600u64).prop_map(|word| TABLES + word * 8),
        select(vec![TABLES + 0xFF8, TABLES + 0x1FF0, POINTER]),
    ]
}

proptest! {
    #[test]
    fn damaged_memory_is_read_within_bounds(
        told: bool,
        pokes in prop::collection::vec((place(), word()), 1..12),
        rip in word(), rsp in word(), cr3 in word(), cr4: u64,
    ) {
        let mut image = if told { Writer::telling() } else { Writer::with(&KNOWN[1], 40) }.image;
        for (at, value) in pokes {
            image.word(at, value);
        }
        for paging in [
            None,
            Some(Image::paging()),
            Some(Paging { cr3, cr4, ..Image::paging() }),
        ] {
            if let Ok(found) = kernel_log(&image, paging) {
                prop_assert!(found.log.records.len() <= MAX_RECORDS);
            }
            let paging = paging.unwrap_or(Image::paging());
            for rsp in [rsp, VIRTUAL + STACK, VIRTUAL + 0xFFF0] {
                let trace = backtrace(&image, &paging, rip, rsp, &(0..u64::MAX));
                prop_assert!(trace.len() <= MAX_FRAMES && trace[0] == rip);
            }
        }
    }

    #[test]
    fn random_memory_is_searched_to_its_end(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        let image = Image { bytes };
        let _ = kernel_log(&image, Some(Image::paging()));
    }
}
