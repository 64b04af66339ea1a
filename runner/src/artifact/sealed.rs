//! Files in memory that nothing can change any more: what machines boot from.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    sync::Arc,
};

/// Puts all of `content` into a memfd that is then sealed against every change. It has no name in any file system and
/// is gone with its last user.
///
/// # Errors
/// When the kernel gives no memfd, or no memory for it, or `content` cannot be read.
pub fn sealed_file(name: &str, mut content: impl Read) -> io::Result<Arc<OwnedFd>> {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(fd);
    io::copy(&mut content, &mut file)?;
    fcntl_add_seals(
        &file,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
    )?;
    Ok(Arc::new(file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_bytes_and_takes_no_more() {
        let fd = sealed_file("test", b"kernel".as_slice()).expect("memfd");
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&*fd));
        assert_eq!(std::fs::read(&path).expect("readable"), b"kernel");
        assert!(std::fs::write(&path, b"other").is_err());
    }
}
