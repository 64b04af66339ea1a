//! What a machine tells of its boot and of itself, for measurements.

use super::state::{Session, SessionError};
use crate::machine::{Control, Mark, Statistics};
use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long a machine may take to say what it counted. Real time: the guest has no part in it.
const PARTING: Duration = Duration::from_secs(10);

/// When a machine came how far, and what it counted. Times are by `CLOCK_MONOTONIC`, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its engine was asked for it.
    pub launched: u64,
    /// What the machine itself marked, where its engine does.
    pub marks: BTreeMap<Mark, u64>,
    /// Init said that it waits for tests.
    pub ready: Option<u64>,
    /// The latest test had its verdict.
    pub test_done: Option<u64>,
    /// The process was waited for.
    pub gone: Option<u64>,
    /// What its process held when the tests were done, where that can be told from the guest's memory.
    pub memory: Option<Memory>,
    /// What it counted, where it ended in order.
    pub statistics: Option<Statistics>,
}

/// Resident memory of a process, in KiB (`Documentation/filesystems/proc.rst`, `/proc/PID/status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// Its own: heap and stacks.
    pub own: u64,
    /// Mapped from files: the program, which all machines have in common.
    pub file: u64,
    /// The guest's memory as far as it was touched, the kernel and the initramfs.
    pub guest: u64,
}

impl Measured {
    /// Of a machine that is about to be launched.
    pub fn now() -> Self {
        Self {
            launched: now_nanos(),
            marks: BTreeMap::new(),
            ready: None,
            test_done: None,
            gone: None,
            memory: None,
            statistics: None,
        }
    }

    /// The machine marked that it came this far; the first time counts.
    pub fn reached(&mut self, mark: Mark, nanos: u64) {
        self.marks.entry(mark).or_insert(nanos);
    }
}

impl Session<'_> {
    /// Looks at what the machine holds, asks it to end, and waits for what it counted, where its engine can tell.
    pub fn part(&mut self) -> Result<(), SessionError> {
        if !self.machine.can_inspect() {
            return Ok(());
        }
        let status = self
            .machine
            .process_id()
            .and_then(|id| std::fs::read_to_string(format!("/proc/{id}/status")).ok());
        self.machine.control(Control::Quit);
        let patience = Instant::now() + PARTING;
        while self.measured.statistics.is_none() && Instant::now() < patience {
            // It may have much to say yet, and does not end before that was heard.
            if self.listen(&mut None, patience)?.over {
                break;
            }
        }
        let counted = self.measured.statistics.as_ref();
        self.measured.memory = counted
            .zip(status)
            .and_then(|(counted, status)| Memory::parse(&status, counted.guest_resident_kib));
        Ok(())
    }
}

impl Memory {
    /// Out of the text of `/proc/PID/status`, of a process that has `guest` KiB of a guest's memory.
    fn parse(status: &str, guest: u64) -> Option<Self> {
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        Some(Self {
            own: (field("RssAnon:")? + field("RssShmem:")?).saturating_sub(guest),
            file: field("RssFile:")?,
            guest,
        })
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds, as the monitor's marks have it.
pub fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_mark_counts() {
        let mut measured = Measured::now();
        measured.reached(Mark::Init, 5);
        measured.reached(Mark::Init, 9);
        assert_eq!(measured.marks, BTreeMap::from([(Mark::Init, 5)]));
    }

    #[test]
    fn resident_memory_is_read_as_the_kernel_writes_it() {
        let own = std::fs::read_to_string("/proc/self/status").expect("procfs");
        let memory = Memory::parse(&own, 0).expect("three fields");
        assert!(memory.own > 0 && memory.file > 0, "{memory:?}");
        // The guest's is private or shared, as the machine was asked for.
        for text in [
            "RssAnon:\t     120 kB\nRssFile:\t 7 kB\nRssShmem:\t0 kB\n",
            "RssAnon:\t     20 kB\nRssFile:\t 7 kB\nRssShmem:\t100 kB\n",
        ] {
            assert_eq!(
                Memory::parse(text, 100),
                Some(Memory {
                    own: 20,
                    file: 7,
                    guest: 100
                })
            );
        }
        assert_eq!(Memory::parse("RssAnon:\t120 kB\n", 0), None);
    }
}
