//! A kernel image on the host: what it is, which release, and what can be read out of it.

use super::{
    bzimage::{self, BzImage},
    not_kernel,
    payload::{PayloadError, decompress},
    scan,
    vmlinux::{self, Vmlinux},
};
use std::{
    fmt,
    fs::{File, Metadata, OpenOptions},
    io::{self, Seek},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Bytes of a file that are read to tell what it is: both headers fit, as does a bzImage's version string
/// (its offset is below 512 times the number of setup sectors, which is one byte).
const HEAD: usize = 0x200 * 257;

/// Longest release (`__NEW_UTS_LEN`).
const MAX_RELEASE: usize = 64;

/// An x86-64 Linux kernel that can be booted.
#[derive(Debug)]
pub struct KernelImage {
    /// Path as given.
    pub path: PathBuf,
    /// `uname -r` of the kernel once it runs; it is a safe file name.
    pub release: String,
    /// Its form and the facts of that form.
    pub format: Format,
    /// Which file it is, for caches.
    pub id: FileId,
    pub(super) file: File,
}

/// The form of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// What `make` leaves in `arch/x86/boot/bzImage` and distributions install as `vmlinuz`.
    BzImage(BzImage),
    /// The kernel proper as an ELF file.
    Vmlinux(Vmlinux),
}

/// Identity of a file's content, as far as the file system tells: shown, it is a file name for a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last modification: seconds and nanoseconds.
    pub mtime: (i64, i64),
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = self.mtime;
        write!(
            f,
            "{:x}-{}-{}-{seconds}.{nanoseconds:09}",
            self.dev, self.ino, self.size
        )
    }
}

/// Why a file cannot be used as a kernel.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is nothing under the path.
    #[error("{} does not exist; build it with `make bzImage`, or name another kernel", .0.display())]
    NotFound(PathBuf),
    /// It is a directory; perhaps with a kernel inside.
    #[error("{} is a directory; name a kernel image{}", path.display(), directory_hint(kernel.as_deref()))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// A kernel that it holds.
        kernel: Option<PathBuf>,
    },
    /// It is a device, a pipe or a socket.
    #[error("{} is not a regular file; name a kernel image", .0.display())]
    NotAFile(PathBuf),
    /// The user may not read it.
    #[error(
        "{path} may not be read by this user; copy it where it can be read (`sudo install -m 644 {path} .`), or allow reading it",
        path = .0.display()
    )]
    Permission(PathBuf),
    /// Reading failed.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no bytes.
    #[error("{} is empty; the build or copy that made it did not finish: make it again", .0.display())]
    Empty(PathBuf),
    /// Its end is missing.
    #[error(
        "{} is cut off: {missing} bytes of the kernel are missing; the build or copy that made it did not finish: make it again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that its header promises and the file does not have, at least.
        missing: u64,
    },
    /// It is a damaged kernel.
    #[error("{} is damaged: {what}; make it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What contradicts itself.
        what: String,
    },
    /// It is something else.
    #[error("{} {what}", path.display())]
    NotThisKind {
        /// The file.
        path: PathBuf,
        /// What it is and the way out, as a predicate: `is a text file, not a kernel image`.
        what: String,
    },
    /// The kernel inside cannot be unpacked.
    #[error("{} holds a kernel that cannot be unpacked", path.display())]
    Payload {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PayloadError,
    },
}

fn directory_hint(kernel: Option<&Path>) -> String {
    kernel.map_or_else(String::new, |path| format!(", such as {}", path.display()))
}

/// Why bytes are not a usable image, before the file's name is put to it.
#[derive(Debug)]
pub(super) enum Flaw {
    Truncated { missing: u64 },
    Damaged(String),
    NotThisKind(String),
    Unreadable(io::Error),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl KernelImage {
    /// Opens and identifies a kernel. Reads its headers, and of a vmlinux what comes before its version string.
    ///
    /// # Errors
    /// Any [`ImageError`] but [`ImageError::Payload`].
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let here = || path.to_owned();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ImageError::NotFound(here()),
            io::ErrorKind::PermissionDenied => ImageError::Permission(here()),
            _ => ImageError::Io {
                path: here(),
                source,
            },
        };
        // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a small flag");
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblock)
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            let kernel = ["arch/x86/boot/bzImage", "bzImage", "vmlinux"]
                .map(|name| path.join(name))
                .into_iter()
                .find(|kernel| kernel.is_file());
            return Err(ImageError::Directory {
                path: here(),
                kernel,
            });
        }
        if !metadata.is_file() {
            return Err(ImageError::NotAFile(here()));
        }
        if metadata.len() == 0 {
            return Err(ImageError::Empty(here()));
        }
        let mut head = vec![0; HEAD];
        let got = scan::read_at_most(&file, 0, &mut head).map_err(failed)?;
        head.truncate(got);

        match identify(&file, &head, metadata.len()) {
            Ok((format, release)) => Ok(Self {
                path: here(),
                release,
                format,
                id: FileId::of(&metadata),
                file,
            }),
            Err(Flaw::Truncated { missing }) => Err(ImageError::Truncated {
                path: here(),
                missing,
            }),
            Err(Flaw::Damaged(what)) => Err(ImageError::Damaged { path: here(), what }),
            Err(Flaw::NotThisKind(what)) => Err(ImageError::NotThisKind { path: here(), what }),
            Err(Flaw::Unreadable(source)) => Err(failed(source)),
        }
    }

    /// The open file, at its beginning. What it gives is the file that was looked at, whatever its path names by now.
    ///
    /// # Errors
    /// When the file cannot be moved to its beginning.
    pub fn content(&self) -> io::Result<&File> {
        (&self.file).rewind()?;
        Ok(&self.file)
    }

    /// The kernel proper of a bzImage, unpacked; `None` for a vmlinux, which is the kernel proper.
    ///
    /// # Errors
    /// [`ImageError::Truncated`] when the file has shrunk since it was opened, [`ImageError::Io`], [`ImageError::Payload`].
    pub fn unpack(&self) -> Result<Option<Vec<u8>>, ImageError> {
        let Format::BzImage(BzImage {
            payload_offset,
            payload_len,
            ..
        }) = self.format
        else {
            return Ok(None);
        };
        let mut payload = vec![0; payload_len as usize];
        let got =
            scan::read_at_most(&self.file, payload_offset, &mut payload).map_err(|source| {
                ImageError::Io {
                    path: self.path.clone(),
                    source,
                }
            })?;
        if got < payload.len() {
            return Err(ImageError::Truncated {
                path: self.path.clone(),
                missing: (payload.len() - got) as u64,
            });
        }
        decompress(&payload)
            .map(Some)
            .map_err(|source| ImageError::Payload {
                path: self.path.clone(),
                source,
            })
    }
}

/// What the file that begins with `head` and is `size` bytes long is, and its release.
fn identify(file: &File, head: &[u8], size: u64) -> Result<(Format, String), Flaw> {
    if head.starts_with(b"\x7fELF") {
        let (vmlinux, release) = vmlinux::read(file, head)?;
        Ok((Format::Vmlinux(vmlinux), release))
    } else if bzimage::is_one(head) {
        let (bzimage, release) = bzimage::read(head, size)?;
        Ok((Format::BzImage(bzimage), release))
    } else {
        Err(Flaw::NotThisKind(not_kernel::describe(head)))
    }
}

/// The release that `text` begins with, up to a space: 1 to 64 printable characters, a digit first, no slash.
pub(super) fn leading_release(text: &[u8]) -> Option<String> {
    let end = text.iter().take(MAX_RELEASE + 1).position(|b| *b == b' ')?;
    let release = &text[..end];
    let sound = release.first()?.is_ascii_digit()
        && release.iter().all(|b| b.is_ascii_graphic() && *b != b'/');
    sound.then(|| String::from_utf8_lossy(release).into_owned())
}

#[cfg(test)]
mod tests;
