//! The end of processes. PID 1 inherits every orphan, so all that a test leaves behind ends up here.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use wire::ExitStatus;

use crate::sys;

/// The children of init.
pub struct Children {
    signals: std::fs::File,
}

/// What a round of reaping found.
pub struct Reaped {
    /// Who ended, and how.
    pub ended: Vec<(Pid, ExitStatus)>,
    /// Whether children are left. While any descendant of init lives, or waits to be reaped, init has
    /// a child: the next living ancestor of it is one, or it was handed to init.
    pub left: bool,
}

impl Children {
    pub fn watch() -> std::io::Result<Self> {
        let signals: OwnedFd = sys::child_signals()?;
        Ok(Self {
            signals: signals.into(),
        })
    }

    /// Forgets the signals that have come; what they stand for is for [`reap`] to find.
    pub fn acknowledge(&mut self) {
        let mut signals = [0; 1024];
        while matches!(self.signals.read(&mut signals), Ok(length) if length > 0) {}
    }
}

impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

/// Reaps every child that has ended, without waiting, and no more than a few thousand at a time: a test
/// may make them as fast as they are reaped.
pub fn reap() -> Reaped {
    let mut ended = Vec::new();
    while ended.len() < 4096 {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => ended.extend(exit_status(status).map(|s| (pid, s))),
            Ok(None) => return Reaped { ended, left: true },
            Err(_) => return Reaped { ended, left: false },
        }
    }
    Reaped { ended, left: true }
}

fn exit_status(status: WaitStatus) -> Option<ExitStatus> {
    let exited = status.exit_status().map(ExitStatus::Exited);
    exited.or_else(|| status.terminating_signal().map(ExitStatus::Signaled))
}

/// Commands of the processes that are alive: not init, not a thread of the kernel, not a zombie.
pub fn survivors() -> Vec<String> {
    const MOST: usize = 32;
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter_map(|entry| fs::read(entry.path().join("stat")).ok())
        .filter_map(|stat| survivor(&String::from_utf8_lossy(&stat)))
        .take(MOST)
        .collect()
}

/// The command of the process whose `/proc/PID/stat` is `stat`, if it counts as a survivor.
fn survivor(stat: &str) -> Option<String> {
    const INIT: u32 = 1;
    const KTHREADD: u32 = 2;
    let (pid, rest) = stat.split_once(" (")?;
    // The command may hold anything, parentheses too.
    let (command, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent: u32 = fields.next()?.parse().ok()?;
    let pid: u32 = pid.parse().ok()?;
    let counts =
        pid != INIT && pid != KTHREADD && parent != KTHREADD && state != "Z" && state != "X";
    counts.then(|| command.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_living_programs_survive() {
        assert_eq!(survivor("70 (a) b) c) D 1 70 70 0"), Some("a) b) c".into()));
        assert_eq!(survivor("70 (sh) Z 1 70 70 0"), None);
        assert_eq!(survivor("1 (init) S 0 1 1 0"), None);
        assert_eq!(survivor("2 (kthreadd) S 0 0 0 0"), None);
        assert_eq!(survivor("9 (kworker/0:1) I 2 0 0 0"), None);
        assert_eq!(survivor("nonsense"), None);
    }
}
