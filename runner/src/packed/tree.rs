//! The files that are packed, by their paths in the guest.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

/// Symbolic links on the way to one file, as many as the kernel follows (`MAXSYMLINKS`, `include/linux/namei.h`).
const MAX_LINKS: usize = 40;

/// One thing that is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory; what is in it has entries of its own.
    Directory {
        /// The lower twelve bits of its mode.
        permissions: u32,
    },
    /// A regular file.
    File {
        /// Where its content is on the host.
        host: PathBuf,
        /// The lower twelve bits of its mode.
        permissions: u32,
        /// Device and inode number: equal ones are one file.
        identity: (u64, u64),
        /// In bytes.
        length: u64,
        /// When it was changed, seconds and nanoseconds since 1970.
        modified: (i64, i64),
    },
    /// A symbolic link.
    Link {
        /// As it reads.
        target: PathBuf,
    },
}

/// What of the host is packed under which paths.
#[derive(Debug)]
pub struct Tree {
    /// Guest path and host directory; the most special first.
    places: Vec<(PathBuf, PathBuf)>,
    /// By guest path.
    pub entries: BTreeMap<PathBuf, Entry>,
}

/// A regular file that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its path in the guest, without links.
    pub guest: PathBuf,
    /// Its path on the host.
    pub host: PathBuf,
    /// Whether this call was the first to add it.
    pub new: bool,
    /// Whether it may be executed by anybody.
    pub executable: bool,
}

impl Tree {
    /// Nothing yet, of `root` and of `shares`, each a host and a guest path.
    #[must_use]
    pub fn new(root: &Path, shares: &[(PathBuf, PathBuf)]) -> Self {
        let mut places: Vec<(PathBuf, PathBuf)> = shares
            .iter()
            .map(|(host, guest)| (guest.clone(), host.clone()))
            .collect();
        places.sort_by_key(|(guest, _)| std::cmp::Reverse(guest.components().count()));
        places.push((PathBuf::from("/"), root.into()));
        Self {
            places,
            entries: BTreeMap::new(),
        }
    }

    /// Where the host has what the guest would see at an absolute path, links not followed.
    #[must_use]
    pub fn host(&self, guest: &Path) -> PathBuf {
        let place = self
            .places
            .iter()
            .find_map(|(place, host)| Some(host.join(guest.strip_prefix(place).ok()?)));
        place.unwrap_or_else(|| guest.into())
    }

    /// Adds the file at an absolute guest path with all directories and links on the way, and says what it is.
    ///
    /// `None` where there is nothing, or something that is neither a regular file nor a directory; of a directory, only itself
    /// is added, and `None` is the answer.
    pub fn add(&mut self, guest: &Path) -> io::Result<Option<Added>> {
        let mut at = PathBuf::from("/");
        let mut left: Vec<PathBuf> = components(guest);
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == Path::new("..") {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            let host = self.host(&next);
            let metadata = match fs::symlink_metadata(&host) {
                Ok(metadata) => metadata,
                Err(e) if absent(&e) => return Ok(None),
                Err(e) => return Err(e),
            };
            let kind = metadata.file_type();
            let permissions = metadata.permissions().mode() & 0o7777;
            if kind.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Ok(None);
                }
                let target = fs::read_link(&host)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                left.extend(components(&target));
                self.entries.insert(next, Entry::Link { target });
            } else if kind.is_dir() {
                self.entries
                    .entry(next.clone())
                    .or_insert(Entry::Directory { permissions });
                at = next;
            } else if kind.is_file() && left.is_empty() {
                let entry = Entry::File {
                    host: host.clone(),
                    permissions,
                    identity: (metadata.dev(), metadata.ino()),
                    length: metadata.len(),
                    modified: (metadata.mtime(), metadata.mtime_nsec()),
                };
                let new = self.entries.insert(next.clone(), entry).is_none();
                return Ok(Some(Added {
                    guest: next,
                    host,
                    new,
                    executable: permissions & 0o111 != 0,
                }));
            } else {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Makes sure that a directory is there, though the host may have none.
    pub fn directory(&mut self, guest: &Path) {
        for above in guest.ancestors().filter(|path| *path != Path::new("/")) {
            self.entries
                .entry(above.into())
                .or_insert(Entry::Directory { permissions: 0o755 });
        }
    }
}

/// Whether there is nothing that could be packed: for the guest it is not there either.
fn absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

/// The names in a path, the last one first.
fn components(path: &Path) -> Vec<PathBuf> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.into()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// `/bin` is a link to `usr/bin`, `sh` one to `dash`, and `abs` one to `/usr/bin/dash`.
    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("usr/bin")).expect("made");
        fs::write(dir.path().join("usr/bin/dash"), "shell").expect("written");
        symlink("usr/bin", dir.path().join("bin")).expect("linked");
        symlink("dash", dir.path().join("usr/bin/sh")).expect("linked");
        symlink("/usr/bin/dash", dir.path().join("usr/bin/abs")).expect("linked");
        symlink("loop", dir.path().join("usr/bin/loop")).expect("linked");
        symlink("../../../../etc", dir.path().join("usr/bin/out")).expect("linked");
        dir
    }

    #[test]
    fn links_on_the_way_are_packed_with_what_they_lead_to() {
        let root = root();
        let mut tree = Tree::new(root.path(), &[]);
        for path in ["/bin/sh", "/bin/../bin/abs"] {
            let added = tree.add(Path::new(path)).expect("readable").expect("there");
            assert_eq!(added.guest, Path::new("/usr/bin/dash"));
            assert_eq!(added.new, path == "/bin/sh");
        }
        let paths: Vec<&str> = tree.entries.keys().filter_map(|p| p.to_str()).collect();
        assert_eq!(
            paths,
            [
                "/bin",
                "/usr",
                "/usr/bin",
                "/usr/bin/abs",
                "/usr/bin/dash",
                "/usr/bin/sh"
            ]
        );
    }

    #[test]
    fn nothing_leaves_the_root_and_loops_end() {
        let root = root();
        let mut tree = Tree::new(root.path(), &[]);
        for path in [
            "/usr/bin/loop",
            "/usr/bin/out/passwd",
            "/absent",
            "/usr/bin/dash/below",
            "/usr",
        ] {
            assert_eq!(tree.add(Path::new(path)).expect("readable"), None, "{path}");
        }
    }

    #[test]
    fn a_share_covers_the_root() {
        let (root, share) = (root(), tempfile::tempdir().expect("a directory"));
        fs::write(share.path().join("test"), "x").expect("written");
        let shares = [(share.path().to_path_buf(), PathBuf::from("/usr/bin"))];
        let mut tree = Tree::new(root.path(), &shares);
        assert!(
            tree.add(Path::new("/bin/test"))
                .expect("readable")
                .is_some()
        );
        assert!(
            tree.add(Path::new("/bin/dash"))
                .expect("readable")
                .is_none()
        );
        tree.directory(Path::new("/home/user"));
        assert!(tree.entries.contains_key(Path::new("/home")));
    }
}
