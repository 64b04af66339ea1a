//! No sequence of requests shows anything outside the share, changes anything on the host, or stops the server.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;

use client::{Fields, Taker, message};
use ninep::fuzz::{SECRET, may_show, populate, run};
use ninep::{Limits, Reply, Server};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

struct World {
    directory: tempfile::TempDir,
    before: BTreeMap<PathBuf, String>,
    inodes: HashSet<u64>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        populate(directory.path()).unwrap();
        let before = everything(directory.path());
        let inodes = everything(&directory.path().join("share"))
            .into_keys()
            .map(|path| fs::symlink_metadata(path).unwrap().ino())
            .collect();
        Self {
            directory,
            before,
            inodes,
        }
    }

    fn server(&self) -> Server {
        // Few enough for both to run out.
        let limits = Limits {
            fids: 6,
            descriptors: 0,
            ..Limits::default()
        };
        Server::new(&self.directory.path().join("share"), limits).unwrap()
    }

    fn check(&self, replies: &[u8]) {
        assert!(!replies.windows(SECRET.len()).any(|part| part == SECRET));
        assert_eq!(everything(self.directory.path()), self.before);
    }
}

/// All there is to know of a tree.
fn everything(path: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![path.to_path_buf()];
    while let Some(path) = left.pop() {
        let m = fs::symlink_metadata(&path).unwrap();
        let mut content = Vec::new();
        if m.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else if m.is_file() {
            content = fs::read(&path).unwrap();
        }
        // Not the access time: reading the tree moves it here.
        let told = format!(
            "{:o} {} {} {} {} {} {}.{} {}.{} {content:?}",
            m.mode(),
            m.ino(),
            m.nlink(),
            m.uid(),
            m.gid(),
            m.size(),
            m.mtime(),
            m.mtime_nsec(),
            m.ctime(),
            m.ctime_nsec(),
        );
        all.insert(path, told);
    }
    all
}

/// The files that a reply says something about.
fn told(request: u8, reply: &[u8]) -> Vec<u64> {
    let mut t = Taker(reply);
    let _size = t.u32();
    let kind = t.u8();
    let _tag = t.u16();
    match kind {
        105 | 13 => vec![t.qid().path],
        25 => {
            t.u64();
            vec![t.qid().path]
        }
        111 => (0..t.u16()).map(|_| t.qid().path).collect(),
        41 => {
            let mut paths = Vec::new();
            t.u32();
            while !t.0.is_empty() {
                paths.push(t.qid().path);
                t.u64();
                t.u8();
                t.string();
            }
            paths
        }
        kind => {
            assert!(kind == 7 || kind == request + 1);
            vec![]
        }
    }
}

fn fid() -> impl Strategy<Value = u32> {
    prop_oneof![9 => 0..5u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn any_name(names: &[&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    prop::sample::select(names.to_vec()).prop_map(|name| name.as_bytes().to_vec())
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "a",
        "b",
        "c",
        "file",
        "empty",
        "big",
        "again",
        "7",
        "out",
        "up",
        "top",
        "beside",
        "socket",
        "fifo",
        "..",
        ".",
        "",
        "/",
        "../SECRET",
        "SECRET",
        "a/b",
        "/etc/passwd",
        "file\0",
        "...",
    ];
    prop_oneof![
        20 => any_name(&known),
        20 => any_name(&["a", "file", "a", "b", "c", "..", "up"]),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(0), 4 => 0..80_000u64, 1 => any::<u64>()]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..5000u32, 1 => any::<u32>()]
}

/// A well-formed request, mostly of what there is.
fn request() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let data = (fid(), offset(), count());
    let any_of = |kinds: &[u8]| prop::sample::select(kinds.to_vec());
    let from = prop_oneof![2 => Just(0u32), 1 => fid()];
    let attributes = prop::sample::select(vec!["", "user.x", "system.posix_acl_access"]);
    prop_oneof![
        1 => prop_oneof![Just(8192u32), any::<u32>()]
            .prop_map(|size| (100, Fields::new().u32(size).string(b"9P2000.L").0)),
        20 => fid().prop_map(|fid| {
            (104, Fields::new().u32(fid).u32(u32::MAX).string(b"").string(b"").u32(0).0)
        }),
        100 => (from, fid(), prop::collection::vec(name(), 0..4)).prop_map(|(fid, new, names)| {
            let count = u16::try_from(names.len()).unwrap();
            let fields = Fields::new().u32(fid).u32(new).u16(count);
            (110, names.iter().fold(fields, |fields, name| fields.string(name)).0)
        }),
        80 => (fid(), prop_oneof![8 => Just(0u32), 1 => any::<u32>()])
            .prop_map(|(fid, flags)| (12, Fields::new().u32(fid).u32(flags).0)),
        80 => (any_of(&[116, 40]), data).prop_map(|(kind, (fid, offset, count))| {
            (kind, Fields::new().u32(fid).u64(offset).u32(count).0)
        }),
        20 => (any_of(&[8, 24, 22, 50]), fid())
            .prop_map(|(kind, fid)| (kind, Fields::new().u32(fid).u64(0).0)),
        20 => (any_of(&[120, 120, 120, 122]), 1..6u32)
            .prop_map(|(kind, fid)| (kind, Fields::new().u32(fid).0)),
        20 => (fid(), fid(), attributes).prop_map(|(fid, new, name)| {
            (30, Fields::new().u32(fid).u32(new).string(name.as_bytes()).0)
        }),
        10 => (any_of(&[14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118]), fid(), name()).prop_map(
            |(kind, fid, name)| {
                (kind, Fields::new().u32(fid).string(&name).u32(0o777).u32(0o777).u64(0).0)
            }
        ),
        5 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)),
    ]
}

fn room() -> impl Strategy<Value = usize> {
    prop_oneof![8 => Just(8192usize), 1 => 7..400usize]
}

/// Runs a test on many values, all in one world: none changes it.
fn check<T: std::fmt::Debug>(
    values: impl Strategy<Value = T>,
    test: impl Fn(&World, T) -> Result<(), TestCaseError>,
) {
    let world = World::new();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(300));
    let result = runner.run(&values, |value| test(&world, value));
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// What begins a session.
fn begin() -> [(u8, Vec<u8>); 2] {
    let root = Fields::new().u32(0).u32(u32::MAX);
    [
        (100, Fields::new().u32(8192).string(b"9P2000.L").0),
        (104, root.string(b"").string(b"").u32(0).0),
    ]
}

#[test]
fn nothing_is_shown_or_changed() {
    let requests = prop::collection::vec((request(), room()), 1..60);
    check(requests, |world, requests| {
        let server = world.server();
        let begin = begin().map(|request| (request, 8192));
        let mut replies = Vec::new();
        for ((kind, fields), room) in begin.into_iter().chain(requests) {
            let mut buffer = vec![0; room];
            let request = message(kind, 3, &fields);
            let size = server.handle(&request, &mut Reply::from_slice(&mut buffer));
            prop_assert!((7..=room).contains(&size));
            prop_assert_eq!(&buffer[..4], &u32::try_from(size).unwrap().to_le_bytes());
            if size >= 11 {
                for path in told(kind, &buffer[..size]) {
                    prop_assert!(world.inodes.contains(&path), "{} is outside", path);
                }
            }
            // All of it: what is beyond the reply is memory of the guest, too.
            if may_show(&buffer) {
                replies.extend_from_slice(&buffer);
            }
        }
        world.check(&replies);
        Ok(())
    });
}

#[test]
fn rubbish_is_survived() {
    let scripts = prop::collection::vec(any::<u8>(), 0..2000);
    check(scripts, |world, script| {
        world.check(&run(&world.server(), &script));
        Ok(())
    });
}

/// The first test could not fail if its requests led nowhere.
#[test]
fn the_requests_reach_what_is_there() {
    let world = World::new();
    let mut runner = TestRunner::deterministic();
    let mut good = [0; 256];
    for _ in 0..100 {
        let server = world.server();
        let requests = prop::collection::vec(request(), 60).new_tree(&mut runner);
        for (kind, fields) in begin().into_iter().chain(requests.unwrap().current()) {
            let mut buffer = vec![0; 8192];
            server.handle(
                &message(kind, 3, &fields),
                &mut Reply::from_slice(&mut buffer),
            );
            good[usize::from(buffer[4])] += 1;
        }
    }
    for kind in [9, 13, 23, 25, 31, 41, 51, 101, 105, 111, 117, 121] {
        assert!(good[kind] > 3, "{kind}: {good:?}");
    }
}

/// What the fuzzer found or was given to begin with (`fuzz/corpus/requests`).
#[test]
fn the_corpus_is_survived() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/requests");
    let world = World::new();
    let mut replies = 0;
    for file in fs::read_dir(corpus).unwrap() {
        let replied = run(&world.server(), &fs::read(file.unwrap().path()).unwrap());
        replies += replied.len();
        world.check(&replied);
    }
    assert!(replies > 2000, "{replies} bytes: the corpus has gone");
}
