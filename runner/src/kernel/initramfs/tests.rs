use super::super::fixture::filter;
use super::*;
use cpio::NewcReader;
use std::io::Read;

fn modules() -> Vec<(String, Vec<u8>)> {
    vec![
        ("virtio_ring".into(), b"first module".to_vec()),
        ("9pnet".into(), vec![7; 4097]),
        ("empty".into(), Vec::new()),
    ]
}

#[derive(Debug)]
struct Found {
    name: String,
    mode: u32,
    ino: u32,
    mtime: u32,
    rdev: (u32, u32),
    content: Vec<u8>,
}

fn parse(mut archive: &[u8]) -> Vec<Found> {
    let mut all = Vec::new();
    loop {
        let mut reader = NewcReader::new(archive).unwrap();
        let entry = reader.entry().clone();
        if entry.is_trailer() {
            return all;
        }
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        archive = reader.finish().unwrap();
        all.push(Found {
            name: entry.name().into(),
            mode: entry.mode(),
            ino: entry.ino(),
            mtime: entry.mtime(),
            rdev: (entry.rdev_major(), entry.rdev_minor()),
            content,
        });
    }
}

#[test]
fn the_archive_holds_init_console_and_modules_in_order() {
    let archive = build(b"#!init", &modules()).unwrap();
    let all = parse(&archive);
    let find = |name: &str| all.iter().find(|f| f.name == name).unwrap();
    assert_eq!(find("init").mode, 0o100_755);
    assert_eq!(find("init").content, b"#!init");
    assert_eq!(find("dev/console").mode, 0o020_600);
    assert_eq!(find("dev/console").rdev, (5, 1));
    for dir in ["dev", "proc", "sys", "run", "tmp", "modules"] {
        assert_eq!(find(dir).mode, 0o040_755);
    }
    for (number, (name, content)) in modules().iter().enumerate() {
        let found = find(&format!("modules/{number:03}-{name}.ko"));
        assert_eq!((found.mode, &found.content), (0o100_644, content));
    }
    // The kernel makes files where they stand: a directory has to come before its content.
    for (place, found) in all.iter().enumerate() {
        if let Some((dir, _)) = found.name.rsplit_once('/') {
            assert!(all[..place].iter().any(|f| f.name == dir), "{}", found.name);
        }
        assert_eq!((found.mtime, found.ino as usize), (0, place + 1));
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(build(b"x", &modules()), build(b"x", &modules()));
}

#[test]
fn other_programs_read_the_archive() {
    let archive = build(b"#!init", &modules()).unwrap();
    for (program, arguments) in [
        ("busybox", &["cpio", "-t"][..]),
        ("cpio", &["-t", "--quiet"]),
        ("bsdtar", &["-tf", "-"]),
    ] {
        let Some(list) = filter(program, arguments, &archive) else {
            continue;
        };
        let list = String::from_utf8(list).unwrap();
        let names: Vec<_> = parse(&archive).into_iter().map(|f| f.name).collect();
        assert_eq!(list.lines().collect::<Vec<_>>(), names, "{program}");
    }
}

#[test]
fn names_that_are_paths_and_too_many_modules_are_refused() {
    for name in ["../init", "a/b", "", "a.b", "a b"] {
        let error = build(b"", &[(name.into(), Vec::new())]).unwrap_err();
        assert_eq!(error, InitramfsError::BadName(name.into()));
    }
    let many = vec![("m".into(), Vec::new()); MAX_MODULES + 1];
    let text = build(b"", &many).unwrap_err().to_string();
    assert!(text.contains("1001"), "{text}");
    assert!(build(b"", &many[1..]).is_ok());
}
