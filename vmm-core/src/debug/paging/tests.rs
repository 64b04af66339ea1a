use super::*;
use crate::{
    debug::fixture::{Image, PHYSICAL, TABLES, VIRTUAL},
    layout::Area,
};
use proptest::prelude::*;

/// Tables of five levels at these guest-physical pages: each leads to the next.
const ROOT: u64 = 0x1000;

/// A machine whose every word is the same.
struct Uniform(u64);

impl PhysicalMemory for Uniform {
    fn read(&self, _: u64, data: &mut [u8]) -> bool {
        for (byte, value) in data
            .iter_mut()
            .zip(self.0.to_le_bytes().into_iter().cycle())
        {
            *byte = value;
        }
        true
    }

    fn areas(&self) -> Vec<Area> {
        Vec::new()
    }
}

#[test]
fn a_large_page_keeps_the_offset_in_it() {
    let (image, paging) = (Image::new(), Image::paging());
    assert_eq!(translate(&image, &paging, VIRTUAL), Some(PHYSICAL));
    let last = (2 << 20) - 1;
    let mapping = walk(&image, &paging, VIRTUAL + last).expect("mapped");
    assert_eq!((mapping.physical, mapping.rest), (PHYSICAL + last, 1));
    assert!(mapping.executable);
    assert_eq!(translate(&image, &paging, VIRTUAL + last + 1), None);
    assert_eq!(translate(&image, &paging, VIRTUAL - 1), None);
}

#[test]
fn what_is_not_canonical_or_not_64_bits_is_nowhere() {
    let (image, paging) = (Image::new(), Image::paging());
    assert_eq!(translate(&image, &paging, VIRTUAL & u64::MAX >> 16), None);
    let compatible = Paging { efer: 0, ..paging };
    assert_eq!(translate(&image, &compatible, VIRTUAL), None);
    let off = Paging { cr0: 0, ..paging };
    assert_eq!(translate(&image, &off, PHYSICAL + 5), Some(PHYSICAL + 5));
}

#[test]
fn levels_sizes_and_no_execute() {
    // One table whose every entry leads to itself: as many levels as there are.
    let own = Uniform(ROOT | PRESENT);
    for (five, address) in [(false, 0x1234), (true, 0xFF11_0000_0000_1234)] {
        let mapping = walk(&own, &Paging::long_mode(ROOT, five), address).expect("mapped");
        assert_eq!((mapping.physical, mapping.rest), (ROOT | 0x234, 0xDCC));
    }
    // With four levels that address has no sign extension.
    assert_eq!(
        translate(&own, &Paging::long_mode(ROOT, false), 0xFF11_0000_0000_1234),
        None
    );
    // The bit of large pages means nothing on level 4; on level 3 it ends the walk.
    let huge = Uniform(LARGE | PRESENT | NO_EXECUTE | 7 << 30);
    let mapping = walk(&huge, &Paging::long_mode(ROOT, false), 0x7FFF_FFFF).expect("mapped");
    assert_eq!(mapping.physical, 7 << 30 | 0x3FFF_FFFF);
    assert!(!mapping.executable);
    assert_eq!(
        translate(&Uniform(!PRESENT), &Paging::long_mode(ROOT, true), 0),
        None
    );
}

proptest! {
    #[test]
    fn any_tables_are_walked_to_an_end(
        tables in prop::collection::vec(any::<u64>(), 64),
        cr3: u64, cr4: u64, address: u64,
    ) {
        let mut image = Image::new();
        for (index, word) in tables.iter().enumerate() {
            // Some entries lead to the tables again.
            let entry = if word & 2 == 0 { (word & 0x7003) + PHYSICAL + TABLES } else { *word };
            image.word(TABLES + index as u64 * 0x138, entry);
        }
        let paging = Paging { cr3, cr4, ..Image::paging() };
        walk(&image, &paging, address);
        walk(&image, &Paging { cr4, ..Image::paging() }, address);
    }
}
