//! What each request does, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;

use client::*;
use ninep::{Limits, Reply, Scattered, Server};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn share() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "0123456789").unwrap();
    fs::create_dir(dir.path().join("dir")).unwrap();
    dir
}

#[test]
fn a_session_begins_with_a_version() {
    let dir = share();
    let client = Client::silent(dir.path(), Limits::default());
    assert_eq!(client.attach(ROOT), Err(EPROTO));
    assert_eq!(client.version(4095, b"9P2000.L"), Err(EMSGSIZE));
    for version in [&b"9P2000"[..], b"9P2000.u", b"9P2000.L ", b""] {
        let answer = client.version(8192, version).unwrap();
        assert_eq!(answer, (8192, b"unknown".to_vec()));
        assert_eq!(client.attach(ROOT), Err(EPROTO));
    }
    let answer = client.version(8192, b"9P2000.L").unwrap();
    assert_eq!(answer, (8192, b"9P2000.L".to_vec()));
    let answer = client.version(u32::MAX, b"9P2000.L").unwrap();
    assert_eq!(answer, (512_000, b"9P2000.L".to_vec()));
    assert_eq!(client.attr(ROOT), Err(EBADF));
    client.attach(ROOT).unwrap();
    client.attr(ROOT).unwrap();

    // Another one, or a reset, ends it.
    client.version(8192, b"9P2000.L").unwrap();
    assert_eq!(client.attr(ROOT), Err(EBADF));
    client.attach(ROOT).unwrap();
    client.server.reset();
    assert_eq!(client.attr(ROOT), Err(EPROTO));
}

#[test]
fn nobody_is_asked_who_they_are() {
    let dir = share();
    let client = Client::new(dir.path());
    let auth = Fields::new().u32(5).string(b"user").string(b"").u32(0);
    assert_eq!(client.call(102, &auth.0), Err(EOPNOTSUPP));
    let attach = Fields::new().u32(5).u32(4).string(b"").string(b"").u32(0);
    assert_eq!(client.call(104, &attach.0), Err(EBADF));
    assert_eq!(client.attach(ROOT), Err(EBADF), "the fid is in use");
    assert_eq!(client.attach(NO_FID), Err(EBADF));
}

#[test]
fn reads_are_bounded_by_request_message_and_room() {
    let dir = share();
    let content: Vec<u8> = (0..700_000u32).map(|i| (i % 251) as u8).collect();
    fs::write(dir.path().join("big"), &content).unwrap();
    let client = Client::new(dir.path());
    client.go(1, "big").unwrap();
    assert_eq!(client.read(1, 0, 10), Err(EBADF), "not open yet");
    let (qid, unit) = client.open(1, 0o100_000).unwrap();
    assert_eq!(qid, client.attr(1).unwrap().qid);
    assert_eq!(unit, 507_904, "124 pages");
    assert_eq!(client.open(1, 0), Err(EBUSY));
    assert_eq!(client.read(1, 5, 10).unwrap(), content[5..15]);
    assert_eq!(client.read(1, 0, 0).unwrap(), b"");
    assert_eq!(client.read(1, 699_995, 10).unwrap(), content[699_995..]);
    assert_eq!(client.read(1, 700_000, 10).unwrap(), b"");
    assert_eq!(client.read(1, i64::MAX as u64, 10), Err(EINVAL));
    assert_eq!(client.read(1, u64::MAX, 10), Err(EINVAL));
    let most = client.read(1, 0, u32::MAX).unwrap();
    assert_eq!(most, content[..511_976]);
    assert_eq!(client.read_all(1).unwrap(), content);

    let read = Fields::new().u32(1).u64(0).u32(1000).0;
    let reply = client.call_in(116, &read, 11 + 300).unwrap();
    assert_eq!(Taker(&reply).u32(), 300);
    assert_eq!(reply[4..], content[..300]);

    // As Linux gives them: a header, and then pages, wherever these are.
    let mut head = [0; 11];
    let mut pages = vec![vec![0; 4096]; 100];
    let pieces = std::iter::once(&mut head[..]).chain(pages.iter_mut().map(|p| &mut p[..]));
    let request = message(116, 7, &Fields::new().u32(1).u64(1).u32(409_600).0);
    let size = client
        .server
        .handle(&request, &mut Scattered::new(pieces).reply());
    assert_eq!(size, 11 + 409_600);
    assert_eq!(pages.concat(), content[1..=409_600]);
    assert_eq!(head[4], 117);
    assert_eq!(head[7..], 409_600u32.to_le_bytes());
}

#[test]
fn files_are_opened_for_nothing_but_reading() {
    let dir = share();
    let client = Client::new(dir.path());
    client.go(1, "file").unwrap();
    // O_WRONLY, O_RDWR, the access mode that is none, O_TRUNC.
    for flags in [1, 2, 3, 0o1000, 0o1001, 0o102_002] {
        assert_eq!(client.open(1, flags), Err(EROFS), "{flags:o}");
    }
    assert_eq!(client.open(1, 0o200_000), Err(ENOTDIR));
    assert_eq!(client.open(9, 0), Err(EBADF));
    // What flock(1) asks for: O_RDONLY | O_CREAT | O_NOCTTY; and O_APPEND, O_DIRECT, O_NOATIME, O_CLOEXEC.
    client
        .open(1, 0o500 | 0o2000 | 0o40_000 | 0o3_000_000)
        .unwrap();
    assert_eq!(client.read(1, 0, 99).unwrap(), b"0123456789");
    client.go(2, "dir").unwrap();
    assert_eq!(client.open(2, 1), Err(EROFS));
    client.open(2, 0).unwrap();
}

#[test]
fn files_that_the_user_may_not_read_are_not_read() {
    if rustix::process::geteuid().is_root() {
        // Root may read all: there is nothing to see here.
        return;
    }
    let dir = share();
    let forbidden = fs::Permissions::from_mode(0o0);
    fs::set_permissions(dir.path().join("file"), forbidden.clone()).unwrap();
    fs::set_permissions(dir.path().join("dir"), forbidden).unwrap();
    let client = Client::new(dir.path());
    assert_eq!(client.content("file"), Err(EACCES));
    assert_eq!(client.content("dir/x"), Err(EACCES));
}

#[test]
fn what_would_change_something_is_refused_however_it_is_cut() {
    let dir = share();
    let client = Client::new(dir.path());
    for kind in [14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118] {
        assert_eq!(client.call(kind, &[]), Err(EROFS), "{kind}");
        assert_eq!(client.call(kind, &[0; 100]), Err(EROFS), "{kind}");
        let mut cut = message(kind, 1, &[0; 16]);
        cut[..4].copy_from_slice(&500_000u32.to_le_bytes());
        let mut reply = [0; 11];
        let size = client
            .server
            .handle(&cut, &mut Reply::from_slice(&mut reply));
        assert_eq!((size, reply[4], reply[7]), (11, 7, 30));
    }
    client.go(1, "file").unwrap();
    assert_eq!(client.call(122, &Fields::new().u32(1).0), Err(EROFS));
    assert_eq!(client.attr(1), Err(EBADF), "Tremove clunks");
    assert!(dir.path().join("file").exists());
    for kind in [0, 6, 10, 98, 106, 112, 114, 124, 126, 128, 254] {
        assert_eq!(client.call(kind, &[0; 64]), Err(EOPNOTSUPP), "{kind}");
    }
}

#[test]
fn locks_are_granted_and_taken_nowhere() {
    let dir = share();
    let client = Client::new(dir.path());
    client.go(1, "file").unwrap();
    client.open(1, 0).unwrap();
    let lock = |fid: u32, kind: u8| {
        let fields = Fields::new().u32(fid).u8(kind).u32(1);
        let fields = fields.u64(0).u64(0).u32(7).string(b"client");
        client.call(52, &fields.0)
    };
    for kind in 0..3 {
        assert_eq!(lock(1, kind), Ok(vec![0]));
    }
    assert_eq!(lock(1, 3), Err(EINVAL));
    assert_eq!(lock(9, 0), Err(EBADF));
    // Another descriptor of this process would be refused if there was one.
    let file = fs::File::open(dir.path().join("file")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();

    let get = Fields::new().u32(1).u8(1).u64(5).u64(6).u32(7);
    let reply = client.call(54, &get.string(b"client").0).unwrap();
    let expected = Fields::new().u8(2).u64(5).u64(6).u32(7).string(b"client");
    assert_eq!(reply, expected.0);
}

#[test]
fn flushes_and_syncs_are_answered() {
    let dir = share();
    let client = Client::new(dir.path());
    assert_eq!(client.call(108, &Fields::new().u16(3).0), Ok(vec![]));
    assert_eq!(
        client.call(50, &Fields::new().u32(ROOT).u32(0).0),
        Ok(vec![])
    );
    assert_eq!(client.call(50, &Fields::new().u32(9).u32(0).0), Err(EBADF));
    assert_eq!(client.clunk(9), Err(EBADF));
}

#[test]
fn extended_attributes_are_listed_and_read() {
    let dir = share();
    let path = dir.path().join("file");
    let set = |name: &str, value: &[u8]| {
        rustix::fs::setxattr(&path, name, value, rustix::fs::XattrFlags::empty())
    };
    let client = Client::new(dir.path());
    client.go(1, "file").unwrap();
    if set("user.small", b"value").is_err() {
        assert!(client.xattr(1, 2, b"user.small").is_err());
        return;
    }
    let big: Vec<u8> = (0..2000u32).map(|i| (i % 251) as u8).collect();
    set("user.big", &big).unwrap();
    assert_eq!(client.xattr(1, 2, b"user.small"), Ok(5));
    assert_eq!(client.xattr(1, 3, b"user.big"), Ok(2000));
    assert_eq!(client.read(2, 0, 100).unwrap(), b"value");
    assert_eq!(client.read(2, 3, 100).unwrap(), b"ue");
    assert_eq!(client.read(2, 5, 100).unwrap(), b"");
    assert_eq!(client.read(2, u64::MAX, 100).unwrap(), b"");
    assert_eq!(client.read(3, 0, 100_000).unwrap(), big);
    assert_eq!(client.read(3, 50, 100).unwrap(), big[50..150]);
    let size = client.xattr(1, 4, b"").unwrap();
    let list = client.read(4, 0, 1000).unwrap();
    assert_eq!(list.len() as u64, size);
    let names: Vec<&[u8]> = list.split(|&b| b == 0).collect();
    assert!(names.contains(&&b"user.small"[..]) && names.contains(&&b"user.big"[..]));

    assert_eq!(client.xattr(1, 5, b"user.none"), Err(ENODATA));
    assert!(client.xattr(1, 5, &[b'n'; 256]).is_err());
    assert!(client.xattr(1, 5, b"user.a\0b").is_err());
    assert_eq!(client.xattr(1, 2, b"user.small"), Err(EBADF), "in use");
    assert_eq!(client.attr(5), Err(EBADF));
    // A fid of an attribute is no file.
    assert_eq!(client.attr(2), Err(EBADF));
    assert_eq!(client.open(2, 0), Err(EBADF));
    assert_eq!(client.walk(2, 6, &[]), Err(EBADF));
    assert_eq!(client.xattr(2, 6, b""), Err(EBADF));
    client.clunk(2).unwrap();

    // Of a link itself, and not of what it is to.
    symlink("file", dir.path().join("link")).unwrap();
    client.go(6, "link").unwrap();
    assert!(client.xattr(6, 7, b"user.small").is_err());
}

#[test]
fn replies_that_do_not_fit_are_errors_that_do() {
    let dir = share();
    symlink("x".repeat(4000), dir.path().join("long")).unwrap();
    let client = Client::new(dir.path());
    client.go(1, "long").unwrap();
    assert_eq!(client.readlink(1).unwrap().len(), 4000);
    let fid = Fields::new().u32(1).0;
    for room in [11, 100, 4008] {
        assert_eq!(client.call_in(22, &fid, room), Err(EMSGSIZE), "{room}");
    }
    assert_eq!(client.call_in(22, &fid, 4009).unwrap().len(), 4002);
    let fields = Fields::new().u32(1).u64(0x7ff).0;
    assert_eq!(client.call_in(24, &fields, 159), Err(EMSGSIZE));
    assert!(client.call_in(24, &fields, 160).is_ok());

    let mut small = [0; 10];
    let request = message(24, 1, &fields);
    for (room, size) in [(0, 0), (6, 0), (7, 7), (10, 7)] {
        let mut reply = Reply::from_slice(&mut small[..room]);
        assert_eq!(client.server.handle(&request, &mut reply), size);
    }
    // No header: there is no tag to answer to.
    let mut reply = [0; 11];
    for cut in 0..7 {
        let mut reply = Reply::from_slice(&mut reply);
        assert_eq!(client.server.handle(&request[..cut], &mut reply), 11);
    }
    assert_eq!(reply[4..7], [7, 0xff, 0xff]);
}

#[test]
fn reading_leaves_the_access_time_of_our_own_files() {
    let dir = share();
    let client = Client::new(dir.path());
    let path = dir.path().join("file");
    // So old that any mount option but noatime would move it.
    let old = rustix::fs::Timespec {
        tv_sec: 1_000_000,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: old,
        last_modification: old,
    };
    for (name, fid) in [("file", 1), ("dir", 2)] {
        let path = dir.path().join(name);
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, rustix::fs::AtFlags::empty())
            .unwrap();
        client.go(fid, name).unwrap();
        client.open(fid, 0).unwrap();
        if fid == 1 {
            client.read(fid, 0, 100).unwrap();
        } else {
            client.list(fid, 1000).unwrap();
        }
        assert_eq!(
            client.attr(fid).unwrap().times[0],
            (1_000_000, 0),
            "{path:?}"
        );
    }
    assert!(path.exists());
}

#[test]
fn workers_share_a_server() {
    let dir = share();
    for i in 0..50 {
        fs::write(dir.path().join(format!("dir/{i}")), vec![i; 5000]).unwrap();
    }
    // So few descriptors that they are given up and looked up again all the time.
    let few = Limits {
        descriptors: 40,
        ..Limits::default()
    };
    let client = Client::with(dir.path(), few, 8192);
    std::thread::scope(|scope| {
        for worker in 0..4u32 {
            let client = &client;
            scope.spawn(move || {
                for i in 0..50u8 {
                    let fid = 1000 * (worker + 1) + u32::from(i);
                    client.go(fid, &format!("dir/{i}")).unwrap();
                    client.walk(fid, fid + 500, &[]).unwrap();
                    client.open(fid + 500, 0).unwrap();
                    assert_eq!(client.read(fid + 500, 4999, 9).unwrap(), [i]);
                    client.clunk(fid + 500).unwrap();
                }
                for i in 0..50 {
                    let fid = 1000 * (worker + 1) + i;
                    assert_eq!(client.attr(fid).unwrap().size, 5000);
                    client.clunk(fid).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_server_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Server>();
    assert!(Server::new(Path::new("/"), Limits::default()).is_ok());
}
