//! The records of a printk ring buffer, read as `kernel/printk/printk_ringbuffer.c` reads them.

use super::{
    ring::{ID_MASK, Layout, Ring, u64_at},
    view::View,
};
use crate::control::LogRecord;

/// Most records that are read, the newest ones.
pub const MAX_RECORDS: usize = 1 << 16;

/// Most bytes that the texts of all records take as JSON strings; the newest ones are kept.
pub const MAX_TEXT: usize = 4 << 20;

/// States of a descriptor (`enum desc_state`) whose record is complete.
const COMMITTED: u64 = 1;
const FINALIZED: u64 = 2;

/// Position of a record that has no text (`EMPTY_LINE_LPOS`, before 6.9 `NO_LPOS`). All odd positions stand for
/// records without a block; the others lost their text.
const EMPTY_LINE: u64 = 3;

/// Bytes of a descriptor's number at the beginning of every block of text.
const BLOCK_ID: u64 = 8;

/// What a ring holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    /// Complete records, oldest first.
    pub records: Vec<LogRecord>,
    /// Whether every record had the sequence number that its descriptor's number asks for.
    pub consistent: bool,
}

/// Whether the oldest and the newest descriptor are where `view` shows them.
pub(super) fn is_there(view: &View, layout: &Layout, ring: &Ring) -> bool {
    [ring.tail_id, ring.head_id].into_iter().all(|id| {
        let address = element(ring.descs, ring.index(id), layout.desc.size);
        view.word(address.wrapping_add(layout.desc.state_var as u64))
            .is_some_and(|state| state & ID_MASK == id)
    })
}

/// Reads a ring from the newest record back to the oldest, within [`MAX_RECORDS`] and [`MAX_TEXT`].
pub(super) fn read(view: &View, layout: &Layout, ring: &Ring) -> Records {
    let mut found = Records {
        records: Vec::new(),
        consistent: true,
    };
    let mut left = MAX_TEXT;
    for back in 0..=ring.span().min(MAX_RECORDS as u64 - 1) {
        let id = ring.head_id.wrapping_sub(back) & ID_MASK;
        let Some(record) = record(view, layout, ring, id) else {
            continue;
        };
        let Some(rest) = left.checked_sub(json_len(&record.text)) else {
            break;
        };
        left = rest;
        let low = u32::try_from(record.sequence & 0xFFFF_FFFF).expect("32 bits");
        found.consistent &= low == ring.sequence_low(id);
        found.records.push(record);
    }
    found.records.reverse();
    found
}

/// The record of descriptor `id`, if it is complete and its text is there.
fn record(view: &View, layout: &Layout, ring: &Ring, id: u64) -> Option<LogRecord> {
    let Layout { desc, info, .. } = layout;
    let index = ring.index(id);
    let mut bytes = vec![0; desc.size];
    if !view.read(element(ring.descs, index, desc.size), &mut bytes) {
        return None;
    }
    let state = u64_at(&bytes, desc.state_var)?;
    if state & ID_MASK != id || !matches!(state >> 62, COMMITTED | FINALIZED) {
        return None;
    }
    let (begin, next) = (u64_at(&bytes, desc.begin)?, u64_at(&bytes, desc.next)?);

    let mut bytes = vec![0; info.size];
    if !view.read(element(ring.infos, index, info.size), &mut bytes) {
        return None;
    }
    let [len_low, len_high, facility, flags_and_level, ..] =
        *bytes.get(info.text_len..)?.first_chunk::<8>()?;
    let (at, room) = block(ring, begin, next)?;
    let len = u64::from(u16::from_le_bytes([len_low, len_high])).min(room);
    let mut text = vec![0; usize::try_from(len).expect("16 bits")];
    if !view.read(ring.data.wrapping_add(at), &mut text) {
        return None;
    }
    let text = String::from_utf8_lossy(&text);
    Some(LogRecord {
        sequence: u64_at(&bytes, info.seq)?,
        nanos: u64_at(&bytes, info.ts_nsec)?,
        level: flags_and_level >> 5,
        facility,
        text: text.strip_suffix('\n').unwrap_or(&text).to_owned(),
    })
}

/// Where in the text the block from `begin` to `next` has its text, and how many bytes at most (`get_data`).
/// Positions count on and on; a block that does not fit before the end lies at the beginning.
fn block(ring: &Ring, begin: u64, next: u64) -> Option<(u64, u64)> {
    if begin & next & 1 == 1 {
        return (begin == EMPTY_LINE && next == EMPTY_LINE).then_some((0, 0));
    }
    if !begin.is_multiple_of(BLOCK_ID) || !next.is_multiple_of(BLOCK_ID) {
        return None;
    }
    let size = 1u64 << ring.size_bits;
    let wraps = |position: u64| position >> ring.size_bits;
    let (start, len) = if begin < next && wraps(begin) == wraps(next.wrapping_sub(1)) {
        (begin & (size - 1), next - begin)
    } else if wraps(begin.wrapping_add(size)) == wraps(next) {
        (0, next & (size - 1))
    } else {
        return None;
    };
    Some((start + BLOCK_ID, len.checked_sub(BLOCK_ID)?))
}

/// Address of an array's element.
fn element(array: u64, index: u64, size: usize) -> u64 {
    array.wrapping_add(index.wrapping_mul(size as u64))
}

/// Bytes of `text` in a JSON string.
fn json_len(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0c' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        })
        .sum()
}

#[cfg(test)]
mod tests;
