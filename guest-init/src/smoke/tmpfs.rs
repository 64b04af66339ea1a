//! A file system in memory can be mounted and used.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};
use crate::mounts::mount_tmpfs;

pub fn check(_: &Params) -> Checked {
    // The directory goes with the test's artifacts, the mount with its mount table.
    let directory = std::env::var_os("RUNNER_ARTIFACTS")
        .ok_or_else(|| Verdict::Misuse("RUNNER_ARTIFACTS is not set".into()))?;
    let directory = Path::new(&directory).join("tmpfs");
    fs::create_dir(&directory).or_fail("make a directory")?;
    mount_tmpfs(&directory, c"size=1m").map_err(|e| Verdict::Fail(e.to_string()))?;

    let (first, second) = (directory.join("first"), directory.join("second"));
    let content: Vec<u8> = (0..256 * 1024_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&first, &content).or_fail("write 256 KiB")?;
    fs::rename(&first, &second).or_fail("rename a file")?;
    let read = fs::read(&second).or_fail("read 256 KiB")?;
    ensure(read == content, || {
        "a file does not hold what was written".into()
    })?;
    ensure(!first.exists(), || {
        "a renamed file keeps its old name".into()
    })?;
    fs::remove_file(&second).or_fail("unlink a file")?;
    let gone = fs::metadata(&second).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    ensure(gone, || "an unlinked file is still there".into())?;
    let full = fs::write(&first, vec![0; 2 * 1024 * 1024]);
    let refused = full.is_err_and(|e| e.kind() == ErrorKind::StorageFull);
    ensure(refused, || "2 MiB go into a file system of 1 MiB".into())?;
    println!("a tmpfs holds, renames and forgets 256 KiB, and keeps to its size");

    rustix::mount::unmount(&directory, rustix::mount::UnmountFlags::empty())
        .or_fail("unmount it")?;
    fs::remove_dir(&directory).or_fail("remove the directory")?;
    Ok(Verdict::Pass)
}
