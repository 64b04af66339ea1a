//! The only way from a name to a descriptor.
//!
//! The client chooses every name. A name is one component: never empty, `.`, with a slash or a zero byte in it. `..` is not
//! asked of the file system: a node knows the node it was reached from, and the root is its own parent. Any other name
//! is resolved by `openat2(2)` beneath the descriptor of its directory, with `O_PATH`, which opens nothing, and
//! `O_NOFOLLOW`, which lets a symbolic link be looked at and not followed. Mount points below the share are part of it.
//!
//! A node is opened for reading through `/proc/self/fd`, by its number, so that what is opened is what was looked at
//! however the tree changes meanwhile, unlinked files included.
//!
//! Descriptors are few and names that a client remembers are many, so a node can give up its descriptor and get it again
//! from its parent and its name ([`Node::let_go`]), and is stale (`ESTALE`) where another file is found there.

use crate::limits::{Budget, DEPTH, Permit};
use crate::qid::{Devices, Qid, device, file_type, qid_kind, version};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags, openat, openat2, statx,
};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Nothing below a directory leads out of it.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_SYMLINKS);
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// `O_NONBLOCK` for the files of `/proc` and the like whose reads would wait; the others do not know it.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);
/// Bytes of a name (`NAME_MAX`).
const NAME_MAX: usize = 255;

/// A descriptor of the host that is counted.
#[derive(Debug)]
pub(crate) struct Held {
    fd: OwnedFd,
    _permit: Permit,
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A file of the share.
#[derive(Debug)]
pub(crate) struct Node {
    /// None for the root.
    parent: Option<Arc<Node>>,
    name: Box<[u8]>,
    device: u64,
    inode: u64,
    version: u32,
    depth: u16,
    file_type: FileType,
    /// Whether it is our user's, who may read it without touching its access time.
    own: bool,
    used: AtomicBool,
    held: Mutex<Option<Arc<Held>>>,
}

impl Node {
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    pub fn device(&self) -> u64 {
        self.device
    }

    /// Its directory; itself for the root.
    pub fn parent(self: &Arc<Self>) -> &Arc<Self> {
        self.parent.as_ref().unwrap_or(self)
    }

    /// Whether this is the file of these attributes.
    fn is(&self, stat: &Statx) -> bool {
        self.device == device(stat)
            && self.inode == stat.stx_ino
            && self.file_type == file_type(stat)
    }

    /// Gives up the descriptor, unless it was used since the last time this was asked, or must be kept. Returns whether one
    /// was given up.
    pub fn let_go_if_unused(&self) -> bool {
        let used = self.used.swap(false, Ordering::Relaxed);
        !used && self.file_type != FileType::Directory && self.let_go()
    }

    /// Gives up the descriptor, the root's excepted. Returns whether there was one.
    pub fn let_go(&self) -> bool {
        self.parent.is_some() && self.held.lock().expect(NO_PANIC).take().is_some()
    }
}

const NO_PANIC: &str = "nothing panics while it holds this lock";

/// A directory of the host and all below it.
#[derive(Debug)]
pub(crate) struct Share {
    root: Arc<Node>,
    budget: Arc<Budget>,
    devices: Devices,
    /// `/proc/self/fd`; none where there is no `/proc`.
    descriptors: Option<OwnedFd>,
    user: u32,
}

/// Why a share cannot be opened.
#[derive(Debug)]
pub(crate) enum ShareError {
    /// `openat2(2)` is missing or forbidden.
    NoOpenat2(Errno),
    Open(Errno),
}

impl Share {
    pub fn open(path: &Path, budget: Arc<Budget>) -> Result<Self, ShareError> {
        let permit = budget.take().ok_or(ShareError::Open(Errno::MFILE))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(ShareError::Open)?;
        openat2(&fd, ".", LOOK, Mode::empty(), BENEATH).map_err(|error| match error {
            Errno::NOSYS | Errno::PERM => ShareError::NoOpenat2(error),
            error => ShareError::Open(error),
        })?;
        let stat = look(&fd).map_err(ShareError::Open)?;
        let user = rustix::process::geteuid().as_raw();
        let held = Held {
            fd,
            _permit: permit,
        };
        Ok(Self {
            root: Arc::new(node(None, &[], held, &stat, user)),
            budget,
            devices: Devices::default(),
            descriptors: openat(CWD, "/proc/self/fd", flags, Mode::empty()).ok(),
            user,
        })
    }

    pub fn root(&self) -> &Arc<Node> {
        &self.root
    }

    /// The identity of a node, of the version that it had when it was met.
    pub fn qid(&self, node: &Node) -> Qid {
        Qid {
            kind: qid_kind(node.file_type),
            version: node.version,
            path: self.path(node.device, node.inode),
        }
    }

    /// The identity in these attributes.
    pub fn qid_of(&self, stat: &Statx) -> Qid {
        Qid {
            kind: qid_kind(file_type(stat)),
            version: version(stat),
            path: self.path(device(stat), stat.stx_ino),
        }
    }

    /// See [`Devices::path`].
    pub fn path(&self, device: u64, inode: u64) -> u64 {
        self.devices.path(device, inode)
    }

    /// One step from a directory.
    ///
    /// # Errors
    /// `EINVAL` and `ENAMETOOLONG` for what is no name or leads too deep, `EMFILE` where no descriptor is left, and those
    /// of `openat2(2)`.
    pub fn step(&self, from: &Arc<Node>, name: &[u8]) -> Result<Arc<Node>, Errno> {
        if name == b".." {
            return match from.file_type {
                FileType::Directory => Ok(Arc::clone(from.parent())),
                _ => Err(Errno::NOTDIR),
            };
        }
        check(name)?;
        if from.depth == DEPTH {
            return Err(Errno::NAMETOOLONG);
        }
        let held = self.look_up(&*self.held(from)?, name)?;
        let stat = look(&held)?;
        Ok(Arc::new(node(Some(from), name, held, &stat, self.user)))
    }

    fn look_up(&self, directory: &Held, name: &[u8]) -> Result<Held, Errno> {
        let permit = self.budget.take().ok_or(Errno::MFILE)?;
        let fd = openat2(directory, name, LOOK, Mode::empty(), BENEATH)?;
        Ok(Held {
            fd,
            _permit: permit,
        })
    }

    /// The descriptor of a node, which says nothing but what it is: not to read its content.
    ///
    /// # Errors
    /// Where it had been given up: `ESTALE` if another file has taken its place, and those of [`Share::step`].
    pub fn held(&self, node: &Node) -> Result<Arc<Held>, Errno> {
        node.used.store(true, Ordering::Relaxed);
        if let Some(held) = &*node.held.lock().expect(NO_PANIC) {
            return Ok(Arc::clone(held));
        }
        self.look_up_again(node)
    }

    /// Climbs to the next directory that has its descriptor, and comes back. Only the node and its directory, where more
    /// is likely to be asked for, keep theirs: a path may be longer than there are descriptors.
    #[cold]
    fn look_up_again(&self, node: &Node) -> Result<Arc<Held>, Errno> {
        let mut missing = vec![node];
        let mut held = loop {
            let last = missing.last().expect("it begins with one");
            let parent = last.parent.as_deref().expect("the root keeps its own");
            if let Some(held) = &*parent.held.lock().expect(NO_PANIC) {
                break Arc::clone(held);
            }
            missing.push(parent);
        };
        for (above, node) in missing.into_iter().enumerate().rev() {
            let again = self.look_up(&held, &node.name)?;
            if !node.is(&look(&again)?) {
                return Err(Errno::STALE);
            }
            held = Arc::new(again);
            if above <= 1 {
                *node.held.lock().expect(NO_PANIC) = Some(Arc::clone(&held));
            }
        }
        Ok(held)
    }

    /// Opens a regular file or a directory for reading.
    ///
    /// # Errors
    /// `ELOOP` for a symbolic link, `ENXIO` for a socket, and `EACCES` for devices and FIFOs, as where they are kept
    /// from being opened (`nodev`); `EMFILE` where no descriptor is left, and those of `openat(2)`.
    pub fn open_for_reading(&self, node: &Node) -> Result<Held, Errno> {
        let kind = match node.file_type {
            FileType::RegularFile => OFlags::empty(),
            FileType::Directory => OFlags::DIRECTORY,
            FileType::Symlink => return Err(Errno::LOOP),
            FileType::Socket => return Err(Errno::NXIO),
            _ => return Err(Errno::ACCESS),
        };
        let held = self.held(node)?;
        let permit = self.budget.take().ok_or(Errno::MFILE)?;
        let open = |flags| match &self.descriptors {
            Some(all) => openat(
                all,
                rustix::path::DecInt::from_fd(&held.fd),
                flags | kind,
                Mode::empty(),
            ),
            None => self.open_by_name(node, flags | kind),
        };
        // `O_NOATIME` is for the owner, and for who has CAP_FOWNER, which root may yet lack.
        let fd = if node.own || self.user == 0 {
            match open(READ | OFlags::NOATIME) {
                Err(Errno::PERM) => open(READ),
                result => result,
            }
        } else {
            open(READ)
        }?;
        Ok(Held {
            fd,
            _permit: permit,
        })
    }

    /// Without `/proc`: opens what has the node's name, and takes it if it is the node.
    #[cold]
    fn open_by_name(&self, node: &Node, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW;
        let fd = match &node.parent {
            None => openat2(&*self.held(node)?, ".", flags, Mode::empty(), BENEATH)?,
            Some(parent) => openat2(
                &*self.held(parent)?,
                &*node.name,
                flags,
                Mode::empty(),
                BENEATH,
            )?,
        };
        if node.is(&look(&fd)?) {
            Ok(fd)
        } else {
            Err(Errno::STALE)
        }
    }

    /// The path through which the kernel finds a held file, for calls that take nothing else; none without `/proc`.
    pub fn path_of(&self, held: &Held) -> Option<String> {
        self.descriptors
            .as_ref()
            .map(|_| format!("/proc/self/fd/{}", held.fd.as_raw_fd()))
    }
}

/// A new node.
fn node(parent: Option<&Arc<Node>>, name: &[u8], held: Held, stat: &Statx, user: u32) -> Node {
    Node {
        parent: parent.cloned(),
        name: name.into(),
        device: device(stat),
        inode: stat.stx_ino,
        version: version(stat),
        depth: parent.map_or(0, |parent| parent.depth + 1),
        file_type: file_type(stat),
        own: stat.stx_uid == user,
        used: AtomicBool::new(true),
        held: Mutex::new(Some(Arc::new(held))),
    }
}

/// All the attributes of an open file, as they are now.
pub(crate) fn look(fd: impl AsFd) -> Result<Statx, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    statx(fd, c"", flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
}

fn check(name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() || name == b"." || name.iter().any(|&byte| byte == b'/' || byte == 0) {
        Err(Errno::INVAL)
    } else if name.len() > NAME_MAX {
        Err(Errno::NAMETOOLONG)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
