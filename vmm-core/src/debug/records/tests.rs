use super::*;
use crate::debug::{
    fixture::{COUNT_BITS, DATA, DESCS, INFOS, Image, RING, VIRTUAL, Writer},
    ring::{KNOWN, Ring},
    view::Map,
};
use proptest::prelude::*;

fn read_all(image: &Image, layout: &Layout) -> Records {
    let at = usize::try_from(RING).unwrap();
    let ring = Ring::parse(&image.bytes[at..], &layout.ring).expect("a ring");
    let view = View {
        mem: image,
        map: Map::Tables(Image::paging()),
    };
    assert!(is_there(&view, layout, &ring));
    read(&view, layout, &ring)
}

#[test]
fn a_ring_without_records_is_empty() {
    for layout in &KNOWN {
        let writer = Writer::new(layout);
        let found = read_all(&writer.image, layout);
        assert_eq!(found.records, []);
        assert!(found.consistent);
    }
}

#[test]
fn a_record_has_all_its_properties() {
    let mut writer = Writer::new(&KNOWN[0]);
    writer.write("first\n");
    writer.write("bad \u{1} \u{7f} é\nsecond line");
    let records = read_all(&writer.image, writer.layout).records;
    assert_eq!(
        records[0],
        LogRecord {
            sequence: 0,
            nanos: 0,
            level: 6,
            facility: 3,
            text: "first".into(),
        }
    );
    assert_eq!(records[1].text, "bad \u{1} \u{7f} é\nsecond line");
    assert_eq!(records[1].nanos, 1000);
}

#[test]
fn a_record_in_the_making_and_one_that_lost_its_text_are_left_out() {
    let mut writer = Writer::with(&KNOWN[0], 4);
    let (reserved, failed) = (DESCS + 24, DESCS + 2 * 24);
    let mut state = [0; 8];
    let at = usize::try_from(reserved).unwrap();
    state.copy_from_slice(&writer.image.bytes[at..at + 8]);
    let id = u64::from_le_bytes(state) & ID_MASK;
    writer.image.word(reserved, id);
    writer.image.word(failed + 8, 1);
    writer.image.word(failed + 16, 1);
    let records = read_all(&writer.image, writer.layout).records;
    let sequences: Vec<_> = records.iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, [0, 3]);
}

#[test]
fn texts_are_bounded_by_what_they_take_as_json() {
    for text in [
        "",
        "plain",
        "\"\\\n\t\r\u{8}\u{c}",
        "\u{0}\u{1f}\u{7f}é\u{fffd}\u{1F600}",
    ] {
        let json = serde_json::to_string(text).expect("a string");
        assert_eq!(json_len(text), json.len() - 2, "{json}");
    }
    // Every descriptor claims 48 KiB of the same text, much of it zeros.
    let mut writer = Writer::with(&KNOWN[0], 1 << COUNT_BITS);
    let mut ring_at = |member: usize, value: u64| writer.image.word(RING + member as u64, value);
    ring_at(KNOWN[0].ring.size_bits, 31);
    ring_at(KNOWN[0].ring.data, VIRTUAL + DATA);
    for index in 0..1 << COUNT_BITS {
        writer.image.word(DESCS + index * 24 + 8, 0);
        writer.image.word(DESCS + index * 24 + 16, 1 << 20);
        writer.image.poke(INFOS + index * 88 + 16, &[0x00, 0xC0]);
    }
    let records = read_all(&writer.image, writer.layout).records;
    assert!(records.len() < 1 << COUNT_BITS);
    let total: usize = records.iter().map(|record| json_len(&record.text)).sum();
    assert!(total > MAX_TEXT / 2 && total <= MAX_TEXT, "{total}");
    let newest = records.last().expect("records");
    assert_eq!(newest.sequence, (1 << COUNT_BITS) - 1);
}

proptest! {
    #[test]
    fn what_was_written_and_not_overwritten_is_read(
        layout in 0..KNOWN.len(),
        texts in prop::collection::vec("[ -~]{0,100}", 0..60),
    ) {
        let mut writer = Writer::new(&KNOWN[layout]);
        for text in &texts {
            writer.write(text);
        }
        let found = read_all(&writer.image, writer.layout);
        prop_assert!(found.consistent);
        let read: Vec<_> = found.records.into_iter().map(|r| (r.sequence, r.text)).collect();
        let live: Vec<_> = writer.live.into_iter().map(|(_, _, s, text)| (s, text)).collect();
        prop_assert_eq!(read, live);
    }

    #[test]
    fn a_block_lies_within_the_text(size_bits in 5..=31u32, begin: u64, len in 0..200u64, far: u64) {
        let image = Writer::new(&KNOWN[0]).image;
        let at = usize::try_from(RING).unwrap();
        let mut ring = Ring::parse(&image.bytes[at..], &KNOWN[0].ring).expect("a ring");
        ring.size_bits = size_bits;
        for next in [far, begin.wrapping_add(len)] {
            for (begin, next) in [(begin, next), (begin & !7, next & !7)] {
                if let Some((start, room)) = block(&ring, begin, next) {
                    prop_assert!(start + room <= 1 << size_bits);
                }
            }
        }
    }
}
