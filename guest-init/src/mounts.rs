//! The kernel's own file systems.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use crate::failure::{Result, Trying};

const NOTHING_SPECIAL: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);
const NO_SUID: MountFlags = MountFlags::NOSUID;
const DATA: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// A file system to mount where it belongs.
struct Api {
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    options: &'static std::ffi::CStr,
}

const fn api(
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    options: &'static std::ffi::CStr,
) -> Api {
    Api {
        kind,
        target,
        flags,
        options,
    }
}

/// What the initramfs needs, and what then moves to the new root.
const FIRST: [Api; 3] = [
    api("proc", "/proc", NOTHING_SPECIAL, c""),
    api("sysfs", "/sys", NOTHING_SPECIAL, c""),
    api("devtmpfs", "/dev", NO_SUID, c"mode=755"),
];

/// What the new root gets besides, each of them only if the kernel has it.
const FURTHER: [Api; 10] = [
    api("tmpfs", "/dev/shm", DATA, c"mode=1777"),
    api(
        "devpts",
        "/dev/pts",
        NO_SUID.union(MountFlags::NOEXEC),
        c"gid=5,mode=620,ptmxmode=666",
    ),
    api("mqueue", "/dev/mqueue", NOTHING_SPECIAL, c""),
    api("hugetlbfs", "/dev/hugepages", DATA, c""),
    api("cgroup2", "/sys/fs/cgroup", NOTHING_SPECIAL, c""),
    api("tracefs", "/sys/kernel/tracing", NOTHING_SPECIAL, c""),
    api("debugfs", "/sys/kernel/debug", NOTHING_SPECIAL, c""),
    api("bpf", "/sys/fs/bpf", NOTHING_SPECIAL, c"mode=700"),
    api("securityfs", "/sys/kernel/security", NOTHING_SPECIAL, c""),
    api("configfs", "/sys/kernel/config", NOTHING_SPECIAL, c""),
];

/// Mounts `/proc`, `/sys` and `/dev` again where a test has taken them from init itself. Returns what
/// there is to say about it.
///
/// To see whether a file is there does not do: the share may show the host's own.
pub fn mount_again() -> Vec<String> {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    const SYSFS_MAGIC: u64 = 0x6265_6572;
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    const RAMFS_MAGIC: u64 = 0x8584_58f6;
    FIRST
        .iter()
        .filter(|api| {
            let magic = rustix::fs::statfs(api.target).map_or(0, |fs| fs.f_type.cast_unsigned());
            match api.kind {
                "proc" => magic != PROC_SUPER_MAGIC,
                "sysfs" => magic != SYSFS_MAGIC,
                _ => magic != TMPFS_MAGIC && magic != RAMFS_MAGIC,
            }
        })
        .map(|api| {
            let again = mount(api.kind, api.target, api.kind, api.flags, api.options);
            let now = match again {
                Ok(()) => "it is mounted again, but what was mounted below is gone".into(),
                Err(e) => format!("it cannot be mounted again: {e}"),
            };
            format!("the test unmounted {} for everybody; {now}", api.target)
        })
        .collect()
}

/// Where the kernel file systems of the initramfs are, to be moved.
pub fn first_targets() -> impl Iterator<Item = &'static str> {
    FIRST.iter().map(|api| api.target)
}

/// Mounts what everything else needs: `/proc`, `/sys`, `/dev`.
pub fn mount_first() -> Result<()> {
    for api in &FIRST {
        make_directory(api.target).trying(|| format!("make the directory {}", api.target))?;
        match mount(api.kind, api.target, api.kind, api.flags, api.options) {
            // The kernel mounts devtmpfs itself where CONFIG_DEVTMPFS_MOUNT says so.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(Errno::NODEV) => {
                return Err(format!(
                    "the kernel lacks {} ({})",
                    api.kind,
                    option(api.kind)
                ))
                .trying(|| format!("mount {}", api.target));
            }
            Err(e) => return Err(e).trying(|| format!("mount {}", api.target)),
        }
    }
    Ok(())
}

fn option(kind: &str) -> &'static str {
    match kind {
        "proc" => "CONFIG_PROC_FS",
        "sysfs" => "CONFIG_SYSFS",
        _ => "CONFIG_DEVTMPFS",
    }
}

/// Mounts the other kernel file systems and makes the usual links of `/dev`. Returns a warning for each
/// that the kernel has and that could not be mounted all the same.
pub fn mount_further() -> Vec<String> {
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        // Not there yet on a fresh devtmpfs; anything else shows when a test needs it.
        let _ = symlink(target, link);
    }
    // Asking for a type the kernel does not have would make it start modprobe from the share.
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    FURTHER
        .iter()
        .filter(|api| has_filesystem(&known, api.kind))
        .filter_map(|api| mount_api(api).err())
        .collect()
}

fn mount_api(api: &Api) -> std::result::Result<(), String> {
    let warning = |e: &dyn std::fmt::Display| format!("cannot mount {}: {e}", api.target);
    if make_directory(api.target).is_err() && api.target.starts_with("/sys/") {
        // Only the kernel makes directories there; without the directory the feature is off.
        return Ok(());
    }
    match mount(api.kind, api.target, api.kind, api.flags, api.options) {
        Ok(()) | Err(Errno::NODEV) => Ok(()),
        Err(e) => Err(warning(&e)),
    }
}

/// Whether `/proc/filesystems`, whose text `known` is, lists `kind`.
pub fn has_filesystem(known: &str, kind: &str) -> bool {
    known
        .lines()
        .any(|line| line.split('\t').next_back() == Some(kind))
}

/// Mounts a fresh tmpfs.
pub fn mount_tmpfs(target: impl AsRef<Path>, options: &std::ffi::CStr) -> Result<()> {
    let target = target.as_ref();
    mount("tmpfs", target, "tmpfs", DATA, options)
        .trying(|| format!("mount a tmpfs on {}", target.display()))
}

/// Makes a directory and its parents, where they do not exist.
pub fn make_directory(path: impl AsRef<Path>) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filesystems_are_looked_up_by_their_whole_name() {
        let known = "nodev\tsysfs\nnodev\ttmpfs\n\text4\nnodev\toverlay\n";
        assert!(has_filesystem(known, "sysfs"));
        assert!(has_filesystem(known, "ext4"));
        assert!(has_filesystem(known, "overlay"));
        assert!(!has_filesystem(known, "over"));
        assert!(!has_filesystem(known, "nodev"));
        assert!(!has_filesystem("", "overlay"));
    }
}
