//! What a client may take of the host, and the descriptors of the process.

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The smallest and the greatest message that can be agreed on, in bytes. The first holds any reply that cannot be
/// split; the second is the greatest that Linux' virtio transport takes (`net/9p/trans_virtio.c`: 125 pages).
pub(crate) const MESSAGE_SIZES: std::ops::RangeInclusive<u32> = 4096..=512_000;

/// Levels below the root: what fits in Linux' `PATH_MAX`.
pub(crate) const DEPTH: u16 = 2048;

/// Bounds of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fids at a time; one more is `ENFILE`. A caching client keeps one for every name that it remembers, so this
    /// bounds the size of the tree it can hold at once. Each costs some 200 bytes.
    pub fids: usize,
    /// Host descriptors at a time. Those of files that are not open are given up and opened again when they are
    /// needed, so that only the number of *open* files is bound by this; one more is `EMFILE`. [`crate::Server::new`]
    /// lowers it to a quarter of what the process may have.
    pub descriptors: usize,
    /// The greatest message, in bytes; at least 4096 and at most 512,000 whatever is set here.
    pub message_size: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fids: 1 << 19,
            descriptors: 1 << 14,
            message_size: *MESSAGE_SIZES.end(),
        }
    }
}

impl Limits {
    /// What is left of these limits in this process.
    pub(crate) fn here(self) -> Self {
        let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let quarter = usize::try_from(soft / 4).unwrap_or(usize::MAX);
        Self {
            descriptors: self.descriptors.min(quarter).max(MIN_DESCRIPTORS),
            message_size: self
                .message_size
                .clamp(*MESSAGE_SIZES.start(), *MESSAGE_SIZES.end()),
            ..self
        }
    }
}

/// One walk of sixteen names, an open file, and the root.
const MIN_DESCRIPTORS: usize = 18;

/// Lets this process open as many files as it is allowed to, and makes room for them in its table of descriptors.
///
/// To be called before the process starts threads: the kernel's table doubles whenever it is full, and in a process with
/// threads each doubling waits for all processors (`fs/file.c`, `expand_fdtable`), some milliseconds each.
///
/// Returns the number of descriptors that the process may now have. Nothing fails: what cannot be raised stays.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = before;
        }
    }
    let now = limit.current.unwrap_or(u64::MAX);
    let last = i32::try_from(now.min(TABLE) - 1).unwrap_or(0);
    if let Ok(any) = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        // The copy at the high number is what makes the table grow; it is closed at once.
        drop(rustix::io::fcntl_dupfd_cloexec(any, last));
    }
    now
}

/// Descriptors to make room for: half a MiB of the host's memory.
const TABLE: u64 = 1 << 15;

/// The descriptors of one server, counted.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    most: usize,
}

impl Budget {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            most,
        })
    }

    /// The right to one descriptor, given back when it is dropped; none where all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Permit> {
        // A relaxed count is exact; it orders nothing else.
        if self.used.fetch_add(1, Ordering::Relaxed) < self.most {
            Some(Permit(Arc::clone(self)))
        } else {
            self.used.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }

    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// The right to one descriptor.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Budget>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_and_given_back() {
        let budget = Budget::new(2);
        let first = budget.take().unwrap();
        let _second = budget.take().unwrap();
        assert!(budget.take().is_none());
        drop(first);
        assert!(budget.take().is_some());
        assert_eq!(budget.used(), 1);
    }

    #[test]
    fn limits_fit_the_process_and_the_protocol() {
        let wild = Limits {
            fids: 1,
            descriptors: usize::MAX,
            message_size: 0,
        };
        let here = wild.here();
        let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(here.fids, 1);
        assert!(here.descriptors as u64 <= (soft / 4).max(MIN_DESCRIPTORS as u64));
        assert_eq!(here.message_size, 4096);
        let wild = Limits {
            message_size: u32::MAX,
            descriptors: 0,
            ..wild
        };
        assert_eq!(wild.here().message_size, 512_000);
        assert_eq!(wild.here().descriptors, MIN_DESCRIPTORS);
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let now = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(limit.current.unwrap_or(u64::MAX), now);
    }
}
