//! The files that a test leaves for the host.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use wire::ArtifactLimits;

use crate::failure::Result;
use crate::link::PIECE;

/// Directories below the top one that are looked into.
const DEEPEST: u32 = 8;

/// The directory of test number `test`.
pub fn directory(test: u32) -> PathBuf {
    Path::new(wire::ARTIFACTS_DIR).join(test.to_string())
}

/// Hands every regular file below `top` to `take`, in the order of their names: path below `top`,
/// next bytes, whether the file ends with them. Returns the number of files that were left out: over a
/// limit, too deep, unreadable, or nothing that can be copied, such as links and sockets.
pub fn collect(
    top: &Path,
    limits: ArtifactLimits,
    take: impl FnMut(&[u8], Vec<u8>, bool) -> Result<()>,
) -> Result<u32> {
    let mut walk = Walk {
        limits,
        left_out: 0,
        take,
    };
    walk.directory(top, &mut Vec::new(), 0)?;
    Ok(walk.left_out)
}

struct Walk<F> {
    /// What may still be taken.
    limits: ArtifactLimits,
    left_out: u32,
    take: F,
}

impl<F: FnMut(&[u8], Vec<u8>, bool) -> Result<()>> Walk<F> {
    /// Walks `directory`, whose path below the top is `name`.
    fn directory(&mut self, directory: &Path, name: &mut Vec<u8>, depth: u32) -> Result<()> {
        let Ok(entries) = fs::read_dir(directory) else {
            self.leave_out();
            return Ok(());
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let parent = name.len();
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(entry.file_name().as_bytes());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST => {
                    self.directory(&entry.path(), name, depth + 1)?;
                }
                Ok(kind) if kind.is_file() => self.file(&entry.path(), name)?,
                _ => self.leave_out(),
            }
            name.truncate(parent);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &[u8]) -> Result<()> {
        // What is no link and no pipe now may become one before it is opened.
        let opened = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .and_then(|file| file.metadata().map(|meta| (file, meta)));
        let Ok((mut file, meta)) = opened else {
            self.leave_out();
            return Ok(());
        };
        if !meta.is_file() || self.limits.files == 0 || meta.len() > self.limits.bytes {
            self.leave_out();
            return Ok(());
        }
        self.limits.files -= 1;
        self.limits.bytes -= meta.len();
        // No more than it had when it was counted, even if somebody is still writing to it.
        let mut left = meta.len();
        loop {
            let mut piece = Vec::new();
            let read = (&mut file)
                .take(left.min(PIECE as u64))
                .read_to_end(&mut piece);
            left -= piece.len() as u64;
            let last = left == 0 || piece.is_empty() || read.is_err();
            if read.is_err() {
                self.leave_out();
            }
            (self.take)(name, piece, last)?;
            if last {
                return Ok(());
            }
        }
    }

    fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    const PLENTY: ArtifactLimits = ArtifactLimits {
        files: 100,
        bytes: 1 << 30,
    };

    /// Path to content, and how many were left out; checks that pieces are in order and within bounds.
    fn collected(top: &Path, limits: ArtifactLimits) -> (BTreeMap<String, Vec<u8>>, u32) {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut open: Option<String> = None;
        let left_out = collect(top, limits, |path, data, last| {
            let path = String::from_utf8(path.to_vec()).expect("names of this test are text");
            assert!(data.len() <= PIECE);
            match &open {
                Some(before) => assert_eq!(before, &path),
                None => assert!(!files.contains_key(&path), "{path} comes twice"),
            }
            files.entry(path.clone()).or_default().extend(data);
            open = (!last).then_some(path);
            Ok(())
        })
        .expect("taking never fails here");
        assert_eq!(open, None, "every file ends");
        (files, left_out)
    }

    #[test]
    fn files_come_whole_and_everything_else_is_counted() {
        let top = tempfile::tempdir().expect("temporary directory");
        let big = vec![7; 3 * PIECE];
        fs::create_dir_all(top.path().join("d/e")).expect("directory");
        fs::write(top.path().join("empty"), "").expect("file");
        fs::write(top.path().join("d/big"), &big).expect("file");
        fs::write(top.path().join("d/e/text"), "hello").expect("file");
        symlink("/etc/passwd", top.path().join("link")).expect("link");
        symlink("/etc", top.path().join("tree")).expect("link");
        let _socket = std::os::unix::net::UnixListener::bind(top.path().join("s")).expect("socket");
        let (files, left_out) = collected(top.path(), PLENTY);
        let expected = BTreeMap::from([
            ("d/big".to_owned(), big),
            ("d/e/text".to_owned(), b"hello".to_vec()),
            ("empty".to_owned(), Vec::new()),
        ]);
        assert_eq!(files, expected);
        assert_eq!(left_out, 3);
    }

    #[test]
    fn limits_leave_out_whole_files() {
        let top = tempfile::tempdir().expect("temporary directory");
        for (name, size) in [("a", 10), ("b", 100), ("c", 10), ("d", 10)] {
            fs::write(top.path().join(name), vec![0; size]).expect("file");
        }
        let limits = ArtifactLimits {
            files: 2,
            bytes: 50,
        };
        let (files, left_out) = collected(top.path(), limits);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(left_out, 2);
        let none = ArtifactLimits { files: 0, bytes: 0 };
        assert_eq!(collected(top.path(), none), (BTreeMap::new(), 4));
    }

    #[test]
    fn deep_directories_are_not_followed_for_ever() {
        let top = tempfile::tempdir().expect("temporary directory");
        let mut path = top.path().to_path_buf();
        for _ in 0..20 {
            path.push("d");
            fs::create_dir(&path).expect("directory");
            fs::write(path.join("f"), "x").expect("file");
        }
        let (files, left_out) = collected(top.path(), PLENTY);
        assert_eq!(files.len(), 8);
        assert_eq!(left_out, 1);
    }

    #[test]
    fn a_missing_directory_is_one_thing_left_out() {
        let (files, left_out) = collected(Path::new("/no/such/directory"), PLENTY);
        assert_eq!((files.len(), left_out), (0, 1));
    }
}
