//! How many machines a host has room for.

use std::{fs, path::Path, thread};

/// What a machine takes of the host beside its guest's memory, in MiB: the monitor, its page tables, what it buffers.
const OVERHEAD_MIB: u64 = 128;
/// The same where guest code is translated: QEMU keeps what it has translated.
const OVERHEAD_TCG_MIB: u64 = 512;
/// More machines than this are never chosen, and never taken.
pub const MOST: u32 = 256;

/// What there is of a host for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Processors that this process may use.
    pub cpus: u64,
    /// Memory that can be had without swapping, in MiB.
    pub memory_mib: u64,
}

impl Budget {
    /// Of this host, as the scheduler's affinity, cgroup limits and `/proc/meminfo` have it.
    pub fn of_host() -> Self {
        let cpus = thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let host = available(&meminfo).unwrap_or(0);
        let limit = cgroup_room(&groups, Path::new("/sys/fs/cgroup")).unwrap_or(u64::MAX);
        Self {
            cpus,
            memory_mib: host.min(limit),
        }
    }

    /// How many machines of so many virtual CPUs and so much memory fit in at once, at least one.
    pub fn machines(self, cpus: u32, memory_mib: u64, translated: bool) -> u32 {
        let overhead = match translated {
            true => OVERHEAD_TCG_MIB,
            false => OVERHEAD_MIB,
        };
        let by_cpus = self.cpus / u64::from(cpus.max(1));
        let by_memory = self.memory_mib / memory_mib.saturating_add(overhead);
        let fit = by_cpus.min(by_memory).clamp(1, u64::from(MOST));
        u32::try_from(fit).expect("no more than the most")
    }
}

/// `MemAvailable` of `/proc/meminfo` (`Documentation/filesystems/proc.rst`), in MiB.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

/// What the memory limits of our control group and those above it leave, in MiB (`Documentation/admin-guide/cgroup-v2.rst`,
/// `memory.max`). `None` without limit. `groups` is `/proc/self/cgroup`, `mounted` where the unified hierarchy is.
fn cgroup_room(groups: &str, mounted: &Path) -> Option<u64> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number =
        |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let own = mounted.join(own);
    own.ancestors()
        .take_while(|group| group.starts_with(mounted))
        .filter_map(|group| {
            let limit = number(&group.join("memory.max"))?;
            let used = number(&group.join("memory.current")).unwrap_or(0);
            Some(limit.saturating_sub(used) >> 20)
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_of_processors_and_memory_decides() {
        let host = Budget {
            cpus: 16,
            memory_mib: 5000,
        };
        assert_eq!(host.machines(2, 1024, false), 4);
        assert_eq!(host.machines(2, 1024, true), 3);
        assert_eq!(host.machines(8, 256, false), 2);
        // A machine is never refused for want of room.
        assert_eq!(host.machines(32, 64, false), 1);
        assert_eq!(host.machines(1, u64::MAX, false), 1);
        let large = Budget {
            cpus: 1024,
            memory_mib: 1 << 30,
        };
        assert_eq!(large.machines(1, 64, false), MOST);
    }

    #[test]
    fn available_memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   20480000 kB\n";
        assert_eq!(available(text), Some(20_000));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert!(Budget::of_host().cpus >= 1);
    }

    #[test]
    fn the_tightest_control_group_counts() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).expect("made");
        let write =
            |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        let room = || cgroup_room("1:x:/y\n0::/a/b\n", dir.path());
        assert_eq!(room(), None);
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "1048576\n");
        assert_eq!(room(), None);
        write("a/memory.max", "3145728\n");
        write("a/memory.current", "1048576\n");
        assert_eq!(room(), Some(2));
        write("a/b/memory.max", "1048577\n");
        assert_eq!(room(), Some(0));
    }
}
