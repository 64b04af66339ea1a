//! Finding a byte string without reading a whole file into memory.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt};

/// Bytes read at a time.
const WINDOW: usize = 1 << 20;

/// Offset of the first `needle` in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        from += haystack.get(from..)?.iter().position(|b| *b == first)?;
        if haystack[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
}

/// Offset in the file of the first `needle` in its bytes of `range`; an end of file before the range's is the end.
///
/// # Errors
/// Those of reading.
pub fn find_in_file(file: &File, range: Range<u64>, needle: &[u8]) -> io::Result<Option<u64>> {
    let overlap = needle.len().saturating_sub(1);
    let mut buffer = vec![0; WINDOW];
    let mut at = range.start;
    while at < range.end {
        let wanted = usize::try_from(range.end - at).map_or(WINDOW, |n| n.min(WINDOW));
        let got = read_at_most(file, at, &mut buffer[..wanted])?;
        if let Some(found) = find(&buffer[..got], needle) {
            return Ok(Some(at + found as u64));
        }
        if got < wanted || got <= overlap {
            break;
        }
        at += (got - overlap) as u64;
    }
    Ok(None)
}

/// Fills `buffer` from `offset` as far as the file goes; returns how far.
///
/// # Errors
/// Those of reading.
pub fn read_at_most(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(hay in prop::collection::vec(0u8..3, 0..200), needle in prop::collection::vec(0u8..3, 1..5)) {
            prop_assert_eq!(find(&hay, &needle), hay.windows(needle.len()).position(|w| w == needle));
        }
    }

    #[test]
    fn a_needle_across_two_windows_is_found() {
        let mut file = tempfile::tempfile().unwrap();
        for at in [WINDOW - 4, WINDOW - 1, WINDOW, 2 * WINDOW - 8] {
            let mut data = vec![b'x'; 3 * WINDOW];
            data[at..at + 6].copy_from_slice(b"needle");
            file.set_len(0).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            file.write_all(&data).unwrap();
            let found = find_in_file(&file, 0..data.len() as u64, b"needle").unwrap();
            assert_eq!(found, Some(at as u64));
            let before = find_in_file(&file, 0..at as u64 + 5, b"needle").unwrap();
            assert_eq!(before, None);
        }
    }

    #[test]
    fn a_range_past_the_end_of_the_file_ends_with_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        assert_eq!(find_in_file(&file, 0..u64::MAX, b"needle").unwrap(), None);
    }
}
