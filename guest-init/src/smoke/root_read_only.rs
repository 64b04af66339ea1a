//! Nothing that is written in the guest reaches the host's tree.
//!
//! Every attempt is chosen so that a share that allowed it would lose nothing by it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};

pub fn check(_: &Params) -> Checked {
    let share = Path::new(wire::LOWER_ROOT);
    let name = format!(
        "runner-smoke-{}",
        rustix::process::getpid().as_raw_nonzero()
    );
    let in_share = share.join(&name);

    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&in_share);
    if created.is_ok() {
        let _ = fs::remove_file(&in_share);
    }
    refused("create a file", created.map(drop))?;
    refused("create a directory", fs::create_dir(&in_share))?;

    let full = find(share, 2, &|path| {
        fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) && !is_empty(path)
    });
    let full = full.ok_or_else(|| Verdict::Skip("the share has no directory to try".into()))?;
    refused(
        &format!("remove the directory {}", full.display()),
        fs::remove_dir(&full),
    )?;
    let file = find(share, 3, &|path| {
        fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
    });
    let file = file.ok_or_else(|| Verdict::Skip("the share has no file to try".into()))?;
    refused(
        &format!("open {} for writing", file.display()),
        OpenOptions::new().append(true).open(&file).map(drop),
    )?;

    check_root(&name)
}

/// The root itself takes writes when it is an overlay, and keeps them from the share.
fn check_root(name: &str) -> Checked {
    let mounts = fs::read_to_string("/proc/self/mountinfo").or_fail("read the list of mounts")?;
    let path = Path::new("/").join(name);
    if kind_of_root(&mounts) != Some("overlay") {
        return refused("write to the root", fs::write(&path, "x")).map(|()| Verdict::Pass);
    }
    fs::write(&path, "written").or_fail("write a file in the root")?;
    let read = fs::read(&path).or_fail("read it again")?;
    let below = Path::new(wire::LOWER_ROOT).join(name);
    let shows = below.exists();
    fs::remove_file(&path).or_fail("remove it")?;
    ensure(read == b"written", || {
        "a file in the root does not hold what was written".into()
    })?;
    ensure(!shows, || {
        format!("what is written to the root shows in {}", below.display())
    })?;
    println!("the root takes a file, and the share does not show it");
    Ok(Verdict::Pass)
}

/// The type of the file system that is the root, of a `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
///
/// Not `statfs`: 9P answers with the type that the file system has on the host, which may be an overlay as well.
fn kind_of_root(mounts: &str) -> Option<&str> {
    let root = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some("/"))?;
    let (_, behind) = root.split_once(" - ")?;
    behind.split(' ').next()
}

fn refused(action: &str, outcome: io::Result<()>) -> Result<(), Verdict> {
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            println!("{action}: refused");
            Ok(())
        }
        Err(e) => Err(Verdict::Fail(format!(
            "{action}: refused as it must be, but not as on a read-only file system: {e}"
        ))),
        Ok(()) => Err(Verdict::Fail(format!("{action}: allowed, and must not be"))),
    }
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// The first path below `directory`, at most `depth` levels down, that `wanted` likes. The host's own
/// view of its processes and devices is left alone: files in it come and go, and are special.
fn find(directory: &Path, depth: u32, wanted: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(directory).ok()?.flatten().collect();
    entries.retain(|e| {
        !["proc", "sys", "dev", "run", "tmp"]
            .iter()
            .any(|n| e.file_name() == *n)
    });
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    let paths: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    if let Some(found) = paths.iter().find(|path| wanted(path)) {
        return Some(found.clone());
    }
    let below = depth.checked_sub(1)?;
    let directories = entries
        .iter()
        .filter(|e| e.file_type().is_ok_and(|k| k.is_dir()));
    directories
        .map(fs::DirEntry::path)
        .find_map(|path| find(&path, below, wanted))
}

#[cfg(test)]
mod tests {
    use super::kind_of_root;

    #[test]
    fn the_last_mount_on_the_root_is_the_root() {
        let mounts = "\
1 1 0:2 / / rw - rootfs rootfs rw
22 21 0:20 / /proc rw,relatime shared:5 - proc proc rw
21 1 0:27 / / ro,relatime - 9p root ro,access=any
";
        assert_eq!(kind_of_root(mounts), Some("9p"));
        let over = "23 21 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/lower";
        assert_eq!(kind_of_root(&format!("{mounts}{over}\n")), Some("overlay"));
        for none in ["", "1 2 3", "21 1 0:27 / / ro", "21 1 0:27 / /a - b"] {
            assert_eq!(kind_of_root(none), None, "{none}");
        }
    }
}
