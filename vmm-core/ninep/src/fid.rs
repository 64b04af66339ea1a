//! The client's handles.
//!
//! The client chooses their numbers. Cloning one costs no system call: both are the same [`Node`].

use crate::dir::Listing;
use crate::resolve::{Held, Node, Share};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, OnceLock, RwLock};

/// A handle of the client.
#[derive(Debug)]
pub(crate) struct Fid {
    pub node: Arc<Node>,
    open: OnceLock<Open>,
    /// Set where the handle is of an extended attribute of the node; empty for the list of them.
    pub attribute: Option<Box<[u8]>>,
}

/// An open file.
#[derive(Debug)]
pub(crate) enum Open {
    File(Held),
    Directory(Box<Listing>),
}

impl AsFd for Open {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::File(held) => held.as_fd(),
            Self::Directory(listing) => listing.as_fd(),
        }
    }
}

impl Fid {
    pub fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            open: OnceLock::new(),
            attribute: None,
        }
    }

    pub fn attribute(node: Arc<Node>, name: &[u8]) -> Self {
        Self {
            attribute: Some(name.into()),
            ..Self::new(node)
        }
    }

    /// The open file, if it is open.
    pub fn opened(&self) -> Option<&Open> {
        self.open.get()
    }

    /// Takes the open file.
    ///
    /// # Errors
    /// `EBUSY` if another request was faster.
    pub fn set_open(&self, open: Open) -> Result<(), Errno> {
        self.open.set(open).map_err(|_| Errno::BUSY)
    }

    /// Calls `f` with a descriptor of the file: that of the open file where there is one, which lasts however the tree
    /// changes.
    ///
    /// # Errors
    /// Those of [`Share::held`], and of `f`.
    pub fn with_fd<T>(
        &self,
        share: &Share,
        f: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match self.open.get() {
            Some(open) => f(open.as_fd()),
            None => f(share.held(&self.node)?.as_fd()),
        }
    }
}

/// All the handles. No system call is made while its lock is held, but for closing descriptors that open nothing.
#[derive(Debug)]
pub(crate) struct Fids {
    all: RwLock<HashMap<u32, Arc<Fid>>>,
    most: usize,
}

const NO_PANIC: &str = "nothing panics while it holds this lock";

impl Fids {
    pub fn new(most: usize) -> Self {
        Self {
            all: RwLock::default(),
            most,
        }
    }

    /// # Errors
    /// `EBADF` if there is no such fid.
    pub fn get(&self, number: u32) -> Result<Arc<Fid>, Errno> {
        let all = self.all.read().expect(NO_PANIC);
        all.get(&number).cloned().ok_or(Errno::BADF)
    }

    /// Whether [`Fids::add`] would take this number.
    ///
    /// # Errors
    /// Those of [`Fids::add`].
    pub fn can_add(&self, number: u32) -> Result<(), Errno> {
        self.check(&self.all.read().expect(NO_PANIC), number)
    }

    fn check(&self, all: &HashMap<u32, Arc<Fid>>, number: u32) -> Result<(), Errno> {
        if number == crate::message::NO_FID || all.contains_key(&number) {
            Err(Errno::BADF)
        } else if all.len() >= self.most {
            Err(Errno::NFILE)
        } else {
            Ok(())
        }
    }

    /// # Errors
    /// `EBADF` if the number is in use or is that of no fid; `ENFILE` if there are too many.
    pub fn add(&self, number: u32, fid: Fid) -> Result<(), Errno> {
        let fid = Arc::new(fid);
        let mut all = self.all.write().expect(NO_PANIC);
        self.check(&all, number)?;
        all.insert(number, fid);
        Ok(())
    }

    /// Makes a fid another one.
    ///
    /// # Errors
    /// `EBADF` if there is no such fid any more.
    pub fn replace(&self, number: u32, fid: Fid) -> Result<(), Errno> {
        let fid = Arc::new(fid);
        // The old one is dropped, and its file closed, when the lock is free again.
        let _old = {
            let mut all = self.all.write().expect(NO_PANIC);
            let place = all.get_mut(&number).ok_or(Errno::BADF)?;
            std::mem::replace(place, fid)
        };
        Ok(())
    }

    /// # Errors
    /// `EBADF` if there is no such fid.
    pub fn remove(&self, number: u32) -> Result<(), Errno> {
        let removed = self.all.write().expect(NO_PANIC).remove(&number);
        removed.map(drop).ok_or(Errno::BADF)
    }

    /// Forgets all.
    pub fn clear(&self) {
        let all = std::mem::take(&mut *self.all.write().expect(NO_PANIC));
        drop(all);
    }

    /// Makes nodes give up their descriptors: those of files that were not used since the last time, and if these are
    /// few, then all.
    #[cold]
    pub fn shed(&self, enough: usize) {
        let all = self.all.read().expect(NO_PANIC);
        let unused = all.values().filter(|fid| fid.node.let_go_if_unused());
        if unused.count() >= enough {
            return;
        }
        for fid in all.values() {
            let mut node = &fid.node;
            loop {
                node.let_go();
                let parent = node.parent();
                if Arc::ptr_eq(parent, node) {
                    break;
                }
                node = parent;
            }
        }
    }
}
