//! The initramfs: init, the modules it is to load, and the few directories it starts with.
//!
//! Format: "newc" of `Documentation/driver-api/early-userspace/buffer-format.rst` in the kernel tree, not compressed:
//! any kernel reads that. The same input gives the same bytes.

use cpio::{
    NewcBuilder,
    newc::{ModeFileType, trailer},
};
use std::io::Write;

/// Longest file that the format is trusted with, in bytes.
const MAX_FILE: usize = 1 << 30;

/// Modules that fit in a name's three digits.
const MAX_MODULES: usize = 1000;

/// Made empty; init mounts over some of them. A directory comes before what is in it.
const DIRECTORIES: [&str; 6] = ["/dev", "/proc", "/sys", "/run", "/tmp", wire::MODULES_DIR];

/// Why an initramfs cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InitramfsError {
    /// There is no room for so many in the order of names.
    #[error(
        "an initramfs for {0} modules cannot be made, {MAX_MODULES} is the limit; ask for fewer modules"
    )]
    TooManyModules(usize),
    /// A file is too long.
    #[error("{name} of {bytes} bytes does not fit in an initramfs; strip its debug information")]
    TooLong {
        /// The file.
        name: String,
        /// Its length.
        bytes: usize,
    },
    /// A module's name would not be a file name.
    #[error("{0:?} is not a module's name: letters, digits, - and _")]
    BadName(String),
}

/// Makes an initramfs of `init` and of modules, each a name and an ELF file, in the order to load them:
/// they become `NNN-name.ko` in [`wire::MODULES_DIR`], counted from 000.
///
/// # Errors
/// Any [`InitramfsError`].
pub fn build(init: &[u8], modules: &[(String, Vec<u8>)]) -> Result<Vec<u8>, InitramfsError> {
    if modules.len() > MAX_MODULES {
        return Err(InitramfsError::TooManyModules(modules.len()));
    }
    let mut archive = Archive::default();
    for path in DIRECTORIES {
        archive.directory(path, 0o755)?;
    }
    // The kernel opens it as init's standard input and output, before init can mount anything.
    archive.add("/dev/console", ModeFileType::Char, 0o600, 1, &[])?;
    archive.file("/init", 0o755, init)?;
    for (number, (name, elf)) in modules.iter().enumerate() {
        let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || !name.bytes().all(sound) {
            return Err(InitramfsError::BadName(name.clone()));
        }
        let path = format!("{}/{number:03}-{name}.ko", wire::MODULES_DIR);
        archive.file(&path, 0o644, elf)?;
    }
    Ok(archive.finish())
}

const IN_MEMORY: &str = "writing to memory cannot fail";

/// An archive that grows in memory. A directory has to come before what is in it.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory. `permissions` are the lower twelve bits of its mode.
    ///
    /// # Errors
    /// [`InitramfsError::TooLong`].
    pub fn directory(&mut self, path: &str, permissions: u32) -> Result<(), InitramfsError> {
        self.add(path, ModeFileType::Directory, permissions, 2, &[])
    }

    /// Adds a regular file.
    ///
    /// # Errors
    /// [`InitramfsError::TooLong`].
    pub fn file(
        &mut self,
        path: &str,
        permissions: u32,
        content: &[u8],
    ) -> Result<(), InitramfsError> {
        self.add(path, ModeFileType::Regular, permissions, 1, content)
    }

    /// Adds a regular file under several names, which are hard links in the guest.
    ///
    /// # Errors
    /// [`InitramfsError::TooLong`].
    pub fn linked_file(
        &mut self,
        paths: &[&str],
        permissions: u32,
        content: &[u8],
    ) -> Result<(), InitramfsError> {
        let links = u32::try_from(paths.len()).expect("names fit in memory");
        let inode = self.entries + 1;
        for (i, path) in paths.iter().enumerate() {
            // The kernel makes the file at the first name, and links those after it (`maybe_link`, `init/initramfs.c`).
            let content = if i == 0 { content } else { &[] };
            self.entries = inode - 1;
            self.add(path, ModeFileType::Regular, permissions, links, content)?;
        }
        Ok(())
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// [`InitramfsError::TooLong`].
    pub fn symlink(&mut self, path: &str, target: &[u8]) -> Result<(), InitramfsError> {
        self.add(path, ModeFileType::Symlink, 0o777, 1, target)
    }

    /// The archive. Another may follow it in the same initramfs.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        trailer(self.bytes).expect(IN_MEMORY)
    }

    fn add(
        &mut self,
        path: &str,
        kind: ModeFileType,
        permissions: u32,
        links: u32,
        content: &[u8],
    ) -> Result<(), InitramfsError> {
        let length = u32::try_from(content.len())
            .ok()
            .filter(|_| content.len() <= MAX_FILE)
            .ok_or_else(|| InitramfsError::TooLong {
                name: path.into(),
                bytes: content.len(),
            })?;
        self.entries += 1;
        let mut entry = NewcBuilder::new(path.trim_start_matches('/'))
            .ino(self.entries)
            .nlink(links)
            .mode(permissions);
        if matches!(kind, ModeFileType::Char) {
            // /dev/console, 5:1 (Documentation/admin-guide/devices.txt).
            entry = entry.rdev_major(5).rdev_minor(1);
        }
        let mut writer = entry
            .set_mode_file_type(kind)
            .write(std::mem::take(&mut self.bytes), length);
        writer.write_all(content).expect(IN_MEMORY);
        self.bytes = writer.finish().expect(IN_MEMORY);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
