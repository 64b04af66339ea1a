use super::*;
use rustix::fs::{getxattr, setxattr};
use std::fs;

fn share(path: &Path) -> Share {
    Share::open(path, Budget::new(100)).unwrap()
}

fn text(fd: &Held) -> Vec<u8> {
    let mut buffer = vec![0; 100];
    let size = rustix::io::pread(fd, &mut buffer, 0).unwrap();
    buffer.truncate(size);
    buffer
}

#[test]
fn files_are_opened_without_proc_and_only_if_they_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "old").unwrap();
    let mut share = share(dir.path());
    share.descriptors = None;
    let node = share.step(share.root(), b"file").unwrap();
    assert_eq!(text(&share.open_for_reading(&node).unwrap()), b"old");
    share.open_for_reading(share.root()).unwrap();
    fs::write(dir.path().join("new"), "new").unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("file")).unwrap();
    assert_eq!(share.open_for_reading(&node).unwrap_err(), Errno::STALE);
    fs::remove_file(dir.path().join("file")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("file")).unwrap();
    assert_eq!(share.open_for_reading(&node).unwrap_err(), Errno::LOOP);
}

#[test]
fn a_node_without_descriptor_gets_it_again_from_its_parents() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/b/file"), "text").unwrap();
    let share = share(dir.path());
    let a = share.step(share.root(), b"a").unwrap();
    let b = share.step(&a, b"b").unwrap();
    let file = share.step(&b, b"file").unwrap();
    assert_eq!(share.budget.used(), 4);
    for node in [share.root(), &a, &b, &file] {
        node.let_go();
    }
    assert_eq!(share.budget.used(), 1, "the root keeps its own");
    assert_eq!(text(&share.open_for_reading(&file).unwrap()), b"text");
    assert_eq!(
        share.budget.used(),
        3,
        "the root, the file and its directory"
    );
    share.held(&a).unwrap();

    assert!(!file.let_go_if_unused(), "it was just used");
    assert!(file.let_go_if_unused());
    assert!(!file.let_go_if_unused(), "there is nothing left");
    assert!(
        !b.let_go_if_unused() && !b.let_go_if_unused(),
        "a directory"
    );
    assert_eq!(share.budget.used(), 3);

    fs::rename(dir.path().join("a/b"), dir.path().join("a/c")).unwrap();
    fs::create_dir(dir.path().join("a/b")).unwrap();
    assert_eq!(share.held(&file).map(drop), Ok(()), "its parent is held");
    file.let_go();
    b.let_go();
    assert_eq!(share.held(&file).unwrap_err(), Errno::STALE);
    drop((file, b, a));
    assert_eq!(share.budget.used(), 1);
}

#[test]
fn who_has_no_descriptor_left_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "text").unwrap();
    let share = Share::open(dir.path(), Budget::new(2)).unwrap();
    let file = share.step(share.root(), b"file").unwrap();
    let errno = share.step(share.root(), b"file").unwrap_err();
    assert_eq!(errno, Errno::MFILE);
    assert_eq!(share.open_for_reading(&file).unwrap_err(), Errno::MFILE);
}

#[test]
fn attributes_are_read_with_and_without_proc() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "text").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    if setxattr(&path, "user.test", b"value", flags).is_err() {
        return;
    }
    assert_eq!(getxattr(&path, "user.test", &mut [0; 9]), Ok(5));
    let mut share = share(dir.path());
    let node = share.step(share.root(), b"file").unwrap();
    for _ in 0..2 {
        let value = crate::xattr::value(&share, &node, b"user.test");
        assert_eq!(value.unwrap(), b"value");
        assert_eq!(crate::xattr::size(&share, &node, b"user.test"), Ok(5));
        let none = crate::xattr::size(&share, &node, b"user.none");
        assert_eq!(none, Err(Errno::NODATA));
        let list = crate::xattr::value(&share, &node, b"").unwrap();
        assert!(list.split(|&b| b == 0).any(|name| name == b"user.test"));
        share.descriptors = None;
    }
}

#[test]
fn names_are_checked() {
    for name in [
        &b"a"[..],
        b"...",
        b"..a",
        b"\xff",
        b" ",
        b"\n",
        &[b'x'; 255],
    ] {
        assert_eq!(check(name), Ok(()), "{name:?}");
    }
    for name in [&b""[..], b".", b"/", b"a/b", b"/a", b"a/", b"a\0", b"\0"] {
        assert_eq!(check(name), Err(Errno::INVAL), "{name:?}");
    }
    assert_eq!(check(&[b'x'; 256]), Err(Errno::NAMETOOLONG));
}
