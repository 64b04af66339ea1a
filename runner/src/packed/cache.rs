//! Packed roots are kept, since most runs need the one of the run before.

use super::{
    archive::{PackError, archive},
    tree::{Entry, Tree},
};
use crate::artifact::keep;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, os::unix::ffi::OsStrExt, path::Path};

/// Directory below the cache.
const DIR: &str = "roots";

/// How many are kept.
const KEPT: usize = 8;

/// Makes an archive of `tree`, or takes it from the cache.
///
/// # Errors
/// [`PackError`].
pub fn pack(tree: &Tree, cache_dir: Option<&Path>) -> Result<Vec<u8>, PackError> {
    let Some(dir) = cache_dir.map(|cache| cache.join(DIR)) else {
        return archive(tree);
    };
    let path = dir.join(key(tree));
    if let Ok(kept) = fs::read(&path) {
        return Ok(kept);
    }
    let made = archive(tree)?;
    // Without a cache the next run packs again.
    let _ = keep(&dir, &path, &made, KEPT);
    Ok(made)
}

/// A name for what the archive would hold, from all that tells a file from what it was before.
fn key(tree: &Tree) -> String {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(env!("CARGO_PKG_VERSION").as_bytes());
    field(wire::PACKED_ROOT.as_bytes());
    for (path, entry) in &tree.entries {
        field(path.as_os_str().as_bytes());
        match entry {
            Entry::Directory { permissions } => field(&permissions.to_le_bytes()),
            Entry::Link { target } => field(target.as_os_str().as_bytes()),
            Entry::File {
                host,
                permissions,
                identity,
                length,
                modified,
            } => {
                field(host.as_os_str().as_bytes());
                let text = format!("{permissions:o} {identity:?} {length} {modified:?}");
                field(text.as_bytes());
            }
        }
    }
    let digest = hash.finalize();
    digest[..16].iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn an_archive_is_taken_from_the_cache_until_a_file_changes() {
        let (root, cache) = (
            tempfile::tempdir().expect("a directory"),
            tempfile::tempdir().expect("a directory"),
        );
        let pack = || {
            let mut tree = Tree::new(root.path(), &[]);
            tree.add(Path::new("/file")).expect("readable");
            super::pack(&tree, Some(cache.path())).expect("packed")
        };
        let kept = || -> Vec<PathBuf> {
            let entries = fs::read_dir(cache.path().join(DIR)).expect("a directory");
            entries.flatten().map(|entry| entry.path()).collect()
        };
        fs::write(root.path().join("file"), "one").expect("written");
        let first = pack();
        assert_eq!(kept().len(), 1);
        // What is there is taken.
        fs::write(&kept()[0], "from the cache").expect("written");
        assert_eq!(pack(), b"from the cache");
        fs::write(root.path().join("file"), "longer").expect("written");
        let second = pack();
        assert!(second != first && second != b"from the cache");
        assert_eq!(kept().len(), 2);
    }
}
