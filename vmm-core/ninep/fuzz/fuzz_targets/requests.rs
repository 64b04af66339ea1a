//! Sequences of requests to a server of a small tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ninep::fuzz::{SECRET, populate, run};
use ninep::{Limits, Server};
use std::path::PathBuf;
use std::sync::LazyLock;

static SHARE: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a temporary directory").keep();
    populate(&directory).expect("a tree in it");
    directory.join("share")
});

fuzz_target!(|script: &[u8]| {
    let limits = Limits {
        fids: 6,
        descriptors: 0,
        ..Limits::default()
    };
    let server = Server::new(&SHARE, limits).expect("the directory is there");
    let replies = run(&server, script);
    // The text of one link has the word in it.
    let found = replies.windows(SECRET.len()).enumerate();
    for (at, _) in found.filter(|(_, part)| *part == SECRET) {
        assert!(replies[..at].ends_with(b"../"), "something from outside");
    }
});
