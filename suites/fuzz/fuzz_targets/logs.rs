//! Any bytes as a recorded log and as a test's output, in every format. The first byte says how they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use suites::{
    OutputFormat,
    output::OutputReader,
    recorded::{LogFormat, Reader},
};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, log)) = input.split_first() else {
        return;
    };
    let cut = usize::from(cut).max(1);
    for format in std::iter::once(None).chain(LogFormat::ALL.into_iter().map(Some)) {
        let mut whole = Reader::new(format);
        whole.push(log);
        let whole = whole.finish();
        let mut pieces = Reader::new(format);
        log.chunks(cut).for_each(|piece| pieces.push(piece));
        assert_eq!(pieces.finish(), whole, "{format:?}");
        let ids: HashSet<_> = whole.tests.iter().map(|test| &test.id).collect();
        assert_eq!(ids.len(), whole.tests.len(), "{format:?}");
    }
    for format in [
        OutputFormat::Auto,
        OutputFormat::Kselftest,
        OutputFormat::Kunit,
        OutputFormat::Ltp,
        OutputFormat::Xfstests,
        OutputFormat::Blktests,
        OutputFormat::JsonLines,
        OutputFormat::Perf,
        OutputFormat::StressNg,
    ] {
        let mut whole = OutputReader::new(format);
        whole.push(log);
        let whole = whole.finish();
        let mut pieces = OutputReader::new(format);
        log.chunks(cut).for_each(|piece| pieces.push(piece));
        assert_eq!(pieces.finish(), whole, "{format:?}");
        let paths: HashSet<_> = whole.leaves().map(|(path, _)| path).collect();
        assert_eq!(paths.len(), whole.leaves().count(), "{format:?}");
    }
});
