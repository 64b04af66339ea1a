//! The kernel log out of guest memory.

use super::{
    Paging, PhysicalMemory,
    find::{Candidate, guessed, told},
    scan,
};
use crate::control::{KernelLog, KernelPlace};

/// A kernel log, and where the kernel is that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The log.
    pub log: KernelLog,
    /// Where the kernel is, where that could be told.
    pub place: Option<KernelPlace>,
}

/// Why there is no kernel log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Nothing in memory looks like one.
    #[error(
        "no printk ring buffer in {touched} bytes of guest memory: no kernel ran, or one before 5.10"
    )]
    NotFound {
        /// Bytes of guest memory that may hold anything.
        touched: u64,
    },
    /// Something does, and leads nowhere.
    #[error(
        "{infos} vmcoreinfo pages and {rings} likely printk ring buffers in guest memory, and none can be read"
    )]
    Unreadable {
        /// Pages of vmcoreinfo.
        infos: usize,
        /// Structures that looked like a ring buffer.
        rings: usize,
    },
}

/// Reads the kernel log of the kernel in `mem`, which stands still; `paging` is a vCPU's, and tells the running kernel
/// from others whose data is in memory too.
///
/// The way there is vmcoreinfo, which names everything. A kernel that died before it wrote that, or has none, is
/// searched for its `struct printk_ringbuffer`.
///
/// # Errors
/// See [`LogError`].
pub fn kernel_log(mem: &dyn PhysicalMemory, paging: Option<Paging>) -> Result<Found, LogError> {
    let infos = scan::infos(mem);
    let told = best(infos.iter().filter_map(|info| told(mem, paging, *info)));
    if let Some(told) = &told
        && !told.records.is_empty()
        && (told.running || paging.is_none())
    {
        return Ok(told.clone().into());
    }
    let rings = scan::rings(mem);
    let guessed = rings
        .iter()
        .filter_map(|(address, ring, layout)| guessed(mem, paging, *address, ring, layout));
    let found = match told {
        Some(told) if !told.records.is_empty() => Some(told),
        told => best(guessed.chain(told)),
    };
    found.map(Into::into).ok_or_else(|| {
        let (infos, rings) = (infos.len(), rings.len());
        if infos + rings == 0 {
            let touched = mem.areas().iter().map(|area| area.len).sum();
            LogError::NotFound { touched }
        } else {
            LogError::Unreadable { infos, rings }
        }
    })
}

impl From<Candidate> for Found {
    fn from(candidate: Candidate) -> Self {
        Self {
            log: KernelLog {
                records: candidate.records,
            },
            place: candidate.place,
        }
    }
}

/// The running kernel's before others, then the one with most records.
fn best(candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    candidates.max_by_key(|candidate| (candidate.running, candidate.records.len()))
}

#[cfg(test)]
mod tests;
