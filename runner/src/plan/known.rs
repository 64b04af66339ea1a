//! Files of the root whose content the host vouches for, for `smoke:root-equal`.

use sha2::{Digest, Sha256};
use std::{fmt::Write, fs, os::unix::ffi::OsStrExt, path::Path};
use walkdir::WalkDir;

/// Largest file compared, in bytes: the guest may be a slow one.
const MAX_SIZE: u64 = 512 * 1024;

/// How many files are compared.
const FILES: usize = 4;

/// Files that most systems have, of different sizes and directories.
const USUAL: &[&str] = &[
    "etc/passwd",
    "usr/lib/os-release",
    "usr/bin/env",
    "usr/bin/cat",
    "bin/sh",
];

/// Up to four regular files below `root`, each as `SHA256:SIZE:PATH`, the path as the guest sees it. Usual ones
/// where they exist, else the first that a short walk finds.
#[must_use]
pub fn known_files(root: &Path) -> Vec<String> {
    let usual = USUAL
        .iter()
        .filter_map(|name| describe(root, Path::new(name)));
    let mut known: Vec<String> = usual.take(FILES).collect();
    if known.is_empty() {
        let walk = WalkDir::new(root)
            .max_depth(4)
            .into_iter()
            .flatten()
            .take(10_000);
        let files = walk.filter(|entry| entry.file_type().is_file());
        known = files
            .filter_map(|entry| describe(root, entry.path().strip_prefix(root).ok()?))
            .take(FILES)
            .collect();
    }
    known
}

fn describe(root: &Path, below: &Path) -> Option<String> {
    let path = root.join(below);
    // A link may lead to another file in the guest, where the root is another.
    let metadata = fs::symlink_metadata(&path).ok()?;
    let text = below.to_str()?;
    if !metadata.is_file()
        || metadata.len() == 0
        || metadata.len() > MAX_SIZE
        || below.as_os_str().as_bytes().contains(&b'\n')
    {
        return None;
    }
    let content = fs::read(&path).ok()?;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(&content) {
        write!(hex, "{byte:02x}").expect("writing to a string");
    }
    Some(format!("{hex}:{}:/{text}", content.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_without_the_usual_files_gives_what_it_has() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(root.path().join("d")).expect("made");
        fs::write(root.path().join("d/f"), "abc").expect("written");
        fs::write(root.path().join("empty"), "").expect("written");
        assert_eq!(
            known_files(root.path()),
            ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad:3:/d/f"]
        );
    }

    #[test]
    fn the_hosts_root_has_some() {
        assert!(!known_files(Path::new("/")).is_empty());
    }
}
