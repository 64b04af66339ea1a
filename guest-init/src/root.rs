//! The root that the tests see: shares of the host, or a part of the initramfs, under overlays.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{
    MountFlags, UnmountFlags, mount, mount_bind, mount_move, mount_remount, unmount,
};
use wire::{RootKind, Setup, Share};

use crate::failure::{Failure, Result, Trying};
use crate::mounts::{self, has_filesystem, make_directory, mount_tmpfs};

/// Makes the share [`wire::ROOT_TAG`], or [`wire::PACKED_ROOT`], this process's root, with everything mounted in it that belongs
/// there, and adds the other shares. Warnings go to `warnings`.
///
/// In this order, because each needs the one before: the share; its overlay; `/run`, which must be
/// writable; the mounts of the initramfs, complete and then moved; the root itself; the other shares,
/// whose places are found by absolute path.
pub fn enter(setup: &Setup, warnings: &mut Vec<String>) -> Result<RootKind> {
    const NEW: &str = "/new";
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let kind = if has_filesystem(&known, "overlay") {
        RootKind::Overlay
    } else {
        RootKind::ReadOnly
    };
    if setup.packed {
        show_packed(Path::new("/lower"))?;
    } else {
        mount_share(wire::ROOT_TAG, &setup.mount_options, Path::new("/lower"))?;
    }
    show(
        kind,
        Path::new("/lower"),
        Path::new("/upper"),
        Path::new(NEW),
    )?;

    let run = mount_point(NEW, "/run")?;
    mount_tmpfs(&run, c"mode=755")?;
    let lower = mount_point(NEW, wire::LOWER_ROOT)?;
    mount_move("/lower", &lower).trying(|| format!("move the share to {}", wire::LOWER_ROOT))?;
    // While the root has no modprobe: the kernel runs it for some of them, and from the share that takes
    // as long as half the boot.
    warnings.extend(mounts::mount_further());
    for target in mounts::first_targets() {
        let inside = mount_point(NEW, target)?;
        mount_move(target, &inside).trying(|| format!("move {target} to the new root"))?;
    }
    switch(NEW)?;

    if kind == RootKind::ReadOnly {
        for target in ["/tmp", "/var/tmp"] {
            let mounted = mount_tmpfs(target, c"mode=1777");
            warnings.extend(mounted.err().map(|e| e.to_string()));
        }
    }
    for share in &setup.shares {
        add_share(kind, share, &setup.mount_options)?;
    }
    Ok(kind)
}

/// The directory `path` of the tree at `root`, made if it is not there.
fn mount_point(root: &str, path: &str) -> Result<String> {
    let inside = format!("{root}{path}");
    make_directory(&inside).trying(|| format!("make the directory {path} in the root"))?;
    Ok(inside)
}

/// Mounts the 9P share `tag` on `target`. Writes are the server's to refuse: a read-only mount would
/// hide a server that does not.
fn mount_share(tag: &str, options: &str, target: &Path) -> Result<()> {
    make_directory(target).trying(|| format!("make the directory {}", target.display()))?;
    let mut data = String::from("trans=virtio,version=9p2000.L");
    if !options.is_empty() {
        data.push(',');
        data.push_str(options);
    }
    let c_data = CString::new(data.as_str()).trying(|| format!("mount with options {data:?}"))?;
    mount(tag, target, "9p", MountFlags::NOATIME, &*c_data).map_err(|e| {
        let hint = match e {
            Errno::NODEV => {
                "; this kernel has no 9P: it needs CONFIG_9P_FS, or the module 9p in the initramfs"
            }
            Errno::NOENT => {
                "; no virtio device carries this tag, or the kernel lacks CONFIG_NET_9P_VIRTIO \
                 (module 9pnet_virtio)"
            }
            Errno::INVAL | Errno::PROTONOSUPPORT => {
                "; the kernel lacks CONFIG_NET_9P_VIRTIO (module 9pnet_virtio) or does not know one \
                 of the options"
            }
            _ => "",
        };
        Failure::new(format!(
            "cannot mount the 9P share {tag} with options {data}: {e}{hint} (`--root-transport initramfs` does \
             without 9P)"
        ))
    })
}

/// Shows what came with the initramfs at `target`, read-only as a share is.
fn show_packed(target: &Path) -> Result<()> {
    make_directory(target).trying(|| format!("make the directory {}", target.display()))?;
    mount_bind(wire::PACKED_ROOT, target)
        .and_then(|()| mount_remount(target, MountFlags::BIND | MountFlags::RDONLY, c""))
        .trying(|| format!("show {} of the initramfs", wire::PACKED_ROOT))
}

/// Shows the tree at `lower` at `target`: writable with what is written kept in a tmpfs at `upper`, or
/// read-only.
fn show(kind: RootKind, lower: &Path, upper: &Path, target: &Path) -> Result<()> {
    make_directory(target).trying(|| format!("make the directory {}", target.display()))?;
    if kind == RootKind::ReadOnly {
        return mount_bind(lower, target)
            .and_then(|()| mount_remount(target, MountFlags::BIND | MountFlags::RDONLY, c""))
            .trying(|| format!("show the share read-only at {}", target.display()));
    }
    make_directory(upper).trying(|| format!("make the directory {}", upper.display()))?;
    mount_tmpfs(upper, c"mode=755")?;
    let (data, work) = (upper.join("data"), upper.join("work"));
    for directory in [&data, &work] {
        make_directory(directory).trying(|| format!("make {}", directory.display()))?;
    }
    // These paths are ours and hold none of the characters that the options treat specially.
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        data.display(),
        work.display()
    );
    let c_options = CString::new(options.as_str()).expect("paths hold no zero byte");
    mount(
        "overlay",
        target,
        "overlay",
        MountFlags::empty(),
        &*c_options,
    )
    .trying(|| format!("mount an overlay on {}", target.display()))
}

/// Makes `new` the root, as `switch_root` does: the initramfs cannot be unmounted or pivoted away from.
fn switch(new: &str) -> Result<()> {
    let step = || -> rustix::io::Result<()> {
        rustix::process::chdir(new)?;
        mount_move(".", "/")?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")
    };
    step().trying(|| "switch to the new root".into())
}

fn add_share(kind: RootKind, share: &Share, options: &str) -> Result<()> {
    let lower = Path::new("/run/runner/share-lower");
    let upper = Path::new("/run/runner/share-upper");
    let target = Path::new(OsStr::from_bytes(&share.path));
    if !target.is_absolute() {
        return Err(Failure::new(format!(
            "cannot mount the share {} on {}: not an absolute path",
            share.tag,
            target.display()
        )));
    }
    mount_share(&share.tag, options, lower)?;
    show(kind, lower, upper, target).map_err(|e| {
        let hint = match kind {
            RootKind::Overlay => "",
            RootKind::ReadOnly => {
                "; without overlayfs (CONFIG_OVERLAY_FS) the root is read-only, and a share needs a \
                 directory that is already there"
            }
        };
        Failure::new(format!("the share {} has no place: {e}{hint}", share.tag))
    })?;
    // What is mounted at the target keeps them; nobody else should see them.
    let _ = unmount(lower, UnmountFlags::DETACH);
    if kind == RootKind::Overlay {
        let _ = unmount(upper, UnmountFlags::DETACH);
    }
    Ok(())
}

/// Whether the root is read-only by now.
pub fn is_read_only() -> bool {
    rustix::fs::statvfs("/")
        .is_ok_and(|root| root.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Makes the root's file system writable again.
pub fn make_writable() -> rustix::io::Result<()> {
    mount_remount("/", MountFlags::empty(), c"")
}
