//! What a client finds in a tree, and that it finds nothing else.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;

use client::*;
use ninep::{Limits, OpenError, Server};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// A share, and a secret beside it.
fn world() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let share = dir.path().join("share");
    fs::create_dir_all(share.join("a/b/c")).unwrap();
    fs::write(share.join("file"), "content").unwrap();
    fs::write(share.join("a/b/deep"), "deep content").unwrap();
    fs::write(dir.path().join("secret"), "SECRET").unwrap();
    (dir, share)
}

#[test]
fn files_are_found_and_read() {
    let (_dir, share) = world();
    let client = Client::new(&share);
    assert_eq!(client.content("file").unwrap(), b"content");
    assert_eq!(client.content("a/b/deep").unwrap(), b"deep content");
    assert_eq!(client.content("a/none"), Err(ENOENT));
    assert_eq!(client.content("file/none"), Err(ENOTDIR));
    assert_eq!(client.content("a"), Err(EISDIR));
}

#[test]
fn a_walk_of_many_names_says_how_far_it_came() {
    let (_dir, share) = world();
    let client = Client::new(&share);
    let qids = client.walk(ROOT, 1, &[b"a", b"b", b"deep"]).unwrap();
    assert_eq!(qids.len(), 3);
    assert_eq!(
        qids.iter().map(|q| q.kind).collect::<Vec<_>>(),
        [0x80, 0x80, 0]
    );
    assert_eq!(client.attr(1).unwrap().qid, qids[2]);
    let qids = client.walk(ROOT, 2, &[b"a", b"none", b"deep"]).unwrap();
    assert_eq!(qids.len(), 1);
    assert_eq!(
        client.attr(2),
        Err(EBADF),
        "no fid of a walk that fell short"
    );
    assert_eq!(client.walk(ROOT, 2, &[b"none", b"a"]), Err(ENOENT));
    assert_eq!(client.walk(ROOT, 1, &[b"a"]), Err(EBADF), "1 is in use");
    assert_eq!(client.walk(ROOT, NO_FID, &[b"a"]), Err(EBADF));
    assert_eq!(client.walk(77, 2, &[]), Err(EBADF));
}

#[test]
fn nothing_leads_out_of_the_share() {
    let (dir, share) = world();
    symlink("../secret", share.join("out")).unwrap();
    symlink(dir.path().join("secret"), share.join("absolute")).unwrap();
    symlink("..", share.join("up")).unwrap();
    symlink("/", share.join("top")).unwrap();
    let client = Client::new(&share);
    let root = client.attr(ROOT).unwrap().qid;

    for names in [&[&b".."[..]][..], &[b"..", b".."], &[b"a", b"..", b".."]] {
        let qids = client.walk(ROOT, 1, names).unwrap();
        assert_eq!(*qids.last().unwrap(), root, "{names:?}");
        client.clunk(1).unwrap();
    }
    assert_eq!(client.walk(ROOT, 1, &[b"..", b"secret"]).unwrap().len(), 1);
    for name in [
        &b"../secret"[..],
        b"/etc/passwd",
        b"a/b",
        b"a/",
        b"/",
        b".",
        b"",
        b"./file",
        b"file\0",
        b"\0",
        b"a/../../secret",
    ] {
        assert_eq!(client.walk(ROOT, 1, &[name]), Err(EINVAL), "{name:?}");
    }
    assert_eq!(client.walk(ROOT, 1, &[&[b'x'; 256]]), Err(ENAMETOOLONG));
    assert_eq!(client.walk(ROOT, 1, &[&[b'x'; 255]]), Err(ENOENT));

    // Links are seen, told about, and neither opened nor gone through.
    for (name, text) in [("out", b"../secret".to_vec()), ("up", b"..".to_vec())] {
        client.go(1, name).unwrap();
        assert_eq!(client.attr(1).unwrap().qid.kind, 2);
        assert_eq!(client.attr(1).unwrap().mode & 0o170_000, 0o120_000);
        assert_eq!(client.readlink(1).unwrap(), text);
        assert_eq!(client.open(1, 0), Err(ELOOP));
        assert_eq!(client.walk(1, 2, &[b".."]), Err(ENOTDIR));
        client.clunk(1).unwrap();
    }
    assert_eq!(client.content("up/secret"), Err(ENOTDIR));
    assert_eq!(client.content("top/etc/passwd"), Err(ENOTDIR));
    assert_eq!(client.content("absolute"), Err(ELOOP));
    assert_eq!(client.readlink(ROOT), Err(EINVAL));

    // `..` of a directory that is moved out of the share meanwhile is where it was.
    client.go(1, "a/b").unwrap();
    fs::rename(share.join("a/b"), dir.path().join("b")).unwrap();
    client.walk(1, 2, &[b".."]).unwrap();
    client.walk(2, 3, &[b".."]).unwrap();
    assert_eq!(client.attr(3).unwrap().qid, client.attr(ROOT).unwrap().qid);
    assert_eq!(
        client.walk(1, 4, &[b"..", b"..", b"secret"]).unwrap().len(),
        2
    );
}

#[test]
fn links_that_the_kernel_makes_up_are_not_followed() {
    if !Path::new("/proc/self/root").exists() {
        return;
    }
    let client = Client::new(Path::new("/proc"));
    let pid = std::process::id().to_string();
    for link in ["root", "cwd", "exe"] {
        client.go(1, &format!("{pid}/{link}")).unwrap();
        assert_eq!(client.attr(1).unwrap().qid.kind, 2);
        assert_eq!(client.walk(1, 2, &[b"etc"]), Err(ENOTDIR));
        assert_eq!(client.open(1, 0), Err(ELOOP));
        client.clunk(1).unwrap();
    }
    // Files without a size have content all the same, and are not to be cached.
    let status = client.content(&format!("{pid}/status")).unwrap();
    assert!(status.starts_with(b"Name:"));
    client.go(1, &format!("{pid}/status")).unwrap();
    assert_eq!(client.attr(1).unwrap().qid.version, 0);
}

#[test]
fn mount_points_are_part_of_the_tree() {
    let dev = |path: &str| fs::metadata(path).map(|m| m.dev()).ok();
    if dev("/proc").is_none() || dev("/proc") == dev("/") {
        return;
    }
    let client = Client::new(Path::new("/"));
    assert!(!client.content("proc/version").unwrap().is_empty());
    client.go(1, "proc").unwrap();
    let proc = client.attr(1).unwrap();
    assert_ne!(proc.qid.path, fs::metadata("/proc").unwrap().ino());
    client.walk(1, 2, &[b".."]).unwrap();
    assert_eq!(client.attr(2).unwrap().qid, client.attr(ROOT).unwrap().qid);
    client.open(1, 0).unwrap();
    let dots: Vec<_> = client.list(1, 8000).unwrap();
    let dot = dots.iter().find(|e| e.name == b".").unwrap();
    let dot_dot = dots.iter().find(|e| e.name == b"..").unwrap();
    assert_eq!(dot.qid.path, proc.qid.path);
    assert_eq!(dot_dot.qid.path, client.attr(ROOT).unwrap().qid.path);
}

#[test]
fn attributes_are_those_of_the_host() {
    let (_dir, share) = world();
    fs::set_permissions(share.join("file"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(share.join("file"), share.join("again")).unwrap();
    let client = Client::new(&share);
    let host = fs::metadata(share.join("file")).unwrap();
    client.go(1, "file").unwrap();
    client.go(2, "again").unwrap();
    let attr = client.attr(1).unwrap();
    assert_eq!(attr, client.attr(2).unwrap());
    assert_eq!(attr.valid & !0x800, 0x7ff);
    assert_eq!(attr.mode, host.mode());
    assert_eq!((attr.uid, attr.gid), (host.uid(), host.gid()));
    assert_eq!((attr.nlink, attr.size), (2, 7));
    assert_eq!(attr.blocks, host.blocks());
    let of = |sec: i64, nsec: i64| (sec.cast_unsigned(), nsec.cast_unsigned());
    assert_eq!(attr.times[0], of(host.atime(), host.atime_nsec()));
    assert_eq!(attr.times[1], of(host.mtime(), host.mtime_nsec()));
    assert_eq!(attr.times[2], of(host.ctime(), host.ctime_nsec()));
    assert_eq!(attr.gen_and_data_version, (0, 0));
    assert_eq!(attr.qid.path, host.ino(), "the share's own file system");
    assert_eq!(attr.blksize % 4096, 0);

    fs::write(share.join("file"), "more content").unwrap();
    let later = client.attr(1).unwrap();
    assert_eq!(later.size, 12, "as it is now");
    assert_ne!(
        later.qid.version, attr.qid.version,
        "a cache would be stale"
    );
    fs::write(share.join("file"), "").unwrap();
    assert_eq!(client.attr(1).unwrap().qid.version, 0);

    let reply = client.call(8, &Fields::new().u32(1).0).unwrap();
    let mut t = Taker(&reply);
    let _kind = t.u32();
    assert!(t.u32() >= 512);
    assert!(t.u64() > 0);
    assert_eq!(reply.len(), 4 + 4 + 6 * 8 + 4);
}

#[test]
fn what_is_neither_file_nor_directory_is_seen_and_never_opened() {
    let (_dir, share) = world();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        share.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(share.join("socket")).unwrap();
    // Only root may; /dev has some for anyone.
    let null = rustix::fs::makedev(1, 3);
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        share.join("null"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RUSR,
        null,
    );
    let client = Client::new(&share);
    client.go(1, "fifo").unwrap();
    assert_eq!(client.attr(1).unwrap().mode & 0o170_000, 0o010_000);
    assert_eq!(client.open(1, 0), Err(EACCES));
    client.go(2, "socket").unwrap();
    assert_eq!(client.attr(2).unwrap().mode & 0o170_000, 0o140_000);
    assert_eq!(client.open(2, 0), Err(ENXIO));
    if made.is_ok() {
        client.go(3, "null").unwrap();
        assert_eq!(client.attr(3).unwrap().rdev, null);
        assert_eq!(client.open(3, 0), Err(EACCES));
    }
    let client = Client::new(Path::new("/dev"));
    if fs::metadata("/dev/null").is_ok_and(|m| m.file_type().is_char_device()) {
        client.go(1, "null").unwrap();
        assert_eq!(client.attr(1).unwrap().rdev, null);
        assert_eq!(client.open(1, 0), Err(EACCES));
    }
}

#[test]
fn every_name_is_listed_from_every_offset() {
    let (_dir, share) = world();
    let big = share.join("big");
    fs::create_dir(&big).unwrap();
    let mut names: HashSet<Vec<u8>> = (0..1500)
        .map(|i| format!("{i:0width$}", width = 1 + i % 40).into_bytes())
        .collect();
    names.insert(vec![b'n'; 255]);
    names.insert(b"not \xff\xfe unicode \n".to_vec());
    for name in &names {
        fs::write(big.join(OsStr::from_bytes(name)), "").unwrap();
    }
    symlink("x", big.join("link")).unwrap();
    fs::create_dir(big.join("dir")).unwrap();
    names.extend([&b"."[..], b"..", b"link", b"dir"].map(<[u8]>::to_vec));

    let client = Client::new(&share);
    client.go(1, "big").unwrap();
    assert_eq!(client.entries(1, 0, 1000), Err(EBADF), "not open yet");
    client.open(1, 0o200_000).unwrap();
    let all = client.list(1, 500_000).unwrap();
    assert_eq!(all.len(), names.len());
    let found: HashSet<Vec<u8>> = all.iter().map(|e| e.name.clone()).collect();
    assert_eq!(found, names);
    assert_eq!(client.list(1, 1000).unwrap(), all);
    assert_eq!(client.list(1, 300).unwrap(), all);

    // Backwards, so that each goes back.
    for (i, entry) in all.iter().enumerate().rev().step_by(7) {
        let rest = client.entries(1, entry.offset, 2000).unwrap();
        assert_eq!(rest, all[i + 1..][..rest.len()]);
        assert_eq!(rest.is_empty(), i + 1 == all.len());
    }
    assert_eq!(client.entries(1, 0, 20), Err(EINVAL), "less than an entry");
    assert_eq!(client.entries(1, 1 << 63, 2000), Err(EINVAL));

    let by_name = |name: &[u8]| all.iter().find(|e| e.name == name).unwrap();
    assert_eq!((by_name(b"dir").kind, by_name(b"dir").qid.kind), (4, 0x80));
    assert_eq!((by_name(b"link").kind, by_name(b"link").qid.kind), (10, 2));
    assert_eq!(by_name(b"0").kind, 8);
    let root = client.attr(ROOT).unwrap().qid.path;
    assert_eq!(by_name(b"..").qid.path, root);
    for entry in all
        .iter()
        .filter(|e| e.name != b"." && e.name != b"..")
        .step_by(50)
    {
        client.walk(1, 2, &[&entry.name]).unwrap();
        assert_eq!(client.attr(2).unwrap().qid.path, entry.qid.path);
        client.clunk(2).unwrap();
    }

    // The root's parent is not shown, not even by its number.
    client.walk(ROOT, 3, &[]).unwrap();
    client.open(3, 0).unwrap();
    let all = client.list(3, 4000).unwrap();
    let dots = all.iter().filter(|e| e.name.starts_with(b"."));
    assert!(dots.clone().all(|e| e.qid.path == root));
    assert_eq!(dots.count(), 2);
    assert_eq!(client.read(3, 0, 10), Err(EISDIR));
}

#[test]
fn files_that_are_unlinked_stay_while_they_are_held() {
    let (_dir, share) = world();
    let client = Client::new(&share);
    client.go(1, "file").unwrap();
    client.open(1, 0).unwrap();
    client.go(2, "a/b/deep").unwrap();
    fs::remove_file(share.join("file")).unwrap();
    fs::remove_dir_all(share.join("a")).unwrap();
    assert_eq!(client.read(1, 0, 100).unwrap(), b"content");
    assert_eq!(client.attr(1).unwrap().nlink, 0);
    // Linux makes another fid of the open one for fstat(2), and opens that again for /proc/self/fd.
    client.walk(1, 3, &[]).unwrap();
    client.open(3, 0).unwrap();
    assert_eq!(client.read(3, 3, 100).unwrap(), b"tent");
    client.open(2, 0).unwrap();
    assert_eq!(client.read(2, 0, 100).unwrap(), b"deep content");
    assert_eq!(client.walk(ROOT, 4, &[b"file"]), Err(ENOENT));
}

#[test]
fn more_files_are_remembered_than_descriptors_are_there() {
    let (_dir, share) = world();
    let count = 200u32;
    for i in 0..count {
        fs::create_dir_all(share.join(format!("d{}", i % 50))).unwrap();
        fs::write(share.join(format!("d{}/f{i}", i % 50)), i.to_string()).unwrap();
    }
    let few = Limits {
        descriptors: 0,
        ..Limits::default()
    };
    let client = Client::with(&share, few, 8192);
    for i in 0..count {
        client.go(100 + i, &format!("d{}/f{i}", i % 50)).unwrap();
    }
    for i in (0..count).rev() {
        assert_eq!(
            client.attr(100 + i).unwrap().size,
            i.to_string().len() as u64
        );
    }
    for i in 0..count {
        client.open(100 + i, 0).unwrap();
        assert_eq!(
            client.read(100 + i, 0, 9).unwrap(),
            i.to_string().as_bytes()
        );
        client.walk(100 + i, 1, &[]).unwrap();
        client.clunk(100 + i).unwrap();
        client.clunk(1).unwrap();
    }

    // Another file of the same name is another file.
    for i in 0..count {
        client.go(100 + i, &format!("d{}/f{i}", i % 50)).unwrap();
    }
    fs::rename(share.join("d0/f50"), share.join("d0/f0")).unwrap();
    assert_eq!(client.attr(100), Err(ESTALE));
    assert_eq!(client.attr(150), Err(ENOENT));

    // Files that are open cannot be given up.
    let opened = (1..50)
        .find(|i| client.open(100 + i, 0) == Err(EMFILE))
        .unwrap();
    assert!(opened > 5, "{opened}");
    client.clunk(101).unwrap();
    client.open(100 + opened, 0).unwrap();
}

#[test]
fn fids_are_bounded() {
    let (_dir, share) = world();
    let few = Limits {
        fids: 3,
        ..Limits::default()
    };
    let client = Client::with(&share, few, 8192);
    client.walk(ROOT, 1, &[b"a"]).unwrap();
    client.walk(ROOT, 2, &[]).unwrap();
    assert_eq!(client.walk(ROOT, 3, &[]), Err(ENFILE));
    assert_eq!(client.walk(ROOT, 3, &[b"file"]), Err(ENFILE));
    assert_eq!(client.attach(3), Err(ENFILE));
    client.walk(2, 2, &[b"file"]).unwrap();
    client.clunk(1).unwrap();
    client.walk(ROOT, 3, &[b"file"]).unwrap();
}

#[test]
fn paths_are_bounded() {
    let (_dir, share) = world();
    // Fewer descriptors than there are levels.
    let few = Limits {
        descriptors: 100,
        ..Limits::default()
    };
    let client = Client::with(&share, few, 8192);
    client.walk(ROOT, 1, &[]).unwrap();
    // A directory below a directory, deeper than a path can name.
    let mut fd =
        rustix::fs::open(&share, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    for depth in 0.. {
        rustix::fs::mkdirat(&fd, "d", rustix::fs::Mode::RWXU).unwrap();
        fd = rustix::fs::openat(
            &fd,
            "d",
            rustix::fs::OFlags::PATH,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        match client.walk(1, 1, &[b"d"]) {
            Ok(_) => assert!(depth < 4096),
            Err(ENAMETOOLONG) => {
                assert_eq!(depth, 2048);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    client.attr(1).unwrap();
    client.clunk(1).unwrap();
}

#[test]
fn what_cannot_be_served_is_said() {
    let (_dir, share) = world();
    for path in ["file", "none"] {
        let error = Server::new(&share.join(path), Limits::default()).unwrap_err();
        assert!(matches!(error, OpenError::Open { .. }), "{error}");
        assert!(error.to_string().contains(path));
    }
    symlink("a", share.join("link")).unwrap();
    let client = Client::new(&share.join("link"));
    assert_eq!(client.content("b/deep").unwrap(), b"deep content");
}
