//! A shadow of a kernel tree to build selftests in.
//!
//! The selftests cannot be built from the user's tree as it is. The kernel's build refuses `O=` for a tree that was
//! built in place, which most are, and some collections (`mm`, `net`, `prctl`, `uevent` in 6.12) write into
//! their source directory even with `O=`. So the build gets a directory that looks like the tree, in which
//!
//! - what a build of selftests may write to is copied (`tools`, `scripts`, `usr`: about 100 MB, 8000 files, 1 s the first time),
//! - what it only reads is a symbolic link into the tree,
//! - what an earlier build left behind is absent: configuration, generated headers, objects and programs.
//!
//! Everything it shows has a *generation*, a number that is new whenever a file is. The Makefiles of
//! selftests do not know which headers a program includes, so a program built from an older generation
//! cannot be trusted and is built afresh. Scripts are no part of that: they are installed, not compiled.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use walkdir::WalkDir;

/// Linked directories and files whose content is compiled into selftests: they count for the generation.
const WATCHED: [&str; 6] = [
    "include",
    "arch/x86/include/uapi",
    "arch/x86/entry",
    "mm/gup_test.h",
    "lib/rbtree.c",
    "drivers/iommu/iommufd/iommufd_test.h",
];

/// How a path of the tree is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// As a directory, whose entries have their own treatment.
    Directory,
    /// As a copy with everything below it.
    Copy,
    /// As a link into the tree.
    Link,
    /// Not at all.
    Hidden,
}

fn shown(path: &Path) -> Shown {
    let Some(text) = path.to_str() else {
        return Shown::Hidden;
    };
    match text {
        "" | "include" | "arch" | "arch/x86" | "arch/x86/include" | "tools" | "usr" => {
            Shown::Directory
        }
        "include/config" | "include/generated" | "arch/x86/include/generated" | "usr/include" => {
            Shown::Hidden
        }
        "Makefile" | "scripts" => Shown::Copy,
        "tools/perf" => Shown::Link,
        _ if text.starts_with("tools/") || text.starts_with("usr/") => Shown::Copy,
        _ if text.starts_with('.') => Shown::Hidden,
        _ => Shown::Link,
    }
}

/// Whether a file is something a build made, in a directory that has sources too.
fn is_built(path: &Path, metadata: &Metadata) -> bool {
    let built = [
        "o", "a", "so", "ko", "cmd", "d", "mod", "order", "symvers", "pyc",
    ];
    if path
        .extension()
        .is_some_and(|e| built.iter().any(|b| e == *b))
    {
        return true;
    }
    metadata.permissions().mode() & 0o111 != 0 && begins_as_elf(path)
}

fn begins_as_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path)
        .and_then(|mut f| f.read_exact(&mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF")
}

/// Whether a file is installed as it is and so cannot make anything built out of date.
fn is_script(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    path.extension()
        .is_some_and(|e| e == "sh" || e == "py" || e == "pl")
        || name == "settings"
        || name == "config"
}

/// What tells that a file changed: modification time in nanoseconds, size in bytes, mode.
type Stamp = (i128, u64, u32);

/// What the shadow showed when it was last brought up to date.
#[derive(Debug, Default, PartialEq, Eq)]
struct Manifest {
    /// 0 before there was any.
    generation: u128,
    files: BTreeMap<PathBuf, Stamp>,
}

/// Brings `shadow` up to date with `tree` and returns the generation. `manifest` is where its state is kept; with
/// `renew` the generation is a new one though nothing changed, and whatever was built in the shadow goes.
///
/// # Errors
/// A file that cannot be read or written, by its path.
pub(super) fn sync(
    tree: &Path,
    shadow: &Path,
    manifest: &Path,
    renew: bool,
) -> Result<u128, (PathBuf, io::Error)> {
    let old = Manifest::load(manifest);
    let scan = Scan::of(tree)?;
    let files: BTreeMap<PathBuf, Stamp> = scan
        .files
        .iter()
        .map(|(p, f)| (p.clone(), f.stamp))
        .collect();
    // Those that are gone first: a directory may be where a file was, and the reverse.
    let gone = old.files.keys().filter(|p| !files.contains_key(*p));
    let new = files.keys().filter(|p| old.files.get(*p) != files.get(*p));
    let changed: Vec<&PathBuf> = gone.chain(new).collect();
    for link in &scan.links {
        let target = tree.join(link);
        let place = shadow.join(link);
        if fs::read_link(&place).is_ok_and(|t| t == target) {
            continue;
        }
        make_room(&place)
            .and_then(|()| symlink(&target, &place))
            .map_err(|e| (place, e))?;
    }
    if changed.is_empty() && !renew && old.generation != 0 {
        return Ok(old.generation);
    }
    // An interruption from here on must not leave a manifest that matches what is only half there.
    match fs::remove_file(manifest) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err((manifest.into(), e)),
        _ => {}
    }
    for path in &changed {
        let place = shadow.join(path);
        match scan.files.get(*path) {
            Some(file) if file.copied => copy(&tree.join(path), &place).map_err(|e| (place, e))?,
            Some(_) => {}
            // A linked or vanished path: removing it through a link would reach the tree.
            None if old.files.contains_key(*path) && shown_as_copy(path) => {
                make_room(&place).map_err(|e| (place, e))?;
            }
            None => {}
        }
    }
    let afresh = renew || old.generation == 0 || changed.iter().any(|p| !is_script(p));
    let generation = if afresh {
        remove_strays(shadow, &scan)?;
        now()
    } else {
        old.generation
    };
    let new = Manifest { generation, files };
    new.save(manifest).map_err(|e| (manifest.into(), e))?;
    Ok(generation)
}

/// Nanoseconds since 1970, which no earlier generation was, even if an earlier manifest is lost.
fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |d| d.as_nanos())
}

fn shown_as_copy(path: &Path) -> bool {
    // Ancestors from the top, for below a copy all is copied and below a link all is linked.
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    ancestors
        .into_iter()
        .map(shown)
        .find(|s| *s != Shown::Directory)
        == Some(Shown::Copy)
}

#[derive(Debug, Clone, Copy)]
struct Found {
    stamp: Stamp,
    copied: bool,
}

/// What of the tree is to be shown.
#[derive(Debug, Default)]
struct Scan {
    files: BTreeMap<PathBuf, Found>,
    links: Vec<PathBuf>,
}

impl Scan {
    fn of(tree: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let mut scan = Self::default();
        scan.directory(tree, Path::new(""))?;
        for watched in WATCHED {
            scan.files_below(tree, Path::new(watched), false)?;
        }
        Ok(scan)
    }

    fn directory(&mut self, tree: &Path, path: &Path) -> Result<(), (PathBuf, io::Error)> {
        let full = tree.join(path);
        let entries = fs::read_dir(&full).map_err(|e| (full.clone(), e))?;
        for entry in entries {
            let path = path.join(entry.map_err(|e| (full.clone(), e))?.file_name());
            match shown(&path) {
                Shown::Directory if tree.join(&path).is_dir() => self.directory(tree, &path)?,
                Shown::Directory | Shown::Hidden => {}
                Shown::Copy => self.files_below(tree, &path, true)?,
                Shown::Link => self.links.push(path),
            }
        }
        Ok(())
    }

    fn files_below(
        &mut self,
        tree: &Path,
        path: &Path,
        copied: bool,
    ) -> Result<(), (PathBuf, io::Error)> {
        let wanted = |path: &Path| {
            copied
                || path
                    .strip_prefix(tree)
                    .is_ok_and(|p| shown(p) != Shown::Hidden)
        };
        let walk = WalkDir::new(tree.join(path))
            .into_iter()
            .filter_entry(|e| wanted(e.path()));
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) if is_gone(&e) => continue,
                Err(e) => {
                    let at = e.path().unwrap_or(tree).to_owned();
                    return Err((at, e.into()));
                }
            };
            let kind = entry.file_type();
            if !kind.is_file() && !kind.is_symlink() {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if kind.is_file() && is_built(entry.path(), &metadata) {
                continue;
            }
            let relative = entry.path().strip_prefix(tree).unwrap_or(entry.path());
            if relative.as_os_str().as_bytes().contains(&b'\n') {
                continue;
            }
            let modified =
                i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            let stamp = (modified, metadata.len(), metadata.mode());
            self.files.insert(relative.into(), Found { stamp, copied });
        }
        Ok(())
    }
}

/// Whether a walk met a file that someone has just removed, or a watched one that this kernel does not have.
fn is_gone(error: &walkdir::Error) -> bool {
    error
        .io_error()
        .is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// Copies a file or link; the copy is as new as now, so that make sees a change even if the original has an old date.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    make_room(to)?;
    let metadata = match fs::symlink_metadata(from) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if metadata.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    fs::copy(from, to)?;
    // The user may have taken write permission from sources; make has to be able to replace its own copies.
    let mode = metadata.permissions().mode() | 0o600;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))
}

/// Makes the directory of `path`, and sees that nothing is at `path` itself.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(parent) => fs::create_dir_all(parent),
            None => Ok(()),
        },
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            // A file of an older tree is where the directory belongs now.
            let parent = path.parent().unwrap_or(path);
            make_room(parent)?;
            fs::create_dir_all(parent)
        }
        Err(e) => Err(e),
    }
}

/// Removes what builds have written into the shadow.
fn remove_strays(shadow: &Path, scan: &Scan) -> Result<(), (PathBuf, io::Error)> {
    for top in ["scripts", "tools", "usr"] {
        for entry in WalkDir::new(shadow.join(top)).into_iter().flatten() {
            let relative = entry.path().strip_prefix(shadow).unwrap_or(entry.path());
            let known =
                scan.files.contains_key(relative) || scan.links.iter().any(|l| l == relative);
            if !entry.file_type().is_dir() && !known {
                fs::remove_file(entry.path()).map_err(|e| (entry.path().into(), e))?;
            }
        }
    }
    Ok(())
}

impl Manifest {
    /// The manifest in a file; one that cannot be read is none, which costs copying everything.
    fn load(file: &Path) -> Self {
        fs::read(file)
            .ok()
            .and_then(|bytes| Self::decode(&bytes))
            .unwrap_or_default()
    }

    fn save(&self, file: &Path) -> io::Result<()> {
        let partial = file.with_extension("new");
        let mut out = io::BufWriter::new(File::create(&partial)?);
        writeln!(out, "{}", self.generation)?;
        for (path, (modified, size, mode)) in &self.files {
            write!(out, "{modified} {size} {mode} ")?;
            out.write_all(path.as_os_str().as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.into_inner()?;
        fs::rename(partial, file)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.strip_suffix(b"\n")?.split(|&b| b == b'\n');
        let generation = std::str::from_utf8(lines.next()?).ok()?.parse().ok()?;
        let mut files = BTreeMap::new();
        for line in lines {
            let mut fields = line.splitn(4, |&b| b == b' ');
            let mut number = || std::str::from_utf8(fields.next()?).ok();
            let stamp = (
                number()?.parse().ok()?,
                number()?.parse().ok()?,
                number()?.parse().ok()?,
            );
            files.insert(OsStr::from_bytes(fields.next()?).into(), stamp);
        }
        Some(Self { generation, files })
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
