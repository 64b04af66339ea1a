//! The tree as an archive that the kernel unpacks.

use super::tree::{Entry, Tree};
use crate::kernel::{Archive, InitramfsError};
use std::{collections::BTreeMap, fs, io, os::unix::ffi::OsStrExt, path::PathBuf};

/// Why files cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read.
    #[error("cannot pack {}", path.display())]
    Read {
        /// The file, on the host.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is too long for the format.
    #[error(transparent)]
    Format(#[from] InitramfsError),
}

/// Makes an archive of `tree`, every path below [`wire::PACKED_ROOT`]. The same files give the same bytes.
///
/// Paths that are not UTF-8 are left out.
///
/// # Errors
/// [`PackError`].
pub fn archive(tree: &Tree) -> Result<Vec<u8>, PackError> {
    let inside = |path: &PathBuf| Some(format!("{}{}", wire::PACKED_ROOT, path.to_str()?));
    let mut names: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
    for (path, entry) in &tree.entries {
        if let (Entry::File { identity, .. }, Some(path)) = (entry, inside(path)) {
            names.entry(*identity).or_default().push(path);
        }
    }
    let mut archive = Archive::default();
    archive.directory(wire::PACKED_ROOT, 0o755)?;
    for (path, entry) in &tree.entries {
        let Some(path) = inside(path) else { continue };
        if let Entry::Directory { permissions } = entry {
            archive.directory(&path, *permissions)?;
        }
    }
    for (path, entry) in &tree.entries {
        let Some(path) = inside(path) else { continue };
        match entry {
            Entry::Directory { .. } => {}
            Entry::Link { target } => archive.symlink(&path, target.as_os_str().as_bytes())?,
            Entry::File {
                host,
                permissions,
                identity,
                ..
            } => {
                // All of its names at the first of them.
                let Some(names) = names.remove(identity) else {
                    continue;
                };
                let content = fs::read(host).map_err(|source| PackError::Read {
                    path: host.clone(),
                    source,
                })?;
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                archive.linked_file(&names, *permissions, &content)?;
            }
        }
    }
    Ok(archive.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names_of_one_file_share_its_content_and_links_their_target() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("dir")).expect("made");
        fs::write(at("dir/one"), "content").expect("written");
        fs::hard_link(at("dir/one"), at("dir/two")).expect("linked");
        std::os::unix::fs::symlink("dir/two", at("link")).expect("linked");
        let mut tree = Tree::new(root.path(), &[]);
        for path in ["/dir/one", "/link"] {
            tree.add(Path::new(path)).expect("readable").expect("there");
        }
        let bytes = archive(&tree).expect("packed");
        assert_eq!(bytes, archive(&tree).expect("packed"));

        let mut left = bytes.as_slice();
        let mut found = Vec::new();
        loop {
            let mut reader = cpio::NewcReader::new(left).expect("an entry");
            let entry = reader.entry().clone();
            if entry.is_trailer() {
                break;
            }
            let mut content = String::new();
            io::Read::read_to_string(&mut reader, &mut content).expect("text");
            left = reader.finish().expect("whole");
            found.push((entry.name().to_owned(), entry.nlink(), content));
        }
        let expected = [
            ("packed", 2, ""),
            ("packed/dir", 2, ""),
            ("packed/dir/one", 2, "content"),
            ("packed/dir/two", 2, ""),
            ("packed/link", 1, "dir/two"),
        ];
        let expected = expected.map(|(name, links, text)| (name.into(), links, text.into()));
        assert_eq!(found, expected);
    }
}
