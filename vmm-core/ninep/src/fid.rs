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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Budget;
    use crate::message::NO_FID;

    #[test]
    fn numbers_are_taken_once_and_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let share = Share::open(directory.path(), Budget::new(9)).unwrap();
        let fid = || Fid::new(Arc::clone(share.root()));
        let fids = Fids::new(2);
        assert_eq!(fids.add(NO_FID, fid()), Err(Errno::BADF));
        assert_eq!(fids.add(7, fid()), Ok(()));
        assert_eq!(fids.add(7, fid()), Err(Errno::BADF));
        assert_eq!(fids.can_add(7), Err(Errno::BADF));
        assert_eq!(fids.add(8, fid()), Ok(()));
        assert_eq!(fids.add(9, fid()), Err(Errno::NFILE));
        assert_eq!(fids.can_add(9), Err(Errno::NFILE));
        assert_eq!(fids.replace(9, fid()), Err(Errno::BADF));
        let old = fids.get(8).unwrap();
        assert_eq!(fids.replace(8, fid()), Ok(()));
        assert!(!Arc::ptr_eq(&old, &fids.get(8).unwrap()));
        assert_eq!(fids.remove(7), Ok(()));
        assert_eq!(fids.remove(7), Err(Errno::BADF));
        fids.clear();
        assert_eq!(fids.get(8).map(drop), Err(Errno::BADF));
    }

    #[test]
    fn directories_are_kept_as_long_as_files_suffice() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("dir")).unwrap();
        let budget = Budget::new(99);
        let share = Share::open(directory.path(), Arc::clone(&budget)).unwrap();
        let dir = share.step(share.root(), b"dir").unwrap();
        let fids = Fids::new(99);
        fids.add(0, Fid::new(Arc::clone(&dir))).unwrap();
        for i in 1..5 {
            let name = i.to_string();
            std::fs::write(directory.path().join("dir").join(&name), "").unwrap();
            let node = share.step(&dir, name.as_bytes()).unwrap();
            fids.add(i, Fid::new(node)).unwrap();
        }
        assert_eq!(budget.used(), 6);
        fids.shed(0);
        assert_eq!(budget.used(), 6, "all were just used");
        share.held(&fids.get(1).unwrap().node).unwrap();
        fids.shed(3);
        assert_eq!(
            budget.used(),
            3,
            "the root, the directory and the one in use"
        );
        fids.shed(3);
        assert_eq!(budget.used(), 1, "one is not enough");
    }
}
