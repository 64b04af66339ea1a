//! How fast logs are read: MB/s for a log of each format, beside counting the newlines of the same bytes.

use std::{hint::black_box, time::Instant};
use suites::recorded::{LogFormat, Reader};

/// Bytes of each log.
const SIZE: usize = 32 << 20;
/// Bytes of a piece, as `runner parse` reads them.
const PIECE: usize = 256 << 10;
/// Turns, of which the fastest counts.
const TURNS: usize = 3;

/// A log of `SIZE` bytes or a little more; `block` writes its part number `n`.
fn log(block: impl Fn(usize) -> String) -> Vec<u8> {
    let mut log = Vec::with_capacity(SIZE + 4096);
    let mut n = 0;
    while log.len() < SIZE {
        log.extend_from_slice(block(n).as_bytes());
        n += 1;
    }
    log
}

/// The least time of a few turns, in seconds.
fn fastest<T>(mut act: impl FnMut() -> T) -> f64 {
    let turn = |_| {
        let began = Instant::now();
        black_box(act());
        began.elapsed().as_secs_f64()
    };
    (0..TURNS).map(turn).fold(f64::INFINITY, f64::min)
}

fn main() {
    let logs = [
        (
            LogFormat::Ktap,
            log(|n| {
                format!(
                    "# a remark on the next\nok {} a_result_of_a_program\n",
                    n + 1
                )
            }),
        ),
        (
            LogFormat::Kselftest,
            log(|n| {
                format!(
                    "# selftests: net: test_{n}\n# TAP version 13\n# 1..2\n# ok 1 first\n# some words\n# ok 2 second\n\
                     ok {n} selftests: net: test_{n}\n"
                )
            }),
        ),
        (
            LogFormat::Kunit,
            log(|n| {
                let number = n + 1;
                format!(
                    "[    1.{n:06}]     # Subtest: suite_{n}\n[    1.{n:06}]     1..1\n\
                     [    1.{n:06}] tsc: some line of the kernel's own\n[    1.{n:06}]     ok 1 case\n\
                     [    1.{n:06}] ok {number} suite_{n}\n"
                )
            }),
        ),
        (
            LogFormat::Ltp,
            log(|n| {
                format!(
                    "<<<test_start>>>\ntag=t{n} stime=1\n<<<test_output>>>\nt{n}.c:12: TPASS: it did what it should\n\
                     <<<execution_status>>>\nduration=0 termination_type=exited termination_id=0 corefile=no\n<<<test_end>>>\n"
                )
            }),
        ),
        (
            LogFormat::Xfstests,
            log(|n| format!("generic/{:03} 4s ...  5s\n", n % 1000)),
        ),
        (
            LogFormat::Blktests,
            log(|n| {
                format!(
                    "block/{:03} (what it does)   [passed]\n    runtime  1s ... 2s\n",
                    n % 1000
                )
            }),
        ),
    ];
    println!("{:<12} {:>9} {:>9}", "log", "MB/s", "x count");
    for (format, log) in &logs {
        let read = fastest(|| {
            let mut reader = Reader::new(None);
            log.chunks(PIECE).for_each(|piece| reader.push(piece));
            let recorded = reader.finish();
            assert_eq!(recorded.format, Some(*format));
            recorded
        });
        let counted = fastest(|| log.iter().filter(|&&byte| byte == b'\n').count());
        let speed = log.len() as f64 / 1e6 / read;
        println!("{format:<12} {speed:>9.0} {:>9.1}", read / counted);
    }
}
