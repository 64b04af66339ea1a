//! Bytes of a log, whole and in pieces; the first byte is the size of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use splats::{Splat, TextScanner};

fn scan(log: &[u8], size: usize) -> Vec<Splat> {
    let mut scanner = TextScanner::new();
    log.chunks(size).for_each(|piece| scanner.push(piece));
    scanner.finish().0
}

fuzz_target!(|input: &[u8]| {
    let Some((&size, log)) = input.split_first() else {
        return;
    };
    let whole = scan(log, log.len().max(1));
    assert_eq!(scan(log, usize::from(size).max(1)), whole);
    let lines = log.split(|b| *b == b'\n').count() as u64;
    for splat in &whole {
        assert!(splat.first_line >= 1 && splat.first_line <= splat.last_line && splat.last_line <= lines);
        assert!(splat.frames.len() <= 64 && splat.title.len() < 4096);
    }
});
