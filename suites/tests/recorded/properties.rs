//! What holds for every log.

use crate::support::*;
use proptest::prelude::*;
use std::collections::HashSet;
use suites::{
    OutputFormat,
    output::OutputReader,
    recorded::{LogFormat, Reader},
};

/// Pieces of logs and of what surrounds them.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "# selftests: a: b\n",
        "ok 1 selftests: a: b\n",
        "not ok 2 selftests: a: c # exit=1\n",
        "# Warning: file b is missing!\n",
        "TAP version 13\n",
        "KTAP version 1\n",
        "1..3\n",
        "    # Subtest: s\n",
        "    1..2\n",
        "    ok 1 x\n",
        "ok 1 s\n",
        "# ok 1 x\n",
        "# 1..2\n",
        "[    1.000000] ",
        "<6>",
        "[    T1] ",
        "Kernel panic - not syncing: x\n",
        "BUG: y\n",
        "Linux version 6\n",
        "a.c:1: TPASS: x\n",
        "b.c:1: TFAIL: x\n",
        "Summary:\n",
        "passed   1\n",
        "<<<test_start>>>\n",
        "tag=t stime=1\n",
        "duration=0 termination_type=exited termination_id=1 corefile=no\n",
        "<<<test_end>>>\n",
        "===== k =====\n",
        "Duration: 1s\n",
        "Starting suite: s\n",
        "k: pass  (0.1s)\n",
        "FSTYP -- ext4\n",
        "generic/001 4s ... ",
        " 5s\n",
        "generic/002 [not run] r\n",
        "Failures: generic/001\n",
        "SECTION -- s\n",
        "Ran: generic/001\n",
        "block/001 (d) [passed]\n",
        "block/002 => vdb (d)\n",
        "    remark\n",
        "{\"id\": \"j\", \"outcome\": \"fail\"}\n",
        "\n",
        "\r",
        "\0",
        "\u{1b}[1m",
        "\u{e9}",
        "#",
        " ",
        "x",
    ]);
    prop_oneof![
        30 => pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (0..6000_usize).prop_map(|length| vec![b'y'; length]),
    ]
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(fragment(), 0..80).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}

fn format() -> impl Strategy<Value = Option<LogFormat>> {
    prop::option::weighted(0.8, prop::sample::select(LogFormat::ALL.to_vec()))
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same(
        log in log(),
        format in format(),
        cuts in prop::collection::vec(0..4000_usize, 0..20),
    ) {
        let whole = read_as(format, &log);
        let mut reader = Reader::new(format);
        let mut rest = &log[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            reader.push(piece);
            rest = after;
        }
        reader.push(rest);
        prop_assert_eq!(&reader.finish(), &whole);
        let mut reader = Reader::new(format);
        for byte in &log {
            reader.push(std::slice::from_ref(byte));
        }
        prop_assert_eq!(&reader.finish(), &whole);
    }

    #[test]
    fn ids_are_unique_and_not_empty(log in log(), format in format()) {
        let recorded = read_as(format, &log);
        let ids: HashSet<_> = recorded.tests.iter().map(|test| &test.id).collect();
        prop_assert_eq!(ids.len(), recorded.tests.len());
        prop_assert!(recorded.tests.iter().all(|test| !test.id.case.is_empty()));
        if format.is_some() {
            prop_assert_eq!(recorded.format, format);
        }
    }

    #[test]
    fn a_tests_output_is_read_the_same_in_any_pieces(log in log()) {
        for format in [
            OutputFormat::Kunit,
            OutputFormat::Ltp,
            OutputFormat::Xfstests,
            OutputFormat::Blktests,
            OutputFormat::JsonLines,
        ] {
            let mut whole = OutputReader::new(format);
            whole.push(&log);
            let mut pieces = OutputReader::new(format);
            for byte in &log {
                pieces.push(std::slice::from_ref(byte));
            }
            let whole = whole.finish();
            prop_assert_eq!(&pieces.finish(), &whole);
            let paths: Vec<_> = whole.leaves().map(|(path, _)| path).collect();
            let unique: HashSet<_> = paths.iter().collect();
            prop_assert_eq!(unique.len(), paths.len());
        }
    }
}
